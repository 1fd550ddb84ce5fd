"""Labels as slots: what is no label of a few images is not read as one."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.attacks.numerics.labels import MOST, read_slots


@pytest.mark.parametrize("columns", [MOST + 1, 20_000])
def test_rows_of_very_many_classes_name_no_images(columns: int) -> None:
    """Noise, codes or features published as labels: one class of two images each, however many columns there are."""
    slots = read_slots(np.random.default_rng(0).random((50, columns)), 50)
    assert slots.label.shape == (50, 2)
    assert slots.classes == 1
    assert not slots.informative


def test_a_class_of_its_own_for_every_row_stays_a_label() -> None:
    slots = read_slots(np.eye(500), 500)
    np.testing.assert_array_equal(slots.label[:, 0], np.arange(500))


def test_mixing_weights_are_read_however_many_classes_there_are() -> None:
    labels = np.zeros((3, 20_000))
    labels[np.arange(3), [5, 700, 19_999]] = 0.7
    labels[np.arange(3), [6, 5, 1]] = 0.3
    slots = read_slots(labels, 3)
    np.testing.assert_array_equal(slots.label, [[5, 6], [700, 5], [19_999, 1]])
    np.testing.assert_allclose(slots.mass, [[0.7, 0.3]] * 3)
    assert slots.informative

"""Slots read from soft labels."""

from __future__ import annotations

import numpy as np

from ihaudit.attacks.numerics import labels


def test_slots_read_lambdas_and_mark_equal_classes() -> None:
    soft = np.array([[0.3, 0.1, 0.0], [0.0, 0.5, 0.0], [0.0, 0.2, 0.25]], np.float32)
    slots = labels.read_slots(soft, 3)
    assert slots.label.tolist() == [[0, 1], [1, 1], [2, 1]]
    np.testing.assert_allclose(slots.mass, [[0.3, 0.1], [0.25, 0.25], [0.25, 0.2]])
    assert slots.shared.tolist() == [False, True, False]
    assert slots.totals().tolist() == [1, 4, 1]


def test_no_labels_give_one_class() -> None:
    slots = labels.read_slots(None, 4)
    assert slots.classes == 1 and not slots.informative and slots.label.shape == (4, 2)

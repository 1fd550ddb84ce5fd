"""How many images there are of each class."""

from __future__ import annotations

import numpy as np

from ihaudit.attacks.numerics import (
    labels,
    sizes,
)


def test_number_of_images_is_found_from_counts_and_scores() -> None:
    slots = instahide_slots([40, 60, 80])
    true = {0: 2, 1: 3, 2: 4}
    found = sizes.infer_sizes(slots, lambda c, k, exact: 100.0 * min(k, true[c]) + 2.0 * k)
    assert found.per_class.tolist() == [2, 3, 4] and found.exact and found.multiplicity == 20


def test_a_stated_number_of_images_is_kept() -> None:
    found = sizes.infer_sizes(instahide_slots([41, 60, 80]), lambda c, k, exact: 0.0, n_private=9)
    assert int(found.per_class.sum()) == 9


def instahide_slots(counts: list[int]) -> labels.Slots:
    rows = np.concatenate([np.full(n, c) for c, n in enumerate(counts)])
    soft = np.zeros((len(rows), len(counts)), np.float32)
    soft[np.arange(len(rows)), rows] = np.random.default_rng(0).random(len(rows)) + 0.1
    return labels.read_slots(soft, len(rows))

"""How many images there are of each class."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.attacks.numerics import (
    labels,
    sizes,
)


def test_number_of_images_is_found_from_counts_and_scores() -> None:
    slots = instahide_slots([40, 60, 80])
    true = {0: 2, 1: 3, 2: 4}
    found = sizes.infer_sizes(slots, lambda c, k, exact: 100.0 * min(k, true[c]) + 2.0 * k)
    assert found.per_class.tolist() == [2, 3, 4] and found.exact and found.multiplicity == 20


def test_far_too_many_images_are_tried_on_one_class_only() -> None:
    slots = instahide_slots([40, 60, 80])
    true = {0: 2, 1: 3, 2: 4}
    tried: list[tuple[int, int]] = []

    def trial(c: int, k: int, exact: bool) -> float:
        tried.append((c, k))
        return 100.0 * min(k, true[c]) + 2.0 * k

    assert sizes.infer_sizes(slots, trial).multiplicity == 20
    assert [k for c, k in tried if c == 0] == [2, 4, 8, 10] and [k for c, k in tried if c == 2] == [4]


def test_a_class_that_scores_nothing_does_not_speak_for_the_others() -> None:
    slots = instahide_slots([40, 60, 80])
    true = {0: 2, 1: 6, 2: 8}
    found = sizes.infer_sizes(slots, lambda c, k, exact: 0.0 if c == 0 else 100.0 * min(k, true[c]) + 2.0 * k)
    assert found.multiplicity == 10


def test_a_class_of_many_images_is_counted_beyond_the_steps_that_are_always_tried() -> None:
    """As without labels, where all images are of one class; the steps end at 339 images.  Some are made to spare."""
    slots = instahide_slots([70_000])
    assert 700 <= sizes.infer_sizes(slots, lambda c, k, exact: 1000.0 * min(k, 700) + 0.1 * k).per_class[0] <= 1050
    tried: list[int] = []

    def few(c: int, k: int, exact: bool) -> float:
        tried.append(k)
        return 10_000.0 * min(k, 40) + 0.1 * k

    assert 40 <= sizes.infer_sizes(slots, few).per_class[0] <= 60 and max(tried) < 350


def test_classes_of_one_image_do_not_multiply_the_others() -> None:
    """One image used once, one 37 times, others about a hundred times each: the search began with eight slots of each,
    or half of the smallest class's, and never with fewer images."""
    slots = instahide_slots([1, 37, 307, 411, 523])
    true = {0: 1, 1: 1, 2: 3, 3: 4, 4: 5}
    tried: list[tuple[int, int]] = []

    def trial(c: int, k: int, exact: bool) -> float:
        tried.append((c, k))
        return float(20.0 * slots.totals()[c] / true[c] * min(k, true[c]) + 0.1 * k)

    found = sizes.infer_sizes(slots, trial)
    assert found.source == sizes.GUESSED and all(c != 0 for c, _ in tried)
    # some to spare, which the assignment leaves out again
    assert all(true[c] <= found.per_class[c] <= 2 * true[c] for c in true), found.per_class


def test_what_noise_explains_by_chance_is_no_image() -> None:
    """Scores of 240 mixtures of public images: nine clusters were the first to explain anything; twelve came out."""
    by_chance = {1: -389, 2: -2329, 3: -448, 9: 98, 12: -5, 36: -16}
    slots = instahide_slots([240])
    assert sizes.infer_sizes(slots, lambda c, k, exact: by_chance.get(k, -600.0)).per_class.tolist() == [1]


@pytest.mark.parametrize("true", [678, 700])
def test_between_two_steps_one_image_too_many_is_rather_taken_than_one_too_few(true: int) -> None:
    """What is too many is left out by the assignment; an image too few is lost."""
    found = sizes.infer_sizes(instahide_slots([70_000]), lambda c, k, exact: 1000.0 * min(k, true) + 0.1 * k)
    assert true <= found.per_class[0] <= 1.6 * true


def test_a_class_of_few_images_does_not_call_the_others_hopeless() -> None:
    slots = instahide_slots([437, 1013, 1703])  # no common divisor: images are not equally frequent
    merged = {1: 8, 2: 13}

    def trial(c: int, k: int, exact: bool) -> float:
        if c == 0:
            return 10_000.0 * min(k, 3) + 0.1 * k
        apart = k > 2.4 * merged[c]  # three images that fall apart together
        return 10_000.0 * min(k, (3 if apart else 1) * merged[c]) + 0.1 * k

    found = sizes.infer_sizes(slots, trial).per_class
    assert 24 <= found[1] <= 36 and 39 <= found[2] <= 60, found


def test_scores_below_zero_are_no_images_however_fast_they_rise() -> None:
    found = sizes.infer_sizes(instahide_slots([437, 1013, 1703]), lambda c, k, exact: -100.0 / k)
    assert found.per_class[0] == 1


def test_a_stated_number_of_images_is_kept() -> None:
    found = sizes.infer_sizes(instahide_slots([41, 60, 80]), lambda c, k, exact: 0.0, n_private=9)
    assert int(found.per_class.sum()) == 9


def instahide_slots(counts: list[int]) -> labels.Slots:
    rows = np.concatenate([np.full(n, c) for c, n in enumerate(counts)])
    soft = np.zeros((len(rows), len(counts)), np.float32)
    soft[np.arange(len(rows)), rows] = np.random.default_rng(0).random(len(rows)) + 0.1
    return labels.read_slots(soft, len(rows))

"""Who is who: hits, chance by class, rows that mix images, and answers that gain nothing."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.contracts.attack import AttackOutput
from ihaudit.release import Provenance, Release, Truth
from ihaudit.scoring.matches import Candidates, score_matches, surest_rows
from tests.estimates import measured

N = 40
LABELS = np.arange(N) % 4
IMAGES = np.zeros((N, 8, 8, 3), np.float32)
RNG = np.random.default_rng(0)
ORDER = RNG.permutation(2 * N)
CANDIDATES = Candidates(
    np.zeros((2 * N, 8, 8, 3), np.float32), np.tile(LABELS, 2)[ORDER], np.where(ORDER < N, ORDER, -1)
)
#: where each private image stands among the candidates
PLACE = np.argsort(ORDER)[:N]


def answer(matches: np.ndarray, scores: np.ndarray | None = None) -> AttackOutput:
    return AttackOutput(np.zeros((0, 8, 8, 3), np.float32), matches=matches, match_scores=scores)


def truth(provenance: Provenance | None) -> Truth:
    return Truth(IMAGES, LABELS, provenance)


def release(rows: int) -> Release:
    return Release(np.zeros((rows, 5), np.float32))


OWN = Provenance(np.arange(N)[:, None])


def test_all_right_and_the_class_is_chance() -> None:
    found = score_matches(answer(PLACE), CANDIDATES, truth(OWN), release(N))
    assert measured(found.metrics["reid"]).value == 1.0 and found.arrays["reid"].all()
    assert found.metrics["reid_chance"].value == pytest.approx(0.1)  # ten images of each class
    above = measured(found.metrics["reid_above_chance"])
    assert above.low == pytest.approx(measured(found.metrics["reid"]).low - 0.1) and above.high == pytest.approx(0.9)


def test_nothing_answered_is_nothing_found() -> None:
    found = score_matches(answer(np.full(N, -1)), CANDIDATES, truth(OWN), release(N))
    assert found.metrics["reid"].value == 0 == found.metrics["reid_chance"].value
    assert measured(found.metrics["reid_above_chance"]).low == 0 and found.details["matched"] == 0


def test_knowing_the_class_alone_is_chance_on_both_sides() -> None:
    rng, above = np.random.default_rng(1), []
    for _ in range(200):
        guess = np.empty(N, int)
        for y in range(4):
            guess[y == LABELS] = rng.permutation(PLACE[y == LABELS])
        found = score_matches(answer(guess), CANDIDATES, truth(OWN), release(N))
        above.append(measured(found.metrics["reid_above_chance"]))
    values = np.array([e.value for e in above])
    assert abs(values.mean()) < 0.015
    assert np.mean([e.low > 0 for e in above]) <= 0.05 and np.mean([e.high < 0 for e in above]) <= 0.05
    assert np.mean([e.low > 0.05 for e in above]) <= 0.01


def test_naming_one_image_for_every_row_gains_one_at_most() -> None:
    found = score_matches(answer(np.full(N, PLACE[3])), CANDIDATES, truth(OWN), release(N))
    assert measured(found.metrics["reid"]).value <= 1 / N


def test_rows_that_mix_images_count_where_they_hold_the_image() -> None:
    rng = np.random.default_rng(2)
    sources = np.concatenate([np.stack([rng.permutation(N), rng.permutation(N)], 1) for _ in range(3)])
    provenance = Provenance(sources)
    right = score_matches(answer(PLACE[sources[:, 1]]), CANDIDATES, truth(provenance), release(3 * N))
    assert measured(right.metrics["reid"]).value == 1.0
    wrong = score_matches(answer(PLACE[rng.permutation(3 * N) % N]), CANDIDATES, truth(provenance), release(3 * N))
    chance = wrong.metrics["reid_chance"].value
    assert (
        chance is not None and 0.02 < chance < 0.09 and abs(measured(wrong.metrics["reid_above_chance"]).value) < 0.15
    )


def test_the_surest_row_counts() -> None:
    image, scores = np.array([0, 1, 0, -1, 1]), np.array([1.0, 5.0, 2.0, 9.0, np.nan])
    assert surest_rows(image, scores, 3).tolist() == [2, 1, -1]


def test_rows_without_provenance_are_taken_by_place() -> None:
    for rows, place in ((N, PLACE), (2 * N, np.tile(PLACE, 2)), (2 * N, np.repeat(PLACE, 2))):
        found = score_matches(answer(place), CANDIDATES, truth(None), release(rows))
        assert measured(found.metrics["reid"]).value == 1.0
    stated = Provenance(np.full((N, 1), -1))  # "made of no image" does not hide it
    found = score_matches(answer(PLACE), CANDIDATES, truth(stated), release(N))
    assert measured(found.metrics["reid"]).value == 1.0
    with pytest.raises(ValueError, match="not known"):
        score_matches(answer(np.zeros(N + 1, int)), CANDIDATES, truth(None), release(N + 1))


@pytest.mark.parametrize("matches", [np.zeros(N - 1, int), np.full(N, 2 * N), np.full(N, -2)])
def test_answers_of_another_kind_are_refused(matches: np.ndarray) -> None:
    with pytest.raises(ValueError, match="match"):
        score_matches(answer(matches), CANDIDATES, truth(OWN), release(N))


@pytest.mark.parametrize(("released", "chance"), [(False, 1 / N), (True, 1.0)])
def test_classes_of_one_image_each_are_chance_only_where_labels_are_released(released: bool, chance: float) -> None:
    labels = np.eye(N, dtype=np.float32) if released else None
    out = Release(np.zeros((N, 5), np.float32), labels)
    found = score_matches(answer(PLACE), CANDIDATES, Truth(IMAGES, np.arange(N), OWN), out)
    assert found.metrics["reid_chance"].value == pytest.approx(chance)


@pytest.mark.parametrize(("released", "chance"), [(True, 0.8), (False, 1 / 20)])
def test_few_images_with_nearly_as_many_classes_are_not_hidden_behind_their_classes(
    released: bool, chance: float
) -> None:
    """Of 20 images in 16 classes all were re-identified: that was called chance, although no labels were released."""
    kinds = np.r_[np.arange(12), np.repeat(np.arange(12, 16), 2)]
    about = Candidates(IMAGES[:20], kinds, np.arange(20))
    known = Truth(IMAGES[:20], kinds, Provenance(np.arange(20)[:, None]))
    labels = np.eye(16, dtype=np.float32)[kinds] if released else None
    found = score_matches(answer(np.arange(20)), about, known, Release(np.zeros((20, 5), np.float32), labels))
    assert found.metrics["reid_chance"].value == pytest.approx(chance)
    assert (measured(found.metrics["reid_above_chance"]).low > 0.05) is not released

"""Matching must neither lose a reconstruction nor make one up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ihaudit.metrics import matching
from ihaudit.metrics.ssim import pairwise_ssim
from tests.pictures import pictures


def test_ranking_is_confidence_then_weight_then_order() -> None:
    members = np.array([[0, 2], [2, -1], [1, 2]])
    assert matching.ranking(3, members).tolist() == [2, 0, 1]
    assert matching.ranking(3, members, np.array([[9.0, 0.1], [0.1, 0.0], [1, 0.1]])).tolist() == [0, 1, 2]
    assert matching.ranking(3, members, confidence=np.array([0.1, 0.9, np.nan])).tolist() == [1, 0, 2]
    assert matching.ranking(3).tolist() == [0, 1, 2]
    assert matching.ranking(0).tolist() == []


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 1000))
def test_assignment_is_one_to_one(candidates: int, images: int, seed: int) -> None:
    scores = np.random.default_rng(seed).random((candidates, images))
    out = matching.assign(scores)
    used = out[out >= 0]
    assert len(set(used.tolist())) == len(used) == min(candidates, images)


def test_a_permutation_is_found() -> None:
    x = pictures(30)
    order = np.random.default_rng(0).permutation(30)
    assert np.array_equal(order[matching.assign(matching.similarity(x[order], x))], np.arange(30))


def test_similarity_with_a_shortlist_finds_the_same_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    x, other = pictures(80), pictures(80, seed=1)
    guess = np.clip(0.6 * x + 0.4 * other, 0, 1)
    exact = matching.similarity(guess, x)
    monkeypatch.setattr(matching, "MAX_PAIRS", 10)
    monkeypatch.setattr(matching, "SHORTLIST", 12)
    short = matching.similarity(guess, x)
    compared = short > -0.9
    assert compared.sum() == 80 * 12
    assert np.allclose(short[compared], exact[compared], atol=1e-5)
    assert short[~compared].max() < short[compared].min()
    assert np.array_equal(matching.assign(short), matching.assign(exact))


def test_correlation_forgives_shifts_but_not_negatives_nor_constants() -> None:
    x = pictures(10)
    moved = np.roll(x, (2, -1), axis=(1, 2))
    assert np.diag(matching.correlation(moved, x, shift=2)).min() > 0.75  # the border moves round
    assert np.diag(matching.correlation(moved, x)).max() < 0.6
    assert np.diag(matching.correlation(1 - x, x)) == pytest.approx(-np.ones(10), abs=1e-4)
    assert matching.correlation(np.full((1, 32, 32, 3), 0.7, np.float32), x).tolist() == [[0.0] * 10]


def test_votes_follow_the_dominant_member() -> None:
    # Both encodings hold images 0 and 1; coefficients tell which candidate is which.
    members, sources = np.array([[0, 1], [0, 1]]), np.array([[0, 1], [0, 1]])
    lam = np.array([[0.7, 0.3], [0.8, 0.2]])
    evidence = matching.votes(2, 2, members, lam, sources, lam)
    assert matching.by_provenance(evidence, np.arange(2)).tolist() == [0, 1]
    assert matching.by_provenance(matching.votes(2, 2, members[:, ::-1], lam, sources, lam), np.arange(2)).tolist() == [
        1,
        0,
    ]


def test_provenance_leaves_images_without_a_vote_unmatched_and_breaks_ties_by_rank() -> None:
    evidence = np.array([[1.0, 0, 0], [1.0, 0, 0], [0, 0, 2.0]])
    assert matching.by_provenance(evidence, np.array([1, 0, 2])).tolist() == [1, -1, 2]
    assert matching.by_provenance(evidence, np.array([0, 1, 2])).tolist() == [0, -1, 2]
    assert matching.by_provenance(np.zeros((2, 3)), np.arange(2)).tolist() == [-1, -1, -1]


def test_members_outside_the_candidates_have_no_vote() -> None:
    evidence = matching.votes(2, 1, np.array([[0, 7], [-1, 0]]), None, np.array([[0, -1], [1, -1]]), None)
    assert evidence.tolist() == [[1.0, 1.0]]


def test_shortlist_passes_over_near_copies() -> None:
    x = pictures(5)
    noisy = np.clip(np.repeat(x, 6, axis=0) + 0.02 * np.random.default_rng(0).normal(size=(30, 32, 32, 3)), 0, 1)
    kept = matching.shortlist(noisy.astype(np.float32), np.arange(30), 5)
    assert sorted(k // 6 for k in kept) == [0, 1, 2, 3, 4]
    # With room for more than there are distinct ones, copies fill the places; without need, nothing is dropped.
    assert len(matching.shortlist(noisy.astype(np.float32), np.arange(30), 9)) == 9
    assert matching.shortlist(x, np.arange(5)[::-1], 7).tolist() == [4, 3, 2, 1, 0]


def test_shortlist_keeps_the_attacks_order_for_distinct_candidates() -> None:
    x = pictures(40)
    rank = np.random.default_rng(1).permutation(40)
    assert matching.shortlist(x, rank, 10).tolist() == rank[:10].tolist()


def test_pairwise_reference() -> None:
    x = pictures(3)
    assert np.allclose(matching.similarity(x, x), pairwise_ssim(x, x))

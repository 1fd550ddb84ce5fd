"""Early stages are judged as defined."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.contracts.attack import StageEvidence
from ihaudit.release import Provenance
from ihaudit.scoring.stages import evidence_quality


def test_evidence_is_judged_as_defined() -> None:
    rng = np.random.default_rng(0)
    sources = rng.integers(-1, 5, (30, 2))
    first, second = rng.integers(0, 30, (2, 200))
    similarity = np.round(rng.normal(size=200), 1).astype(np.float32)  # ties
    sets = rng.integers(-1, 30, (6, 7))
    sets[5] = -1
    quality = evidence_quality(StageEvidence(first, second, similarity, sets), Provenance(sources))
    share = np.array([bool((set(sources[a]) & set(sources[b])) - {-1}) for a, b in zip(first, second, strict=True)])
    won = [(x > y) + (x == y) / 2 for x in similarity[share] for y in similarity[~share]]
    assert quality["similarity"]["pair_auc"] == pytest.approx(np.mean(won))
    right = (np.mean(similarity[share] > 0) + np.mean(similarity[~share] <= 0)) / 2
    assert quality["similarity"]["pair_accuracy"] == pytest.approx(right)
    purity = []
    for members in sets[:5]:
        rows = [set(sources[e]) - {-1} for e in members if e >= 0]
        purity.append(max(sum(x in r for r in rows) for x in range(5)) / len(rows))
    assert quality["grouping"]["clique_purity"] == pytest.approx(np.mean(purity))


def test_evidence_that_shows_nothing_is_left_out() -> None:
    one = np.zeros(3, np.int64)
    alike = StageEvidence(one, one, np.ones(3, np.float32))
    assert evidence_quality(alike, Provenance(np.array([[0, 1]]))) == {}
    assert evidence_quality(StageEvidence(), Provenance(np.array([[0, 1]]))) == {}

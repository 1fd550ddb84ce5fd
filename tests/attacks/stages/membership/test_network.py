"""Membership scores as a stage: right, sparse where many, refused with the wrong weights."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import issparse

from ihaudit.attacks.numerics import set_scores
from ihaudit.attacks.stages.membership import network as membership_net
from ihaudit.attacks.stages.state import Grouped, Scores, State
from ihaudit.errors import NotApplicable
from ihaudit.stats import auc
from tests.attacks.releases import Sample
from tests.attacks.stages.begun import CTX


@pytest.mark.parametrize("variant", ["network", "mean"])
def test_membership_scores_tell_members_from_others(sample: Sample, grouped: State, variant: str) -> None:
    scores = grouped.run(CTX, "membership", variant).require(Scores).scores
    assert isinstance(scores, np.ndarray) and scores.shape == (len(sample.encodings), 12) and scores.dtype == np.float32
    sets = grouped.require(Grouped)
    assert sets.cliques is not None
    class_of = np.concatenate([np.full(len(ids), c) for c, ids in enumerate(sets.of_class)])
    allowed = sample.labels[:, class_of] > 0
    assert np.array_equal(np.isfinite(scores), allowed)
    held = [sample.members[c[c >= 0]] for c in sets.cliques]
    image = np.array([np.bincount(m.ravel(), minlength=12).argmax() for m in held])
    holds = (sample.members[:, :, None] == image[None, None]).any(1)
    assert (auc(scores[allowed], holds[allowed]).value or 0) > 0.9
    again = grouped.run(CTX, "membership", variant).require(Scores).scores
    assert np.array_equal(again, scores)


def test_many_scores_become_sparse(grouped: State, monkeypatch: pytest.MonkeyPatch) -> None:
    dense = grouped.run(CTX, "membership", "mean").require(Scores).scores
    monkeypatch.setattr(set_scores, "DENSE_SCORES", 10)
    sparse = grouped.run(CTX, "membership", "mean").require(Scores).scores
    assert issparse(sparse) and not isinstance(sparse, np.ndarray) and isinstance(dense, np.ndarray)
    allowed = np.isfinite(dense)
    assert sparse.nnz == allowed.sum()
    np.testing.assert_allclose(sparse.toarray()[allowed], dense[allowed], atol=1e-6)


def test_membership_weights_of_another_encoder_are_refused(grouped: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership_net, "shipped_encoder", lambda: "other")
    with pytest.raises(NotApplicable, match="other similarity weights"):
        grouped.run(CTX, "membership", "network")

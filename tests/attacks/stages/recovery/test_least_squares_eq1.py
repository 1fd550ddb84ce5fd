"""Eq. (1) as a stage."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ihaudit.attacks.stages.state import Recovered
from ihaudit.contracts.attack import get_stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable
from tests.attacks.releases import instahide
from tests.attacks.states import observing, true_state

CTX = Context(seed=3)


def test_eq1_is_least_squares_and_wants_no_mask() -> None:
    sample = instahide(n=8, epochs=12, k=3, mask=False)
    values = torch.from_numpy(sample.encodings.transpose(0, 3, 1, 2).reshape(len(sample.encodings), -1).copy())
    state = observing(true_state(sample, sample.members), values=values, mask="signed")
    found, _ = get_stage("recovery", "least-squares-eq1")(state, CTX)
    dense = state.mixing().dense[:, :-1].numpy()
    slow = np.linalg.lstsq(dense, values.numpy(), rcond=None)[0]
    np.testing.assert_allclose(found.require(Recovered).estimate.images[:-1].numpy(), slow, atol=2e-3)
    assert float(found.require(Recovered).estimate.images[-1].abs().max()) == 0
    with pytest.raises(NotApplicable, match="without a sign mask"):
        get_stage("recovery", "least-squares-eq1")(observing(state, mask="masked"), CTX)

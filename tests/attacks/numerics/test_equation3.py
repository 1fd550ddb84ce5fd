"""The start of eq. (3) from signs that a network predicted."""

from __future__ import annotations

import numpy as np
import torch

from ihaudit.attacks.numerics.equation3 import network_start
from ihaudit.attacks.numerics.least_squares import weighted
from tests.attacks.releases import instahide
from tests.attacks.states import true_state


def test_the_network_start_settles_the_global_sign_of_every_encoding() -> None:
    """With true signs up to one random sign per encoding it is least squares with the true signs."""
    sample = instahide(n=12, epochs=20, k=3)
    state = true_state(sample, sample.members)
    bare = instahide(n=12, epochs=20, k=3, mask=False).encodings
    signed = torch.from_numpy(bare.transpose(0, 3, 1, 2).reshape(len(bare), -1).copy())
    assert torch.allclose(signed.abs(), state.observed.values, atol=1e-6)
    polarity = torch.from_numpy(np.random.default_rng(0).choice([-1.0, 1.0], len(bare), p=[0.2, 0.8])).float()
    noise = torch.full((len(bare),), 0.05)
    mixing = state.mixing()
    want = weighted(state.observed.values, mixing, noise, signs=signed.sign()).images
    got = network_start(state.observed.values, mixing, lambda _: (signed.sign() * polarity[:, None]).half(), noise)
    turned = network_start(state.observed.values, mixing, lambda _: -(signed.sign() * polarity[:, None]).half(), noise)
    torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(turned, -want, atol=1e-4, rtol=1e-3)

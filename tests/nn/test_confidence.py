"""The calibrated confidence: monotone, and a similarity."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ihaudit.nn.confidence import FEATURES, Confidence


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_confidence_rises_with_its_score_and_is_a_similarity(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    net = Confidence()
    net.weight.copy_(torch.randn(FEATURES, generator=g))
    net.scores.copy_(torch.sort(torch.randn(len(net.scores), generator=g)).values)
    net.values.copy_(torch.sort(torch.rand(len(net.values), generator=g)).values)
    features = 3 * torch.randn(50, FEATURES, generator=g)
    said = net(features)
    assert said.min() >= 0 and said.max() <= 1
    order = net.score(features).argsort()
    assert bool((said[order].diff() >= -1e-6).all())

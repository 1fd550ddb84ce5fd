"""The calibrated confidence: a similarity, of whatever is known, and bounded where an image may be wrong."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ihaudit.nn.confidence import EVIDENCE, FEATURES, PICTURE, Confidence


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(0, EVIDENCE))
def test_confidence_is_a_similarity_whatever_is_missing(seed: int, missing: int) -> None:
    torch.manual_seed(seed)
    net = Confidence()
    features = 30 * torch.randn(50, FEATURES)
    features[::2, PICTURE : PICTURE + missing] = float("nan")
    said = net(features)
    assert said.min() >= 0 and said.max() <= 1


def test_an_image_that_may_be_wrong_is_never_said_to_be_good() -> None:
    torch.manual_seed(0)
    net, features = Confidence(), torch.randn(50, FEATURES)
    free = net(features)
    net.cap.copy_(torch.tensor([0.0, 0.4]))
    torch.testing.assert_close(net(features), free.clamp_max(0.4))

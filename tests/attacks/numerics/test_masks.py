"""What kind of mask a release has."""

from __future__ import annotations

import numpy as np

from ihaudit.attacks.numerics import masks
from tests.attacks.releases import instahide


def test_masks_are_told_apart() -> None:
    signed = instahide(n=8, epochs=4, mask=False).encodings
    assert masks.detect_mask(signed)[0] == "signed"
    assert masks.detect_mask(instahide(n=8, epochs=4).encodings)[0] == "masked"
    assert masks.detect_mask(np.abs(signed))[0] == "absolute"
    rng = np.random.default_rng(0)
    assert masks.detect_mask(rng.normal(size=(50, 16, 16, 3)))[0] == "masked"
    assert masks.detect_mask(signed + rng.normal(size=signed.shape))[0] == "signed"

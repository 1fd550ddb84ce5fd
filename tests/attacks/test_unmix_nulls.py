"""Encodings that hold nothing, though labels mix two images: `unmix` declines."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from tests.benchmarks.moved_null import MovedNull


@pytest.mark.parametrize("values", ["noise", "cipher"])
def test_noise_and_a_cipher_with_weighted_labels_are_declined(values: Literal["noise", "cipher"]) -> None:
    scheme = MovedNull(values)
    images = np.zeros((10, 32, 32, 3), np.float32)
    release = scheme.encode(images, np.arange(10) % 5, images, np.random.default_rng(0))
    view = View(encodings=release.encodings, labels=release.labels, image_range=(-1.0, 1.0))
    with pytest.raises(NotApplicable, match="no picture"):
        Unmix().run(view, Context(seed=1))

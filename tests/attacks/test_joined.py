"""Bytes that two pixels make together are undone in any order; noise, sums of many and single pixels are not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import zoom

from ihaudit.attacks.numerics.released.joined import fit_joined

N, FIT = 150, 120
RNG = np.random.default_rng(9)
SMOOTH = zoom(RNG.uniform(0.1, 0.9, (N, 3, 3, 2)), (1, 4, 4, 1), order=1) + RNG.normal(0, 0.02, (N, 12, 12, 2))
CODES = np.rint(np.clip(SMOOTH, 0, 1) * 255).astype(np.uint8).reshape(N, -1)
IMAGES = (CODES / 255).astype(np.float32).reshape(N, 12, 12, 2)
ORDER = RNG.permutation(CODES.shape[1])
NEXT = np.roll(CODES, 1, axis=1)
OWN = RNG.integers(0, 256, (N, 1), dtype=np.uint8)
PAD = RNG.integers(0, 256, CODES.shape[1], dtype=np.uint8)

RELEASED: dict[str, NDArray[np.uint8]] = {
    "exclusive or of two": (CODES ^ NEXT)[:, ORDER],
    "exclusive or of two, under one pad": (CODES ^ NEXT)[:, ORDER] ^ PAD,
    "differences modulo 256 of two": (CODES - NEXT)[:, ORDER],
    "sums or differences": (CODES + NEXT)[:, ORDER],
    "compared with the first": (CODES ^ OWN)[:, ORDER],
    "first of their row are sums": (CODES + OWN)[:, ORDER],
}


@pytest.mark.parametrize("words", RELEASED)
def test_two_pixels_in_any_order(words: str) -> None:
    rows = RELEASED[words]
    found = fit_joined(IMAGES[:FIT], rows[:FIT])
    assert found is not None and words.split(",")[0] in found.words
    assert found.words.endswith(f"joins {CODES.shape[1]} pixels")
    answer, truth = found(rows[FIT:]), IMAGES[FIT:]
    # the brightness of a colour, and whether all is a negative, are guessed; steps from pixel to pixel are right
    steps = [np.diff(x.reshape(len(x), -1, 2), axis=1) for x in (answer, truth)]
    right = np.minimum(np.abs(steps[0] - steps[1]), np.abs(steps[0] + steps[1])) < 0.01
    assert right.mean() > 0.9


def test_nothing_in_noise_in_sums_of_three_and_in_pixels_themselves() -> None:
    noise = RNG.integers(0, 256, CODES.shape, dtype=np.uint8)
    for rows in (noise, CODES ^ noise, CODES ^ NEXT ^ np.roll(CODES, 2, axis=1), np.zeros_like(CODES), noise[:, :1]):
        assert fit_joined(IMAGES, rows) is None
    assert fit_joined(IMAGES[:10], CODES[:10]) is None

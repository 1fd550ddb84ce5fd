"""Pads that several rows have in common are undone; pads of one's own, one constant pad and other sizes are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ihaudit.attacks.numerics.released.shared_pads import fit_pads, roughness
from tests.attacks.test_together import pictures

N, FIT = 150, 110
IMAGES = (np.rint(pictures(N, 5) * 255) / 255).astype(np.float32)
CODES = np.rint(IMAGES * 255).astype(np.uint8)
RNG = np.random.default_rng(9)
WHICH = np.random.default_rng(6).integers(5, size=N)
PADS = RNG.integers(0, 256, (5, *CODES.shape[1:]), dtype=np.uint8)
SOFT = RNG.normal(0, 3, (5, *IMAGES.shape[1:])).astype(np.float32)
SIGNS = np.sign(SOFT)

RELEASED: dict[str, NDArray[Any]] = {
    "exclusive or with": CODES ^ PADS[WHICH],
    "a sum with a pad modulo 256": CODES + PADS[WHICH],
    "a pad less it modulo 256": PADS[WHICH] - CODES,
    "a sum with a pad,": IMAGES + SOFT[WHICH],
    "a pad less it,": SOFT[WHICH] - IMAGES,
    "a sum with a pad modulo 1": np.mod(IMAGES + SOFT[WHICH], 1).astype(np.float32),
    "a product with": ((2 * IMAGES - 1) * SIGNS[WHICH]).astype(np.float32),
}


@pytest.mark.parametrize("words", RELEASED)
def test_pads_that_rows_share(words: str) -> None:
    rows = RELEASED[words]
    found = fit_pads(IMAGES[:FIT], rows[:FIT])
    assert found is not None and words in f"{found.words}," and len(found.pads) == 5
    assert (np.abs(found(rows[FIT:]) - IMAGES[FIT:]).mean((1, 2, 3)) < 2e-3).mean() > 0.95


def test_a_pad_for_each_place_of_a_call_is_told_by_another_call() -> None:
    stream = RNG.integers(0, 256, (50, *CODES.shape[1:]), dtype=np.uint8)
    place = np.arange(N) % 50
    rows = CODES ^ stream[place]
    found = fit_pads(IMAGES[:90], rows[:90])  # 40 places were seen twice
    assert found is not None
    pads = found.of(IMAGES[:50], rows[:50])
    assert pads is not None and np.array_equal(pads.reshape(stream.shape), stream)
    for answer in (found.with_more(pads)(rows[100:]), found(rows[100:], pads)):
        assert (np.abs(answer - IMAGES[100:]).max((1, 2, 3)) < 1e-6).mean() > 0.9  # the rest is rough


def test_rows_under_pads_that_nobody_knows_are_left_grey() -> None:
    found = fit_pads(IMAGES[:FIT], RELEASED["exclusive or with"][:FIT])
    assert found is not None
    assert (found(RNG.integers(0, 256, (20, *CODES.shape[1:]), dtype=np.uint8)) == 0.5).all()


def test_no_pads_in_noise_in_one_constant_pad_or_in_other_sizes() -> None:
    own = RNG.integers(0, 256, CODES.shape, dtype=np.uint8)
    for rows in (CODES ^ own, own, CODES ^ PADS[0], np.zeros_like(CODES), CODES[:, :-1], np.zeros(IMAGES.shape)):
        assert fit_pads(IMAGES, rows) is None
    assert fit_pads(IMAGES[:10], CODES[:10]) is None


def test_pictures_are_smoother_than_noise_and_values_beyond_the_range_count() -> None:
    assert roughness(IMAGES).max() < roughness(RNG.random(IMAGES.shape).astype(np.float32)).min()
    assert np.allclose(roughness(np.full((1, 4, 4, 1), 3.0, np.float32)), 2)

"""Both conventions against scikit-image, and the pairwise forms against the paired ones."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.metrics import structural_similarity

from ihaudit.metrics.ssim import SETTINGS, pairwise_ssim, ssim, ssim_challenge, ssim_of_pairs
from ihaudit.release import FloatArray

Pair = tuple[FloatArray, FloatArray]


def pinned(a: FloatArray, b: FloatArray) -> float:
    return float(
        structural_similarity(
            a.astype(np.float64),
            b.astype(np.float64),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1,
            channel_axis=-1,
        )
    )


def challenge(a: FloatArray, b: FloatArray) -> float:
    return float(
        structural_similarity(2 * a.astype(np.float64) - 1, 2 * b.astype(np.float64) - 1, data_range=2, channel_axis=-1)
    )


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    """Two images of one shape: grey or colour, square or not, noisy, smooth, clipped or constant."""
    height, width = draw(st.integers(11, 24)), draw(st.integers(11, 24))
    channels = draw(st.sampled_from([1, 3]))
    shape = (height, width, channels)
    values = st.floats(0, 1, width=32)
    coarse = arrays(np.float32, (3, 3, channels), elements=values)
    one = st.one_of(
        arrays(np.float32, shape, elements=values, fill=values),
        values.map(lambda v: np.full(shape, v, np.float32)),
        coarse.map(lambda c: np.kron(c, np.ones((8, 8, 1), np.float32))[:height, :width]),
        st.integers(0, 2**31).map(lambda s: np.random.default_rng(s).random(shape, dtype=np.float32)),
    )
    return draw(one), draw(one)


@settings(max_examples=120, deadline=None)
@given(pairs())
def test_both_conventions_equal_scikit_image(pair: Pair) -> None:
    a, b = pair
    assert abs(ssim(a[None], b[None])[0] - pinned(a, b)) < 1e-5
    assert abs(ssim_challenge(a[None], b[None])[0] - challenge(a, b)) < 1e-5


@settings(max_examples=30, deadline=None)
@given(pairs())
def test_properties(pair: Pair) -> None:
    a, b = pair
    assert ssim(a[None], a[None])[0] == pytest.approx(1)
    assert ssim_challenge(b[None], b[None])[0] == pytest.approx(1)
    assert ssim(a[None], b[None])[0] == pytest.approx(ssim(b[None], a[None])[0])
    assert ssim(a[None], b[None])[0] <= 1 + 1e-12


@pytest.mark.parametrize("kind", [False, True])
def test_pairwise_equals_paired_also_for_constant_images(kind: bool) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((70, 16, 13, 3), dtype=np.float32), rng.random((130, 16, 13, 3), dtype=np.float32)
    a[0], a[1], b[0], b[1] = 0.5, 1.0, 0.25, 0.0
    b[2] = a[2]
    table = pairwise_ssim(a, b, challenge=kind)
    score = ssim_challenge if kind else ssim
    rows, columns = (i.ravel() for i in np.indices((70, 130)))
    expected = score(a[rows], b[columns]).reshape(70, 130)
    assert table.shape == (70, 130)
    assert np.abs(table - expected).max() < 1e-4


def test_listed_pairs_equal_the_table() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random((9, 20, 20, 1), dtype=np.float32), rng.random((11, 20, 20, 1), dtype=np.float32)
    rows, columns = rng.integers(0, 9, 50), rng.integers(0, 11, 50)
    assert np.allclose(ssim_of_pairs(a, b, rows, columns), pairwise_ssim(a, b)[rows, columns], atol=1e-6)


def test_one_reference_for_a_batch_and_uint8() -> None:
    rng = np.random.default_rng(2)
    a = rng.integers(0, 256, (5, 12, 12, 3), dtype=np.uint8)
    assert np.allclose(ssim(a, a[:1]), ssim(a / 255, np.repeat(a[:1], 5, 0) / 255))


def test_smaller_than_the_window_uses_the_largest_odd_window() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.random((2, 6, 8, 1)), rng.random((2, 6, 8, 1))
    # 6 x 8 takes a 5 x 5 window in the challenge's convention: scikit-image with win_size=5 says the same.
    expected = [
        structural_similarity(2 * x - 1, 2 * y - 1, data_range=2, channel_axis=-1, win_size=5) for x, y in zip(a, b)
    ]
    assert np.allclose(ssim_challenge(a, b), expected)
    assert ssim(a, a) == pytest.approx([1, 1])


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.zeros((1, 2, 9, 1)), np.zeros((1, 2, 9, 1)), "3x3"),
        (np.zeros((1, 9, 9)), np.zeros((1, 9, 9)), "(B, H, W, C)"),
        (np.zeros((1, 9, 9, 1)), np.zeros((1, 9, 8, 1)), "cannot be compared"),
        (np.full((1, 9, 9, 1), 255.0), np.zeros((1, 9, 9, 1)), "[0, 1]"),
        (np.full((1, 9, 9, 1), np.nan), np.zeros((1, 9, 9, 1)), "[0, 1]"),
    ],
)
def test_what_cannot_be_compared_is_refused(a: FloatArray, b: FloatArray, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        ssim(a, b)


def test_settings_are_plain_data_and_state_the_pinned_convention() -> None:
    import json

    assert json.loads(json.dumps(SETTINGS)) == SETTINGS
    assert SETTINGS["ssim"]["data_range"] == 1.0
    assert SETTINGS["ssim"]["size"] == 11
    assert SETTINGS["ssim_challenge"]["data_range"] == 2.0

"""A constant order of all values of a call is told from calls of the same size, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ihaudit.attacks.numerics.released.whole_call import CALLS, codes_of, parts_of, put_back, rearranged
from ihaudit.release import Release

SHAPE = (12, 8, 8, 3)


def calls(
    seed: int, *, fresh: bool, negative: bool = False, fine: bool = False
) -> tuple[list[NDArray[np.float32]], list[Release]]:
    """Ten calls and their releases, all values in one order, the same unless `fresh`; `fine`: images not of 8 bits."""
    rng = np.random.default_rng(seed)
    images, releases = [], []
    for call in range(CALLS + 2):
        x = (rng.integers(0, 256, SHAPE) / 255).astype(np.float32)
        if fine:
            x = rng.random(SHAPE).astype(np.float32) ** 2
        order = np.random.default_rng(call if fresh else 7).permutation(x.size)
        y = x.ravel()[order].reshape(x.shape)
        images.append(x)
        releases.append(Release(1 - y if negative else y))
    return images, releases


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("fine", [False, True])
def test_a_constant_order_is_undone(negative: bool, fine: bool) -> None:
    images, releases = calls(0, fresh=False, negative=negative, fine=fine)
    parts = [parts_of(r)["the encodings"] for r in releases]
    assert rearranged(images[0], parts[0])
    answer = put_back(images[:-1], parts[:-1], parts[-1])
    assert answer is not None and np.abs(answer - images[-1]).max() < 0.01


def test_a_sheet_of_pictures_that_is_not_full_is_cut_up() -> None:
    images, _ = calls(0, fresh=False)
    parts = []
    for x in images:
        sheet = np.zeros((15, *SHAPE[1:]), np.uint8)
        sheet[: len(x)] = np.rint(x * 255)
        parts.append(sheet.reshape(3, 5, *SHAPE[1:]).swapaxes(1, 2).ravel())
    assert rearranged(images[0], parts[0])
    answer = put_back(images[:-1], parts[:-1], parts[-1])
    assert answer is not None and answer.shape == SHAPE and np.abs(answer - images[-1]).mean() < 0.01


def test_an_order_per_call_is_not_answered() -> None:
    images, releases = calls(0, fresh=True)
    parts = [parts_of(r)["the encodings"] for r in releases]
    assert rearranged(images[0], parts[0])  # the values are all there
    assert put_back(images[:-1], parts[:-1], parts[-1]) is None


def test_a_call_of_another_size_is_not_answered() -> None:
    images, releases = calls(0, fresh=False)
    parts = [parts_of(r)["the encodings"] for r in releases]
    assert put_back(images[:-1], parts[:-1], parts[-1][:-3]) is None


def test_other_values_are_no_order_of_the_images() -> None:
    images, _ = calls(0, fresh=False)
    noise = np.random.default_rng(1).integers(0, 256, images[0].size).astype(np.uint8)
    assert not rearranged(images[0], noise)
    assert codes_of(np.array([0.5, np.nan]), (0.0, 1.0)) is None
    assert codes_of(np.array([0.5, 1.01]), (0.0, 1.0)) is None
    assert codes_of(np.zeros(0), (0.0, 1.0)) is None
    assert codes_of(np.array(["a"]), (0.0, 1.0)) is None
    codes = codes_of(np.array([-1.0, 1.0]), (-1.0, 1.0))
    assert codes is not None and codes.tolist() == [0, 255]

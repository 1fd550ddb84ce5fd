"""Frames of images that were shifted for every use: moved to where copies show nothing beyond them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from ihaudit.attacks.numerics.motions import nearest, shifts
from ihaudit.attacks.numerics.moved_frames import FURTHER, framed, reach, wider
from ihaudit.attacks.numerics.moved_mixing import MovedMixing
from tests.attacks.releases import photographs

SHAPE = (3, 16, 16)
N, EPOCHS, REACH, BLACK = 5, 30, 2, -1.0


def released(seed: int = 0) -> tuple[Tensor, MovedMixing, Tensor]:
    """Five images (N, P), copies of two in each encoding among motions that reach further than any, and mixtures."""
    rng = np.random.default_rng(seed)
    pictures, _ = photographs(N, seed, 16)
    images = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).reshape(N, -1).float() * 2 - 1
    members = np.concatenate([np.stack([rng.permutation(N) for _ in range(2)], 1) for _ in range(EPOCHS)])
    drawn = shifts(SHAPE, REACH, mirror=True, fill=BLACK)
    mixing = MovedMixing(
        torch.from_numpy(members),
        torch.from_numpy(rng.uniform(0.1, 0.4, members.shape).astype(np.float32)),
        torch.zeros(len(members)),
        N,
        motions=drawn,
        moved=torch.from_numpy(rng.integers(0, len(drawn), members.shape)),
    )
    mixing = wider(mixing)
    whole = torch.cat([images, torch.zeros_like(images[:1])])
    noise = 0.02 * torch.randn(len(members), images.shape[1], generator=torch.Generator().manual_seed(seed))
    return images, mixing, mixing.forward(whole, slice(None)) + noise


def out_of_frame(images: Tensor, mixing: MovedMixing, down: int, right: int) -> tuple[Tensor, MovedMixing]:
    """The first image in a frame that lies lower and further right, what leaves it being lost, and motions to suit."""
    x = images[0].view(SHAPE)
    lost = torch.full_like(x, BLACK)
    h, w = SHAPE[1:]
    here = slice(max(0, down), h + min(0, down)), slice(max(0, right), w + min(0, right))
    there = slice(max(0, -down), h + min(0, -down)), slice(max(0, -right), w + min(0, -right))
    lost[:, there[0], there[1]] = x[:, here[0], here[1]]
    theta = mixing.motions.theta[mixing.moved].clone()
    own = mixing.members == 0
    theta[..., 0, 2] -= right * own
    theta[..., 1, 2] -= down * own
    moved = nearest(theta.flatten(0, 1), mixing.motions).view(mixing.moved.shape)
    return torch.cat([lost.view(1, -1), images[1:]]), replace(mixing, moved=moved)


def frames(images: Tensor, mixing: MovedMixing, values: Tensor) -> tuple[Tensor, Tensor]:
    whole = torch.cat([images, torch.zeros_like(images[:1])])
    return framed(
        images,
        mixing,
        lambda rows: values[rows] - mixing.some(rows).forward(whole, slice(None)),
        2500 + 0 * values[:, 0],
    )


@pytest.mark.parametrize(("down", "right"), [(1, 0), (0, -2), (-2, 1)])
def test_an_image_whose_edge_was_lost_is_moved_back_and_has_it_again(down: int, right: int) -> None:
    images, mixing, values = released()
    shown, about = out_of_frame(images, mixing, down, right)
    assert float((shown[0] - images[0]).abs().mean()) > 0.05
    found, moved = frames(shown, about, values)
    torch.testing.assert_close(moved, mixing.moved)
    # one step towards what encodings that hold it twice say; the least squares that follow do the rest
    assert float((found[0] - images[0]).abs().mean()) < 0.03
    torch.testing.assert_close(found[1:], images[1:])


def test_frames_that_are_right_stay_where_they_are() -> None:
    images, mixing, values = released(seed=1)
    found, moved = frames(images, mixing, values)
    torch.testing.assert_close(found, images)
    torch.testing.assert_close(moved, mixing.moved)


def test_motions_that_reach_further_move_images_as_before() -> None:
    images, mixing, _ = released()
    assert reach(mixing.motions) == REACH + FURTHER
    still = replace(mixing, motions=shifts(SHAPE, 0, mirror=False, fill=BLACK), moved=0 * mixing.moved)
    whole = torch.cat([images, torch.zeros_like(images[:1])])
    more = wider(still)
    assert len(more.motions) == (2 * FURTHER + 1) ** 2
    torch.testing.assert_close(more.forward(whole, slice(None)), still.forward(whole, slice(None)))

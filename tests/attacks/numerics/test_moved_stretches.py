"""Encodings of images that were shifted and stretched anew for every use, grouped under all such motions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from ihaudit.attacks.numerics.motions import Motions, shifts
from ihaudit.attacks.numerics.moved_kinds import WIDTHS, how_wide
from ihaudit.attacks.numerics.moved_stretches import FURTHEST, Stretched, factors, other_stretch
from tests.attacks.numerics.test_moved import SHAPE
from tests.data import load_images

ODD = (3, 23, 21)


def ends(width: float, count: int, size: int, seed: int) -> Tensor:
    """Motions float32 (n, 2, 3) whose ends move by up to half of `width`, as the scheme draws them."""
    by = (np.random.default_rng(seed).random((count, 2, 2)) - 0.5) * width * size
    theta = torch.zeros(count, 2, 3)
    for axis in range(2):
        theta[:, axis, axis] = torch.from_numpy(1 + (by[:, axis, 1] - by[:, axis, 0]) / (size - 1)).float()
        theta[:, axis, 2] = torch.from_numpy(by[:, axis].mean(1)).float()
    return theta


@pytest.mark.parametrize("width", WIDTHS)
def test_the_width_is_told_from_motions_a_quarter_of_which_are_wrong(width: float) -> None:
    theta, wrong = ends(width, 400, 24, 1), ends(0.6, 400, 24, 2)
    mixed = torch.where((torch.arange(400) % 4 == 0)[:, None, None], wrong, theta)
    assert how_wide(mixed, torch.rand(400, generator=torch.Generator().manual_seed(0)), SHAPE) == width
    assert how_wide(theta[:0], torch.zeros(0), SHAPE) in WIDTHS


@pytest.mark.parametrize("stretched", [True, False])
def test_stretches_are_told_from_shifts(stretched: bool) -> None:
    """By mixtures of moved copies of four photographs with others."""
    rng = np.random.default_rng(0)
    every = torch.from_numpy(rng.permutation(load_images("cifar10_eval")[0])[:400].transpose(0, 3, 1, 2) * 2 - 1)
    shape = (3, 32, 32)
    motions = Motions(ends(0.4, 80, 32, 0), shape, None) if stretched else shifts(shape, 4, mirror=True, fill=-1.0)
    ids = torch.from_numpy(rng.integers(0, len(motions), 80))
    who = torch.arange(80) % 4
    copies = 0.5 * motions.move(every[who].flatten(1), ids)
    for _ in range(3):
        copies += 0.17 * every[torch.from_numpy(rng.integers(4, 400, 80))].flatten(1)
    first, second = (torch.from_numpy(i) for i in np.triu_indices(80, 1))
    same = who[first] == who[second]
    pairs = torch.stack([first[same], second[same]], 1)
    side = motions.theta[ids, 0, 0] < 0
    mirrored = side[pairs[:, 0]] != side[pairs[:, 1]]
    mass = torch.full((80, 2), 0.25)
    share = other_stretch(copies, mass, shape, 8, pairs, mirrored)
    assert share > 0.6 if stretched else share < 0.35, share
    assert other_stretch(copies, mass, shape, 8, pairs[:0], mirrored[:0]) == 0


@pytest.mark.parametrize("shape", [SHAPE, ODD, (1, 16, 28)])
@pytest.mark.parametrize("whole", [False, True])
def test_an_encoding_is_found_where_its_image_was_stretched_and_shifted(
    shape: tuple[int, int, int], whole: bool
) -> None:
    c, h, w = shape
    generator = torch.Generator().manual_seed(0)
    noise = torch.fft.rfft2(torch.randn(40, c, h, w, generator=generator))
    down, along = torch.fft.fftfreq(h)[:, None], torch.fft.rfftfreq(w)[None]
    smooth = torch.fft.irfft2(noise * torch.exp(-80 * (down**2 + along**2)), s=(h, w)).flatten(1)
    list_of = factors(shape, FURTHEST, mirror=True)
    assert list_of.theta[0].tolist() == [[1, 0, 0], [0, 1, 0]] and len(list_of) == 50
    look = Stretched.of(smooth, torch.full((40, 2), 0.3), list_of, 4, whole=whole)
    g = 7
    copies = list_of.move(smooth[:5], torch.full((5,), g))
    again = Stretched.of(torch.cat([copies, smooth[5:]]), torch.full((40, 2), 0.3), list_of, 4, whole=whole)
    best, motion, sign = again.best(look.straight[:5])
    found = motion[torch.arange(5), torch.arange(5)]
    assert (found // again.window**2).tolist() == [g] * 5 and (sign[range(5), range(5)] > 0).all()
    torch.testing.assert_close(again.theta(found), list_of.theta[[g] * 5])
    # what is taken off an encoding where it was held to itself is nearly all that it has in common with itself
    own = look.own(torch.zeros(40, 1, dtype=torch.int64))
    left, _, _ = look.some(torch.arange(5)).best(
        look.straight[:5], (torch.zeros(5, 5, dtype=torch.int64), own[:5].expand(5, 5))
    )
    assert bool((left.diagonal() < look.power(look.straight[:5])).all())
    # moved back to where it was, within half a pixel of the smaller image
    back = again.some(torch.arange(5)).aligned(found).view(5, c, h, w)
    inner = slice(h // 3, -h // 3), slice(w // 3, -w // 3)
    close = (back[:, :, *inner] - look.straight[:5].view(5, c, h, w)[:, :, *inner]).norm() / back[:, :, *inner].norm()
    assert float(close) < 0.5 and math.isfinite(float(best.sum()))

"""Layouts of scrambled positions."""

from __future__ import annotations

import numpy as np

from ihaudit.attacks.numerics.layout.pictures import Model
from ihaudit.attacks.numerics.layout.solve import roughness
from ihaudit.attacks.numerics.layout.symmetry import MIRROR, symmetric, views
from ihaudit.attacks.numerics.layout.warps import interpolation, random_warp
from tests.pictures import pictures

SIZE = 16


def test_moments_follow_a_permutation() -> None:
    images = pictures(80, size=SIZE)
    model = Model.of(images)
    flat = images.reshape(len(images), -1, 3)
    order = np.random.default_rng(0).permutation(SIZE * SIZE)
    there, here = model.observed(flat[:, order]), model.observed(flat).arranged(order)
    np.testing.assert_allclose(there.covariance, here.covariance, atol=1e-4)
    np.testing.assert_allclose(there.mean, here.mean, atol=1e-4)


def test_the_true_layout_is_the_smoothest() -> None:
    images = pictures(80, size=SIZE)
    moments = Model.of(images).observed(images.reshape(len(images), -1, 3))
    true = np.arange(SIZE * SIZE)
    swapped = true.copy()
    swapped[[3, 200]] = swapped[[200, 3]]
    assert roughness(moments, true, SIZE, SIZE) < roughness(moments, swapped, SIZE, SIZE)


def test_a_square_has_eight_symmetries_and_an_oblong_four() -> None:
    assert len({tuple(v) for v in symmetric(np.arange(9), 3, 3)}) == 8
    assert len({tuple(v) for v in symmetric(np.arange(6), 2, 3)}) == 4
    np.testing.assert_array_equal(symmetric(np.arange(9), 3, 3)[0], np.arange(9))


def test_no_displacement_leaves_a_picture_and_a_warp_keeps_its_area() -> None:
    picture = pictures(1, size=SIZE)[0, ..., 0].ravel()
    still = interpolation(np.zeros((SIZE * SIZE, 2), np.float32), SIZE, SIZE)
    np.testing.assert_allclose(still @ picture, picture, atol=1e-6)
    warp = random_warp(np.random.default_rng(0), SIZE, SIZE, 3, 1.5).reshape(SIZE, SIZE, 2)
    divergence = np.gradient(warp[..., 0], axis=0) + np.gradient(warp[..., 1], axis=1)
    assert np.abs(divergence[2:-2, 2:-2]).max() < 0.2 * np.abs(np.gradient(warp[..., 0], axis=0)).max()


def test_symmetries_of_layouts_and_of_pictures_are_in_the_same_order() -> None:
    picture = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    for view, layout in zip(views(picture), symmetric(np.arange(16), 4, 4), strict=True):
        out = np.empty(16)
        out[layout] = picture.ravel()
        np.testing.assert_array_equal(out, view.ravel())
    for view, mirror in zip(views(picture), MIRROR, strict=True):
        np.testing.assert_array_equal(views(picture)[mirror], view[:, :, ::-1])

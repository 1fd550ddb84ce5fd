"""Least squares with the covariance of recurring public images: right where they recur, silent elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from ihaudit.attacks.numerics.demix import Demixed
from ihaudit.attacks.numerics.least_squares import exactly
from ihaudit.attacks.numerics.mixing import Mixing
from ihaudit.attacks.numerics.shared import (
    Correlation,
    correlation,
    generalised_least_squares,
    levels,
    regular,
    sharpen,
)
from ihaudit.attacks.numerics.transforms import Whitener
from ihaudit.metrics.ssim import ssim
from tests.attacks.prng.helpers import natural


def mixtures(pool: int, seed: int = 0, e: int = 360, n: int = 12) -> tuple[np.ndarray, ...]:
    """Two of n private and three of `pool` public images per encoding, on [-1, 1].

    Returns:
        Private images, mixtures, members, their weights, mixing matrix, weights of public images.
    """
    rng = np.random.default_rng(seed)
    private, public = 2 * natural(n, seed, 24) - 1, 2 * natural(pool, seed + 1, 24) - 1
    lam = rng.dirichlet(np.full(5, 2.0), e)
    members = np.stack([rng.permutation(np.tile(np.arange(n), e // n)) for _ in range(2)], 1)
    drawn = rng.integers(0, pool, (e, 3))
    c, used = np.zeros((e, n)), np.zeros((e, pool))
    for j in range(2):
        np.add.at(c, (np.arange(e), members[:, j]), lam[:, j])
    for j in range(3):
        np.add.at(used, (np.arange(e), drawn[:, j]), lam[:, 2 + j])
    u = np.tensordot(c, private, 1) + np.tensordot(used, public, 1)
    return private, u.astype(np.float32), members, lam[:, :2], c, used


def first(u: np.ndarray, members: np.ndarray, lam: np.ndarray, c: np.ndarray) -> tuple[Demixed, np.ndarray]:
    rest = 1 - c.sum(1)
    x, noise = exactly(u.reshape(len(u), -1), Mixing.of(members.astype(np.int64), lam, rest, c.shape[1]))
    images = x[:-1].reshape(-1, *u.shape[1:])
    classes = np.arange(len(images))
    return Demixed(images, members.astype(np.int64), lam.astype(np.float32), noise, classes), rest


def error(images: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(((images - truth) ** 2).mean()))


def test_recurring_public_images_are_seen_through() -> None:
    private, u, members, lam, c, used = mixtures(pool=250)
    before, _ = first(u, members, lam, c)
    after = sharpen(before, u, c)  # every image a class of its own
    assert after.diagnostics["pairs_sharing_a_public_image"] > 100
    assert error(after.images, private) < 0.85 * error(before.images, private)
    # what it says of its own quality is true on average and image by image
    true = ssim((private / 2 + 0.5).clip(0, 1), (after.images / 2 + 0.5).clip(0, 1))
    assert after.confidence is not None
    assert abs(float(after.confidence.mean() - true.mean())) < 0.05
    assert np.corrcoef(after.confidence, true)[0, 1] > 0.5
    left = (u.reshape(len(u), -1) - (c @ private.reshape(len(private), -1))).reshape(u.shape).astype(np.float32)
    found = correlation(Whitener(u - u.mean(0))(left - left.mean(0)))
    assert found is not None
    rows, columns = found.matrix.nonzero()
    off = rows != columns
    assert ((used @ used.T)[rows[off], columns[off]] > 0).mean() > 0.9
    assert np.linalg.eigvalsh(found.matrix.toarray())[0] > 0.05


def test_public_images_used_once_share_nothing() -> None:
    rng = np.random.default_rng(1)
    assert correlation(rng.standard_normal((300, 1728)).astype(np.float32)) is None
    assert correlation(np.zeros((1, 1728), np.float32)) is None
    assert correlation(np.zeros((5, 1728), np.float32)) is None


def test_without_public_images_nothing_changes() -> None:
    _, u, members, lam, c, _ = mixtures(pool=30)
    before, _ = first(u, members, lam, c)
    assert sharpen(before, u, c / c.sum(1, keepdims=True)) is before


@pytest.mark.parametrize("images", [1, 7])
def test_generalised_least_squares_is_its_formula(images: int) -> None:
    rng = np.random.default_rng(2)
    a = rng.standard_normal((60, 60)) / 12
    k = np.eye(60) + a @ a.T
    level = rng.uniform(0.5, 2, 60)
    flat = rng.standard_normal((60, 5)).astype(np.float32)
    c = rng.uniform(size=(60, images))
    x, variance = generalised_least_squares(c, flat, level, Correlation(csr_matrix(k), 1, 1.0))
    inverse = np.linalg.inv(level[:, None] * k * level[None])
    covariance = np.linalg.inv(c.T @ inverse @ c)
    np.testing.assert_allclose(x, covariance @ c.T @ inverse @ flat, atol=1e-3)
    np.testing.assert_allclose(variance, np.diag(covariance), rtol=1e-3)


def test_an_image_without_encodings_leaves_a_matrix_that_can_be_inverted() -> None:
    normal = np.diag([4.0, 0.0, 2.0])
    with pytest.raises(np.linalg.LinAlgError):
        np.linalg.inv(normal)
    variance = np.diag(np.linalg.inv(regular(normal)))
    np.testing.assert_allclose(variance[[0, 2]], [1 / 4, 1 / 2], rtol=1e-6)
    assert np.isfinite(variance).all() and variance[1] > 1e6


def test_levels_follow_the_labels_only_where_these_tell() -> None:
    rng = np.random.default_rng(3)
    rest, noise = rng.uniform(0.2, 0.7, 200), rng.uniform(0.1, 0.2, 200)
    np.testing.assert_array_equal(levels(rest, noise), noise)
    np.testing.assert_array_equal(levels(np.zeros(200), noise), noise)
    told = rest * rng.uniform(0.9, 1.1, 200)
    np.testing.assert_allclose(levels(rest, told), rest**0.85)
    np.testing.assert_allclose(levels(rest, told, 1.0), rest)
    # an encoding with the wrong images in it, and one whose residual was fitted away: neither is trusted
    told[0], rest[1], told[1] = 10.0, 1e-4, 1e-9
    found = levels(rest, told)
    assert found[0] > 3 * rest[0] and found[1] >= 0.02**0.85
    assert levels(np.zeros(200), told).min() > 0.03


def test_one_public_image_per_encoding_with_faint_ones_among_them() -> None:
    """Two private images and a single public one: some residuals are all but zero, and must not get all the weight."""
    rng = np.random.default_rng(4)
    n, e, pool = 12, 360, 250
    private, public = 2 * natural(n, 4, 24) - 1, 2 * natural(pool, 5, 24) - 1
    lam = np.abs(rng.standard_normal((e, 3)))
    lam /= lam.sum(1, keepdims=True)
    lam[:20, 2] = 1e-4
    lam[:20] /= lam[:20].sum(1, keepdims=True)
    members = np.stack([rng.permutation(np.tile(np.arange(n), e // n)) for _ in range(2)], 1)
    c = np.zeros((e, n))
    for j in range(2):
        np.add.at(c, (np.arange(e), members[:, j]), lam[:, j])
    u = np.tensordot(c, private, 1) + lam[:, 2, None, None, None] * public[rng.integers(0, pool, e)]
    # the faint ones' coefficients are slightly off, as they are where both images are of one class
    lam[:20, 0] += 0.03
    c = np.zeros((e, n))
    for j in range(2):
        np.add.at(c, (np.arange(e), members[:, j]), lam[:, j])
    before, _ = first(u.astype(np.float32), members, lam[:, :2], c)
    # reweighting can fit a few encodings exactly, right or wrong
    before.noise[:20] = 1e-6
    after = sharpen(before, u.astype(np.float32), c)
    assert error(after.images, private) < 1.1 * error(before.images, private)

"""Local weights and recurring public images: the formula, the groups, the range, and that all of it helps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from ihaudit.attacks.numerics import local_weights as local
from ihaudit.attacks.numerics.demix import Demixed
from ihaudit.attacks.numerics.frame import Frame
from ihaudit.attacks.numerics.joint import outer, solve
from ihaudit.attacks.numerics.least_squares import exactly
from ihaudit.attacks.numerics.local_weights import refine, within_range
from ihaudit.attacks.numerics.mixing import Mixing
from ihaudit.attacks.numerics.recurring import embed, groups, loadings, pairs
from ihaudit.attacks.numerics.shared import sharpen
from ihaudit.attacks.numerics.transforms import Whitener
from ihaudit.errors import NotApplicable
from tests.attacks.prng.helpers import natural

pytestmark = pytest.mark.usefixtures("one_thread")

N, E, SIZE = 10, 300, 32


def patchy(n: int, seed: int) -> np.ndarray:
    """float32 (n, 32, 32, 3) on [-1, 1]: textured in some quarters, nearly flat in others, as photographs are."""
    rng = np.random.default_rng(seed)
    x = 2 * natural(n, seed, SIZE) - 1
    strength = np.kron(np.exp(rng.normal(-0.5, 1.0, (n, 4, 4))), np.ones((8, 8)))[..., None]
    mean = x.mean((1, 2), keepdims=True)
    result: np.ndarray = np.clip(mean + (x - mean) * strength, -1, 1).astype(np.float32)
    return result


def release(pool: int, seed: int = 0):  # type: ignore[no-untyped-def]
    """Two of N private and three of `pool` public images per encoding: private, mixtures, first solution, weights."""
    rng = np.random.default_rng(seed)
    private, public = patchy(N, seed), patchy(pool, seed + 1)
    lam = rng.dirichlet(np.full(5, 2.0), E)
    members = np.stack([rng.permutation(np.tile(np.arange(N), E // N)) for _ in range(2)], 1)
    drawn = rng.integers(0, pool, (E, 3))
    c, used = np.zeros((E, N)), np.zeros((E, pool))
    for j in range(2):
        np.add.at(c, (np.arange(E), members[:, j]), lam[:, j])
    for j in range(3):
        np.add.at(used, (np.arange(E), drawn[:, j]), lam[:, 2 + j])
    u = (np.tensordot(c, private, 1) + np.tensordot(used, public, 1)).astype(np.float32)
    x, noise = exactly(u.reshape(E, -1), Mixing.of(members.astype(np.int64), lam[:, :2], 1 - c.sum(1), N))
    images = x[:-1].reshape(-1, *u.shape[1:])
    first = Demixed(images, members.astype(np.int64), lam[:, :2].astype(np.float32), noise, np.arange(N))
    return private, u, first, c, used


def error(images: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(((images - truth) ** 2).mean()))


@pytest.fixture(scope="module")
def recurring():  # type: ignore[no-untyped-def]
    return release(pool=500)


def test_local_weights_beat_generalised_least_squares(recurring) -> None:  # type: ignore[no-untyped-def]
    private, u, first, c, _ = recurring
    shared = sharpen(first, u, c)
    after = refine(shared, u, c)
    assert error(shared.images, private) < error(first.images, private)
    assert error(after.images, private) < 0.85 * error(shared.images, private)
    assert after.diagnostics["recurring_public_images"] > 50
    assert after.confidence is not None and after.confidence.shape == (N,)


def test_public_images_drawn_once_are_weighted_too_in_any_range() -> None:
    private, u, first, c, _ = release(pool=2000, seed=5)
    moved = Demixed(first.images / 2 + 0.5, first.members, first.coefficients, first.noise / 2, first.classes)
    after = refine(moved, u / 2 + np.float32(0.5), c, (0.0, 1.0))  # weights sum to one
    assert error(2 * after.images - 1, private) < 0.9 * error(first.images, private)


def test_groups_hold_one_public_image(recurring) -> None:  # type: ignore[no-untyped-def]
    private, u, _, c, used = recurring
    left = (u - np.tensordot(c, private, 1)).astype(np.float32)
    unit = embed(left - left.mean(0), Whitener(u - u.mean(0)))
    first, second, value = pairs(unit)
    truly = (used[first] * used[second]).sum(1) > 0
    assert len(first) > 80 and truly.mean() > 0.97 and (value > 0.05).all() and (first < second).all()
    found = groups(E, first, second, value)
    assert np.mean([(used[m] > 0).all(0).any() for m in found]) > 0.85
    f = loadings(unit)
    assert f.shape == (E, len(found)) and f.dtype == np.float32 and 0 < f.data.min() <= f.data.max() < 1


def test_triangles_join_and_single_encodings_part() -> None:
    edges = [(0, 1), (0, 2), (1, 2), (2, 3), (3, 4)]
    first, second = (np.array(x) for x in zip(*edges))
    assert sorted(m.tolist() for m in groups(6, first, second, np.linspace(1, 0.5, 5))) == [[0, 1, 2], [2, 3], [3, 4]]
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((300, 16, 16, 3)).astype(np.float32)
    assert loadings(embed(noise, Whitener(noise))).shape == (300, 0)
    assert loadings(np.zeros((2, 768), np.float32)).shape == (2, 0)


@pytest.mark.parametrize("g", [0, 9])
def test_joint_solution_is_the_direct_one(g: int) -> None:
    rng = np.random.default_rng(2)
    e, n, p = 50, 6, 5
    c = rng.uniform(size=(e, n)) * (rng.random((e, n)) < 0.5)
    f = rng.uniform(size=(e, g)) * (rng.random((e, g)) < 0.2)
    y = rng.standard_normal((e, p)).astype(np.float32)
    inside = rng.uniform(0.2, 2, (e, p)).astype(np.float32)
    between = rng.uniform(0.2, 5, (g, p)).astype(np.float32)
    prior = rng.uniform(0, 1, (n, p)).astype(np.float32)
    start = (rng.standard_normal((n, p)).astype(np.float32), np.zeros((g, p), np.float32))
    for begin in (None, start):
        got = solve(csr_matrix(c), csr_matrix(f), y, inside, between, prior, start=begin, steps=200, tolerance=1e-6)
        for k in range(p):
            inverse = np.linalg.inv((f * between[:, k]) @ f.T + np.diag(inside[:, k]))
            x = np.linalg.solve(c.T @ inverse @ c + np.diag(prior[:, k]), c.T @ inverse @ y[:, k])
            np.testing.assert_allclose(got.x[:, k], x, atol=1e-3)
            np.testing.assert_allclose(got.v[:, k], between[:, k] * (f.T @ inverse @ (y[:, k] - c @ x)), atol=1e-3)
    weight = rng.uniform(size=(e, 3)).astype(np.float32)
    normal = (outer(csr_matrix(c)) @ weight).reshape(n, n, 3)
    np.testing.assert_allclose(normal[..., 1], (c * weight[:, 1:2]).T @ c, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(32, 32, 3), (24, 40, 3), (16, 16, 1)])
def test_columns_and_images(shape: tuple[int, int, int]) -> None:
    frame = Frame(shape, 5)
    x = np.random.default_rng(0).standard_normal((3, *shape)).astype(np.float32)
    columns = frame.columns(x)
    np.testing.assert_allclose(frame.images(columns), x, atol=1e-5)
    h, w = frame.side
    assert columns.shape == (3, 3 * h * w) and h % 32 == w % 32 == 0


def test_images_are_brought_within_their_range() -> None:
    frame = Frame((32, 32, 3), 5)
    truth = np.stack([np.clip(patchy(1, 3)[0] + 0.9, -1, 1), 0.5 * patchy(1, 4)[0]])
    variance = np.full((2, 3072), 1e-4, np.float32)
    variance[:, frame.top] = 4.0
    shifted = frame.columns((truth + 0.06).astype(np.float32))
    after = frame.images(within_range(shifted, variance, frame))
    # white regions tell that the first image is too bright as a whole; nothing tells of the second
    assert np.abs((after - truth)[0].mean((0, 1))).max() < 0.035
    np.testing.assert_allclose(after[1], truth[1] + 0.06, atol=1e-5)


def test_what_cannot_be_refined_is_left_alone(recurring, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    _, u, first, c, _ = recurring
    assert refine(first, u, c / c.sum(1, keepdims=True)) is first  # no public part
    few = Demixed(first.images, first.members[:20], first.coefficients[:20], first.noise[:20], first.classes)
    assert refine(few, u[:20], c[:20]) is few
    small = Demixed(first.images[:, :16], first.members, first.coefficients, first.noise, first.classes)
    assert refine(small, u[:, :16], c) is small

    def missing(path: Path | None = None, device: str = "cpu") -> None:
        raise NotApplicable("no weights")

    monkeypatch.setattr(local, "load_scales", missing)
    assert refine(first, u, c) is first

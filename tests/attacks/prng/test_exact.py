"""The exact system: what grouping and matching get wrong is put right from what the system does not explain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ihaudit.attacks.numerics.demix import Demixed
from ihaudit.attacks.prng.exact import (
    EXPLAINED,
    SPEAKERS,
    Decomposition,
    System,
    densest,
    distinct,
    exact,
    middle,
    used,
)
from ihaudit.attacks.prng.public import PublicFit, PublicSet
from tests.attacks.prng.helpers import natural

N, T, PUBLIC = 12, 24, 150


class Made:
    """N private images in 2T encodings each, two public ones in every encoding."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.images = (2 * natural(N, seed) - 1).astype(np.float32)
        public = (2 * natural(PUBLIC, seed + 1) - 1).astype(np.float32)
        self.classes = np.arange(N) % 3
        self.members = np.stack([np.concatenate([rng.permutation(N) for _ in range(T)]) for _ in range(2)], 1)
        self.members = self.members[self.classes[self.members[:, 0]] != self.classes[self.members[:, 1]]]
        e = len(self.members)
        lam = rng.dirichlet(np.ones(4) * 3, e)
        self.weights, self.other = lam[:, :2], lam[:, 2:]
        self.sources = rng.integers(0, PUBLIC, (e, 2))
        u = np.einsum("es,eshwc->ehwc", self.weights, self.images[self.members])
        u += np.einsum("es,eshwc->ehwc", self.other, public[self.sources])
        self.u = u.astype(np.float32)
        self.labels = np.zeros((e, 3))
        for slot in range(2):
            np.add.at(self.labels, (np.arange(e), self.classes[self.members[:, slot]]), self.weights[:, slot])
        self.matcher = PublicSet(public)
        self.fit = PublicFit(self.sources.copy(), self.other.copy())

    def system(self) -> System:
        return System(self.u, self.labels, self.matcher, None)

    def solution(self) -> Decomposition:
        images, noise = self.images.reshape(N, -1).copy(), np.zeros(len(self.u))
        return Decomposition(images, self.classes, self.members, self.weights, self.fit, noise)

    def start(self, images: np.ndarray, members: np.ndarray, classes: np.ndarray) -> Demixed:
        return Demixed(images, members, self.weights.astype(np.float32), np.ones(len(self.u)), classes)


@pytest.fixture(scope="module")
def made() -> Made:
    return Made()


def test_a_public_image_in_every_encoding_of_one_image_belongs_to_the_image(made: Made) -> None:
    s = made.solution()
    public = made.matcher.public.reshape(PUBLIC, -1)
    a, u, g = 4, 7, 0.3
    s.images[a] -= np.float32(g) * public[u]
    rows, slots = np.nonzero(made.members == a)
    index = np.concatenate([s.fit.index, np.full((len(made.u), 1), -1)], 1)
    weight = np.concatenate([s.fit.weight, np.zeros((len(made.u), 1))], 1)
    index[rows, 2], weight[rows, 2] = u, g * made.weights[rows, slots]
    system = made.system()
    folded, changed = system.folded(replace(s, fit=PublicFit(index, weight)))
    assert set(changed) == set(rows)
    np.testing.assert_allclose(folded.images[a], made.images[a].reshape(-1), atol=2e-3)
    assert (folded.fit.index[rows, 2] == -1).all() and np.abs(folded.fit.weight[rows, 2]).max() == 0
    # what belongs to the encodings stays
    assert np.array_equal(folded.fit.index[:, :2], s.fit.index)
    again, changed = system.folded(folded)
    assert len(changed) == 0 and again.images is not folded.images


def test_nothing_is_folded_where_all_is_right(made: Made) -> None:
    folded, changed = made.system().folded(made.solution())
    assert len(changed) == 0
    np.testing.assert_array_equal(folded.images, made.images.reshape(N, -1))


@pytest.mark.parametrize("lost", [0, 7])
def test_an_image_that_grouping_missed_is_found(made: Made, lost: int) -> None:
    keep = np.arange(N) != lost
    twin = int(np.flatnonzero(keep & (made.classes == made.classes[lost]))[0])
    members = np.where(made.members == lost, twin, made.members)
    members = (np.cumsum(keep) - 1)[members]
    start = made.start(made.images[keep] + np.float32(0.02), members, made.classes[keep])
    result, fit = exact(made.u, made.labels, start, made.matcher)
    assert result.diagnostics["images_added"] == 1 and len(result.images) == N
    gap = np.abs(result.images[:, None] - made.images[None]).max((2, 3, 4))
    assert gap.min(0).max() < 0.01
    assert result.confidence is not None and result.confidence.min() > 0.8
    assert (result.noise < EXPLAINED).mean() > 0.9
    found = [set(made.sources[e]) <= set(fit.index[e]) for e in range(len(made.u)) if made.other[e].min() > 0.05]
    assert np.mean(found) > 0.9


def test_nothing_is_added_where_nothing_is_missed(made: Made) -> None:
    result, _ = exact(made.u, made.labels, made.start(made.images + np.float32(0.05), made.members, made.classes),
                      made.matcher)  # fmt: skip
    assert result.diagnostics["images_added"] == 0 and len(result.images) == N
    assert np.abs(result.images - made.images).max() < 0.01


def test_added_images_that_hardly_any_encoding_holds_are_dropped(made: Made) -> None:
    s = made.solution()
    extra = replace(s, images=np.concatenate([s.images, s.images[:2]]), classes=np.append(s.classes, [0, 1]))
    members = s.members.copy()
    members[: SPEAKERS - 1, 0] = N
    members[SPEAKERS : 3 * SPEAKERS, 0] = N + 1
    out = used(replace(extra, members=members), N)
    assert len(out.images) == N + 1
    assert (out.members[: SPEAKERS - 1, 0] == -1).all() and (out.members[SPEAKERS : 3 * SPEAKERS, 0] == N).all()


def test_images_that_came_out_twice_are_one(made: Made) -> None:
    s = made.solution()
    twin = replace(
        s, images=np.concatenate([s.images, s.images[:1] + np.float32(1e-3)]), classes=np.append(s.classes, 0)
    )
    members = s.members.copy()
    rows, slots = np.nonzero(members == 0)
    members[rows[::3], slots[::3]] = N
    out = distinct(replace(twin, members=members))
    assert len(out.images) == N and np.array_equal(out.members, s.members)
    np.testing.assert_array_equal(out.images, s.images)


def test_of_two_missing_images_one_is_found_and_not_theirmiddle() -> None:
    rng = np.random.default_rng(0)
    two = rng.uniform(-1, 1, (2, 300)).astype(np.float32)
    said = np.repeat(two, 12, 0) + 0.05 * rng.standard_normal((24, 300)).astype(np.float32)
    apart = np.sqrt(((densest(said) - two) ** 2).mean(1))
    assert apart.min() < 0.05 < np.sqrt(((middle(said) - two) ** 2).mean(1)).min()

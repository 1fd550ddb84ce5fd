"""Annealed EM on planted clusters, on noise, and against sums written out."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from ihaudit.attacks.numerics import clusters
from ihaudit.attacks.numerics.clusters import Statistic, anneal, refine, sinkhorn


def planted(
    n: int, k: int, dims: int, noise: float, seed: int, *, signal: float = 1.0
) -> tuple[list[Statistic], np.ndarray]:
    g = torch.Generator().manual_seed(seed)
    mass = 0.1 + 0.3 * torch.rand(n, generator=g)
    cluster = torch.arange(n) % k
    sign = torch.where(torch.rand(n, generator=g) < 0.2, -1.0, 1.0)
    means, second = (torch.randn(k, dims, generator=g) for _ in range(2))
    squares = signal * 8 * mass[:, None] ** 2 * means[cluster] + noise * torch.randn(n, dims, generator=g)
    mixtures = signal * 3 * (sign * mass)[:, None] * second[cluster] + noise * torch.randn(n, dims, generator=g)
    one = torch.ones(n)
    both = [
        Statistic(squares, one / noise**2, mass**2, temper=0.5),
        Statistic(mixtures, one / noise**2, mass, signed=True, temper=0.7),
    ]
    return both, cluster.numpy()


def test_annealing_finds_clusters_whatever_the_global_signs() -> None:
    both, cluster = planted(90, 3, 300, 1.0, 0)
    found = anneal(both, 3, generator=torch.Generator().manual_seed(0), restarts=1)
    choice = found.posterior.argmax(1).numpy()
    best = max(np.mean(np.array(p)[choice] == cluster) for p in itertools.permutations(range(3)))
    assert best > 0.95
    assert found.polarity.abs().max() <= 1


@pytest.mark.parametrize("spread", [0.0, 0.6])
@pytest.mark.parametrize("balance", [1.0, 0.5, 0.0])
def test_blocks_of_encodings_come_to_the_same(monkeypatch: pytest.MonkeyPatch, balance: float, spread: float) -> None:
    monkeypatch.setattr(clusters, "bf16_is_fast", lambda _: False)
    both, _ = planted(700, 4, 60, 1.0, 3)  # more than dimensions, as where blocks are needed
    both = [replace(s, spread=spread) for s in both]
    q = torch.rand(700, 4, generator=torch.Generator().manual_seed(0))
    q /= q.sum(1, keepdim=True)

    def found() -> clusters.Clusters:
        return refine(both, q, torch.full_like(q, 0.8), iterations=8, balance=balance)

    a = found()
    monkeypatch.setattr(clusters, "BLOCKED", 640)  # ten encodings at a time
    b = found()
    torch.testing.assert_close(a.posterior, b.posterior, atol=1e-3, rtol=0)
    torch.testing.assert_close(a.polarity, b.polarity, atol=1e-3, rtol=0)
    assert a.score == pytest.approx(b.score, rel=1e-4) and a.score > 0


def test_annealing_is_not_sure_of_noise() -> None:
    both, _ = planted(90, 3, 300, 1.0, 1, signal=0.0)
    found = anneal(both, 3, generator=torch.Generator().manual_seed(0), restarts=1)
    real, _ = planted(90, 3, 300, 1.0, 1)
    other = anneal(real, 3, generator=torch.Generator().manual_seed(0), restarts=1)
    assert found.score < 0.1 * other.score


def test_one_image_beats_two_halves_of_it() -> None:
    both, _ = planted(60, 1, 300, 1.0, 2)
    one = anneal(both, 1, generator=torch.Generator().manual_seed(0), restarts=1)
    two = anneal(both, 2, generator=torch.Generator().manual_seed(0), restarts=1)
    assert one.score > 0 and two.score < 1.3 * one.score
    assert (one.polarity < 0).float().mean() == pytest.approx(0.2, abs=0.1)


def test_strong_and_weak_encodings_of_one_image_are_not_two_images() -> None:
    """As where labels tell no coefficients: 30 images came out as 90 and more."""
    both, _ = planted(60, 1, 300, 1.0, 2, signal=3)
    guessed = [replace(s, scale=torch.full_like(s.scale, float(s.scale.mean()))) for s in both]

    def gain(spread: float) -> float:
        runs = [[replace(s, spread=spread * (1 if s.signed else 1.8)) for s in guessed] for _ in range(2)]
        one, two = (
            anneal(run, k, generator=torch.Generator().manual_seed(0), restarts=1).score
            for k, run in enumerate(runs, 1)
        )
        return two / one - 1

    assert gain(0.0) > 0.05 and gain(0.5) < 0.01


@pytest.mark.parametrize("dims", [3, 40])
def test_leave_one_out_equals_leaving_one_out(dims: int) -> None:
    g = torch.Generator().manual_seed(dims)
    n, k = 12, 3
    features, weight, scale = (
        torch.randn(n, dims, generator=g),
        torch.rand(n, generator=g) + 0.5,
        torch.rand(n, generator=g),
    )
    q = torch.softmax(torch.randn(n, k, generator=g), 1)
    sign = torch.tanh(torch.randn(n, k, generator=g))
    agree, cost = Statistic(features, weight, scale).compare(q, sign)
    for i, c in itertools.product(range(n), range(k)):
        votes = q[:, c] * weight * scale
        mass = (votes * scale).sum() + 1e-6
        others = votes * sign[:, c]
        others[i] = 0
        mean = (others[:, None] * features).sum(0) / (mass - votes[i] * scale[i])
        if votes[i] * scale[i] < 0.9 * mass:
            assert torch.isclose(agree[i, c], weight[i] * scale[i] * (features[i] @ mean), rtol=1e-3, atol=1e-4)
        whole = ((votes * sign[:, c])[:, None] * features).sum(0) / mass
        assert torch.isclose(cost[i, c], weight[i] * scale[i] ** 2 * (whole @ whole) / 2, rtol=1e-3, atol=1e-4)


def test_annealed_em_separates_plain_clusters() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(5), 20)
    f = torch.from_numpy((rng.normal(size=(5, 30))[truth] + 0.5 * rng.normal(size=(100, 30))).astype(np.float32))
    statistic = Statistic(f, torch.full((100,), 4.0), torch.ones(100))
    found = anneal([statistic], 5, generator=torch.Generator().manual_seed(0))
    got = found.posterior.argmax(1).numpy()
    assert len({(a, b) for a, b in zip(truth, got)}) == 5


def test_sinkhorn_makes_equal_columns_and_unit_rows() -> None:
    q = sinkhorn(torch.randn(60, 4, generator=torch.Generator().manual_seed(0)), 1.0, rounds=50)
    torch.testing.assert_close(q.sum(1), torch.ones(60))
    torch.testing.assert_close(q.sum(0), torch.full((4,), 15.0), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("pick", [slice(0, 1), slice(0, 2)], ids=["all-at-once", "in-turn"])
def test_the_best_of_several_starts_is_taken(pick: slice) -> None:
    both, _ = planted(60, 10, 60, 1.0, 5)
    generator = torch.Generator().manual_seed(1)
    singly = [anneal(both[pick], 10, generator=generator, restarts=1) for _ in range(4)]
    best = max(singly, key=lambda f: f.score)
    found = anneal(both[pick], 10, generator=torch.Generator().manual_seed(1), restarts=4)
    assert best.score > min(f.score for f in singly)
    assert found.score == pytest.approx(best.score, rel=1e-4)
    assert torch.equal(found.posterior.argmax(1), best.posterior.argmax(1))
    torch.testing.assert_close(found.polarity, best.polarity, atol=1e-3, rtol=0)

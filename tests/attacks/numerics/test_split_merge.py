"""Moves out of local optima, on planted clusters and where there is nothing to move."""

from __future__ import annotations

import numpy as np
import torch

from ihaudit.attacks.numerics.clusters import GUESS, Clusters, Statistic, refine
from ihaudit.attacks.numerics.split_merge import mended
from tests.attacks.numerics.test_clusters import planted


def started(statistics: list[Statistic], cluster: np.ndarray, k: int) -> Clusters:
    q = torch.nn.functional.one_hot(torch.from_numpy(cluster), k).float()
    return refine(statistics, q, torch.full_like(q, GUESS), iterations=3)


def distinct(found: Clusters, cluster: np.ndarray) -> int:
    """Images that are more than half of some cluster and lie more than half in it."""
    counts = np.zeros((found.posterior.shape[1], cluster.max() + 1))
    np.add.at(counts, (found.posterior.argmax(1).numpy(), cluster), 1)
    return int(((counts > counts.sum(0) / 2) & (counts > counts.sum(1, keepdims=True) / 2)).any(0).sum())


def test_a_cluster_of_several_images_is_split_and_halves_of_one_are_merged() -> None:
    both, cluster = planted(240, 12, 300, 1.0, 4)
    wrong = np.where(np.isin(cluster, (0, 1, 2)), 0, cluster)
    wrong[(cluster == 3) & (np.arange(240) % 24 < 12)] = 1  # image 3 in two clusters, and none left for 2
    start = started(both, wrong, 12)
    assert distinct(start, cluster) < 12
    found = mended(both, start, generator=torch.Generator().manual_seed(0))
    assert distinct(found, cluster) == 12
    assert found.score > start.score


def test_nothing_is_moved_where_every_image_has_its_cluster() -> None:
    both, cluster = planted(240, 12, 300, 1.0, 5)
    start = started(both, cluster, 12)
    found = mended(both, start, generator=torch.Generator().manual_seed(0))
    assert distinct(found, cluster) == 12
    assert found.score >= start.score
    agree = found.posterior.argmax(1) == start.posterior.argmax(1)
    assert float(agree.float().mean()) > 0.95


def test_noise_has_no_clusters_to_gain_and_a_score_never_falls() -> None:
    both, cluster = planted(120, 6, 300, 1.0, 6, signal=0.0)
    start = started(both, cluster, 6)
    found = mended(both, start, generator=torch.Generator().manual_seed(0))
    real, _ = planted(120, 6, 300, 1.0, 6)
    assert start.score <= found.score < 0.15 * started(real, cluster, 6).score
    two = started(both, cluster % 2, 2)
    assert mended(both, two, generator=torch.Generator().manual_seed(0)) is two

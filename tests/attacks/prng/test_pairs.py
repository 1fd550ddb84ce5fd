"""Pairs of neighbours: those that are kept agree, and tell masked encodings from plain ones."""

from __future__ import annotations

import networkx as nx
import numpy as np

from ihaudit.attacks.prng.pairs import agreement, rank_pairs, smoothness, spanning_forest


def test_pairs_agree_and_forest_has_no_cycle(plain: np.ndarray) -> None:
    p = rank_pairs(plain[:40], 20_000)
    assert (np.diff(p.score) <= 0).all()
    assert p.differ.mean() < 1e-3  # unmasked: the best neighbours have equal signs
    u, v = p.encoding * 3072 + p.first, p.encoding * 3072 + p.second
    keep = spanning_forest(u, v, 5000)
    forest = nx.Graph(zip(u[keep].tolist(), v[keep].tolist()))
    assert nx.is_forest(forest)
    assert forest.number_of_edges() == len(keep) == 5000


def test_border_pairs_are_left_out(plain: np.ndarray) -> None:
    p = rank_pairs(plain[:10], 10**6, skip_border=True)
    y1, x1 = np.divmod(p.first // 3, 32)
    y2, x2 = np.divmod(p.second // 3, 32)
    horizontal = y1 == y2
    assert x1[horizontal].min() == 4 and x2[horizontal].max() == 27
    assert y1[~horizontal].min() == 4 and y2[~horizontal].max() == 27
    assert y1[horizontal].min() == 0


def test_agreement_and_smoothness_tell_masked_from_plain(plain: np.ndarray) -> None:
    masked = plain * np.random.default_rng(0).choice([-1, 1], plain.shape)
    assert smoothness(plain).min() > 0.6 and np.abs(smoothness(masked)).max() < 0.15
    assert agreement(plain).min() > 0.8 and np.abs(agreement(masked) - 0.5).max() < 0.08

"""Which encodings of one class contain the same image: annealed EM on whitened squares.

Model, per class: f_i = lam_i^2 mu_c(i) + noise / sqrt(w_i), with known lam and w and unknown means mu and clusters c.
Only inner products f_i . f_j enter, so one Gram matrix serves every restart and every iteration.  Three things make it
find the global optimum nearly always: scores that leave the encoding itself out of the mean it is compared with (a
strong encoding otherwise votes for itself), annealing that starts far below the critical temperature, and equal
cluster sizes (Sinkhorn) where the release's counts say so.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Clusters:
    """Result for one class: posterior float32 (n, K), cluster scores (K,), and their sum (leave-one-out, in nats)."""

    posterior: Tensor
    cluster_scores: Tensor
    score: float


def anneal(
    gram: Tensor,
    scale: Tensor,
    weight: Tensor,
    clusters: int,
    *,
    generator: torch.Generator,
    restarts: int = 3,
    iterations: int = 80,
    start: float = 0.02,
    balance: float = 1.0,
) -> Clusters:
    """Best of several annealed EM runs.

    Args:
        gram: float32 (n, n) inner products of the slots' features.
        scale: float32 (n,) lam^2.
        weight: float32 (n,) inverse noise variance.
        clusters: K.
        generator: CPU generator for the random starts.
        restarts: runs, all at once.
        iterations: EM steps; the inverse temperature rises geometrically from `start` to 1 over the first 70 %.
        balance: exponent of the Sinkhorn column scaling; 1 forces equal sizes, 0 leaves them free.
    """
    n = len(gram)
    if clusters < 1 or n <= clusters:
        post = torch.zeros(n, max(clusters, 1), device=gram.device)
        post[torch.arange(n, device=gram.device), torch.arange(n, device=gram.device) % max(clusters, 1)] = 1
        return Clusters(post, torch.zeros(max(clusters, 1), device=gram.device), 0.0)
    if clusters == 1:  # nothing to choose, but the score counts: one image must be able to beat two halves of it
        restarts, iterations = 1, 1
    q = torch.rand(restarts, n, clusters, generator=generator).to(gram.device)
    q /= q.sum(2, keepdim=True)
    score = torch.zeros(())
    own = gram.diagonal()[None, :, None]
    vote = (weight * scale)[None, :, None]
    lam2 = scale[None, :, None]
    for step in range(iterations):
        beta = start ** max(0.0, 1 - step / (0.7 * iterations))
        weights = q * vote
        mass = (weights * lam2).sum(1, keepdim=True) + 1e-6
        alpha = weights / mass  # mu = alpha^T F
        dots = torch.matmul(gram, alpha)
        norms = (alpha * dots).sum(1, keepdim=True)
        leverage = (alpha * lam2).clamp_max(0.9)
        left_out = (dots - alpha * own) / (1 - leverage)
        score = weight[None, :, None] * (lam2 * left_out - lam2**2 * norms / 2)
        q = sinkhorn(beta * score, balance)
    per_cluster = (q * score).sum(1)
    best = int(per_cluster.sum(1).argmax())
    return Clusters(q[best], per_cluster[best], float(per_cluster[best].sum()))


def sinkhorn(log_scores: Tensor, balance: float, *, rounds: int = 6) -> Tensor:
    """Row-stochastic weights ~ exp(scores) whose columns (of the second last axis) sum to equal masses."""
    q = torch.softmax(log_scores, dim=-1)
    if balance <= 0:
        return q
    target = q.shape[-2] / q.shape[-1]
    for _ in range(rounds):
        q = q * (target / q.sum(-2, keepdim=True).clamp_min(1e-6)) ** balance
        q = q / q.sum(-1, keepdim=True).clamp_min(1e-30)
    return q

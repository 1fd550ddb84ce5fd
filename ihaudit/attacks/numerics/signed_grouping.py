"""Which encodings of one class contain the same image, from squares and from unmasked mixtures together.

Two views of one encoding i of class c, both whitened: the squares, f_i = lam_i^2 mu_c + noise, and the mixture as the
network unmasked it, z_i = g_i lam_i nu_c + noise, g_i = +-1 being the global sign that the network guessed right or
wrong.  Squares are sure of strong members and see no sign; mixtures still see members of lam = 0.1.  Annealed EM as in
`grouping`, with the sign summed over.  Both views err on the same pixels, so their likelihoods are added with weights
below one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ihaudit.attacks.numerics.grouping import sinkhorn

#: weights of the two log-likelihoods (chosen on a development seed of the reference benchmark, T = 10 to 50)
SQUARES, MIXTURES = 0.5, 0.7
#: log odds that the network guesses a global sign right (0.93 of held-out mixtures at k = 6, 0.88 at k = 4)
PRIOR = 2.2


@dataclass(frozen=True, eq=False)
class Views:
    """Slots of one class.

    Attributes:
        squares: float32 (n, D), mixtures: float32 (n, D), whitened.
        square_weight, mixture_weight: float32 (n,) inverse noise variances.
        mass: float32 (n,) lambdas.
    """

    squares: Tensor
    mixtures: Tensor
    square_weight: Tensor
    mixture_weight: Tensor
    mass: Tensor


@dataclass(frozen=True, eq=False)
class SignedClusters:
    """posterior float32 (n, K); polarity float32 (n,), expected global sign; score: leave-one-out, in nats."""

    posterior: Tensor
    polarity: Tensor
    score: float


class _View:
    """Leave-one-out dot products of all rows with cluster means, through the smaller of Gram matrix and features."""

    def __init__(self, features: Tensor, weight: Tensor, scale: Tensor) -> None:
        self.features = features
        self.weight, self.scale = weight[:, None], scale[:, None]
        self.own = (features**2).sum(1, keepdim=True)
        self.gram = features @ features.T if len(features) <= features.shape[1] else None

    def compare(self, q: Tensor, sign: Tensor | None) -> tuple[Tensor, Tensor]:
        """(w lam <f, mean>, w lam^2 |mean|^2 / 2), each (n, K), from responsibilities and expected signs (n, K)."""
        votes = q * self.weight * self.scale
        lean = votes * self.scale / ((votes * self.scale).sum(0, keepdim=True) + 1e-6)
        alpha = votes / ((votes * self.scale).sum(0, keepdim=True) + 1e-6)
        if sign is not None:
            alpha = alpha * sign
        if self.gram is not None:
            dots = self.gram @ alpha
            norms = (alpha * dots).sum(0, keepdim=True)
        else:
            means = alpha.T @ self.features
            dots = self.features @ means.T
            norms = (means**2).sum(1)[None]
        left_out = (dots - alpha * self.own) / (1 - lean.clamp_max(0.9))
        return self.weight * self.scale * left_out, self.weight * self.scale**2 * norms / 2


def anneal_signed(
    views: Views,
    clusters: int,
    *,
    generator: torch.Generator,
    restarts: int = 3,
    iterations: int = 80,
    start: float = 0.02,
    balance: float = 1.0,
) -> SignedClusters:
    """Best of several annealed EM runs over `clusters` images of one class.

    The inverse temperature rises geometrically from `start` to 1 over the first 70 % of the iterations; `balance` is
    the exponent of the Sinkhorn scaling that makes clusters equally large (0 leaves them free).
    """
    n, k = len(views.mass), max(clusters, 1)
    device = views.mass.device
    if n <= k:
        post = torch.zeros(n, k, device=device)
        post[torch.arange(n, device=device), torch.arange(n, device=device) % k] = 1
        return SignedClusters(post, torch.ones(n, device=device), 0.0)
    both = _both(views)
    if k == 1:  # nothing to choose, but the score counts: one image must be able to beat two halves of it
        ones = torch.ones(n, 1, device=device)
        return _iterate(both, ones, _GUESS * ones, [1.0] * 4, 0.0)
    heats = [start ** max(0.0, 1 - step / (0.7 * iterations)) for step in range(iterations)]
    best: SignedClusters | None = None
    for _ in range(restarts):
        q = torch.rand(n, k, generator=generator).to(device)
        q /= q.sum(1, keepdim=True)
        found = _iterate(both, q, torch.full((n, k), _GUESS, device=device), heats, balance)
        if best is None or found.score > best.score:
            best = found
    assert best is not None
    return best


def extend_signed(
    views: Views, strong: Tensor, found: SignedClusters, *, iterations: int = 5, balance: float = 1.0
) -> SignedClusters:
    """Clusters of all slots from those of the strongest.

    Args:
        views: all n slots.
        strong: int64 (m,) those that `found` is about.
        iterations: EM steps at full temperature; the first compares all slots with the means of the strong ones.
    """
    n, k = len(views.mass), found.posterior.shape[1]
    q = torch.zeros(n, k, device=views.mass.device)
    q[strong] = found.posterior
    sign = torch.full_like(q, _GUESS)
    sign[strong] = found.polarity[:, None].expand(-1, k)
    return _iterate(_both(views), q, sign, [1.0] * iterations, balance)


_GUESS = math.tanh(PRIOR / 2)


def _both(views: Views) -> tuple[_View, _View]:
    return (
        _View(views.squares, views.square_weight, views.mass**2),
        _View(views.mixtures, views.mixture_weight, views.mass),
    )


def _iterate(both: tuple[_View, _View], q: Tensor, sign: Tensor, heats: list[float], balance: float) -> SignedClusters:
    squares, mixtures = both
    score = torch.zeros_like(q)
    for heat in heats:
        agree, cost = squares.compare(q, None)
        score = heat * SQUARES * (agree - cost)
        agree, cost = mixtures.compare(q, sign)
        tilt = heat * MIXTURES * agree
        # log of the sum over both signs, each with its prior
        score += torch.logaddexp(PRIOR / 2 + tilt, -PRIOR / 2 - tilt) - heat * MIXTURES * cost
        sign = torch.tanh(PRIOR / 2 + tilt)
        q = sinkhorn(score, balance)
    choice = q.argmax(1, keepdim=True)
    return SignedClusters(q, sign.gather(1, choice)[:, 0], float((q * score).sum()))

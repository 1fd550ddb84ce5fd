"""Which encodings of one class contain the same image: annealed EM on whitened statistics of them.

Model, per class and statistic: f_i = g_i s_i mu_c(i) + noise / sqrt(w_i), with known scale s and weight w and unknown
means mu and clusters c.  Squares have scale lam^2 and no sign (g = 1): they are sure of strong members.  A mixture as
the mask recovery network unmasked it has scale lam and a global sign g = +-1 that the network guessed right or wrong:
it still sees members of lam = 0.1.  Where both are used they err on the same pixels, so that their likelihoods are
added with weights below one.

Three things make it find the global optimum nearly always: scores that leave the encoding itself out of the mean it is
compared with (a strong encoding otherwise votes for itself), annealing that starts far below the critical temperature,
and equal cluster sizes (Sinkhorn) where the release's counts say so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from ihaudit.nn.fitting import bf16_is_fast

#: encodings x clusters from which products are taken in bfloat16, where the processor has it: five times as fast
MANY = 100_000
#: encodings x clusters from which EM works in blocks of encodings: a dozen arrays of that size would fill a memory
BLOCKED = 1 << 24
#: log odds that the network guesses a global sign right (0.93 of held-out mixtures at k = 6, 0.88 at k = 4)
PRIOR = 2.2
#: bounds of what guessed scales are multiplied by
AMOUNTS = (0.1, 4.0)
#: the expected sign before anything is known
GUESS = math.tanh(PRIOR / 2)


@dataclass(frozen=True, eq=False)
class Statistic:
    """A whitened statistic of some encodings.

    Attributes:
        features: float32 (n, D), or float16 where they are many.
        weight: float32 (n,) inverse noise variances.
        scale: float32 (n,) of the image's part in the features.
        signed: whether that part has an unknown sign.
        temper: weight of the log-likelihood.
        spread: how far the part's true scale is from the one given, as a share of it, where that is a guess.
    """

    features: Tensor
    weight: Tensor
    scale: Tensor
    signed: bool = False
    temper: float = 1.0
    spread: float = 0.0

    def some(self, rows: Tensor) -> Statistic:
        """The part of the encodings `rows`."""
        return replace(self, features=self.features[rows], weight=self.weight[rows], scale=self.scale[rows])

    @cached_property
    def _energy(self) -> Tensor:
        # in blocks: all in float32 are twice as large as they are held
        return torch.cat([(rows.float() ** 2).sum(1, keepdim=True) for rows in self.features.split(4096)])

    @cached_property
    def _short(self) -> Tensor:
        return self.features.bfloat16()

    @cached_property
    def _gram(self) -> Tensor | None:
        """Of the encodings, where that is smaller than the features."""
        if len(self.features) > self.features.shape[1]:
            return None
        features = self.features.float()
        return features @ features.T

    def compare(self, q: Tensor, sign: Tensor | None = None, amount: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Encodings against cluster means that they are left out of.

        Args:
            q: (..., n, K) responsibilities; sign: (..., n, K) expected signs, all 1 where None.
            amount: (..., n, K) what `scale` is to be multiplied by in the means, 1 where None.

        Returns:
            ``w s <f, mean>`` and ``w s^2 |mean|^2 / 2``, each (..., n, K).
        """
        weight, scale = self.weight[:, None], self.scale[:, None]
        held = scale if amount is None else scale * amount
        votes = q * weight * held
        alpha = votes / ((votes * held).sum(-2, keepdim=True) + 1e-6)
        leverage = (alpha * held).clamp_max(0.9)
        if sign is not None:
            alpha = alpha * sign
        if self._gram is not None:
            dots = self._gram @ alpha
            norms = (alpha * dots).sum(-2, keepdim=True)
        else:
            if q.shape[-2] * q.shape[-1] >= MANY and bf16_is_fast(q.device.type):
                means = alpha.mT.bfloat16() @ self._short
                dots = (self._short @ means.mT).float()
                means = means.float()
            else:
                means = alpha.mT @ self.features.float()
                dots = self.features.float() @ means.mT
            norms = (means**2).sum(-1)[..., None, :]
        left_out = (dots - alpha * self._energy) / (1 - leverage)
        return weight * scale * left_out, weight * scale**2 * norms / 2

    def means(self, q: Tensor, sign: Tensor | None, amount: Tensor | None, blocks: Sequence[slice]) -> Means:
        """Means of all clusters, from `blocks` of rows of q, signs and amounts (n, K)."""
        short = bf16_is_fast(q.device.type)
        mass = torch.zeros(q.shape[1], device=q.device)
        votes = torch.zeros(q.shape[1], self.features.shape[1], device=q.device)
        for rows in blocks:
            weight, scale = self.weight[rows, None], self.scale[rows, None]
            scale = scale if amount is None else scale * amount[rows]
            mine = q[rows] * weight * scale
            mass += (mine * scale).sum(0)
            if sign is not None:
                mine *= sign[rows]
            if short:
                votes += (mine.mT.bfloat16() @ self.features[rows].bfloat16()).float()
            else:
                votes += mine.mT @ self.features[rows].float()
        mass += 1e-6
        return Means(self, votes / mass[:, None], mass)


@dataclass(frozen=True, eq=False)
class Means:
    """Cluster means float32 (K, D) of a statistic, and what they are made of: mass float32 (K,)."""

    of: Statistic
    means: Tensor
    mass: Tensor

    def compare(self, rows: slice, q: Tensor, sign: Tensor | None, amount: Tensor | None) -> tuple[Tensor, Tensor]:
        """`Statistic.compare` for some rows, with their q, signs and amounts (r, K)."""
        s = self.of
        weight, scale = s.weight[rows, None], s.scale[rows, None]
        held = scale if amount is None else scale * amount
        alpha = q * weight * held / self.mass
        leverage = (alpha * held).clamp_max(0.9)
        if sign is not None:
            alpha *= sign
        if bf16_is_fast(q.device.type):
            dots = (s.features[rows].bfloat16() @ self.means.bfloat16().mT).float()
        else:
            dots = s.features[rows].float() @ self.means.mT
        norms = (self.means**2).sum(1)
        left_out = (dots - alpha * s._energy[rows]) / (1 - leverage)
        return weight * scale * left_out, weight * scale**2 * norms / 2


@dataclass(frozen=True, eq=False)
class Clusters:
    """posterior float32 (n, K); polarity float32 (n,), expected global sign; score: leave-one-out, in nats."""

    posterior: Tensor
    polarity: Tensor
    score: float


def anneal(
    statistics: Sequence[Statistic],
    clusters: int,
    *,
    generator: torch.Generator,
    restarts: int = 3,
    iterations: int = 80,
    start: float = 0.02,
    balance: float = 1.0,
) -> Clusters:
    """Best of several annealed EM runs over `clusters` images of one class.

    Args:
        statistics: of the same n encodings.
        generator: CPU generator for the random starts.
        iterations: EM steps; the inverse temperature rises geometrically from `start` to 1 over the first 70 %.
        balance: exponent of the Sinkhorn column scaling; 1 forces equal sizes, 0 leaves them free.
    """
    n, k = len(statistics[0].weight), max(clusters, 1)
    device = statistics[0].weight.device
    if n <= k:
        at = torch.arange(n, device=device)
        posterior = torch.zeros(n, k, device=device)
        posterior[at, at % k] = 1
        return Clusters(posterior, torch.ones(n, device=device), 0.0)
    if k == 1:  # nothing to choose, but the score counts: one image must be able to beat two halves of it
        ones = torch.ones(n, 1, device=device)
        return _iterate(statistics, ones, GUESS * ones, [1.0] * 4, 0.0)
    inverse_temperatures = [start ** max(0.0, 1 - step / (0.7 * iterations)) for step in range(iterations)]
    q = torch.rand(restarts, n, k, generator=generator).to(device)
    q /= q.sum(-1, keepdim=True)
    # without signs all starts in one product, which spares small classes half their time; signs are as large again
    runs = q if any(s.signed for s in statistics) else [q]
    found = (_iterate(statistics, r, torch.full_like(r, GUESS), inverse_temperatures, balance) for r in runs)
    return max(found, key=lambda f: f.score)


def extend(
    statistics: Sequence[Statistic], strong: Tensor, found: Clusters, *, iterations: int = 5, balance: float = 1.0
) -> Clusters:
    """Clusters of all encodings from those of the strongest.

    Args:
        statistics: of all n encodings.
        strong: int64 (m,) those that `found` is about.
        iterations: EM steps at full temperature; the first compares all with the means of the strong ones.
    """
    n, k = len(statistics[0].weight), found.posterior.shape[1]
    q = torch.zeros(n, k, device=found.posterior.device)
    q[strong] = found.posterior
    sign = torch.full_like(q, GUESS)
    sign[strong] = found.polarity[:, None].expand(-1, k)
    return _iterate(statistics, q, sign, [1.0] * iterations, balance)


def refine(
    statistics: Sequence[Statistic], q: Tensor, sign: Tensor, *, iterations: int, balance: float = 1.0
) -> Clusters:
    """EM at full temperature from responsibilities `q` and expected signs `sign`, both (n, K)."""
    return _iterate(statistics, q, sign, [1.0] * iterations, balance)


def _iterate(
    statistics: Sequence[Statistic], q: Tensor, sign: Tensor, inverse_temperatures: Sequence[float], balance: float
) -> Clusters:
    """The best of the starts `q` and `sign` (..., n, K)."""
    if q.dim() == 2 and q.numel() > BLOCKED:
        return _iterate_in_blocks(statistics, q, sign, inverse_temperatures, balance)
    score = torch.zeros_like(q)
    amounts: list[Tensor | None] = [None for _ in statistics]
    for inverse_temperature in inverse_temperatures:
        score = torch.zeros_like(q)
        for n, statistic in enumerate(statistics):
            sharp = inverse_temperature * statistic.temper
            agree, cost = statistic.compare(q, sign if statistic.signed else None, amounts[n])
            fit, turned, amounts[n] = _fit(statistic, sharp * agree, sharp * cost)
            score += fit
            sign = sign if turned is None else turned
        q = sinkhorn(score, balance)
    total = (q * score).sum((-2, -1)).view(-1)
    best = int(total.argmax())
    q, sign = q.view(-1, *q.shape[-2:])[best], sign.view(-1, *sign.shape[-2:])[best]
    return Clusters(q, sign.gather(1, q.argmax(1, keepdim=True))[:, 0], float(total[best]))


def _fit(statistic: Statistic, agree: Tensor, cost: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """The log-likelihood of clusters, expected signs where these are unknown, and what scales are best multiplied by
    where these are guesses."""
    right, amount = _with_sign(statistic, agree, cost)
    if not statistic.signed:
        return right, None, amount
    wrong, other = _with_sign(statistic, -agree, cost)
    sign = torch.tanh((PRIOR + right - wrong) / 2)
    if amount is not None and other is not None:
        amount = torch.where(sign < 0, other, amount)
    # log of the sum over both signs, each with its prior
    return torch.logaddexp(PRIOR / 2 + right, wrong - PRIOR / 2), sign, amount


def _with_sign(statistic: Statistic, agree: Tensor, cost: Tensor) -> tuple[Tensor, Tensor | None]:
    """The log-likelihood under one sign, and the best amounts.

    Strong and weak encodings of an image would be two images otherwise: each explains its own better.
    """
    if not statistic.spread:
        return agree - cost, None
    tight = 1 / statistic.spread**2
    amount = ((agree + tight) / (2 * cost + tight)).clamp(*AMOUNTS)
    # how many amounts would do as well (Laplace)
    many = torch.log1p(2 * cost / tight) / 2
    return amount * agree - amount**2 * cost - tight / 2 * (amount - 1) ** 2 - many, amount


def _iterate_in_blocks(
    statistics: Sequence[Statistic], q: Tensor, sign: Tensor, inverse_temperatures: Sequence[float], balance: float
) -> Clusters:
    """`_iterate` of one start; q, signs and scores are all that is held of every encoding with every cluster."""
    sign, score = sign.clone(), torch.empty_like(q)
    amounts = [torch.ones_like(q) if s.spread else None for s in statistics]
    size = max(1, BLOCKED // 16 // q.shape[1])
    blocks = [slice(i, i + size) for i in range(0, len(q), size)]
    for inverse_temperature in inverse_temperatures:
        means = [s.means(q, sign if s.signed else None, amount, blocks) for s, amount in zip(statistics, amounts)]
        for rows in blocks:
            total = torch.zeros_like(q[rows])
            for statistic, mean, amount in zip(statistics, means, amounts):
                sharp = inverse_temperature * statistic.temper
                own = None if amount is None else amount[rows]
                agree, cost = mean.compare(rows, q[rows], sign[rows] if statistic.signed else None, own)
                fit, turned, found = _fit(statistic, sharp * agree, sharp * cost)
                total += fit
                if turned is not None:
                    sign[rows] = turned
                if amount is not None and found is not None:
                    amount[rows] = found
            score[rows] = total
        del q
        q = sinkhorn(score, balance)
    reached = sum(float((q[rows] * score[rows]).sum()) for rows in blocks)
    return Clusters(q, sign.gather(1, q.argmax(1, keepdim=True))[:, 0], reached)


def sinkhorn(log_scores: Tensor, balance: float, *, rounds: int = 6) -> Tensor:
    """Row-stochastic weights ~ exp(scores) whose columns (of the second last axis) sum to equal masses."""
    q = torch.softmax(log_scores, dim=-1)
    if balance <= 0:
        return q
    target = q.shape[-2] / q.shape[-1]
    for _ in range(rounds):
        q *= (target / q.sum(-2, keepdim=True).clamp_min(1e-6)) ** balance
        q /= q.sum(-1, keepdim=True).clamp_min(1e-30)
    return q

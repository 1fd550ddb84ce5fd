"""Multi-image phase retrieval by folded-normal EM, with the masks inferred from their surroundings.

|m_ip| = |c_i . a_p + r_ip|, c_i known and sparse, r_i a faint mixture of public images with variance tau_i^2.
E-step: the expected unmasked value y tanh(y pred / tau^2).  Natural images being smooth, r is predictable from its
neighbours: an expected residual there shifts `pred`, with a weight by how sure the neighbours' own signs are.  That
narrows the variance under which a sign is decided and recovers most of the mask.
M-step: weighted least squares, one (N+1) x (N+1) solve for all pixels; tau_i^2 is re-estimated from the residual.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.parallel import row_blocks, run_jobs
from ihaudit.attacks.numerics.scratch import Rows, hand_back_pages

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Coupling:
    """How far neighbouring residuals decide a sign (fitted on other images than those it is reported on).

    Attributes:
        strength: precision that one sure neighbour contributes.
        spread: relative variance of a neighbour about this pixel, when its own sign is sure.
        sigma: width of the neighbourhood in pixels.
        channels: weight of the other channels.
    """

    strength: float = 0.02
    spread: float = 0.1
    sigma: float = 2.0
    channels: float = 0.8


def noise_start(magnitude: Rows, mixing: Mixing) -> Tensor:
    """Variances float32 (E,) before anything is known: mean |m|^2 regressed on (sum lam^2, s^2), the second part."""
    blocks = (slice(i, i + 1024) for i in range(0, len(magnitude), 1024))
    energy = torch.cat(run_jobs(lambda rows: (magnitude[rows].float() ** 2).mean(1), list(blocks), magnitude.device))
    own = (mixing.coefficients**2 * (mixing.members >= 0)).sum(1)
    design = torch.stack([own, mixing.share**2], 1)
    gram = design.T @ design + 1e-6 * torch.eye(2, device=design.device)
    level = torch.linalg.solve(gram, design.T @ energy).clamp_min(0)
    return torch.maximum(level[1] * mixing.share**2, 0.1 * energy).clamp_min(1e-6)


def folded_em(
    magnitude: Tensor,
    mixing: Mixing,
    start: Reconstruction,
    *,
    temperatures: list[float],
    reestimate_after: int = 0,
    batch: int = 256,
) -> Reconstruction:
    """Plain EM, every pixel by itself; `temperatures` (one per step, ending at 1) multiply the variances."""
    images, noise = start.images, start.noise
    for step, temperature in enumerate(temperatures):
        weights = 1 / noise
        spread = torch.empty_like(noise)

        def expect(
            rows: slice,
            images: Tensor = images,
            noise: Tensor = noise,
            spread: Tensor = spread,
            temperature: float = temperature,
        ) -> Tensor:
            y = magnitude[rows]
            pred = mixing.forward(images, rows)
            unmasked = torch.tanh(y * pred / (temperature * noise[rows, None])).mul_(y)
            spread[rows] = residual_power(y, unmasked, pred)
            return mixing.adjoint(unmasked, rows, 1 / noise[rows])

        right = summed(expect, len(mixing), batch, magnitude.device)
        images = torch.linalg.solve(mixing.normal(weights), right)
        if step >= reestimate_after:
            noise = spread.clamp_min(_floor(noise))
    return Reconstruction(images, noise)


def coupled_em(
    magnitude: Tensor,
    mixing: Mixing,
    start: Reconstruction,
    shape: Shape,
    *,
    steps: int,
    coupling: Coupling = Coupling(),
    batch: int = 256,
    report: Callable[[int], None] | None = None,
) -> tuple[Reconstruction, Tensor]:
    """EM whose E-step also uses neighbouring residuals; returns the estimate and the expected signs float32 (E, P)."""
    images, noise = start.images, start.noise
    neighbours = Neighbours(shape, coupling, magnitude)
    signs = torch.empty_like(magnitude)
    for step in range(steps):
        weights = 1 / noise
        spread = torch.empty_like(noise)

        def expect(
            rows: slice,
            images: Tensor = images,
            noise: Tensor = noise,
            spread: Tensor = spread,
            first: bool = step == 0,
        ) -> Tensor:
            y = magnitude[rows]
            pred = mixing.forward(images, rows)
            tau2 = noise[rows, None]
            unmasked = torch.tanh(y * pred / tau2).mul_(y) if first else signs[rows] * y
            sign = neighbours.signs(y, pred, tau2, unmasked)
            signs[rows] = sign
            unmasked = sign * y
            spread[rows] = residual_power(y, unmasked, pred)
            return mixing.adjoint(unmasked, rows, 1 / tau2[:, 0])

        right = summed(expect, len(mixing), batch, magnitude.device)
        images = torch.linalg.solve(mixing.normal(weights), right)
        noise = spread.clamp_min(_floor(noise))
        if report is not None:
            report(step)
    return Reconstruction(images, noise), signs


def cross_fit(
    magnitude: Tensor,
    mixing: Mixing,
    estimate: Reconstruction,
    *,
    folds: int,
    signs: Tensor | None = None,
    batch: int = 256,
) -> list[Tensor]:
    """Images (N + 1, P) per fold, from the encodings of the other folds; encoding i is in fold i modulo `folds`.

    A least-squares image contains a share of the noise of each of its own encodings, so an encoding compared with it
    finds its own noise again, right or wrong.  Judging every encoding by images made without it takes that away.
    """
    if folds < 2:
        return [estimate.images]
    weights = 1 / estimate.noise

    def part(rows: slice, out: Tensor) -> None:
        for f in range(folds):
            some = slice(rows.start + (f - rows.start) % folds, rows.stop, folds)
            y = magnitude[some].float()
            if signs is None:
                unmasked = torch.tanh(y * mixing.forward(estimate.images, some) * weights[some, None]).mul_(y)
            else:
                unmasked = signs[some] * y
            mixing.add_adjoint(out[f], unmasked, some, weights[some])

    blank = mixing.blank(estimate.images, folds)
    rights = accumulated(part, blank, len(mixing), batch, magnitude.device)
    total = rights.sum(0)
    fold = torch.arange(len(mixing), device=magnitude.device) % folds
    return [torch.linalg.solve(mixing.normal(weights * (fold != f)), total - rights[f]) for f in range(folds)]


def summed(part: Callable[[slice], Tensor], total: int, batch: int, device: torch.device) -> Tensor:
    """Sum of part(rows) over all blocks of rows, on the workers, always in the same order."""

    def one(blocks: list[slice]) -> Tensor:
        out = part(blocks[0])
        for rows in blocks[1:]:
            out += part(rows)
            hand_back_pages()
        return out

    return _total(run_jobs(one, row_blocks(total, batch, device), device))


def accumulated(
    add: Callable[[slice, Tensor], None], blank: Tensor, total: int, batch: int, device: torch.device
) -> Tensor:
    """`summed` of what ``add(rows, out)`` adds to zeros like `blank`, which are made once for each worker.

    Where a sum is as large as all images, adding up those of all blocks would cost more than what they are sums of.
    """

    def one(blocks: list[slice]) -> Tensor:
        out = torch.zeros_like(blank)
        for rows in blocks:
            add(rows, out)
            hand_back_pages()
        return out

    return _total(run_jobs(one, row_blocks(total, batch, device), device))


def _total(sums: list[Tensor]) -> Tensor:
    out = sums[0]
    for extra in sums[1:]:
        out = out + extra
    return out


def residual_power(y: Tensor, unmasked: Tensor, pred: Tensor) -> Tensor:
    """E |m - pred|^2 over the pixels of each row, given E m."""
    return (y**2 - 2 * unmasked * pred + pred**2).mean(1)


def log_likelihood(y: Tensor, predicted: Tensor, variance: Tensor) -> Tensor:
    """Folded-normal log-likelihood of magnitudes given predictions, value by value, up to a constant."""
    z = (y * predicted / variance).abs()
    return z + torch.log1p(torch.exp(-2 * z)) - predicted**2 / (2 * variance)


def _floor(noise: Tensor) -> float:
    # a perfectly explained encoding must not take all the weight
    return max(1e-8, 0.02 * float(noise.median()))


class Neighbours:
    """Sum over a Gaussian neighbourhood and the other channels, without the value itself, by banded matrix products."""

    def __init__(self, shape: Shape, coupling: Coupling, like: Tensor) -> None:
        self.shape = shape
        self.coupling = coupling
        _, h, w = shape
        self.rows = _band(h, coupling.sigma, like)
        self.columns = _band(w, coupling.sigma, like)

    def __call__(self, x: Tensor) -> Tensor:
        """(n, P) -> (n, P)."""
        c, h, w = self.shape
        y = torch.matmul(self.rows, torch.matmul(x.view(-1, c, h, w), self.columns))
        if c > 1:
            y = (1 - self.coupling.channels) * y + self.coupling.channels * y.sum(1, keepdim=True)
        return y.reshape(x.shape).sub_(x)

    def signs(self, y: Tensor, predicted: Tensor, variance: Tensor, unmasked: Tensor) -> Tensor:
        """Expected signs (n, P) of magnitudes `y` given predictions and neighbouring residuals.

        Args:
            variance: (n, 1) noise variances.
            unmasked: (n, P) expected mixtures as known so far, from which residuals are taken.
        """
        # confidence of a neighbour's residual: its own spread plus the uncertainty of its sign
        sure = 1 / (self.coupling.spread * variance + (y**2 - unmasked**2).clamp_min(0))
        pull = self(sure * (unmasked - predicted))
        precision = self(sure).mul_(self.coupling.strength).add_(1 / variance)
        return torch.tanh(y * (predicted * precision + self.coupling.strength * pull))


def _band(n: int, sigma: float, like: Tensor) -> Tensor:
    radius = max(1, round(2 * sigma))
    at = torch.arange(n, device=like.device)
    distance = (at[:, None] - at[None]).abs().float()
    return torch.exp(-(distance**2) / (2 * sigma**2)) * (distance <= radius)

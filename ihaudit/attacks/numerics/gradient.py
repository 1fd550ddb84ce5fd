"""Equation (3) of Carlini et al. 2021 (4.5.4): min_A ||delta||^2 subject to |C A + delta| = |B|.

Two values of delta satisfy the constraint in every entry; the smaller one counts, so the objective is
``sum_ip (|B_ip| - |C A|_ip)^2`` with C the known coefficients, one problem per pixel.  It is the maximum-likelihood
estimate of A and of all masks together under isotropic Gaussian noise.  By itself it does not work (see
reports/measurements/carlini.md): negating one pixel in all images at once leaves it as it was, and from zero every
pixel goes the same way.  `descend_adam` is that, as the published code does it; `descend` is what makes it work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ihaudit.attacks.numerics.em import Coupling, Neighbours, summed
from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.parallel import run_jobs
from ihaudit.attacks.numerics.restarts import blurred, pixel_likelihood

Shape = tuple[int, int, int]

#: pixels whose whole descent runs at once: their values stay in the processor's cache
PIXELS = 256


@dataclass(frozen=True)
class Adam:
    """The published code's optimiser: 1,000 steps of Adam at 0.01, and its pull away from grey.

    Attributes:
        steps, rate: of Adam (beta 0.9 and 0.999).
        saturation: weight of ``mean(1 - |A|)``, which the published loss adds to eq. (3).
    """

    steps: int = 1000
    rate: float = 0.01
    saturation: float = 0.05


def smaller_delta(magnitude: Tensor, predicted: Tensor) -> Tensor:
    """The delta of smaller modulus with ``|predicted + delta| = magnitude``, entry by entry; + where both are equal."""
    return torch.copysign(magnitude, predicted).sub_(predicted)


def objective(magnitude: Tensor, coefficients: Tensor, images: Tensor, weights: Tensor | None = None) -> Tensor:
    """Eq. (3): mean over all entries of delta^2, encodings weighted; a differentiable scalar.

    Args:
        magnitude: float (E, P) = |B|.
        coefficients: float (E, K), C.
        images: float (K, P), A.
        weights: float (E,) or None for equal ones.
    """
    predicted = coefficients @ images
    delta = torch.copysign(magnitude, predicted) - predicted
    square = delta**2 if weights is None else delta**2 * weights[:, None]
    return square.mean()


def descend_adam(
    magnitude: Tensor,
    coefficients: Tensor,
    *,
    limits: tuple[float, float] | None = (-1.0, 1.0),
    settings: Adam = Adam(),
    signed: bool = False,
    report: Callable[[float], None] | None = None,
) -> Tensor:
    """Eq. (3) from zero by Adam, without a column for public images: images float32 (N, P).

    Pixels are independent of one another, and so are Adam's moments: every block of pixels is carried through all
    steps before the next, with the gradient written out (2/E C^T delta) instead of recorded.

    Args:
        magnitude: float32 (E, P) = |encodings|; the signed mixtures with `signed`.
        coefficients: float32 (E, N).
        limits: A is kept inside them after every step; None for no limits, as in the published code.
        signed: the true signs are handed over, so that delta is a plain residual (for comparison only).
        report: called with the finished share.
    """
    e, p = magnitude.shape
    n = coefficients.shape[1]
    transposed = coefficients.T.contiguous()
    blocks = torch.arange(p, device=magnitude.device).split(PIXELS if magnitude.device.type == "cpu" else p)
    done = [0]

    def one(columns: Tensor) -> Tensor:
        y = magnitude[:, columns].contiguous()
        # published: where both deltas are equal, as everywhere at zero, the negative one is taken
        x = torch.full((n, y.shape[1]), -1e-12, device=y.device)
        mean, square = torch.zeros_like(x), torch.zeros_like(x)
        for step in range(1, settings.steps + 1):
            predicted = coefficients @ x
            delta = y - predicted if signed else smaller_delta(y, predicted)
            # both means run over all entries, of E*P encodings' and of N*P images' values
            gradient = (transposed @ delta).mul_(-2 / (e * p)).sub_(x.sign(), alpha=settings.saturation / (n * p))
            mean.lerp_(gradient, 0.1)
            square.lerp_(gradient**2, 0.001)
            rate = settings.rate * (1 - 0.999**step) ** 0.5 / (1 - 0.9**step)
            # 1e-8 as in common implementations of Adam; gradients here are means over E*P entries, thus tiny
            x.addcdiv_(mean, square.sqrt().add_(1e-8 * (1 - 0.999**step) ** 0.5), value=-rate)
            if limits is not None:
                x.clamp_(*limits)
        done[0] += 1
        if report is not None:
            report(done[0] / len(blocks))
        return x

    return torch.cat(run_jobs(one, list(blocks), magnitude.device), 1)


@dataclass(frozen=True)
class Surroundings:
    """How delta is chosen given its neighbours (set on development seeds, not on those reported).

    Attributes:
        pull: expected delta as a multiple of the neighbours' mean; 0 is eq. (3) to the letter.
        sigma: width of the neighbourhood in pixels.
        channels: weight of the other channels.
    """

    pull: float = 1.3
    sigma: float = 2.0
    channels: float = 0.8


def descend(
    magnitude: Tensor,
    mixing: Mixing,
    images: Tensor,
    shape: Shape,
    *,
    rounds: tuple[int, ...] = (8, 8, 8),
    weights: Tensor | None = None,
    surroundings: Surroundings | None = Surroundings(),
    limits: tuple[float, float] | None = None,
    batch: int = 256,
    report: Callable[[float], None] | None = None,
) -> tuple[Tensor, Tensor]:
    """Eq. (3) by preconditioned gradient descent from `images`, encodings weighted by their own residuals.

    While no sign changes the objective is quadratic, with the Hessian C^T W C for every pixel; the gradient divided by
    it is a step to the minimum for the present signs.  Eq. (3) takes delta for white noise, yet it holds faint public
    photographs, whose neighbouring pixels are alike: with `surroundings`, of the two deltas that one is taken which is
    nearer to what its neighbours' deltas say, not to zero.  (By itself the objective is misleading: what has a smaller
    one is further from the truth.)

    Args:
        magnitude: float32 (E, P).
        mixing: C; its last column is the mean public image.
        images: float32 (N + 1, P) start.
        shape: (C, H, W).
        rounds: steps between two estimates of the weights, 1 / (mean delta^2 of the encoding).
        weights: float32 (E,) of the first round; equal ones where None.
        limits: A is kept inside them.

    Returns:
        Images (N + 1, P), and each encoding's mean delta^2 float32 (E,).
    """
    weights = torch.ones(len(mixing), device=magnitude.device) if weights is None else weights
    residual = torch.empty_like(weights)
    near = Neighbours(shape, _coupling(surroundings), magnitude) if surroundings else None
    scale = surroundings.pull / near(torch.ones_like(magnitude[:1])) if surroundings and near else None
    # what the last step left over, for the neighbours; eq. (3) to the letter needs no memory
    held = torch.empty_like(magnitude) if near else None

    def slope(rows: slice, images: Tensor, weights: Tensor, first: bool) -> Tensor:
        y, predicted = magnitude[rows], mixing.forward(images, rows)
        if first or near is None or held is None or scale is None:
            delta = smaller_delta(y, predicted)
        else:
            delta = torch.copysign(y, predicted + scale * near(held[rows])).sub_(predicted)
        if held is not None:
            held[rows] = delta
        residual[rows] = (delta**2).mean(1)
        return mixing.adjoint(delta, rows, weights[rows])

    done, total = 0, sum(rounds)
    for steps in rounds:
        factor = torch.linalg.cholesky(mixing.normal(weights))
        for _ in range(steps):

            def part(
                rows: slice, images: Tensor = images, weights: Tensor = weights, first: bool = done == 0
            ) -> Tensor:
                return slope(rows, images, weights, first)

            images = images + torch.cholesky_solve(summed(part, len(mixing), batch, magnitude.device), factor)
            if limits is not None:
                images = images.clamp(*limits)
            done += 1
            if report is not None:
                report(done / total)
        weights = weights_of(residual)
    return images, residual


def weights_of(residual: Tensor) -> Tensor:
    """1 / (mean delta^2) of each encoding; one that is explained perfectly by chance must not take all the weight."""
    return 1 / residual.clamp_min(max(1e-8, 0.02 * float(residual.median())))


def restart(
    magnitude: Tensor,
    mixing: Mixing,
    images: Tensor,
    residual: Tensor,
    shape: Shape,
    *,
    proposals: tuple[tuple[float, float], ...] = ((1.0, 0.3), (2.0, 0.3), (0.7, 1.0)),
    steps: int = 6,
) -> tuple[Tensor, float]:
    """Descents from each pixel's surroundings, kept where they end better: images (N + 1, P) and the share that moved.

    Better means a larger folded-normal likelihood: eq. (3) itself, which settles every mask for good, prefers worse
    images (from the best of restarts by it, SSIM falls).

    Args:
        residual: float32 (E,), mean delta^2 of every encoding.
        proposals: (sigma, weight of other channels) of the surroundings, tried in turn.
    """
    weights = weights_of(residual)
    noise = 1 / weights
    best = pixel_likelihood(magnitude, mixing, Reconstruction(images, noise))
    moved = torch.zeros_like(best, dtype=torch.bool)
    for sigma, channels in proposals:
        start = blurred(images, shape, sigma, channels)
        trial, _ = descend(magnitude, mixing, start, shape, rounds=(steps,), weights=weights, surroundings=None)
        value = pixel_likelihood(magnitude, mixing, Reconstruction(trial, noise))
        better = value > best
        images = torch.where(better, trial, images)
        moved |= better & (value - best > 1.0)
        best = torch.maximum(best, value)
    return images, float(moved.float().mean())


def _coupling(surroundings: Surroundings) -> Coupling:
    return Coupling(sigma=surroundings.sigma, channels=surroundings.channels)

"""Per-pixel restarts from the surroundings, kept where the likelihood says so.

EM treats every pixel by itself and can stick where some of the images are negated relative to the others.  Neighbouring
pixels of the same images seldom stick in the same way, so their average is a good second start.  All pixels are
restarted at once; each keeps whichever end has the larger likelihood, which is exact and sums over all encodings.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ihaudit.attacks.numerics.em import Coupling, Neighbours, folded_em, log_likelihood, summed
from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction

Shape = tuple[int, int, int]


def pixel_likelihood(magnitude: Tensor, mixing: Mixing, estimate: Reconstruction, *, batch: int = 256) -> Tensor:
    """Folded-normal log-likelihood of every pixel over all encodings, up to a constant: float32 (P,)."""

    def part(rows: slice) -> Tensor:
        predicted = mixing.forward(estimate.images, rows)
        return log_likelihood(magnitude[rows], predicted, estimate.noise[rows, None]).sum(0)

    return summed(part, len(mixing), batch, magnitude.device)


def blurred(images: Tensor, shape: Shape, sigma: float, channels: float) -> Tensor:
    """Weighted mean of each value's surroundings, the value itself left out."""
    near = Neighbours(shape, Coupling(sigma=sigma, channels=channels), images)
    return near(images) / near(torch.ones_like(images[:1]))


def restart_pixels(
    magnitude: Tensor,
    mixing: Mixing,
    estimate: Reconstruction,
    shape: Shape,
    *,
    proposals: tuple[tuple[float, float], ...] = ((1.0, 0.3), (2.0, 0.3), (0.7, 1.0)),
    steps: int = 6,
) -> tuple[Reconstruction, float]:
    """The estimate with better local optima where there are any, and the share of values that moved to one.

    Args:
        proposals: (sigma, weight of other channels) of each start, tried in turn.
        steps: EM steps from each start.
    """
    temperatures = [1 + 0.5 * max(0.0, 1 - i / (steps - 2)) for i in range(steps)]
    best = pixel_likelihood(magnitude, mixing, estimate)
    images, moved = estimate.images, torch.zeros_like(best, dtype=torch.bool)
    for sigma, channels in proposals:
        start = Reconstruction(blurred(images, shape, sigma, channels), estimate.noise)
        trial = folded_em(magnitude, mixing, start, temperatures=temperatures, reestimate_after=steps)
        value = pixel_likelihood(magnitude, mixing, trial)
        better = value > best
        images = torch.where(better, trial.images, images)
        moved |= better & (value - best > 1.0)
        best = torch.maximum(best, value)
    return Reconstruction(images, estimate.noise), float(moved.float().mean())

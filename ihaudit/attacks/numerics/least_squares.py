"""Least squares for all images from signed mixtures, every encoding weighted by its own residual.

Carlini et al. 2021, 4.5.3: min_A ||C A - B||^2, B the mixtures, C the coefficients, one solve for all pixels; here
with a column for the mean public image and a noise variance per encoding.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.em import accumulated, summed
from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.scratch import Rows
from ihaudit.release import FloatArray

#: weight of an encoding's own residual in the logarithm of its variance, for many encodings per image, and the number
#: of encodings per image at which it is half that (chosen on development seed 2, T = 10 and 50)
RESIDUAL_TRUST, RESIDUAL_HALF = 0.5, 40.0
_BATCH = 512


#: ridge and floor of `exactly`
_RIDGE, _FLOOR = 1e-9, 1e-6


def exactly(values: NDArray[np.float32], mixing: Mixing, *, rounds: int = 6) -> tuple[FloatArray, NDArray[np.float64]]:
    """`weighted` for mixtures that may be without noise: images (N + 1, P) and residual deviations (E,)."""
    noise = torch.ones(len(values), dtype=torch.float64)
    found = weighted(torch.from_numpy(values), mixing, noise, rounds=rounds, ridge=_RIDGE, floor=_FLOOR)
    return found.images.numpy(), found.noise.sqrt().numpy()


def weighted(
    values: Rows,
    mixing: Mixing,
    noise: Tensor | None = None,
    *,
    signs: Rows | None = None,
    by_labels: bool = False,
    rounds: int = 3,
    ridge: float | None = None,
    floor: float = 0.05,
    start: Tensor | None = None,
) -> Reconstruction:
    """Images and noise variances, in turn.

    A residual's energy says more of how textured its public images are than of their weight, and where images have few
    encodings the fit has taken part of it.  The weight that the labels leave to public images says the rest: their
    variance goes with its power 1.7.

    Args:
        values: float32 (E, P) mixtures, or magnitudes of mixtures with `signs`.
        mixing: coefficients of the N images and of the mean public one.
        noise: (E,) variances to begin with; equal ones where None.  In float64 the normal equations are solved in it.
        signs: float (E, P) expected signs in [-1, 1].
        by_labels: the coefficients are known from labels, and public images take part.
        rounds: solutions.
        ridge: of the normal matrix, relative to its mean diagonal; where None 1e-4, and 1e-3 for expected signs.
        floor: least variance, of the median one: a perfectly explained encoding must not take all the weight.
        start: images (N + 1, P) near the solution, where there are any.
    """
    noise = torch.ones(len(values), device=values.device) if noise is None else noise
    ridge = (1e-4 if signs is None else 1e-3) if ridge is None else ridge
    images = torch.zeros(0)
    by_label = mixing.share.clamp_min(0.02) ** 1.7
    each = len(mixing) * mixing.members.shape[1] / max(mixing.unknowns, 1)
    trust = RESIDUAL_TRUST * each / (each + RESIDUAL_HALF) if by_labels else 1.0
    for _ in range(rounds):
        spread = torch.empty_like(noise)

        def right(rows: slice, out: Tensor, noise: Tensor = noise) -> None:
            y = values[rows] if signs is None else signs[rows].float() * values[rows].float()
            mixing.add_adjoint(out, y, rows, (1 / noise[rows]).to(y.dtype))

        total = accumulated(
            right,
            mixing.blank(values[:1] if signs is None else values[:1].float()),
            len(mixing),
            mixing.rows_at_once,
            values.device,
        )
        images = mixing.solve(1 / noise, total, ridge, start).to(total.dtype)
        start = images

        def residual(rows: slice, images: Tensor = images, spread: Tensor = spread) -> Tensor:
            y, predicted = values[rows].float() if signs is not None else values[rows], mixing.forward(images, rows)
            if signs is None:
                spread[rows] = ((y - predicted) ** 2).mean(1).to(spread.dtype)
            else:
                spread[rows] = (y**2 - 2 * signs[rows].float() * y * predicted + predicted**2).mean(1).to(spread.dtype)
            return predicted[:0].sum()

        summed(residual, len(mixing), _BATCH, values.device)
        noise = spread.clamp_min(max(1e-12 if spread.dtype == torch.float64 else 1e-8, floor * float(spread.median())))
        if trust < 1:
            level = by_label * (noise / by_label).median()
            noise = noise**trust * level ** (1 - trust)
    return Reconstruction(images, noise)

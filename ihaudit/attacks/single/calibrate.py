"""How the network responds, measured on mixtures that the adversary makes from the public set itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ihaudit.attacks.numerics.candidates import Candidates, Response
from ihaudit.attacks.single.posterior import Recolourer, mean_and_variance


@dataclass(frozen=True, eq=False)
class Calibration:
    """The response while nothing is known of a mixture, and while a part is."""

    blind: Response
    informed: Response
    sign_share: float  # of own mixtures, nothing known, up to the global sign, weighted by |m|


def calibrate(
    recolourer: Recolourer, candidates: Candidates, rng: np.random.Generator, count: int = 256
) -> Calibration:
    """Measure the network on `count` mixtures of 3 to 6 public images, with nothing and with some of them known."""
    high = 6
    k = rng.integers(3, high + 1, count)
    c = np.abs(rng.standard_normal((count, high))) * (np.arange(high)[None] < k[:, None])
    c /= c.sum(1, keepdims=True)
    weights = torch.from_numpy(c.astype(np.float32))
    index = torch.from_numpy(rng.integers(0, len(candidates), (count, high)))
    x = candidates.images(index.reshape(-1)).reshape(count, high, *candidates.mean.shape[1:])
    mixture = torch.einsum("bk,bkchw->bchw", weights, x)
    magnitude = mixture.abs()

    logits = recolourer.logits(magnitude, mirror=True)
    mean, _ = mean_and_variance(logits, magnitude)
    side = torch.where((mean * mixture).sum((1, 2, 3), keepdim=True) < 0, -1.0, 1.0)
    right = ((logits * side * mixture > 0) * magnitude).sum((1, 2, 3)) / magnitude.sum((1, 2, 3))
    blind = _response(candidates, mean * side - candidates.mean, mixture - candidates.mean, index)

    # The images with the larger coefficients are found first; at least one, at most all but one, is known.
    order = np.argsort(np.argsort(-c, axis=1), axis=1)
    known = torch.from_numpy((order < rng.integers(1, k)[:, None]) & (c > 0))
    part = torch.einsum("bk,bkchw->bchw", weights * known, x)
    rest = torch.einsum("bk,bkchw->bchw", weights * ~known, x - candidates.mean)
    mean, _ = mean_and_variance(recolourer.logits(magnitude, part), magnitude)
    left = (weights * ~known).sum(1)[:, None, None, None]
    informed = _response(candidates, mean - part - left * candidates.mean, rest, index)
    return Calibration(blind, informed, float(right.mean()))


def _response(candidates: Candidates, seen: Tensor, true: Tensor, members: Tensor) -> Response:
    """Regression of what is seen on what is there, coefficient by coefficient; each mixture counts alike."""
    s, t = candidates.basis.forward(seen), candidates.basis.forward(true)
    scale = s.square().mean(1, keepdim=True).clamp_min(1e-12)
    power = (s.square() / scale).mean(0)
    gain = (s * t / scale).mean(0) / (t.square() / scale).mean(0).clamp_min(1e-12)
    power = power.clamp_min(1e-4 * float(power.mean()))
    response = Response(gain.clamp(0.02, 1.5), power, torch.ones(len(candidates)))
    return replace(response, spread=candidates.spread(s, response, members))

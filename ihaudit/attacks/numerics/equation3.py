"""Eq. (3) of Carlini et al. 2021 made to work: a start, descent, and restarts kept by likelihood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ihaudit.attacks.numerics.em import noise_start
from ihaudit.attacks.numerics.gradient import descend, restart, weights_of
from ihaudit.attacks.numerics.least_squares import weighted
from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.restarts import pixel_likelihood
from ihaudit.attacks.numerics.spectral import resynchronise, spectral_start
from ihaudit.attacks.numerics.unmasking import Unmasker
from ihaudit.errors import NotApplicable

Shape = tuple[int, int, int]

#: rounds of resynchronisation and restarts at most
ROUNDS = 3
#: rounds in which encodings' global signs are settled at most
TURNS = 8
#: what a start by the network is called in diagnostics
NETWORK = "recolouring network"


@dataclass(frozen=True, eq=False)
class Descent:
    """Images and noise variances of encodings, and what to say of how they came about (JSON-able)."""

    estimate: Reconstruction
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Equation3:
    """min_A || |C A| - |B| ||^2, with a column for the mean public image.

    Attributes:
        values: float32 (E, P), |B|.
        mixing: C.
        shape: (C, H, W).
        image_range: range of the images as mixed.
        seed: of the spectral start.
        device: of the network.
        progress: is told the finished fraction.
    """

    values: Tensor
    mixing: Mixing
    shape: Shape
    image_range: tuple[float, float]
    seed: int
    device: str
    progress: Callable[[float], None]

    def solve(self, *, network: bool) -> Descent:
        """From nothing, with the network's start or the spectral one.

        The network was taught by colour images; in grey ones its start can leave regions negated for good, so both
        starts are tried there, and the likelier images kept, at a noise that is the same for both.
        """
        noise = noise_start(self.values, self.mixing)
        images, start = self._start(noise, network=network)
        found = [(self.descended(Reconstruction(images, noise)), start)]
        if self.shape[0] == 1 and start == NETWORK:
            images, start = self._start(noise, network=False)
            found.append((self.descended(Reconstruction(images, noise)), start))
        level = torch.full_like(noise, float(sum(f.estimate.noise.mean() for f, _ in found)) / len(found))
        likely = [
            float(pixel_likelihood(self.values, self.mixing, Reconstruction(f.estimate.images, level)).mean())
            for f, _ in found
        ]
        best, start = found[max(range(len(found)), key=lambda i: likely[i])]
        return Descent(best.estimate, best.facts | {"start": start})

    def descended(self, start: Reconstruction) -> Descent:
        """By descent and restarts from images (N + 1, P) and variances (E,)."""
        facts: dict[str, Any] = {}
        values, mixing, shape = self.values, self.mixing, self.shape
        images, noise = descend(
            values, mixing, start.images, shape, weights=1 / start.noise, surroundings=None, rounds=(15, 10)
        )
        for step in range(ROUNDS):
            images, facts["values_turned"] = resynchronise(images, shape)
            images, moved = restart(values, mixing, images, noise, shape)
            images, noise = descend(values, mixing, images, shape, weights=weights_of(noise), rounds=(8, 8))
            facts["values_restarted"] = moved
            self.progress((step + 1) / ROUNDS)
            if moved < 0.1:
                break
        return Descent(Reconstruction(images, noise), facts)

    def _start(self, noise: Tensor, *, network: bool) -> tuple[Tensor, str]:
        """Images to start from, float32 (N + 1, P), and what that is in words."""
        why = ""
        if network:
            try:
                unmasker = Unmasker(self.shape, self.image_range, self.device)
                return network_start(self.values, self.mixing, unmasker, noise), NETWORK
            except NotApplicable as e:
                why = f" ({e})"
        generator = torch.Generator().manual_seed(self.seed)
        weight = 1 / (noise + 0.3 * noise.mean()) ** 2
        return spectral_start(self.values, self.mixing, weight, self.shape, generator=generator), f"spectral{why}"


def network_start(values: Tensor, mixing: Mixing, unmasker: Callable[[Tensor], Tensor], noise: Tensor) -> Tensor:
    """Least squares on encodings unmasked one by one: float32 (N + 1, P).

    The network knows an encoding's masks up to one sign for all; that sign is the one which agrees with what the
    present images predict, in turn with the images, until none changes.

    Args:
        values: float32 (E, P) magnitudes.
        unmasker: magnitudes -> expected signs (E, P) in [-1, 1].
        noise: float32 (E,) variances.
    """
    signs = unmasker(values)
    images = weighted(values, mixing, noise, signs=signs).images
    for _ in range(TURNS):
        agree = torch.empty(len(values), device=values.device)
        for i in range(0, len(values), 512):
            rows = slice(i, min(i + 512, len(values)))
            agree[rows] = (signs[rows].float() * values[rows] * mixing.forward(images, rows)).sum(1)
        wrong = agree < 0
        if not wrong.any():
            break
        signs[wrong] = -signs[wrong]
        images = weighted(values, mixing, noise, signs=signs).images
    return images

"""Additive Gaussian noise with the (epsilon, delta) it is meant to have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ihaudit import Claim, FloatArray, IntArray, Provenance, Release, Scheme, gaussian_sigma


@dataclass
class Gaussian(Scheme):
    """Clips each image and adds Gaussian noise, calibrated to (epsilon, delta) differential privacy of one image and
    its label.

    An image minus 1/2 is scaled down to Euclidean norm `clip` where it is longer, so that replacing it changes the
    mean of its encoding by at most 2 clip; sigma follows from the analytic Gaussian mechanism (Balle and Wang, ICML
    2018).  Nothing but the noisy image is released: a label beside it would not be covered by epsilon.

    Parameters:
        epsilon, delta: the guarantee, for replacing one image.
        clip: largest Euclidean norm of (image - 1/2), summed over all values.
    """

    epsilon: float = 2.0
    delta: float = 1e-5
    clip: float = 8.0

    scheme_name = "Gaussian mechanism"
    kind = "noise with an epsilon"
    secrets = "the noise"
    security_parameter = "epsilon"
    mechanism = "gaussian"

    def __post_init__(self) -> None:
        if not 0 < self.epsilon <= 700:
            raise ValueError(f"epsilon must lie in (0, 700], not {self.epsilon:g}")
        if not 0 < self.delta < 1:
            raise ValueError(f"delta must lie in (0, 1), not {self.delta:g}")
        if not 0 < self.clip < float("inf"):
            raise ValueError(f"clip must be a positive number, not {self.clip:g}")
        self.claims = (Claim("epsilon", self.epsilon, delta=self.delta),)  # type: ignore[misc]

    @property
    def sigma(self) -> float:
        """Standard deviation of the noise on every value."""
        return gaussian_sigma(self.epsilon, self.delta, 2 * self.clip)

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        n = len(images)
        centred = images.reshape(n, -1) - np.float32(0.5)
        norms = np.linalg.norm(centred, axis=1, keepdims=True)
        centred *= np.minimum(1, self.clip / np.maximum(norms, 1e-12)).astype(np.float32)
        noisy = centred + np.float32(self.sigma) * rng.standard_normal(centred.shape, dtype=np.float32)
        return Release(
            noisy.reshape(images.shape) + np.float32(0.5),
            provenance=Provenance(np.arange(n)[:, None], np.ones((n, 1), np.float32)),
        )

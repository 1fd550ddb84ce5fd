"""Multivariate Student distributions: pictures are smooth in most places and rough in some."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

Floats = NDArray[np.float32]

#: degrees of freedom that are tried, and rounds of re-weighting for each
FREEDOMS = (1.0, 2.0, 3.0, 5.0, 10.0)
ROUNDS = 6
#: variance that is added to every value (8-bit rounding and a little more), in units of the images' range squared
NOISE = 2e-5


@dataclass(frozen=True, eq=False)
class Student:
    """Log-density constant - (freedom + D) / 2 * log(1 + q / freedom), q = (x - mean)' precision (x - mean).

    Attributes:
        mean: float32 (D,).
        precision: float32 (D, D).
        freedom: degrees of freedom.
        constant: of the log-density.
    """

    mean: Floats
    precision: Floats
    freedom: float
    constant: float

    @classmethod
    def of_scatter(cls, mean: Floats, scatter: NDArray[np.float64], freedom: float) -> Student:
        """With that scatter matrix (D, D)."""
        d = len(scatter)
        scatter = scatter + NOISE * np.eye(d)
        constant = gammaln((freedom + d) / 2) - gammaln(freedom / 2) - d / 2 * np.log(freedom * np.pi)
        constant -= 0.5 * np.linalg.slogdet(scatter)[1]
        return cls(mean, np.linalg.inv(scatter).astype(np.float32), freedom, float(constant))

    def at(self, squared: Floats) -> Floats:
        """The log-density where q is `squared`."""
        rest = (self.freedom + len(self.mean)) / 2
        out: Floats = (self.constant - rest * np.log1p(squared / self.freedom)).astype(np.float32)
        return out

    def squared(self, x: Floats) -> Floats:
        """q of float32 (n, D)."""
        z = x - self.mean
        out: Floats = np.einsum("nd,nd->n", z @ self.precision, z)
        return out

    def log_density(self, x: Floats) -> Floats:
        """float32 (n,) of float32 (n, D)."""
        return self.at(self.squared(x))


def scatter_of(x: Floats, freedom: float, mean: Floats | None = None) -> tuple[Floats, NDArray[np.float64]]:
    """Mean (unless it is given) and scatter of a Student distribution fitted to float32 (n, D)."""
    centre = x.mean(0) if mean is None else mean
    z = x - centre
    scatter: NDArray[np.float64] = (z.T @ z).astype(np.float64) / len(z)
    for _ in range(ROUNDS):
        precision = np.linalg.inv(scatter + NOISE * np.eye(len(scatter))).astype(np.float32)
        weight = (freedom + x.shape[1]) / (freedom + np.einsum("nd,nd->n", z @ precision, z))
        if mean is None:
            centre = (weight[:, None] * x).sum(0) / weight.sum()
            z = x - centre
        scatter = ((z * weight[:, None]).T @ z).astype(np.float64) / len(z)
    return centre.astype(np.float32), scatter


def fit(x: Floats, mean: Floats | None = None, freedoms: tuple[float, ...] = FREEDOMS) -> Student:
    """Fitted to float32 (n, D), the degrees of freedom by likelihood of a fifth that is held out."""
    held, kept = x[::5], np.delete(x, np.s_[::5], 0)
    best, freedom = -np.inf, freedoms[0]
    for v in freedoms:
        centre, scatter = scatter_of(kept, v, mean)
        likelihood = float(Student.of_scatter(centre, scatter, v).log_density(held).mean())
        if likelihood > best:
            best, freedom = likelihood, v
    return Student.of_scatter(*scatter_of(x, freedom, mean), freedom)

"""Logistic regression with a ridge penalty."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Float64 = NDArray[np.float64]


def logistic_without_intercept(x: Float64, penalty: float | Float64 = 2.0) -> Float64:
    """Weights float64 (J,) under which the rows of x, float64 (R, J), should score above 0.

    Minimises sum log(1 + exp(-x w)) + sum penalty w^2.
    """

    def loss(w: Float64) -> tuple[float, Float64]:
        z = x @ w
        slope = -1 / (1 + np.exp(np.clip(z, -500, 500)))
        return float(np.logaddexp(0, -z).sum() + (penalty * w) @ w), x.T @ slope + 2 * penalty * w

    return np.asarray(minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x)


def logistic(x: NDArray[Any], y: NDArray[np.bool_]) -> Float64:
    """The same on standardised columns, with an intercept that is not penalised: weights for raw columns, then it."""
    mean, std = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)
    keep = std > 1e-9
    z = np.concatenate([(x[:, keep] - mean[keep]) / std[keep], np.ones((len(x), 1))], axis=1)
    w = logistic_without_intercept(np.where(y, 1.0, -1.0)[:, None] * z, np.r_[np.full(z.shape[1] - 1, 2.0), 0.0])
    out = np.zeros(x.shape[1] + 1)
    out[:-1][keep] = w[:-1] / std[keep]
    out[-1] = w[-1] - float((out[:-1] * mean).sum())
    return out

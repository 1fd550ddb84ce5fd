"""Estimates with intervals: the only form in which a rate, an advantage or a score travels."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A measured value with its confidence interval.

    Attributes:
        value: the point estimate; None where nothing could be measured (never NaN: results.json is strict JSON).
        low: lower end of the interval, or None.
        high: upper end, or None.
        n: number of trials or images behind it.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            x = getattr(self, name)
            if x is not None:
                x = float(x)
                object.__setattr__(self, name, x if math.isfinite(x) else None)
        object.__setattr__(self, "n", int(self.n))

    def __str__(self) -> str:
        if self.value is None:
            return "n/a"
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

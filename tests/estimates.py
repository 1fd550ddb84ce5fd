"""Estimates whose every number is there, for comparisons."""

from __future__ import annotations

from typing import NamedTuple

from ihaudit.stats import Estimate


class Measured(NamedTuple):
    """An `Estimate` that was measured, with both ends of its interval."""

    value: float
    low: float
    high: float
    n: int


def measured(estimate: Estimate | None) -> Measured:
    """The numbers of `estimate`; an `AssertionError` where one is missing."""
    assert estimate is not None and estimate.value is not None, estimate
    assert estimate.low is not None and estimate.high is not None, estimate
    return Measured(estimate.value, estimate.low, estimate.high, estimate.n)

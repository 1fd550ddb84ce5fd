"""How a figure is printed: the same digits and the same unit in every sentence, table and format.

Every text that shows a measured value goes through here, whether it is written by the verdict, a report, a build
server's format or the command line, so that two of them can never round the same value differently.
"""

from __future__ import annotations

import math

from ihaudit.stats import Estimate


def number(x: float | int | None, digits: int = 3) -> str:
    """A number as the report prints it: a true minus sign, commas in thousands, no false precision."""
    if x is None or (isinstance(x, float) and not math.isfinite(x)):
        return "n/a"
    if isinstance(x, int) or (float(x).is_integer() and abs(x) >= 1000):
        text = f"{int(x):,}"
    elif x != 0 and abs(x) < 10.0**-digits:
        text = f"{x:.1e}"
    else:
        text = f"{x:.{digits if abs(x) < 10 else 1 if abs(x) >= 100 else 2}f}"
    return text.replace("-", "−")


def scaled(x: float | None, unit: str = "") -> str:
    """`x` in `unit`: rates as per cent, decibels with one digit."""
    if x is None:
        return "n/a"
    if unit in ("%", "pp"):
        y = 100 * x
        digits = 0 if y in (0.0, 100.0) else 1
        return f"{y:.{digits}f}".replace("-", "−") + ("\u00a0%" if unit == "%" else "\u00a0points")
    if unit:
        return f"{number(x, 1)}\u00a0{unit}"
    return number(x)


def interval(e: Estimate | None, unit: str = "") -> str:
    """The confidence interval alone, e.g. ``[0.80, 0.86]``; empty where there is none."""
    if e is None or (e.low is None and e.high is None):
        return ""
    low, high = scaled(e.low, unit), scaled(e.high, unit)
    if e.low is not None and e.high is not None:
        if unit and low.endswith(tail := low[low.rfind("\u00a0") :]):
            low = low.removesuffix(tail)
        return f"[{low}, {high}]"
    return f"≥ {low}" if e.low is not None else f"≤ {high}"


def estimate(e: Estimate | None, unit: str = "") -> str:
    """Value and interval, e.g. ``0.83 [0.80, 0.86]``; ``≥ 3.1`` where the value is itself the bound."""
    if e is None or e.value is None:
        return "n/a"
    if (e.value == e.low and e.high is None) or (e.value == e.high and e.low is None):
        return interval(e, unit)
    return f"{scaled(e.value, unit)} {interval(e, unit)}".strip()

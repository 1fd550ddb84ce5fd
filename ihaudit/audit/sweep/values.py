"""Whether a scheme has the parameters of a grid, and takes their values, before command lines of them go out."""

from __future__ import annotations

from collections.abc import Sequence

from ihaudit.audit.setup import hidden
from ihaudit.audit.sweep.grid import Point
from ihaudit.sandbox import Limits, SchemeProcess
from ihaudit.sandbox.loader import SchemeSource, parse_sets

#: Values that are tried; of the others only the names are known to be right.
MOST = 64


def check_values(
    source: SchemeSource, sets: Sequence[str], points: Sequence[Point], limits: Limits | None = None
) -> None:
    """Load the scheme with every value of the grid once, the other parameters as at the first point.

    Raises:
        UsageError: a parameter that the scheme does not have, or a value of another type.
        SchemeError: the scheme cannot be loaded.
    """
    first = dict(points[0].values)
    trials = list(dict.fromkeys(tuple((first | {k: v}).items()) for p in points for k, v in p.values))
    for trial in trials[:MOST]:
        given = parse_sets([*sets, *(f"{k}={v}" for k, v in trial)])
        with SchemeProcess(source, given, limits=limits, hidden=hidden()) as process:
            assert process.card

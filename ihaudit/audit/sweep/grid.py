"""The points of a grid, and which of them are one machine's share."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ihaudit.errors import UsageError

#: Points that one grid may have: beyond it their list alone would fill a memory.
MAX_POINTS = 1_000_000
#: Bytes of a folder's name: 255 on every common file system.
MAX_NAME = 255


@dataclass(frozen=True)
class Point:
    """One point of the grid: (name, value) pairs as text, in the order of the grid."""

    values: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """``k=4,epochs=10``: also the name of its folder."""
        return ",".join(f"{k}={v}" for k, v in self.values)

    def said(self, sentence: str) -> str:
        """What was said of the point, for readers who see its name already: without its value at the beginning."""
        for k, v in self.values:
            sentence = sentence.removeprefix(f"{k}={v}: ")
        return sentence

    def folder(self, sweep: Path) -> Path:
        """Its folder, under a sweep's; one that names its parameters in another order is the same point's."""
        usual = sweep / self.name
        if usual.exists() or not sweep.is_dir():
            return usual
        others = (sweep / Point(v).name for v in itertools.islice(itertools.permutations(self.values), 1, 5040))
        return next((p for p in others if p.exists()), usual)


def parse_grid(specs: Sequence[str]) -> list[Point]:
    """All points of ``["k=2,4,6", "epochs=10,50"]``, the last name running fastest.

    Raises:
        UsageError: a spec without values, a name or a value twice, more than `MAX_POINTS` points, or more than a
            folder's name holds.
    """
    axes: list[tuple[str, list[str]]] = []
    for spec in specs:
        name, eq, rest = spec.partition("=")
        values = [v.strip() for v in rest.split(",")]
        if not eq or not name.strip() or not all(values):
            raise UsageError(f"--grid {spec!r} is not of the form NAME=VALUE,VALUE,...")
        if any("/" in v or "\0" in v for v in values):
            raise UsageError(f"--grid {spec!r}: a value names a folder too and cannot hold '/'; use --set for it")
        if len({_same(v) for v in values}) < len(values):
            raise UsageError(f"--grid {spec!r} names a value twice")
        if name.strip() in [n for n, _ in axes]:
            raise UsageError(f"--grid names {name.strip()!r} twice; give all of its values in one")
        axes.append((name.strip(), values))
    if not axes:
        raise UsageError("nothing to sweep; name a parameter and its values, e.g. --grid k=2,4,6")
    if (count := math.prod(len(v) for _, v in axes)) > MAX_POINTS:
        raise UsageError(f"the grid has {count:,} points; sweep at most {MAX_POINTS:,} at a time")
    longest = ",".join(f"{n}={max(v, key=_bytes)}" for n, v in axes)
    if _bytes(longest) > MAX_NAME:
        raise UsageError(
            f"a point is a folder called {longest[:60]!r}..., which is longer than a name can be; use shorter values, "
            "or sweep fewer parameters at a time"
        )
    return [Point(tuple(zip([n for n, _ in axes], chosen))) for chosen in itertools.product(*(v for _, v in axes))]


def _bytes(text: str) -> int:
    return len(os.fsencode(text))


def _same(value: str) -> object:
    """What a value is compared by: 2 and 2.0 are one."""
    try:
        return float(value)
    except ValueError:
        return value


def parse_shard(text: str) -> tuple[int, int]:
    """(i, n) of ``"i/n"``, i from 1 on.

    Raises:
        UsageError: anything else.
    """
    i, _, n = text.partition("/")
    if not (i.isascii() and n.isascii() and i.isdigit() and n.isdigit() and 1 <= int(i) <= int(n)):
        raise UsageError(f"--shard {text!r} is not of the form I/N with I from 1 to N, such as 2/8")
    return int(i), int(n)


def share(points: Sequence[Point], shard: tuple[int, int]) -> list[Point]:
    """Every n-th point, from the i-th on: neighbours, which cost alike, go to different machines."""
    i, n = shard
    return list(points[i - 1 :: n])

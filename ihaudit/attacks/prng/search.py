"""What a search for the generator starts from, what it writes down, and what it may end with."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ihaudit.attacks.prng.generators.conventions import NCHW, NHW, NHWC, Layout
from ihaudit.attacks.prng.stream import UnmaskedRelease
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.release import FloatArray
from ihaudit.results import StageRecord

SECURE = (
    "draw masks, coefficients and permutations from a cryptographically secure generator (os.urandom, secrets, or a "
    "stream cipher keyed by them)"
)


@dataclass(eq=False)
class Explanation:
    """A generator that explains the release.

    Attributes:
        sentence: what it is, for the report.
        unmasked: the release without its masks; None where only coefficients are explained.
        diagnostics: JSON-able.
        remedy: what to do about it.
    """

    sentence: str
    unmasked: UnmaskedRelease | None
    diagnostics: dict[str, Any] = field(default_factory=dict)
    remedy: str = f"{SECURE}; a larger seed does not help, the state is recovered without it"


@dataclass(eq=False)
class Search:
    """The release and the record of the search.

    Attributes:
        encodings: float32 (E, H, W, C), signed; `masked` says whether they carry masks to predict.
        view, ctx: as the attack got them.
        scanned: rows of generator, convention, range and outcome: everything that was tried.
        stages: records of what was done.
    """

    encodings: FloatArray
    masked: bool
    view: View
    ctx: Context
    scanned: list[dict[str, Any]] = field(default_factory=list)
    stages: list[StageRecord] = field(default_factory=list)

    @cached_property
    def layouts(self) -> tuple[Layout, ...]:
        """Element orders worth trying: one sign per pixel where all channels carry the same sign, else per value."""
        if self.encodings.shape[-1] == 1:
            return (NHWC,)
        part = self.encodings[:64] < 0
        return (NHW,) if float(np.mean(part[..., 0] == part[..., 1])) > 0.8 else (NHWC, NCHW)

    def tried(self, generator: str, convention: str, values: str, outcome: str) -> None:
        """Write down one combination of generator, convention and range."""
        self.scanned.append({"generator": generator, "convention": convention, "range": values, "outcome": outcome})

    @contextmanager
    def stage(self, name: str, variant: str) -> Iterator[StageRecord]:
        """Time a stage; its record, to which diagnostics may be added, is kept however the stage ends."""
        record = StageRecord(name=name, variant=variant, seconds=0.0)
        began = time.perf_counter()
        try:
            yield record
        finally:
            record.seconds = time.perf_counter() - began
            self.stages.append(record)

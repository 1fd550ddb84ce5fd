"""What every attack and game is handed besides its input: seed, device, profile, progress, a place for checkpoints."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ihaudit.contracts.store import Store

ProfileName = Literal["quick", "standard", "full"]
Progress = Callable[[str, float | None], None]


def _silent(message: str, fraction: float | None = None) -> None:
    """The default progress callback."""


@dataclass(frozen=True)
class Context:
    """Injected into every attack and game; there is no global seed, device or folder.

    Attributes:
        seed: of this attack or game (already derived from the audit's seed and the id).
        device: ``cpu`` or ``cuda``.
        profile: the cost preset; budgets are the attack's or game's own to set by it.
        progress: call with a short message and the finished fraction in [0, 1] (or None when unknown).
        checkpoints: a folder of its own where long work may keep parts to resume from, or None.
        options: further options given by the user for this item.
        store: keeps what an attack made from run to run, or None.
        encoder_s: wall seconds that this attack or game may spend in the encoder, of the profile; what does not fit
            (`Encoder.seconds`) is left out, and the answer says so.
        scheduler: address of a Dask scheduler whose workers may take independent parts of an attack, or None.
    """

    seed: int
    device: str = "cpu"
    profile: ProfileName = "quick"
    progress: Progress = _silent
    checkpoints: Path | None = None
    options: dict[str, Any] = field(default_factory=dict)
    store: Store | None = None
    encoder_s: float = math.inf
    scheduler: str | None = None

    def rng(self, *names: object) -> np.random.Generator:
        """A generator for one purpose: the same names give the same stream, other names an independent one."""
        return np.random.default_rng(derive_seed(self.seed, *names))

    def child(self, *names: object) -> Context:
        """The same context with a seed of its own."""
        return replace(self, seed=derive_seed(self.seed, *names))


def derive_seed(seed: int, *names: object) -> int:
    """A 63-bit seed derived from `seed` and a path of names, stable across runs and platforms."""
    words = [seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF]
    words += [zlib.crc32(repr(n).encode()) for n in names]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)

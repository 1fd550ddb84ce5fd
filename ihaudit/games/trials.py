"""How many trials are played, and trial sets that a resumed audit need not play again."""

from __future__ import annotations

import io
import json
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit import stats
from ihaudit.contracts.context import Context
from ihaudit.contracts.game import GameSetting
from ihaudit.errors import NotApplicable
from ihaudit.results import atomic_write

Arrays = dict[str, NDArray[Any]]
#: What an advantage's lower end must exceed for ``broken`` (`ihaudit.games.base`).
BROKEN_ABOVE = 0.05
#: Fewer trials than this tell nothing but certainty from guessing.
LEAST = 20


@dataclass(frozen=True)
class Trials:
    """How many trials are played, and what a costly scheme took from them.

    Attributes:
        count, planned: played, and by the profile where calls cost nothing.
        seconds: a call takes.
        room: seconds of encoding that the profile leaves to them.
    """

    count: int
    planned: int
    seconds: float = 0.0
    room: float = math.inf

    @property
    def note(self) -> str:
        """What was left out, and what it cost in power; empty where nothing was."""
        if self.count >= self.planned:
            return ""
        return (
            f"{self.count:,} trials instead of {self.planned:,}: a call takes {self.seconds:.1f} s, and "
            f"{self.room:.0f} s of encoding were left to them; an advantage below {self.smallest:.2f} would not be "
            "told from none (95 %)"
        )

    @property
    def smallest(self) -> float:
        """The smallest measured advantage whose 95 % interval lies above `BROKEN_ABOVE`; 1 where none does."""
        for right in range(self.count // 2, self.count + 1):
            e = stats.advantage(right, self.count)
            if e.value is not None and e.low is not None and e.low > BROKEN_ABOVE:
                return e.value
        return 1.0


def affordable(
    setting: GameSetting,
    ctx: Context,
    planned: int,
    cost: Callable[[int], float],
    *,
    share: float,
    least: int = LEAST,
    what: str = "trials",
) -> Trials:
    """As many of the planned trials as fit into a share of `Context.encoder_s`, by halves.

    By halves, so that a machine a little slower plays as many.

    Args:
        setting: whose encoder is asked what calls cost.
        ctx: of the game.
        planned: trials by the profile.
        cost: seconds of encoding that so many take.
        share: of what the game may spend.
        least: fewer are not played.
        what: words for the reason.

    Raises:
        NotApplicable: not even `least` fit.
    """
    room, count = share * ctx.encoder_s, planned
    while count > least and cost(count) > room:
        count = max(least, count // 2)
    if cost(count) > room:
        raise NotApplicable(
            f"{count:,} {what} take {cost(count):.0f} s of encoding, and the profile {ctx.profile} leaves {room:.0f} s "
            "to them; a slower profile leaves more"
        )
    return Trials(count, planned, cost(1), room)


def fingerprint(setting: GameSetting) -> int:
    """A number that changes with the population and the scheme's parameters (part of every checkpoint's key)."""
    plain = sorted((k, repr(v)) for k, v in setting.parameters.items() if isinstance(v, (bool, int, float, str)))
    words = (setting.images.shape, setting.key, plain)  # a set's repr would change from one process to the next
    crc = zlib.crc32(setting.images[:: max(1, len(setting.images) // 64)].tobytes())
    return zlib.crc32(repr(words).encode(), crc)


def stored(ctx: Context, setting: GameSetting, name: str, key: dict[str, Any], make: Callable[[], Arrays]) -> Arrays:
    """The trial set `name`, from its checkpoint where there is one of the same seed, scheme and parameters.

    Files are ``<name>-<crc>.npz`` in ctx.checkpoints, written atomically; a damaged one is made again.
    """
    if ctx.checkpoints is None:
        return make()
    full = json.dumps({"seed": ctx.seed, "data": fingerprint(setting)} | key, sort_keys=True, default=str)
    path = ctx.checkpoints / f"{name}-{zlib.crc32(full.encode()):08x}.npz"
    if path.exists():
        try:
            with np.load(path, allow_pickle=False) as z:
                if str(z["__key__"]) == full:
                    return {k: z[k] for k in z.files if k != "__key__"}
        except (OSError, ValueError, KeyError, EOFError):
            path.unlink(missing_ok=True)
    arrays = make()
    buffer = io.BytesIO()
    np.savez(buffer, __key__=np.array(full), **arrays)  # type: ignore[arg-type]
    atomic_write(path, buffer.getvalue())
    return arrays

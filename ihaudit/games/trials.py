"""Trial sets that a resumed audit need not play again."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.context import Context
from ihaudit.contracts.game import GameSetting
from ihaudit.results import atomic_write

Arrays = dict[str, NDArray[Any]]


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

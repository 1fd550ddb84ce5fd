"""Moves that a set of reconstructions may be fixed up to: mirror images, turns, negatives.

Some secrets hide a picture only up to such a move (a layout found from correlations may be a mirror image, and nothing
in the release says which it is).  A mirrored picture is recovered all the same.  An attack that says so is scored by
the best of the stated moves, one for all of its pictures; decoys are scored by the best move for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.metric import Metric, named

Move = Callable[[NDArray[np.float32]], NDArray[np.float32]]

#: what an answer may be fixed up to
AMBIGUITIES = ("mirror", "turn", "negative")

named(
    Metric(
        "ssim_aligned",
        "SSIM up to the move that the attack states, mean",
        hint="the best of few moves, one for all pictures; decoys likewise",
        floor=-1.0,
        ceiling=1.0,
        order=15,
    )
)
named(Metric("ssim_as_answered", "SSIM of the pictures exactly as answered, mean", floor=-1.0, ceiling=1.0, order=16))


def moves(ambiguity: Iterable[str], shape: tuple[int, ...]) -> dict[str, Move]:
    """The group that an answer is fixed up to: words of a move -> what it does to float32 (n, H, W, C) in [0, 1].

    Args:
        ambiguity: of `AMBIGUITIES`; ``mirror``: left to right; ``turn``: by all quarter turns (half turns and both
            mirrors where pictures are oblong), with mirroring; ``negative``: 1 - x.
        shape: (H, W, C).

    Returns:
        The identity first.

    Raises:
        ValueError: a word that is none of them.
    """
    stated = set(ambiguity)
    if unknown := stated - set(AMBIGUITIES):
        raise ValueError(f"an answer may be fixed up to {', '.join(AMBIGUITIES)}, not {sorted(unknown)[0]!r}")
    turns: dict[str, Move] = {"as answered": lambda x: x}
    if "turn" in stated:
        quarters = (0, 1, 2, 3) if shape[0] == shape[1] else (0, 2)
        turns |= {f"turned by {90 * k} degrees": _turn(k, False) for k in quarters if k}
        turns |= {f"mirrored{f' and turned by {90 * k} degrees' if k else ''}": _turn(k, True) for k in quarters}
    elif "mirror" in stated:
        turns |= {"mirrored": _turn(0, True)}
    if "negative" in stated:
        turns |= {("negative" if i == 0 else f"{w}, negative"): _negative(m) for i, (w, m) in enumerate(turns.items())}
    return turns


def _turn(quarters: int, mirrored: bool) -> Move:
    def move(x: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.ascontiguousarray(np.rot90(x[:, :, ::-1] if mirrored else x, quarters, (1, 2)))

    return move


def _negative(move: Move) -> Move:
    def negated(x: NDArray[np.float32]) -> NDArray[np.float32]:
        out: NDArray[np.float32] = 1 - move(x)
        return out

    return negated

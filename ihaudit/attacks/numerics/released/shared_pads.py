"""Rows under pads of which several rows have the same: one for each label, one of a few, one for each place in a call.

What a known row is combined with is known.  Where that is the same in several rows, it hides nothing: every other row
is tried with each pad, and the one that leaves a picture is taken.  A key stream that begins anew in every call gives
row i of each call the same pad.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.released.keyed_shifts import as_codes

#: Known rows at least, share of them that have another's pad, and by how much pads of one kind may differ.
LEAST, SHARED, SAME = 24, 0.2, 1e-3
#: Pads that are tried at most, the most frequent first, and values of a row.
MAX_PADS, MAX_VALUES = 512, 60_000
#: How much smoother than most pads leave it a row must be with one, to be taken for a picture.
SMOOTHER = 0.6
#: Values of a row by which pads are told from others.
TOLD = 256


@dataclass(frozen=True)
class Kind:
    """How images and pads make rows: `pad` of (rows, images), and `plain` images of (rows, pads); all (n, d).

    `codes`: bytes; `modulo`: pads 0 and 1 are the same.
    """

    words: str
    codes: bool
    pad: Callable[[Any, Any], Any]
    plain: Callable[[Any, Any], Any]
    modulo: bool = False


#: Of codes (bytes), and of numbers; images are on [0, 1] in numbers.
KINDS = (
    Kind("exclusive or with a pad", True, np.bitwise_xor, np.bitwise_xor),
    Kind("a sum with a pad modulo 256", True, np.subtract, np.subtract),
    Kind("a pad less it modulo 256", True, np.add, lambda rows, pads: pads - rows),
    Kind("a sum with a pad", False, np.subtract, np.subtract),
    Kind("a pad less it", False, np.add, lambda rows, pads: pads - rows),
    Kind("a sum with a pad modulo 1", False, lambda r, x: np.mod(r - x, 1), lambda r, p: np.mod(r - p, 1), True),
    Kind(
        "a product with a pad on [-1, 1]",
        False,
        lambda r, x: r / _away(2 * x - 1),
        lambda r, p: (r / _away(p) + 1) / 2,
    ),
)


def _away(x: Any) -> Any:
    """Numbers that may be divided by."""
    return np.where(np.abs(x) > 1e-4, x, 1e-4)


@dataclass(frozen=True, eq=False)
class PadsInverse:
    """Images from rows under pads that are known.

    Attributes:
        shape: (H, W, C) of images.
        kind: how rows are made.
        pads: (K, d), the known pads.
    """

    shape: tuple[int, ...]
    kind: Kind
    pads: NDArray[Any]

    @property
    def words(self) -> str:
        """For reports."""
        return f"{self.kind.words}, of which several rows have the same"

    def __call__(self, rows: NDArray[Any], own: NDArray[Any] | None = None) -> NDArray[np.float32]:
        """float32 (n, H, W, C) in [0, 1]; grey where no known pad leaves a picture.

        Args:
            rows: (n, ...), as released.
            own: (n, d), a pad for each row that is tried besides.
        """
        out = np.full((len(rows), *self.shape), 0.5, np.float32)
        given = _numbers(rows, self.kind)
        for i in range(len(rows) if given is not None else 0):
            pads = self.pads if own is None else np.concatenate([self.pads, own[i : i + 1]])
            made = self.kind.plain(given[i : i + 1], pads)  # type: ignore[index]
            tried = (made / np.float32(255 if self.kind.codes else 1)).reshape(-1, *self.shape).astype(np.float32)
            rough = roughness(tried)
            best = int(np.argmin(rough))
            if len(rough) == 1 or rough[best] < SMOOTHER * np.median(rough):
                out[i] = np.clip(tried[best], 0, 1)
        return out

    def of(self, images: NDArray[np.float32], rows: NDArray[Any]) -> NDArray[Any] | None:
        """(n, d), the pads of known rows; None where rows are of another kind."""
        given = _numbers(rows, self.kind)
        return None if given is None else np.asarray(self.kind.pad(given, _plain(images, self.kind)))

    def with_more(self, pads: NDArray[Any]) -> PadsInverse:
        """The same with more pads."""
        return replace(self, pads=_distinct(np.concatenate([self.pads, pads]), self.kind)[0])


def fit_pads(images: NDArray[np.float32], rows: NDArray[Any]) -> PadsInverse | None:
    """The pads of known rows, where several rows have the same; None where they have not, or all have one.

    Args:
        images: float32 (n, H, W, C) in [0, 1].
        rows: (n, ...), row i released of image i.
    """
    n = len(images)
    if n < LEAST or rows[0].size != images[0].size or rows[0].size > MAX_VALUES:
        return None
    for kind in KINDS:
        given = _numbers(rows, kind)
        if given is None:
            continue
        pads, groups = _distinct(kind.pad(given, _plain(images, kind)), kind)
        counts = np.bincount(groups)
        if len(counts) > 1 and float((counts[groups] > 1).mean()) >= SHARED:
            return PadsInverse(images.shape[1:], kind, pads)
    return None


def roughness(images: NDArray[np.float32]) -> NDArray[np.float64]:
    """float64 (n,): the mean difference of neighbouring pixels of images (n, H, W, C), those beyond [0, 1] counted."""
    beyond = np.abs(images - np.clip(images, 0, 1)).mean((1, 2, 3), dtype=np.float64)
    steps = [np.abs(np.diff(images, axis=a)).mean((1, 2, 3), dtype=np.float64) for a in (1, 2) if images.shape[a] > 1]
    out: NDArray[np.float64] = sum(steps, beyond)
    return out


def _numbers(rows: NDArray[Any], kind: Kind) -> NDArray[Any] | None:
    if kind.codes:
        return as_codes(rows)
    return rows.reshape(len(rows), -1).astype(np.float32) if rows.dtype.kind == "f" else None


def _plain(images: NDArray[np.float32], kind: Kind) -> NDArray[Any]:
    flat = images.reshape(len(images), -1)
    return np.rint(np.clip(flat, 0, 1) * 255).astype(np.uint8) if kind.codes else flat


def _distinct(pads: NDArray[Any], kind: Kind) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Pads that differ from each other, the most frequent first, and which of all (before `MAX_PADS`) each row has."""
    step = max(1, pads.shape[1] // TOLD)
    some = pads[:, ::step].astype(np.float64)
    groups = np.full(len(pads), -1, np.int64)
    first: list[int] = []
    for i in range(len(pads)):
        if groups[i] >= 0:
            continue
        away = np.abs(some[i:] - some[i])
        if kind.modulo:
            away = np.minimum(away, np.abs(1 - away))
        alike = np.flatnonzero((away.max(1) < SAME) & (groups[i:] < 0)) + i
        groups[alike] = len(first)
        first.append(i)
    order = np.argsort(-np.bincount(groups), kind="stable")
    return pads[np.array(first)[order][:MAX_PADS]], np.argsort(order)[groups]

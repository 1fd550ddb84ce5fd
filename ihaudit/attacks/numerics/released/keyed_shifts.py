"""Rows that are turned, mirrored, or shifted in value, by an amount that their label or their first value says.

The amount of every known row is found by trying all; what says it is found by a table or a rule modulo the period.  Of
several amounts that are possible the one is taken that leaves neighbouring pixels most alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.released.whole_call import codes_of

Codes = NDArray[Any]
Keys = NDArray[np.int64]

#: Share of the values of a row that must come back, and of rows that must.
SAME, ROWS = 0.97, 0.95
#: Share of the rows that a rule must hold for, and rows for each value of a table.
RULED, PER_VALUE = 0.98, 2
#: Rows at least; values of a row at most; amounts that are all tried where no rule is found.
LEAST, MAX_VALUES, MAX_TRIED = 24, 16_384, 256
#: What is done to rows by an amount, in words; squares only are turned by right angles and along both axes.
KINDS = {
    "value": "shifted in value",
    "right angles": "turned by right angles",
    "axis 1": "turned round along axis 1",
    "axis 2": "turned round along axis 2",
    "both axes": "turned round along both axes",
    "mirrored 1": "mirrored along axis 1",
    "mirrored 2": "mirrored along axis 2",
    "all values": "turned round along all values",
}


@dataclass(frozen=True, eq=False)
class ShiftInverse:
    """Images from rows.

    Attributes:
        shape: (H, W, C) of images.
        kind: one of `KINDS`.
        by: what says the amount: "label", "first value", or "" for nothing known.
        amounts: int64, the amount by label or first value; -1 where none is known.
    """

    shape: tuple[int, ...]
    kind: str
    by: str
    amounts: Keys

    @property
    def words(self) -> str:
        """For reports."""
        says = f"the {self.by} of a row says" if self.by else "smoothness of images tells"
        return f"{KINDS[self.kind]} by an amount that {says}"

    def __call__(self, rows: Codes, labels: Keys | None) -> NDArray[np.float32]:
        """float32 (n, H, W, C) in [0, 1] from the codes of rows (n, d) and their labels int64 (n,)."""
        out = np.zeros((len(rows), *self.shape), np.float32)
        period = _period(self.kind, self.shape)
        places = np.arange(rows.shape[1])[None]
        known = self.by == "first value" and self.kind != "value"
        first = [int(_shifted(places, s, self.kind, self.shape).argmin()) for s in range(period if known else 0)]
        for i, row in enumerate(rows):
            tried = np.arange(period)
            if self.by == "label" and labels is not None and 0 <= labels[i] < len(self.amounts):
                tried = self.amounts[labels[i] : labels[i] + 1]
            elif self.by == "first value":
                firsts = row[:1] - tried.astype(np.uint8) if self.kind == "value" else row[first]
                tried = tried[self.amounts[firsts] == tried]
            tried = tried[tried >= 0]
            if not len(tried) or len(tried) > MAX_TRIED:
                continue
            made = np.concatenate([_shifted(row[None], -int(s), self.kind, self.shape) for s in tried])
            pictures = made.reshape(-1, *self.shape).astype(np.float32) / np.float32(255)
            rough = [np.abs(np.diff(pictures, axis=a)).sum((1, 2, 3)) for a in (1, 2)]
            out[i] = pictures[int(np.argmin(rough[0] + rough[1]))]
        return out


def as_codes(rows: NDArray[Any]) -> Codes | None:
    """uint8 (n, d), rows of values of 8 bits, from 0 to 1 or to 255; None where they are none."""
    found = [codes_of(rows, span) for span in ((0.0, 1.0), (0.0, 255.0))]
    return next((c.reshape(len(rows), -1) for c in found if c is not None), None)


def fit_shifts(images: NDArray[np.float32], rows: Codes, labels: Keys | None) -> ShiftInverse | None:
    """How rows are shifted, and what says by how much; None where they are not, or all by the same.

    Args:
        images: float32 (n, H, W, C) in [0, 1].
        rows: uint8 (n, d), row i released of image i.
        labels: int64 (n,), as released, or None.
    """
    n, shape = len(images), images.shape[1:]
    plain = np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8).reshape(n, -1)
    if n < LEAST or rows.shape != plain.shape or not 4 <= rows.shape[1] <= MAX_VALUES:
        return None
    for kind in KINDS:
        if kind in ("right angles", "both axes") and shape[0] != shape[1]:
            continue
        amounts = np.array([_amount(x, y, kind, shape) for x, y in zip(plain[:LEAST], rows[:LEAST], strict=True)])
        if (amounts >= 0).mean() < ROWS or len(np.unique(amounts)) < 2:
            continue
        amounts = np.array([_amount(x, y, kind, shape) for x, y in zip(plain, rows, strict=True)])
        known = amounts >= 0
        period = _period(kind, shape)
        if labels is not None and labels.min(initial=0) >= 0 and labels.max(initial=0) < n:
            table = _rule(labels[known], amounts[known], period, int(labels.max()) + 1)
            if table is not None:
                return ShiftInverse(shape, kind, "label", table)
        table = _rule(plain[known, 0].astype(np.int64), amounts[known], period, 256)
        if table is not None:
            return ShiftInverse(shape, kind, "first value", table)
        return ShiftInverse(shape, kind, "", np.zeros(0, np.int64)) if period <= MAX_TRIED else None
    return None


def _period(kind: str, shape: tuple[int, ...]) -> int:
    h, w, _ = shape
    periods = {"value": 256, "right angles": 4, "axis 1": h, "axis 2": w, "both axes": h}
    return 2 if kind.startswith("mirrored") else periods.get(kind, int(np.prod(shape)))


def _shifted(rows: Codes, amount: int, kind: str, shape: tuple[int, ...]) -> Codes:
    """Rows (n, d) turned, mirrored or shifted by an amount."""
    if kind == "value":
        return rows + np.uint8(amount % 256)
    if kind == "all values":
        return np.roll(rows, amount, axis=1)
    x = rows.reshape(len(rows), *shape)
    if kind == "right angles":
        x = np.rot90(x, amount, axes=(1, 2))
    elif kind == "both axes":
        x = np.roll(x, (amount, amount), axis=(1, 2))
    elif kind.startswith("mirrored"):
        x = np.flip(x, axis=int(kind[-1])) if amount % 2 else x
    else:
        x = np.roll(x, amount, axis=int(kind[-1]))
    return x.reshape(len(rows), -1)


def _amount(plain: Codes, row: Codes, kind: str, shape: tuple[int, ...]) -> int:
    """By how much a row (d,) is shifted; -1 where it is no shifted image."""
    tried: Iterator[int] | list[int]
    if kind == "value":
        tried = [int(np.bincount(row - plain, minlength=256).argmax())]
    elif kind == "all values":
        a, b = (np.fft.rfft(v.astype(np.float64) - v.mean()) for v in (plain, row))
        tried = [int(np.fft.irfft(b * a.conj(), len(row)).argmax())]
    else:
        tried = list(range(_period(kind, shape)))
    return next((s for s in tried if (_shifted(plain[None], s, kind, shape)[0] == row).mean() >= SAME), -1)


def _rule(keys: Keys, amounts: Keys, period: int, values: int) -> Keys | None:
    """int64 (values,), the amount for each key: by a multiple and a constant, or by a table; None where neither."""
    for factor in range(1, period):
        rest = (amounts - factor * keys) % period
        constant = int(np.bincount(rest).argmax())
        if (rest == constant).mean() >= RULED:
            return (factor * np.arange(values) + constant) % period
    table = np.full(values, -1, np.int64)
    for key in np.unique(keys):
        table[key] = int(np.bincount(amounts[keys == key]).argmax())
    enough = len(keys) >= PER_VALUE * len(np.unique(keys))
    return table if enough and (table[keys] == amounts).mean() >= RULED else None

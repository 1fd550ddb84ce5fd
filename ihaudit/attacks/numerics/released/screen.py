"""Whether rows are worth reading, from a few of them: a look that costs a hundredth of a reading.

Parts of a release can be combined in hundreds of ways.  Of each, some sixty rows say whether bits of the images stand
in it as they are, or its numbers carry anything of them; only then is it read in earnest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.released.bits import LEVELS
from ihaudit.attacks.numerics.released.carries import ERRORS, carries, most
from ihaudit.attacks.numerics.released.channels import Channel
from ihaudit.attacks.numerics.released.fields import bytes_of
from ihaudit.attacks.numerics.released.made import Made

#: Rows that are looked at, bits of images that are looked for at each level, and how many of these must be there.
ROWS, SAMPLE, THERE = 64, 16, 4
#: Rows from which a column of bits is told from others, and how often its rarer value must occur among them.
LEAST, RARER = 32, 8
#: Values of a row at most that are looked at as numbers; how many times more they must carry than by themselves, or
#: which share of what these lack may be lacking.
MAX_VALUES, MORE, LESS = 60_000, 1.25, 0.7


def prints(rows: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """uint64 (8, d): the columns of bits of bytes (n <= 64, d), less whether they start with 0 or 1.

    The print of the exclusive or of two columns is that of their prints.
    """
    out = np.zeros((8, rows.shape[1]), np.uint64)
    for bit in range(8):
        plane = (rows >> np.uint8(bit)) & 1
        packed = np.zeros((rows.shape[1], 8), np.uint8)
        columns = np.packbits(plane ^ plane[:1], axis=0)
        packed[:, : len(columns)] = columns.T
        out[bit] = packed.view(np.uint64)[:, 0]
    return out


def rare(rows: NDArray[np.uint8]) -> NDArray[np.int64]:
    """int64 (8, d): how often the rarer value of each bit occurs among rows of bytes (n, d)."""
    counts = np.stack([((rows >> np.uint8(bit)) & 1).sum(0, dtype=np.int64) for bit in range(8)])
    found: NDArray[np.int64] = np.minimum(counts, len(rows) - counts)
    return found


class Screen:
    """A first look at channels, for the sake of the same known images."""

    def __init__(
        self,
        images: NDArray[np.float32],
        labels: NDArray[np.int64],
        held: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> None:
        """Images float32 (n, H, W, C) in [0, 1] with their classes; `held` are held out."""
        self.images, self.labels, self.held = images, labels, held
        self.some = np.setdiff1d(np.arange(len(images)), held)[:ROWS]
        self.wanted: list[NDArray[np.uint64]] = []
        self.carried: dict[str, float] = {}
        if len(self.some) < LEAST:
            return
        for level in LEVELS:
            numbers = level.numbers(images[self.some])
            if numbers is None:
                continue
            flat = numbers.reshape(len(self.some), -1)
            told = np.flatnonzero(rare(flat)[level.bits - 1] >= RARER)
            if len(told) >= THERE:
                self.wanted.append(prints(flat[:, rng.permutation(told)[:SAMPLE]])[level.bits - 1])

    def strength(self, made: Made) -> float:
        """How much the rows that are made are worth reading: 0 for not at all, infinite where bits stand in them.

        Numbers are worth it where they carry more of the images than what they are made of: what those carry by
        themselves is read off them.
        """
        first = np.concatenate(made.calls(count=2))
        return self.worth(first, lambda: np.concatenate(made.calls(few=True)), made.sources)

    def worth(self, first: NDArray[Any], rows: Callable[[], NDArray[Any]], sources: Iterable[Channel]) -> float:
        """The same of rows, of which the `first` are looked at for bits, beyond what `sources` say by themselves."""
        first = first[: len(self.some)]
        if len(first) < len(self.some) or first[0].size < 2:
            return 0.0
        if first.dtype.kind in "bui":
            there = prints(_narrow(first.reshape(len(first), -1)))
            if any(np.isin(wanted, there).sum() >= THERE for wanted in self.wanted):
                return np.inf
        carried = self._carried(rows())
        if carried < ERRORS:
            return 0.0
        own, full = max((self._by_itself(c) for c in sources), default=0.0), most(len(self.held))
        return carried if carried > MORE * own or full - carried < LESS * (full - own) else 0.0

    def _by_itself(self, channel: Channel) -> float:
        if channel.name not in self.carried:
            self.carried[channel.name] = self._carried(channel.stacked)
        return self.carried[channel.name]

    def _carried(self, rows: NDArray[Any]) -> float:
        x = np.nan_to_num(rows.reshape(len(rows), -1).astype(np.float64), posinf=0.0, neginf=0.0)
        if len(x) != len(self.images) or x.shape[1] > MAX_VALUES:
            return 0.0
        scaled = (x / max(float(np.abs(x).max(initial=0)), 1e-300)).astype(np.float32)
        return carries(self.images, scaled, self.labels, self.held)


def _narrow(a: NDArray[Any]) -> NDArray[np.uint8]:
    """Bytes of whole numbers (n, d), as few as hold them."""
    low, high = int(a.min()), int(a.max())
    kind = np.uint8 if low >= 0 and high < 256 else np.uint16 if low >= 0 and high < 65536 else np.int64
    return bytes_of(a.astype(kind))

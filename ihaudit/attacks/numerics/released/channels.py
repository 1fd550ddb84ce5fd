"""What can be read for an image's sake: parts of a release, by image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from ihaudit.attacks.numerics.released.fields import COUNTED, FEW_ROWS, MAX_ROWS, Array, bytes_of, parts, splits
from ihaudit.release import Release, rows_of

#: Bytes of a part at most that joins the others.
MAX_BYTES = 200_000


@dataclass(frozen=True, eq=False)
class Channel:
    """One part of a release, by image.

    Attributes:
        name: for reports.
        part: which part it is of, as in `ihaudit.attacks.numerics.released.fields.parts`; of two, the first.
        calls: (n_i, ...) by call of the encoder, as released.
        target: (m, ...), of the release that is attacked.
        rows: whether each row of the release is one image's, in order.
        made: it was computed from two parts, or rows, that say nothing by themselves.
    """

    name: str
    part: str
    calls: list[Array]
    target: Array
    rows: bool
    made: bool = False
    pairs: Array | None = field(default=None)

    @property
    def stacked(self) -> Array:
        """All calls, one below the other."""
        return np.concatenate(self.calls)

    def same(self, f: Any, name: str) -> Channel:
        """The channel after a function of its rows."""
        pairs = None if self.pairs is None else f(self.pairs)
        return Channel(name, self.part, [f(a) for a in self.calls], f(self.target), self.rows, self.made, pairs)


def channels(calls: Sequence[Release], counts: Sequence[int], target: Release, known: Release | None) -> list[Channel]:
    """All parts of a release that can be dealt out to images.

    Args:
        calls: the encoder's answers to calls of at least two sizes.
        counts: images in each.
        target: the release that is attacked.
        known: what was released of known images, where rows are one image each.
    """
    seen = [parts(r) for r in calls]
    own, beside = parts(target), {} if known is None else parts(known)
    # Where rows mix images, many of them are no parts of one; other attacks take care of these.
    alone = all(r.provenance is None or rows_of(r, n) is not None for r, n in zip(calls, counts, strict=True))
    out: list[Channel] = []
    for name in own:
        if not all(name in p for p in seen):
            continue
        arrays, rows = [p[name] for p in seen], MAX_ROWS if alone else FEW_ROWS
        for split in splits(arrays, counts, rows, counted=name.endswith(COUNTED)):
            if name == "encodings" and split.axis is None:
                continue  # many rows an image: mixtures, which other attacks take care of
            words = f"{name}{', ' if split.words else ''}{split.words}"
            if not split.count(own[name]):
                continue
            straight = split.axis == 0 and split.rows == 1
            if straight and len(own[name]) != len(target.encodings):
                straight = False
            pairs = beside.get(name) if straight else None
            if pairs is not None and pairs.shape[1:] != own[name].shape[1:]:
                pairs = None
            dealt = [split(p[name]) for p in seen]
            out.append(Channel(words, name, dealt, split(own[name]), straight, pairs=pairs))
    return out


def joint(given: Sequence[Channel]) -> Channel | None:
    """All parts that are one row an image, byte by byte, as one; None where there are not several."""
    single = [forms(c)[-1] for c in given if c.target.ndim and "rows an image" not in c.name and forms(c)]
    single = [c for c in single if len(c.target) == len(single[0].target) and c.target.shape[1] <= MAX_BYTES]
    if len({c.part for c in single}) < 2:
        return None
    calls = [np.concatenate(a, axis=1) for a in zip(*(c.calls for c in single), strict=True)]
    target = np.concatenate([c.target for c in single], axis=1)
    return Channel("all parts together", "all", calls, target, all(c.rows for c in single), True)


#: how a byte is taken back out of the one that it was chained with
CHAINS = (("exclusive or", np.bitwise_xor), ("difference modulo 256", np.subtract))


def unchained(given: Sequence[Channel], channels_of_pixels: int) -> Iterator[Channel]:
    """Encodings of bytes, each without the one before it: what ciphers that chain bytes combine with them last.

    A byte is combined with the released one before it by exclusive or, or added to it modulo 256, in reading order or
    channel by channel, once or twice over.  Which way round it goes makes no difference to which two are neighbours.
    """
    for c in given:
        if c.part != "encodings" or not c.rows or c.made or c.target.ndim < 2:
            continue
        scale = _byte_scale(c)
        if not scale:
            continue
        planes = c.target.ndim == 4 and c.target.shape[-1] == channels_of_pixels > 1
        for by_channel in (False, True) if planes else (False,):
            for times, (words, f) in product((1, 2), CHAINS):

                def undone(
                    a: Array, f: Any = f, times: int = times, by_channel: bool = by_channel, scale: float = scale
                ) -> Array:
                    x = np.moveaxis(a, -1, 1) if by_channel else a
                    x = np.rint(flat(x).astype(np.float64) * scale).astype(np.uint8)
                    for _ in range(times):
                        x = np.concatenate([x[:, :1], f(x[:, 1:], x[:, :-1])], axis=1)
                    return x

                again = ", twice over," if times > 1 else ""
                name = (
                    f"{words}{again} of neighbouring bytes{', channel by channel,' if by_channel else ''} of {c.name}"
                )
                pairs = None if c.pairs is None else undone(c.pairs)
                yield Channel(name, c.part, [undone(a) for a in c.calls], undone(c.target), True, True, pairs)


def _byte_scale(c: Channel) -> float:
    """What takes values to whole numbers from 0 to 255; 0 where nothing does."""
    arrays = [np.asarray(a, np.float64) for a in (*c.calls, c.target)]
    if any(not a.size or a.min() < 0 for a in arrays):
        return 0.0
    for scale in (1.0, 255.0):
        if all(a.max() * scale < 255.5 and np.abs(a * scale - np.rint(a * scale)).max() < 1e-3 for a in arrays):
            return scale if max(a.max() for a in arrays) * scale > 1 else 0.0
    return 0.0


def flat(a: Array) -> Array:
    """(n, d) of (n, ...)."""
    return a.reshape(len(a), -1)


def whole(a: Array) -> Array | None:
    """(n, d) of whole numbers of at most 8 bytes that values are, or None where they are none."""
    values = flat(a)
    if values.dtype.kind in "bui":
        return values
    some = values[:: max(1, len(values) // 20)]
    if not np.array_equal(some, np.rint(some)) or float(np.abs(some).max(initial=0)) >= 2**31:
        return None
    if not np.array_equal(values, np.rint(values)):
        return None
    low = float(values.min(initial=0))
    return values.astype(np.int32 if low < 0 else np.uint32)


def forms(channel: Channel) -> list[Channel]:
    """The channel's bytes: as stored, and where all its values are whole, as numbers in as few bytes as hold them.

    What is whole may be stored as floats; the signs of zeros are in the stored bytes only.
    """
    arrays = [*channel.calls, channel.target]
    numbers = [whole(a) for a in arrays]
    out = []
    if all(m is not None and m.size for m in numbers):
        top = max(int(m.max()) for m in numbers if m is not None)
        low = min(int(m.min()) for m in numbers if m is not None)
        kind = np.uint8 if top < 256 and low >= 0 else np.uint16 if top < 65536 and low >= 0 else np.int64
        if top > low:
            out.append(channel.same(lambda a: bytes_of(flat(a).astype(kind)), channel.name))
    if channel.target.dtype.kind == "f":
        out.append(channel.same(bytes_of, channel.name))
    return out


def as_numbers(channel: Channel) -> Channel:
    """The channel with whole numbers as integers, whatever they are stored as."""
    made = [whole(a) for a in (*channel.calls, channel.target)]
    if channel.target.dtype.kind != "f" or any(m is None for m in made):
        return channel
    return channel.same(lambda a: np.rint(a).astype(np.int64), channel.name)

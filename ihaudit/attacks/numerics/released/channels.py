"""What can be read for an image's sake: parts of a release by image, and what two of them make together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Any

import numpy as np

from ihaudit.attacks.numerics.released.fields import Array, bytes_of, parts, splits
from ihaudit.release import Release

#: Parts that are combined with each other at most, and values of each.
MAX_COMBINED, MAX_VALUES = 6, 400_000
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
    out: list[Channel] = []
    for name in own:
        if not all(name in p for p in seen):
            continue
        for split in splits([p[name] for p in seen], counts):
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


def combined(given: Sequence[Channel], silent: Sequence[Channel]) -> Iterator[Channel]:
    """What the rows of one image, or two parts of equal size, make together: sums, differences, exclusive or.

    Args:
        given: all channels; rows of one image are taken from them.
        silent: those that say nothing by themselves, which are taken two by two; encodings are taken with any.
    """
    for c in given:
        if c.target.ndim > 2 and "rows an image" in c.name and c.target[0].size <= MAX_VALUES:
            folded = as_numbers(c)
            for words, f in _operations(folded.target.dtype):
                yield _fold(folded, words, f)
    single = [c for c in silent if "rows an image" not in c.name and 1 < c.target[0].size <= MAX_VALUES]
    single = [as_numbers(c) for c in single[:MAX_COMBINED]]
    other = [c for c in given if c not in silent and c.part != "encodings" and "rows an image" not in c.name]
    main = [c for c in given if c.part == "encodings" and c.rows]
    two = [*combinations(single, 2), *product(map(as_numbers, main), map(as_numbers, other[:MAX_COMBINED]))]
    for a, b in two:
        if a.part == b.part or a.target[0].size != b.target[0].size or len(a.target) != len(b.target):
            continue
        for words, f in _operations(np.promote_types(a.target.dtype, b.target.dtype), both=True):
            calls = [f(_flat(x), _flat(y)) for x, y in zip(a.calls, b.calls, strict=True)]
            pairs = f(_flat(a.pairs), _flat(b.pairs)) if a.pairs is not None and b.pairs is not None else None
            target = f(_flat(a.target), _flat(b.target))
            rows = a.rows and b.rows
            yield Channel(f"{words} of {a.name} and {b.name}", a.part, calls, target, rows, True, pairs)


def _fold(c: Channel, words: str, f: Any) -> Channel:
    def folded(a: Array) -> Array:
        out = _flat(a[:, 0])
        for i in range(1, a.shape[1]):
            out = f(out, _flat(a[:, i]))
        return out

    made = c.same(folded, f"{words} of {c.name}")
    return Channel(made.name, made.part, made.calls, made.target, made.rows, True)


def _operations(dtype: np.dtype[Any], *, both: bool = False) -> list[tuple[str, Any]]:
    """Names and functions of two arrays."""
    if dtype.kind in "bui":
        found: list[tuple[str, Any]] = [
            ("exclusive or", lambda a, b: a.astype(np.int64) ^ b.astype(np.int64)),
            ("sum modulo 256", lambda a, b: ((a.astype(np.int64) + b.astype(np.int64)) & 255).astype(np.uint8)),
        ]
        if both:
            minus = ("difference modulo 256", lambda a, b: ((a.astype(np.int64) - b) & 255).astype(np.uint8))
            found.append(minus)
        return found
    found = [("sum", np.add), ("sum modulo 1", lambda a, b: np.mod(np.add(a, b), 1))]
    if both:
        found += [
            ("difference", np.subtract),
            ("difference modulo 1", lambda a, b: np.mod(np.subtract(a, b), 1)),
            ("product", np.multiply),
        ]
    return found


def _flat(a: Array) -> Array:
    return a.reshape(len(a), -1)


def whole(a: Array) -> Array | None:
    """(n, d) of whole numbers of at most 8 bytes that values are, or None where they are none."""
    flat = _flat(a)
    if flat.dtype.kind in "bui":
        return flat
    some = flat[:: max(1, len(flat) // 20)]
    if not np.array_equal(some, np.rint(some)) or float(np.abs(some).max(initial=0)) >= 2**31:
        return None
    if not np.array_equal(flat, np.rint(flat)):
        return None
    low = float(flat.min(initial=0))
    return flat.astype(np.int32 if low < 0 else np.uint32)


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
            out.append(channel.same(lambda a: bytes_of(_flat(a).astype(kind)), channel.name))
    if channel.target.dtype.kind == "f":
        out.append(channel.same(bytes_of, channel.name))
    return out


def as_numbers(channel: Channel) -> Channel:
    """The channel with whole numbers as integers, whatever they are stored as."""
    made = [whole(a) for a in (*channel.calls, channel.target)]
    if channel.target.dtype.kind != "f" or any(m is None for m in made):
        return channel
    return channel.same(lambda a: np.rint(a).astype(np.int64), channel.name)

"""Pads and orders drawn by a usual generator from a number that is released beside what they hide.

The number is one for each row, or one for a call.  What generators make of it in the usual ways is compared with what
known rows are combined with, or how their values are ordered; numbers that are no seeds agree with none of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.released.keyed_shifts import as_codes
from ihaudit.attacks.numerics.released.shared_pads import KINDS, Kind

#: Rows that are looked at first, the share of their values that must come back, and by how much these may differ.
LOOKED, BACK, NEAR = 3, 0.98, 2e-3
#: Values of a call at most, and numbers beside it that may be its seed.
MAX_VALUES, FEW = 100_000_000, 4
#: Bytes of a number that is spelled out in bytes.
MAX_NONCE = 32

Draw = Callable[[int, tuple[int, ...]], NDArray[Any]]


def _python(seed: int, shape: tuple[int, ...]) -> NDArray[Any]:
    made = np.frombuffer(random.Random(seed).randbytes(int(np.prod(shape))), np.uint8)
    return made.reshape(shape)


def _shuffled(seed: int, shape: tuple[int, ...]) -> NDArray[Any]:
    order = list(range(int(np.prod(shape))))
    random.Random(seed).shuffle(order)
    return np.array(order)


def _generators() -> Iterator[tuple[str, Draw, str]]:
    """Words, how a generator draws, and what: ``bytes``, ``numbers``, or ``order``."""
    new, old = np.random.default_rng, np.random.RandomState

    def size(shape: tuple[int, ...]) -> int:
        return int(np.prod(shape))

    yield "default_rng, integers(0, 256, uint8)", lambda s, d: new(s).integers(0, 256, d, dtype=np.uint8), "bytes"
    yield "default_rng, integers(0, 256)", lambda s, d: new(s).integers(0, 256, d), "bytes"
    yield "default_rng, bytes", lambda s, d: np.frombuffer(new(s).bytes(size(d)), np.uint8).reshape(d), "bytes"
    yield "default_rng, random", lambda s, d: new(s).random(d), "numbers"
    yield "default_rng, random(float32)", lambda s, d: new(s).random(d, dtype=np.float32), "numbers"
    yield "default_rng, standard_normal", lambda s, d: new(s).standard_normal(d), "numbers"
    yield "default_rng, choice of signs", lambda s, d: new(s).choice([-1, 1], d).astype(float), "numbers"
    yield "default_rng, permutation", lambda s, d: new(s).permutation(size(d)), "order"
    yield "RandomState, randint(0, 256)", lambda s, d: old(s).randint(0, 256, d), "bytes"
    yield "RandomState, randint(0, 256, uint8)", lambda s, d: old(s).randint(0, 256, d, dtype=np.uint8), "bytes"
    yield "RandomState, bytes", lambda s, d: np.frombuffer(old(s).bytes(size(d)), np.uint8).reshape(d), "bytes"
    yield "RandomState, random_sample", lambda s, d: old(s).random_sample(d), "numbers"
    yield "RandomState, standard_normal", lambda s, d: old(s).standard_normal(d), "numbers"
    yield "RandomState, choice of signs", lambda s, d: old(s).choice([-1, 1], d).astype(float), "numbers"
    yield "RandomState, permutation", lambda s, d: old(s).permutation(size(d)), "order"
    yield "random.Random, randbytes", _python, "bytes"
    yield "random.Random, shuffle", _shuffled, "order"


@dataclass(frozen=True, eq=False)
class SeededInverse:
    """Images from rows and the numbers beside them.

    Attributes:
        shape: (H, W, C) of images.
        name: the array that holds the seeds.
        words: how they are drawn from.
        draw, what: see `_generators`.
        kind: how rows are combined with pads; None where they are put in an order.
        there: an order says where each value went, not where it came from.
    """

    shape: tuple[int, ...]
    name: str
    words: str
    draw: Draw
    what: str
    kind: Kind | None
    there: bool = False

    def __call__(self, rows: NDArray[Any], seeds: NDArray[Any], count: int) -> NDArray[np.float32] | None:
        """float32 (n, H, W, C) in [0, 1] of the first rows (n, ...) of a call of `count`, or None."""
        given = as_codes(rows) if self.kind is None or self.kind.codes else rows.reshape(len(rows), -1)
        if given is None or given.shape[1] != int(np.prod(self.shape)):
            return None
        out = np.zeros((len(rows), given.shape[1]), np.float32)
        if len(seeds) != count:
            pads = self.draw(int(seeds[0]), (count, *self.shape)).reshape(count, -1)[: len(rows)]
        else:
            pads = np.stack([self.draw(int(s), self.shape).reshape(-1) for s in seeds[: len(rows)]])
        if self.kind is not None:
            made = self.kind.plain(given, pads.astype(np.uint8) if self.kind.codes else pads)
        elif self.there:
            made = np.empty_like(given)
            np.put_along_axis(made, pads, given, 1)
        else:
            made = np.take_along_axis(given, pads, 1)
        out[:] = np.clip(made / np.float32(255 if self.kind is None or self.kind.codes else 1), 0, 1)
        return out.reshape(len(rows), *self.shape)


def seeds_of(extra: Mapping[str, NDArray[Any]], count: int) -> dict[str, NDArray[Any]]:
    """Arrays of whole numbers that may be seeds: one for each of `count` rows, or a few for all."""
    found = {}
    for name, array in extra.items():
        if array.dtype == np.uint8 and array.ndim == 2 and len(array) == count and 2 <= array.shape[1] <= MAX_NONCE:
            for order in ("little", "big"):
                numbers = [int.from_bytes(row.tobytes(), order) for row in array]
                found[f"{name}, {order}-endian"] = np.array(numbers, object)
            continue
        flat = np.asarray(array).reshape(-1)
        if not 1 <= flat.size <= max(count, FEW) or (flat.size != count and flat.size > FEW):
            continue
        if (
            flat.dtype.kind in "iuf"
            and np.isfinite(flat).all()
            and np.array_equal(flat, np.rint(flat))
            and flat.min() >= 0
            and flat.max() < 2**62
        ):
            found[name] = flat.astype(np.int64)
    return found


def fit_seeds(
    images: NDArray[np.float32], rows: NDArray[Any], seeds: Mapping[str, NDArray[Any]]
) -> SeededInverse | None:
    """How rows of a call follow from its images and seeds; None where they do not.

    Args:
        images: float32 (n, H, W, C) in [0, 1].
        rows: (n, ...), row i released of image i.
        seeds: see `seeds_of`.
    """
    n, shape = len(images), images.shape[1:]
    if rows.size != images.size or images.size > MAX_VALUES:
        return None
    for name, numbers in seeds.items():
        for words, draw, what in _generators():
            kinds = [k for k in KINDS if k.codes == (what == "bytes")] if what != "order" else [None, None]
            for i, kind in enumerate(kinds):
                if what == "order" and len(numbers) != n:
                    continue  # one order for all rows is read without its seed
                one = SeededInverse(shape, name, words, draw, what, kind, bool(i) if kind is None else False)
                try:
                    made = one(rows[:LOOKED], numbers, n)
                except (ValueError, OverflowError):  # no seed of this generator
                    continue
                if made is not None and (np.abs(made - images[: len(made)]) < NEAR).mean() >= BACK:
                    return one
    return None

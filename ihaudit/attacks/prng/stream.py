"""The masks of a whole release from a recovered generator: contiguous ones first, then by search."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.prng._jit import kernel
from ihaudit.attacks.prng.generators import mt
from ihaudit.attacks.prng.generators.conventions import Convention, Layout
from ihaudit.attacks.prng.generators.kinds import first_bits
from ihaudit.attacks.prng.pairs import rank_pairs, smoothness
from ihaudit.release import FloatArray

_LOCATE_PAIRS = 384  # of one encoding; agreement of the best ones is above 0.95 at the right place, 0.5 elsewhere
_FITS = 0.9
_SMOOTH = 0.4  # of `smoothness`: mixtures of photographs have 0.7 and more, under a wrong mask 0 +- 0.03


@kernel
def _locate(bits, last, i, j, differ, need):  # type: ignore[no-untyped-def]
    """The first offset in [0, last] at which at least `need` of the pairs agree, or -1."""
    n = i.shape[0]
    slack = n - need
    for d in range(last + 1):
        wrong = 0
        for k in range(n):
            if (bits[d + i[k]] ^ bits[d + j[k]]) != differ[k]:
                wrong += 1
                if wrong > slack:
                    break
        if wrong <= slack:
            return d
    return -1


@dataclass(eq=False)
class UnmaskedRelease:
    """A release with its masks undone as far as the generator explains them.

    Attributes:
        mixtures: float32 (E, H, W, C); zero where the mask is not known.
        known: bool (E,).
        gaps: list of (encoding, elements skipped before it).
    """

    mixtures: NDArray[np.float32]
    known: NDArray[np.bool_]
    gaps: list[tuple[int, int]] = field(default_factory=list)

    @property
    def count(self) -> str:
        """How many encodings are unmasked, in words."""
        return f"{int(self.known.sum()):,} of {len(self.known):,} encodings"

    @property
    def diagnostics(self) -> dict[str, Any]:
        """JSON-able."""
        return {"unmasked": int(self.known.sum()), "gaps": self.gaps[:50]}


def undo(encodings: FloatArray, signs: NDArray[np.int8]) -> UnmaskedRelease:
    """Encodings (E, H, W, C) under masks of -1 and +1 (same shape); known where the mixtures come out smooth."""
    mixtures = np.asarray(encodings * signs, np.float32)
    known = smoothness(mixtures) > _SMOOTH
    mixtures[~known] = 0
    return UnmaskedRelease(mixtures, known)


def _signs(bits: NDArray[np.uint8], index: NDArray[np.int64]) -> NDArray[np.int8]:
    """Masks int8 (n, H, W, C) of mask bits (n, size) in the order of a layout's `index` (H, W, C)."""
    return (2 * bits.astype(np.int8) - 1)[:, index]


def unmask_first(encodings: FloatArray, seed: int, kind: int, layout: Layout) -> UnmaskedRelease:
    """Undo the masks of encodings that follow one another from offset 0 under a kind of `KINDS`."""
    shape: tuple[int, int, int] = encodings.shape[1:]
    bits = first_bits(seed, len(encodings) * layout.size(shape), kind).reshape(len(encodings), -1)
    return undo(encodings, _signs(bits, layout.index(shape)))


class Stream:
    """Mask elements of one recovered generator, by index; negative indices lie before the state."""

    def __init__(self, state: mt.U32, convention: Convention) -> None:
        self.state, self.convention = np.asarray(state, np.uint32), convention

    def at(self, words: int) -> Stream:
        """The same stream, started `words` outputs later (or earlier)."""
        if words < 0:
            return Stream(mt.rewind(self.state, -words)[: mt.N], self.convention)
        return Stream(mt.raw(self.state, words)[words:], self.convention)

    def bits(self, n: int) -> NDArray[np.uint8]:
        """The first n elements, 0/1."""
        return self.convention.bits(mt.generate(self.state, self.convention.words_for(n)))[:n]


def unmask(
    encodings: FloatArray, stream: Stream, layout: Layout, *, start: int = 0, reach: int = 2_000_000
) -> UnmaskedRelease:
    """Undo the masks of all encodings.

    Encodings follow one another in the stream; where one does not fit (its neighbours' signs do not agree), other
    draws lie between, and the next `reach` elements are searched for it.

    Args:
        encodings: float (E, H, W, C).
        stream: its first element is the first mask element of encoding `start`.
        layout: order of elements within an encoding.
        start: encodings before it are undone too, if the stream runs on backwards without gaps.
        reach: how far to search behind the last one that fitted.
    """
    shape: tuple[int, int, int] = encodings.shape[1:]
    size, index, convention = layout.size(shape), layout.index(shape), stream.convention
    out = UnmaskedRelease(np.zeros(encodings.shape, np.float32), np.zeros(len(encodings), bool))
    if start and size % convention.per_step == 0:
        _follow(encodings[:start], stream.at(-convention.words_for(start * size)), index, out, 0)
    first = start
    while first < len(encodings):
        fitted = _follow(encodings[first:], stream, index, out, first)
        stream, first = stream.at(convention.words_for(fitted * size)), first + fitted
        if first == len(encodings):
            break
        pairs = rank_pairs(encodings[first : first + 1], _LOCATE_PAIRS)
        bits = stream.bits(reach + size + convention.per_step)
        flat, need = index.reshape(-1), int(np.ceil(_FITS * len(pairs)))
        at = int(_locate(bits, reach, flat[pairs.first], flat[pairs.second], pairs.differ, need))
        if at < 0 or at % convention.per_step:
            break
        if at:
            out.gaps.append((first, at))
            stream = stream.at(convention.words_for(at))
        else:
            # fits by its best pairs only (hardly any texture): take it and go on
            out.mixtures[first] = encodings[first] * _signs(bits[None, :size], index)[0]
            out.known[first] = True
            stream, first = stream.at(convention.words_for(size)), first + 1
    return out


def _follow(encodings: FloatArray, stream: Stream, index: NDArray[np.int64], out: UnmaskedRelease, first: int) -> int:
    """Undo encodings, the first of which is number `first`, while they fit; returns how many did."""
    size = int(index.max()) + 1
    block = max(1, min(512, 2**23 // size))
    for begin in range(0, len(encodings), block):
        part = encodings[begin : begin + block]
        plain = undo(part, _signs(stream.bits(len(part) * size).reshape(len(part), size), index))
        good = len(part) if plain.known.all() else int(np.argmin(plain.known))
        rows = slice(first + begin, first + begin + good)
        out.mixtures[rows], out.known[rows] = plain.mixtures[:good], True
        if good < len(part):
            return begin + good
        stream = stream.at(stream.convention.words_for(len(part) * size))
    return len(encodings)

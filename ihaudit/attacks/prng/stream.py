"""The masks of a whole release from a recovered generator: contiguous ones first, then by search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.prng._jit import kernel
from ihaudit.attacks.prng.generators import mt
from ihaudit.attacks.prng.generators.conventions import Convention, Layout
from ihaudit.attacks.prng.pairs import rank_pairs, smoothness
from ihaudit.release import FloatArray

_LOCATE_PAIRS = 384  # of one encoding; agreement of the best ones is above 0.95 at the right place, 0.5 elsewhere
_FITS = 0.9


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
class Unmasked:
    """A release with its masks undone as far as the generator explains them.

    Attributes:
        mixtures: float32 (E, H, W, C); zero where the mask is not known.
        known: bool (E,).
        offsets: int64 (E,) stream index (in mask elements, from the state's) of each encoding's mask, -1 if unknown.
        gaps: list of (encoding, elements skipped before it).
    """

    mixtures: NDArray[np.float32]
    known: NDArray[np.bool_]
    offsets: NDArray[np.int64]
    gaps: list[tuple[int, int]]


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
) -> Unmasked:
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
    e = len(encodings)
    shape: tuple[int, int, int] = encodings.shape[1:]
    size, index = layout.size(shape), layout.index(shape)
    out = Unmasked(np.zeros(encodings.shape, np.float32), np.zeros(e, bool), np.full(e, -1, np.int64), [])
    unit = stream.convention.per_step
    whole = size % unit == 0
    base = 0
    if start and whole:
        base = -(start * size)
        stream = stream.at(stream.convention.words_for(start * size) * -1)
        _run(encodings, stream, index, size, 0, start, out, base)
    position = 0 if not start or not whole else start * size
    if not whole:
        base = 0
    here, first = stream.at(stream.convention.words_for(position)) if position else stream, start
    offset = 0
    while first < e:
        stop = _run(encodings, here, index, size, first, e, out, offset)
        if stop >= e:
            break
        # words eaten by the encodings that fitted, then search
        eaten = stream.convention.words_for((stop - first) * size)
        here = here.at(eaten)
        offset += (stop - first) * size
        pairs = rank_pairs(encodings[stop : stop + 1], _LOCATE_PAIRS)
        flat = index.reshape(-1)
        bits = here.bits(reach + size + unit)
        at = _locate(bits, reach, flat[pairs.first], flat[pairs.second], pairs.differ, int(np.ceil(_FITS * len(pairs))))
        first = stop
        if at < 0 or at % unit:
            break
        out.gaps.append((stop, int(at)))
        here = here.at(at // unit * stream.convention.words)
        offset += int(at)
        if at == 0:
            # fits by its best pairs only (hardly any texture): take it and go on
            _take(encodings[stop : stop + 1], here, index, size, stop, out, offset)
            here = here.at(stream.convention.words_for(size))
            offset += size
            first = stop + 1
            out.gaps.pop()
    return out


def _take(
    block: FloatArray, here: Stream, index: NDArray[np.int64], size: int, first: int, out: Unmasked, offset: int
) -> None:
    bits = here.bits(len(block) * size).reshape(len(block), size)
    signs = (2 * bits.astype(np.int8) - 1)[:, index]
    rows = slice(first, first + len(block))
    out.mixtures[rows] = block * signs
    out.known[rows] = True
    out.offsets[rows] = offset + np.arange(len(block)) * size


def _run(
    encodings: FloatArray,
    here: Stream,
    index: NDArray[np.int64],
    size: int,
    first: int,
    last: int,
    out: Unmasked,
    offset: int,
) -> int:
    """Undo encodings first..last-1 while they fit; returns the first that does not."""
    block = max(1, min(512, 2**23 // size))
    while first < last:
        n = min(block, last - first)
        bits = here.bits(n * size).reshape(n, size)
        signs = (2 * bits.astype(np.int8) - 1)[:, index]
        plain = np.asarray(encodings[first : first + n] * signs, np.float32)
        fits = smoothness(plain) > 0.4
        good = n if fits.all() else int(np.argmin(fits))
        out.mixtures[first : first + good] = plain[:good]
        out.known[first : first + good] = True
        out.offsets[first : first + good] = offset + np.arange(good) * size
        if good < n:
            return first + good
        here = here.at(here.convention.words_for(n * size))
        first += n
        offset += n * size
    return last

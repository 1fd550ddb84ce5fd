"""What is the same in every encoding of an image: bits, and numbers up to noise, by which it is known among others.

Whatever a map without a fresh key makes of an image is a mark of it, be it scrambled, hashed or encrypted under a key
that stands in the code: nobody needs to undo it who can make it of every candidate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.released.screen import prints, rare
from ihaudit.invariants.evidence import Group, fit_group, means

Bytes = NDArray[np.uint8]

#: How much more often than by chance a bit must be the same in two encodings of an image, as a share of what chance
#: leaves, and in standard errors; bits that count at most, the steadiest.
STEADIER, ERRORS, MOST = 0.25, 6.0, 20_000
#: What a bit says at most, in nats.
CERTAIN = 6.0
#: Bytes that are compared bit by bit where images may have marks or not; robust deviations of all scores of a row by
#: which the best must stand out.
MAX_ALIKE, STANDS_OUT = 4096, 8.0
#: Rows that are looked at first, and bits that must be the same in both encodings of all of them.
LOOKED, SAME = 64, 24
#: Images of which a bit must have its rarer value, at a first look.
RARER = 8
#: Bytes and numbers of a row at most, of more some are looked at; components that numbers are brought to at first.
MAX_BYTES, MAX_NUMBERS, COMPONENTS = 50_000, 20_000, 200


@dataclass(frozen=True, eq=False)
class Bits:
    """Bits that are steady.

    Attributes:
        columns: int64 (k,), 8 * byte + bit.
        weights: float32 (k,), what each says, in nats.
        marks: float32 (M, k), -1 or 1: each image's.
    """

    columns: NDArray[np.int64]
    weights: NDArray[np.float32]
    marks: NDArray[np.float32]

    def scores(self, rows: Bytes) -> NDArray[np.float64]:
        """float64 (n, M), how much each row (n, d) is like each image."""
        seen = _signs(rows, self.columns)
        return np.asarray((seen * self.weights) @ self.marks.T, np.float64)


def fit_bits(rows: Bytes) -> Bits | None:
    """The bits of rows (R, M, d) that are steady over R encodings of M images; None where there are none."""
    rounds, count, d = rows.shape
    if rounds < 2 or not d:
        return None
    places = _some(d, MAX_BYTES)
    rows = rows[:, :, places]
    least = np.maximum(2, count // 50)
    kept, gain = [], []
    for bit in range(8):
        ones = ((rows >> np.uint8(bit)) & 1).sum(0, dtype=np.int16)  # of the rounds, by image
        share = ones.sum(0) / (rounds * count)
        same = (ones * (ones - 1.0) + (rounds - ones) * (rounds - ones - 1.0)).mean(0) / (rounds * (rounds - 1))
        chance = share**2 + (1 - share) ** 2
        more = same - chance
        error = np.sqrt(np.maximum(chance * (1 - chance), 1e-12) / count)
        vary = np.minimum(share, 1 - share) * count >= least
        ok = np.flatnonzero(vary & (more > STEADIER * (1 - chance)) & (more > ERRORS * error))
        kept.append(8 * ok + bit)
        gain.append((more / np.maximum(1 - chance, 1e-12))[ok])
    columns, gains = np.concatenate(kept), np.concatenate(gain)
    columns = 8 * places[columns // 8] + columns % 8
    if not len(columns):
        return None
    best = np.sort(np.argsort(-gains, kind="stable")[:MOST])
    columns, gains = columns[best], gains[best]
    # Two encodings that agree in a share g beyond chance each keep the image's bit with probability (1 + sqrt(g)) / 2.
    right = np.clip((1 + np.sqrt(gains)) / 2, 0.5, 1 - np.exp(-CERTAIN))
    weights = np.log(right / (1 - right)).astype(np.float32)
    there = np.searchsorted(places, columns // 8) * 8 + columns % 8
    signs = np.sum([_signs(r, there) for r in rows], axis=0)
    return Bits(columns, weights, np.sign(signs).astype(np.float32))


def fit_alike(rows: Bytes) -> Bits | None:
    """All bits of rows (R, M, d) that vary, each as good as another: for marks that some images have only."""
    rounds, count, d = rows.shape
    if rounds < 2 or not d:
        return None
    places = _some(d, MAX_ALIKE)
    columns = (8 * places[:, None] + np.arange(8)).reshape(-1)
    signs = np.mean([_signs(r, columns) for r in rows], axis=0)
    vary = np.abs(signs.mean(0)) < 1 - 2 / count
    if not vary.any():
        return None
    columns, marks = columns[vary], signs[:, vary].astype(np.float32)
    return Bits(columns, np.ones(len(columns), np.float32), marks)


def sure(scores: NDArray[np.float64], among: NDArray[np.bool_]) -> NDArray[np.int64]:
    """int64 (n,), the image that each row is surely of among those (n, M) that may be; -1 where none stands out."""
    out = np.full(len(scores), -1, np.int64)
    for i, (row, mine) in enumerate(zip(scores, among, strict=True)):
        at = np.flatnonzero(mine)
        if len(at) < 2:
            continue
        best = at[int(np.argmax(row[at]))]
        others = np.delete(row, best)
        spread = 1.4826 * float(np.median(np.abs(others - np.median(others))))
        beside = float(np.max(row[at[at != best]]))
        if row[best] - beside > STANDS_OUT * max(spread, 1e-9 * float(np.abs(row).max())):
            out[i] = best
    return out


def _some(size: int, most: int) -> NDArray[np.int64]:
    """All places, or as many as may be looked at, in order."""
    if size <= most:
        return np.arange(size)
    return np.sort(np.random.default_rng(size).permutation(size)[:most])


def _signs(rows: Bytes, columns: NDArray[np.int64]) -> NDArray[np.float32]:
    bits = (rows[:, columns // 8] >> (columns % 8).astype(np.uint8)) & 1
    return np.asarray(2 * bits.astype(np.float32) - 1, np.float32)


@dataclass(frozen=True, eq=False)
class Numbers:
    """Numbers as an image's own and noise, after a rotation.

    Attributes:
        places: int64 (p,), the numbers that are looked at.
        centre, scale: float32 (p,); axes: float32 (p, q).
        group: the model; templates, counts: float64 (M, d') and (M,), of the images.
    """

    places: NDArray[np.int64]
    centre: NDArray[np.float32]
    scale: NDArray[np.float32]
    axes: NDArray[np.float32]
    group: Group
    templates: NDArray[np.float64]
    counts: NDArray[np.float64]

    def scores(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """float64 (n, M), log odds of each row (n, d) with each image."""
        x = np.clip((rows[:, self.places] - self.centre) * self.scale, -8, 8) @ self.axes
        return np.asarray(self.group.odds(self.group.reduce(x), self.templates, self.counts))


def fit_numbers(rows: NDArray[np.float32]) -> Numbers | None:
    """A model of rows (R, M, d) of R encodings of M images; None where nothing differs more between than within."""
    rounds, count, d = rows.shape
    if rounds < 2 or not d:
        return None
    places = _some(d, MAX_NUMBERS)
    flat = rows[:, :, places].reshape(rounds * count, len(places))
    centre, spread = flat.mean(0), flat.std(0)
    scale = np.where(spread > 1e-6 * max(float(spread.max()), 1e-30), 1 / np.maximum(spread, 1e-30), 0)
    scale = scale.astype(np.float32)
    x = np.clip((flat - centre) * scale, -8, 8)
    gram = (x @ x.T).astype(np.float64)
    values, vectors = np.linalg.eigh(gram)
    kept = np.flatnonzero(values > 1e-7 * max(float(values[-1]), 1e-30))[::-1][:COMPONENTS]
    if not len(kept):
        return None
    axes = (x.T @ (vectors[:, kept] / np.sqrt(values[kept]))).astype(np.float32)
    reduced = x @ axes
    image = np.tile(np.arange(count), rounds)
    group = fit_group(reduced, image)
    if group is None:
        return None
    return Numbers(places, centre, scale, axes, group, *means(group.reduce(reduced), image, count))


def worth(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two encodings of the same images, rows (n, ...) each, have bits in common that vary between images."""
    a, b = (coarse(v[:LOOKED], one) for v in (one, other))
    if a is None or b is None or a.shape != b.shape or not a.size:
        return False
    told = rare(a) >= min(RARER, max(2, len(a) // 6))
    return int((told & (prints(a) == prints(b))).sum()) >= SAME


def coarse(rows: NDArray[Any], like: NDArray[Any]) -> Bytes | None:
    """Bytes (n, d) of rows of whole numbers; of others 256 steps over what `like` holds, without its extremes."""
    x = rows.reshape(len(rows), -1)
    if x.dtype.kind == "b" or x.dtype == np.uint8:
        return np.asarray(x.astype(np.uint8))
    if x.dtype.kind in "iu":
        wide = 4 if max(abs(int(like.max(initial=0))), abs(int(like.min(initial=0)))) < 2**31 else 8
        return np.ascontiguousarray(x.astype(f"<i{wide}")).view(np.uint8)
    known = like[np.isfinite(like)]
    if not known.size:
        return None
    low, high = np.quantile(known.reshape(-1)[:: max(1, known.size // 200_000)], [0.005, 0.995])
    scaled = np.nan_to_num((x - low) / max(float(high - low), 1e-30) * 255)
    return np.asarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))

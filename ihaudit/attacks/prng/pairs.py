"""Neighbouring pixels of nearly equal magnitude: their true signs agree, so the released signs tell mask bits apart.

For natural images mixed with any weights, |m_p| close to |m_q| at neighbours p, q means, with few exceptions far from
zero, that the mixture itself is smooth there; then ``sign(m_p) sign(m_q) = mask_p mask_q``: one equation over GF(2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import minimum_spanning_tree

from ihaudit.release import FloatArray

T = TypeVar("T", bound=np.generic)
BORDER = 4  # pixels: RandomCrop with padding 4, the usual augmentation, leaves edges of the padding in this band


@dataclass(frozen=True, eq=False)
class NeighbourPairs:
    """Ranked pairs, best first.

    Attributes:
        encoding: int64 (n,) which encoding.
        first, second: int64 (n,) flat indices into its (H, W, C) elements.
        differ: uint8 (n,) 1 where the released signs differ (so the mask bits differ, if the true signs agree).
        score: float32 (n,) the rank statistic, larger is more reliable.
    """

    encoding: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    differ: NDArray[np.uint8]
    score: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.encoding)

    def take(self, index: NDArray[Any]) -> NeighbourPairs:
        """The pairs at `index`, in its order."""
        return NeighbourPairs(
            self.encoding[index], self.first[index], self.second[index], self.differ[index], self.score[index]
        )


def _neighbours(x: NDArray[T], axis: int) -> tuple[NDArray[T], NDArray[T]]:
    """Both members of the neighbour pairs along `axis` (1 vertical, 2 horizontal) of (E, H, W, C)."""
    n = x.shape[axis]
    return x.take(range(n - 1), axis), x.take(range(1, n), axis)


def _inner(size: int, skip_border: bool) -> slice:
    """The pairs along an axis of so many pixels that are used."""
    return slice(BORDER, size - 1 - BORDER) if skip_border and size > 4 * BORDER else slice(0, size - 1)


def _scores(encodings: FloatArray, axis: int) -> NDArray[np.float32]:
    """Reliability of the neighbours along `axis`, for magnitudes of the order of 1."""
    a, b = _neighbours(np.abs(encodings), axis)
    # over 3x3 pixels and all channels: edges cross channels, and one channel's chance equality does not hide them
    rough = uniform_filter(np.abs(a - b), size=(1, 3, 3, min(3, a.shape[3])), mode="nearest")
    score: NDArray[np.float32] = np.minimum(a, b) / (rough + 0.03)
    return score


def _scaled(encodings: FloatArray) -> NDArray[np.float32]:
    """float32, so that the mean magnitude is a third (0.03 is the noise floor of the rank statistic)."""
    x = np.asarray(encodings, np.float32)
    return x / max(3 * float(np.abs(x).mean()), 1e-12)


def rank_pairs(
    encodings: FloatArray, count: int, *, skip_border: bool = True, channels: int | None = None
) -> NeighbourPairs:
    """The `count` most reliable neighbour pairs over all the encodings.

    Args:
        encodings: float (E, H, W, C), signed; in any units.
        count: how many pairs to return at most.
        skip_border: leave out pairs that straddle a line within `BORDER` pixels of an edge parallel to it.
        channels: use the first so many channels only (1 where a mask is shared by the channels).

    Returns:
        NeighbourPairs: best first; fewer where there are fewer.
    """
    _, h, w, c = encodings.shape
    flat = np.arange(h * w * c, dtype=np.int64).reshape(1, h, w, c)[..., : channels or c]
    scaled = _scaled(encodings[..., : channels or c])
    parts: list[NeighbourPairs] = []
    for axis in (1, 2):
        score = _scores(scaled, axis)
        inner = np.zeros(score.shape[axis], bool)
        inner[_inner(scaled.shape[axis], skip_border)] = True
        score *= np.expand_dims(inner, tuple(d for d in range(4) if d != axis))
        keep = min(count, score.size)
        top = np.argpartition(score.reshape(-1), score.size - keep)[score.size - keep :]
        top = top[score.reshape(-1)[top] > 0]
        i, *place = np.unravel_index(top, score.shape)
        first, second = (f[0][tuple(place)] for f in _neighbours(flat, axis))
        negative = [sign[(i, *place)] for sign in _neighbours(scaled < 0, axis)]
        differ = (negative[0] ^ negative[1]).astype(np.uint8)
        parts.append(NeighbourPairs(i.astype(np.int64), first, second, differ, score.reshape(-1)[top]))
    both = NeighbourPairs(
        *(np.concatenate([getattr(p, f) for p in parts]) for f in NeighbourPairs.__dataclass_fields__)
    )
    order = np.argsort(-both.score, kind="stable")[:count]
    return both.take(order)


def spanning_forest(u: NDArray[np.int64], v: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Indices of the first `limit` pairs (u, v) that close no cycle: a cycle's equation says nothing new.

    The pairs must be distinct; they are the minimum spanning forest where each weighs its rank (Kruskal 1956).
    """
    n = int(max(u.max(initial=0), v.max(initial=0))) + 1
    ranks = np.arange(1, len(u) + 1, dtype=np.float64)
    forest = minimum_spanning_tree(coo_matrix((ranks, (u, v)), shape=(n, n)))
    return np.sort(forest.data)[:limit].astype(np.int64) - 1


def agreement(encodings: FloatArray, *, share: float = 0.5, skip_border: bool = True) -> NDArray[np.float64]:
    """Per encoding, how often neighbours among the better `share` of its pairs have the same sign: float64 (E,).

    About 0.5 under a uniform mask, above 0.9 for mixtures of natural images without one.
    """
    e = len(encodings)
    out = np.zeros(e)
    block = max(1, 2**22 // max(1, encodings[0].size)) if e else 1
    for start in range(0, e, block):
        part = _scaled(encodings[start : start + block])
        same = np.zeros(len(part))
        total = np.zeros(len(part))
        for axis in (1, 2):
            inner = (slice(None),) * axis + (_inner(part.shape[axis], skip_border),)
            equal = np.equal(*_neighbours(part < 0, axis))[inner].reshape(len(part), -1)
            score = _scores(part, axis)[inner].reshape(len(part), -1)
            bar = np.quantile(score, 1 - share, axis=1, keepdims=True)
            good = score >= bar
            same += (equal & good).sum(1)
            total += good.sum(1)
        out[start : start + block] = same / np.maximum(total, 1)
    return out


def smoothness(encodings: FloatArray) -> NDArray[np.float64]:
    """Per encoding, ``sum a b / sum |a b|`` over horizontal and vertical neighbours: float64 (E,), cheap.

    0 +- 0.03 under a uniform mask (32x32x3), 0.7 and more for mixtures of natural images without one.
    """
    x = np.asarray(encodings, np.float32)
    top = bottom = np.zeros(len(x))
    for axis in (1, 2):
        a, b = _neighbours(x, axis)
        product = (a * b).reshape(len(x), -1)
        top = top + product.sum(1, dtype=np.float64)
        bottom = bottom + np.abs(product).sum(1, dtype=np.float64)
    return top / np.maximum(bottom, 1e-30)

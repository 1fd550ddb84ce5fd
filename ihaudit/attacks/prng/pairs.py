"""Neighbouring pixels of nearly equal magnitude: their true signs agree, so the released signs tell mask bits apart.

For natural images mixed with any weights, |m_p| close to |m_q| at neighbours p, q means, with few exceptions far from
zero, that the mixture itself is smooth there; then ``sign(m_p) sign(m_q) = mask_p mask_q``: one equation over GF(2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from ihaudit.attacks.prng._jit import kernel
from ihaudit.release import FloatArray

BORDER = 4  # pixels: RandomCrop with padding 4, the usual augmentation, leaves edges of the padding in this band


@dataclass(frozen=True, eq=False)
class Pairs:
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

    def take(self, index: NDArray) -> Pairs:
        """The pairs at `index`, in its order."""
        return Pairs(self.encoding[index], self.first[index], self.second[index], self.differ[index], self.score[index])


def _scores(magnitude: FloatArray, axis: int) -> NDArray[np.float32]:
    """Reliability of the neighbours along `axis` (1 vertical, 2 horizontal) of (E, H, W, C) magnitudes."""
    a = magnitude.take(range(magnitude.shape[axis] - 1), axis)
    b = magnitude.take(range(1, magnitude.shape[axis]), axis)
    # over 3x3 pixels and all channels: edges cross channels, and one channel's chance equality does not hide them
    rough = uniform_filter(np.abs(a - b), size=(1, 3, 3, min(3, a.shape[3])), mode="nearest")
    return np.minimum(a, b) / (rough + 0.03)


def rank_pairs(encodings: FloatArray, count: int, *, skip_border: bool = True, channels: int | None = None) -> Pairs:
    """The `count` most reliable neighbour pairs over all the encodings.

    Args:
        encodings: float (E, H, W, C), signed; scaled so that magnitudes are of the order of 1 (0.03 is the noise floor
            of the rank statistic), which the caller need not ensure: they are divided by their mean magnitude * 3.
        count: how many pairs to return at most.
        skip_border: leave out pairs that straddle a line within `BORDER` pixels of an edge parallel to it.
        channels: use the first so many channels only (1 where a mask is shared by the channels).

    Returns:
        Pairs: best first; fewer where there are fewer.
    """
    _, h, w, c = encodings.shape
    used = channels or c
    m = np.abs(np.asarray(encodings[..., :used], np.float32))
    scale = float(m.mean()) * 3
    m = m / scale if scale > 0 else m
    flat = np.arange(h * w * c, dtype=np.int64).reshape(h, w, c)[..., :used]
    negative = np.asarray(encodings[..., :used]) < 0
    parts: list[Pairs] = []
    for axis in (1, 2):
        score = _scores(m, axis)
        size = encodings.shape[axis]
        if skip_border and size > 4 * BORDER:
            band = np.ones(size - 1, bool)
            band[BORDER : size - 1 - BORDER] = False
            score[(slice(None), band) if axis == 1 else (slice(None), slice(None), band)] = 0
        keep = min(count, score.size)
        top = np.argpartition(score.reshape(-1), score.size - keep)[score.size - keep :]
        top = top[score.reshape(-1)[top] > 0]
        i, y, x, z = np.unravel_index(top, score.shape)
        dy, dx = (1, 0) if axis == 1 else (0, 1)
        differ = negative[i, y, x, z] ^ negative[i, y + dy, x + dx, z]
        parts.append(
            Pairs(
                i.astype(np.int64),
                flat[y, x, z],
                flat[y + dy, x + dx, z],
                differ.astype(np.uint8),
                score.reshape(-1)[top],
            )
        )
    both = Pairs(*(np.concatenate([getattr(p, f) for p in parts]) for f in Pairs.__dataclass_fields__))
    order = np.argsort(-both.score, kind="stable")[:count]
    return both.take(order)


@kernel
def _forest(u, v, n, limit, keep):  # type: ignore[no-untyped-def]
    """Kruskal: keep[i] = 1 for pairs that join two components, in order, until `limit` are kept."""
    parent = np.arange(n)
    kept = 0
    for i in range(u.shape[0]):
        a, b = u[i], v[i]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        while parent[b] != b:
            parent[b] = parent[parent[b]]
            b = parent[b]
        if a != b:
            parent[a] = b
            keep[i] = 1
            kept += 1
            if kept == limit:
                break
    return kept


def spanning_forest(u: NDArray[np.int64], v: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Indices of the first `limit` pairs (u, v) that close no cycle: a cycle's equation says nothing new."""
    n = int(max(u.max(initial=0), v.max(initial=0))) + 1
    keep = np.zeros(len(u), np.uint8)
    _forest(u, v, n, limit, keep)
    return np.flatnonzero(keep)


def agreement(encodings: FloatArray, *, share: float = 0.5, skip_border: bool = True) -> NDArray[np.float64]:
    """Per encoding, how often neighbours among the better `share` of its pairs have the same sign: float64 (E,).

    About 0.5 under a uniform mask, above 0.9 for mixtures of natural images without one.
    """
    e = len(encodings)
    out = np.zeros(e)
    block = max(1, 2**22 // max(1, encodings[0].size)) if e else 1
    for start in range(0, e, block):
        part = np.asarray(encodings[start : start + block], np.float32)
        m = np.abs(part)
        m = m / max(float(m.mean()) * 3, 1e-12)
        same = np.zeros(len(part))
        total = np.zeros(len(part))
        for axis in (1, 2):
            size = part.shape[axis]
            lo, hi = (BORDER, size - 1 - BORDER) if skip_border and size > 4 * BORDER else (0, size - 1)
            a, b = part.take(range(size - 1), axis), part.take(range(1, size), axis)
            score = _scores(m, axis)
            equal = (a < 0) == (b < 0)
            cut = (slice(None), slice(lo, hi)) if axis == 1 else (slice(None), slice(None), slice(lo, hi))
            score, equal = score[cut].reshape(len(part), -1), equal[cut].reshape(len(part), -1)
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
    for a, b in ((x[:, 1:], x[:, :-1]), (x[:, :, 1:], x[:, :, :-1])):
        product = (a * b).reshape(len(x), -1)
        top = top + product.sum(1, dtype=np.float64)
        bottom = bottom + np.abs(product).sum(1, dtype=np.float64)
    return top / np.maximum(bottom, 1e-30)

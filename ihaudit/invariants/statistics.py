"""Statistics of encodings that keys leave alone, by group.

An encoding is looked at as positions times channels: (H, W, C) pictures and feature maps, (n, d) tokens, (d,) vectors.
Groups and the keys that they survive:

* sorted values, and sorted distances from the middle of the range: permutations of values; with negation;
* values per channel, moments and norms: permutations of pixels; rotations and random projections, nearly;
* what stays at its place: values, magnitudes, sorted channels of a pixel: keys of single values (pixel encryption);
* blocks: energy, contrast and roughness, in place or as a sorted set; inner products of blocks, also of 4-bit halves:
  block-wise encryption and scrambles with one key or many, learnable encryption;
* magnitudes of cosine coefficients of blocks and of the whole, and of the Fourier transform: sign keys, shifts;
* moments over the channels of a position, in place or sorted, and the spectrum of inner products of positions: random
  networks whose weights are the key, with patches in any order;
* tokens put in the order that the rows of a call have in common, where an encoder marks places and then shuffles;
* correlations between neighbours;
* which places hold the same number, where numbers stand for something (entries of a codebook): renaming.

With a whole call at hand (`batch`), all of it is computed of the values less their mean over the call, and less their
circular mean, too: what every row of a call has in common is the key's doing (pads, offsets, positions); and of rows
among each other: scores on the principal axes of the call, up to sign, and distances to the other rows, which every
orthogonal map leaves alone.  Carlini et al. (2021) match NeuraCrypt's encodings by such moments.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache, lru_cache, partial

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct, dctn, rfft2

from ihaudit.invariants.tokens import in_order
from ihaudit.release import FloatArray

Float32 = NDArray[np.float32]
#: quantiles of a sorted set
QUANTILES = 48
#: inner products of two positions that are sorted at most
PRODUCTS = 4096
#: most numbers in a group: larger ones are projected at random (fixed seed)
MOST = 640
#: whole numbers that may be names for something; pairs of places that are compared at most
SYMBOLS, REPEATS = 1024, 8000
#: principal axes, and quantiles of distances, in statistics of rows among each other
AXES, DISTANCES = 24, 16


@dataclass(frozen=True)
class Layout:
    """Of encodings of one kind: fixed once, so that statistics of different calls can be compared.

    Attributes:
        shape: of a row.
        middle: of the range of values, which negation leaves alone.
        bytes: values are bytes, or bytes / 255: factor that makes them bytes, or 0.
        circular: values fill [0, 1).
        symbols: values are few whole numbers, which can be names for something, and come again within a row.
    """

    shape: tuple[int, ...]
    middle: float
    bytes: float
    circular: bool
    symbols: bool = False

    @classmethod
    def of(cls, x: FloatArray) -> Layout:
        """From some rows (n, ...)."""
        some = np.asarray(x[:64], np.float32)
        low, high = (float(some.min()), float(some.max())) if some.size else (0.0, 0.0)
        factor = 0.0
        if low >= -1e-4 and high <= 255.01:
            for f in (1.0, 255.0):
                scaled = some * f
                if scaled.max() > 15 and scaled.max() <= 255.01 and np.abs(scaled - np.rint(scaled)).max() < 0.01:
                    factor = f
                    break
        span = high - low
        # Values on both sides of nought are negated there; a range is turned over at its middle.
        middle = 0.0 if low < -0.2 * span else (low + high) / 2
        if low >= -0.05 and high <= 1.05:
            middle = 0.5
        circular = low >= 0 and high < 1.0 + 1e-6 and low < 0.02 and high > 0.98
        return cls(tuple(x.shape[1:]), middle, factor, circular, _symbols(some))

    @property
    def grid(self) -> bool:
        """Rows lie in the plane."""
        return len(self.shape) == 3 and min(self.shape[:2]) >= 4


Group = tuple[str, Callable[[], FloatArray]]


def _symbols(x: Float32) -> bool:
    rows = x.reshape(len(x), -1)
    if rows.shape[1] < 4 or not np.array_equal(rows, np.rint(rows)):
        return False
    count = len(np.unique(rows))
    return 2 < count <= SYMBOLS and bool((np.diff(np.sort(rows, axis=1), axis=1) == 0).mean() > 0.02)


def _repeats(flat: FloatArray) -> FloatArray:
    """1 where two places of a row hold the same number, 0 elsewhere."""
    i, j = np.triu_indices(flat.shape[1], 1)
    if len(i) > REPEATS:
        some = np.random.default_rng(len(i)).choice(len(i), REPEATS, replace=False)
        i, j = i[some], j[some]
    return np.asarray(flat[:, i] == flat[:, j], np.float32)


def statistics(
    x: FloatArray,
    layout: Layout,
    *,
    batch: bool = False,
    beside: FloatArray | None = None,
    only: Collection[str] | None = None,
    chunk: int = 1024,
) -> dict[str, Float32]:
    """Every group's statistics of rows.

    Args:
        x: float (n, ...), rows of the shape of `layout`; of one call where `batch`.
        layout: see `Layout`.
        batch: rows make up a call, so that what they have in common can be taken off.
        beside: float (m, ...), more rows of the same call, which no statistics are wanted of.
        only: names of groups to compute; all where None.
        chunk: rows at a time.

    Returns:
        name -> float32 (n, F), F differs by group; the same F for every call.
    """
    x = np.asarray(x, np.float32)
    out: dict[str, list[FloatArray]] = {}
    views: list[tuple[str, Callable[[NDArray[np.intp]], FloatArray], float]] = [("", lambda i: x[i], layout.middle)]
    call = x if beside is None or not len(beside) else np.concatenate([x, np.asarray(beside, np.float32)])
    if batch and len(x) > 2:
        mean = call.mean(0)
        views.append(("less mean: ", lambda i: x[i] - mean, 0.0))
        if layout.circular:
            turn = np.exp(2j * np.pi * call).mean(0)
            common = (np.angle(turn) / (2 * np.pi)).astype(np.float32)
            views.append(("less circular mean: ", lambda i: np.mod(x[i] - common + 0.5, 1) - np.float32(0.5), 0.0))
        if layout.bytes:
            bits = np.rint(call * layout.bytes).astype(np.uint8)
            most = np.zeros(x.shape[1:], np.uint8)
            for b in range(8):
                most |= (((bits >> b) & 1).mean(0) > 0.5).astype(np.uint8) << b
            views.append(("less common bits: ", lambda i: (bits[i] ^ most).astype(np.float32) / 255, 0.0))
        wanted = only is None or any(name.startswith("in order, ") for name in only)
        ordered = in_order(call) if wanted and len(layout.shape) == 2 else None
        if len(layout.shape) == 2 and wanted:
            tokens = call if ordered is None else ordered
            rest = tokens[: len(x)] - tokens.mean(0)
            views.append(("in order, less mean: ", lambda i: rest[i], 0.0))
    for prefix, view, middle in views:
        if only is not None and not any(name.startswith(prefix) for name in only):
            continue
        for begin in range(0, len(x), chunk):
            part = view(np.arange(begin, min(len(x), begin + chunk)))
            for name, make in _groups(part, layout, middle, plain=not prefix):
                if only is None or prefix + name in only:
                    out.setdefault(prefix + name, []).append(_narrow(make()))
    found = {k: np.concatenate(v).astype(np.float32) for k, v in out.items()}
    if batch and len(x) > 2:
        found |= {k: v()[: len(x)] for k, v in _among(call) if only is None or k in only}
    return found


def _narrow(f: FloatArray) -> Float32:
    """At most `MOST` numbers, by a fixed random projection where there are more."""
    f = np.nan_to_num(np.asarray(f, np.float32).reshape(len(f), -1))
    if f.shape[1] <= MOST:
        return f
    return np.asarray(f @ _projection(f.shape[1]) / np.sqrt(np.float32(f.shape[1])), np.float32)


@lru_cache(maxsize=8)  # the same few sizes come again with every call: drawing costs as much as projecting
def _projection(size: int) -> Float32:
    return np.random.default_rng(size).standard_normal((size, MOST), np.float32)


def _quantiles(x: FloatArray, count: int = QUANTILES) -> FloatArray:
    """(n, d, ...) sorted along axis 1, at `count` evenly spread places."""
    d = x.shape[1]
    s = np.sort(x, axis=1)
    if d <= count:
        return s
    # Means between the cuts use every value, where single order statistics would use `count` of them.
    cuts = np.linspace(0, d, count + 1).astype(int)[:-1]
    sums = np.add.reduceat(s, cuts, axis=1)
    width = np.diff(np.r_[cuts, d]).astype(np.float32)
    return np.asarray(sums / width.reshape(1, -1, *([1] * (x.ndim - 2))), np.float32)


def _moments(x: FloatArray, axis: int) -> list[FloatArray]:
    """Mean, deviation, skewness, kurtosis, mean magnitude, share above nought and maximum along an axis."""
    mean = x.mean(axis, keepdims=True)
    d = x - mean
    std = np.sqrt((d * d).mean(axis, keepdims=True)) + np.float32(1e-9)
    z = d / std
    z3 = z * z * z
    parts = [mean, std, z3.mean(axis, keepdims=True), (z3 * z).mean(axis, keepdims=True).clip(0, 50)]
    parts += [np.abs(x).mean(axis, keepdims=True), (x > 0).mean(axis, keepdims=True), x.max(axis, keepdims=True)]
    return [np.squeeze(p, axis) for p in parts]


def _groups(x: FloatArray, layout: Layout, middle: float, *, plain: bool) -> list[Group]:
    """(name, its computation) of rows (n, ...); each name once, the same names for every call."""
    n, shape = len(x), layout.shape
    flat = x.reshape(n, -1)
    folded = np.abs(flat - np.float32(middle))
    groups: list[Group] = [
        ("sorted", lambda: _quantiles(flat)),
        ("sorted folded", lambda: _quantiles(folded)),
        ("norms", lambda: _norms(flat)),
    ]
    if plain and layout.symbols:
        groups += [("repeats", lambda: _repeats(flat))]
    if layout.grid:
        groups += _grid_groups(x, folded.reshape(x.shape), layout, middle, plain=plain)
    else:
        groups += [("values", lambda: flat), ("magnitudes", lambda: folded)]
    if len(shape) >= 2 and shape[-1] >= 8:
        groups += _position_groups(x.reshape(n, -1, shape[-1]))
    return groups


def _norms(flat: FloatArray) -> FloatArray:
    d = flat - flat.mean(1, keepdims=True)
    parts = [np.log(np.linalg.norm(v, axis=1) + 1e-6) for v in (flat, d)]
    parts += [np.log(np.abs(flat).mean(1) + 1e-6), *_moments(flat, 1)]
    return np.stack(parts, 1)


def pooled(x: FloatArray, side: int) -> FloatArray:
    """(n, H, W, C) -> at most side x side blocks' means, (n, h, w, C); edges that do not fill a block are cropped."""
    h, w = x.shape[1:3]
    a, b = -(-h // side), -(-w // side)
    x = x[:, : h // a * a, : w // b * b]
    x = sum((x[:, i::a] for i in range(1, a)), x[:, ::a])
    x = sum((x[:, :, j::b] for j in range(1, b)), x[:, :, ::b])
    return np.asarray(x, np.float32) / np.float32(a * b)


def _blocks(x: FloatArray, b: int) -> FloatArray:
    """(n, H, W, C) -> (n, blocks, b * b, C); edges that do not fill a block are cropped."""
    n, h, w, c = x.shape
    x = x[:, : h // b * b, : w // b * b]
    return x.reshape(n, h // b, b, w // b, b, c).swapaxes(2, 3).reshape(n, -1, b * b, c)


def _grid_groups(x: FloatArray, folded: FloatArray, layout: Layout, middle: float, *, plain: bool) -> list[Group]:
    n, (h, w, c) = len(x), layout.shape
    groups: list[Group] = [
        ("values in place", lambda: pooled(x, 12)),
        ("magnitudes in place", lambda: pooled(folded, 12)),
        ("neighbours", lambda: np.concatenate([_neighbours(x), _neighbours(folded)], 1)),
    ]
    if c <= 4:
        groups += [
            ("channels", lambda: _quantiles(x.reshape(n, h * w, c), QUANTILES // 2)),
            ("pixels in place", lambda: pooled(np.sort(folded, axis=3), 16)),
            ("cosines", lambda: _cosines(x)),
            ("fourier", lambda: np.abs(rfft2(x.mean(3), axes=(1, 2)))[:, :16, :16]),
        ]
        for b in (4, 8):
            if min(h, w) >= 2 * b:
                in_place = cache(partial(_block_statistics, x, folded, b, middle))
                groups += [
                    (f"blocks of {b}", in_place),
                    (f"blocks of {b} sorted", partial(_sorted, in_place)),
                    (f"cosines of {b}", partial(_block_cosines, x, b)),
                ]
        if min(h, w) >= 8:
            groups.append(("block products", lambda: _products(_blocks(x, 4).reshape(n, -1, 16 * c) - middle)))
            groups.append(("block spectrum", lambda: _spectrum(_blocks(x, 4).reshape(n, -1, 16 * c) - middle)))
        if layout.bytes and plain and min(h, w) >= 8:

            def halves() -> FloatArray:
                v = np.rint(_blocks(x, 4).reshape(n, -1, 16 * c) * np.float32(layout.bytes)).astype(np.uint8)
                return (np.concatenate([v >> 4, v & 15], axis=2).astype(np.float32) - 7.5) / 7.5

            groups += [
                ("products of halves", lambda: _products(halves())),
                ("spectrum of halves", lambda: _spectrum(halves())),
                ("halves sorted", lambda: _quantiles(np.abs(halves()).reshape(n, -1))),
            ]
    return groups


def _block_statistics(x: FloatArray, folded: FloatArray, b: int, middle: float) -> FloatArray:
    """(n, blocks, 5): mean magnitude, colour, contrast, deviation and roughness, blind to turns and negation."""
    v, f = _blocks(x, b), _blocks(folded, b)
    mean = np.abs(v.mean(2) - np.float32(middle))
    std = v.std(2)
    rows = v.reshape(len(v), v.shape[1], b, b, -1)
    rough = np.abs(np.diff(rows, axis=2)).mean((2, 3, 4)) + np.abs(np.diff(rows, axis=3)).mean((2, 3, 4))
    parts = [f.mean((2, 3)), mean.mean(2), mean.max(2), std.mean(2), rough]
    return np.asarray(np.stack(parts, 2), np.float32)


def _sorted(make: Callable[[], FloatArray]) -> FloatArray:
    return _quantiles(make())


def _block_cosines(x: FloatArray, b: int) -> FloatArray:
    """Magnitudes of the low cosine coefficients of every block, mean over channels."""
    n, h, w, c = x.shape
    v = _blocks(x, b).reshape(n, h // b, w // b, b * b * c)
    low = dct(np.eye(b, dtype=np.float32), axis=0, norm="ortho")[: b // 2]
    both = np.einsum("ui,vj,cd->uvcijd", low, low, np.eye(c, dtype=np.float32)).reshape(-1, b * b * c)
    found = np.abs(v @ both.T).reshape(n, h // b, w // b, b // 2, b // 2, c).mean(5)
    return np.asarray(found.swapaxes(2, 3).reshape(n, -1), np.float32)


def _cosines(x: FloatArray) -> FloatArray:
    """Magnitudes of the low cosine coefficients of the picture, mean over channels."""
    return np.asarray(np.abs(dctn(x, axes=(1, 2), norm="ortho"))[:, :20, :20].mean(3).reshape(len(x), -1), np.float32)


def _neighbours(x: FloatArray) -> FloatArray:
    """Correlations at small lags, and with the next channel."""
    d = x - x.mean((1, 2), keepdims=True)
    power = (d * d).mean((1, 2, 3)) + np.float32(1e-9)
    out = [power]
    for i, j in ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0)):
        if d.shape[1] > i and d.shape[2] > j:
            a, b = d[:, i:, j:], d[:, : d.shape[1] - i, : d.shape[2] - j]
            out.append((a * b).mean((1, 2, 3)) / power)
    if d.shape[3] > 1:
        out.append((d[..., 1:] * d[..., :-1]).mean((1, 2, 3)) / power)
    return np.stack(out, 1)


def _products(v: FloatArray) -> FloatArray:
    """Inner products of vectors (n, blocks, d): with themselves, and of fixed pairs of blocks; (n, F)."""
    k, d = v.shape[1:]
    gram = v @ v.transpose(0, 2, 1) / np.float32(d)
    i, j = np.triu_indices(k)
    if len(i) > MOST:
        # All of the diagonal, and as many of the others as there is room for.
        off = np.random.default_rng(k).permutation(np.flatnonzero(i != j))[: MOST - k]
        keep = np.sort(np.r_[np.flatnonzero(i == j), off])
        i, j = i[keep], j[keep]
    return np.asarray(gram[:, i, j], np.float32)


def _spectrum(v: FloatArray) -> FloatArray:
    """Log singular values of (n, positions, d), and sorted inner products: blind to the order of positions."""
    k, d = v.shape[1:]
    gram = v @ v.transpose(0, 2, 1) / np.float32(d)
    i, j = np.triu_indices(k, 1)
    if len(i) > PRODUCTS:
        keep = np.sort(np.random.default_rng(k).permutation(len(i))[:PRODUCTS])
        i, j = i[keep], j[keep]
    # The smaller of the two matrices of products has all eigenvalues that are not nought.
    values = np.linalg.eigvalsh(gram if k <= d else v.transpose(0, 2, 1) @ v / np.float32(d))[:, ::-1]
    values = np.pad(values, ((0, 0), (0, max(0, k - d))))
    parts = [np.log(values.clip(0) + 1e-6)[:, :QUANTILES], _quantiles(gram[:, np.arange(k), np.arange(k)])]
    if len(i):
        parts += [_quantiles(gram[:, i, j]), _quantiles(np.abs(gram[:, i, j]))]
    return np.concatenate(parts, 1)


def _position_groups(v: FloatArray) -> list[Group]:
    """Of positions with many channels: (n, positions, d)."""
    k = v.shape[1]

    def some() -> FloatArray:
        """At most 100 positions."""
        return v[:, np.linspace(0, k - 1, min(k, 100)).astype(int)] if k > 100 else v

    def moments() -> FloatArray:
        return np.stack(_moments(v, 2), 2)

    return [
        ("position moments", moments),
        ("position moments sorted", lambda: _quantiles(moments())),
        ("position products", lambda: _products(some())),
        ("position spectrum", lambda: _spectrum(some())),
        ("channel means", lambda: _quantiles(v.mean(1))),
    ]


def _among(x: FloatArray) -> list[tuple[str, Callable[[], Float32]]]:
    """Statistics of the rows of a call among each other."""
    n = len(x)
    flat = x.reshape(n, -1)
    flat = flat - flat.mean(0)

    def gram() -> NDArray[np.float64]:
        return np.asarray(flat @ flat.T, np.float64)

    def axes() -> Float32:
        values, vectors = np.linalg.eigh(gram())
        # Unit deviation over the call; numbers beyond the rank are nought.
        keep = values[::-1] > 1e-9 * max(float(values[-1]), 1e-30)
        top = np.abs(vectors[:, ::-1] * keep)[:, :AXES] * np.sqrt(n)
        out = np.zeros((n, AXES), np.float32)
        out[:, : top.shape[1]] = top
        return out

    def distances() -> Float32:
        g = gram()
        square = np.sqrt((np.diag(g)[:, None] + np.diag(g)[None] - 2 * g).clip(0))
        square /= max(float(square.mean()), 1e-30)
        np.fill_diagonal(square, np.nan)
        near = np.sort(square, axis=1)[:, : n - 1]
        at = np.linspace(0, n - 2, DISTANCES).astype(int)
        norm = np.sqrt(np.diag(g) / max(float(np.diag(g).mean()), 1e-30))
        return np.concatenate([near[:, at], norm[:, None]], 1).astype(np.float32)

    return [("axes of the call", axes), ("distances in the call", distances)]

"""Arrays of a call that say something only together: a basis and scores, a codebook and places, steps from row to row.

None of them is an image's alone, and what they hold is another in every call; what they make is the same.  Each way is
tried on own calls first, on the whole release only where it is worth reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations, product
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from ihaudit.attacks.numerics.released.channels import Channel, whole
from ihaudit.attacks.numerics.released.fields import FEW_ROWS, Array, parts, splits
from ihaudit.release import Release

#: Arrays that are looked at, ways to combine them, and values of what is made, at most.
MAX_ARRAYS, MAX_WAYS, MAX_VALUES = 6, 80, 30_000_000
#: Members of a basis, and entries of a codebook, at least; members at most that are put in order.
LEAST_BASIS, LEAST_ENTRIES, MAX_MEMBERS = 3, 2, 1024
#: Ways to lay entries out that are tried, those that make the smoothest images, by so many of them.
LAID, LOOKED_AT = 2, 40
#: Known images at least by which members of a basis are told, how alike scores and theirs must be, and their name.
LEAST_KNOWN, ALIKE, IMAGES = 24, 0.9, "known images"

Named = Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class OfCall:
    """What arrays of a call make together, by image.

    Attributes:
        name: for reports.
        sources: names of the arrays.
        calls: (n_i, ...) by call.
        whole: makes the same of the release.
    """

    name: str
    sources: tuple[str, ...]
    calls: list[Array]
    whole: Callable[[], Array | None]

    def channel(self) -> Channel | None:
        """With what is made of the release; None where nothing can be."""
        target = self.whole()
        return (
            None if target is None or not len(target) else Channel(self.name, "call", self.calls, target, False, True)
        )


@dataclass(frozen=True)
class _Way:
    """How to make one array of the named ones; None where they do not fit."""

    words: str
    sources: tuple[str, ...]
    f: Callable[[Named], Array | None]


def of_call(
    calls: Sequence[Release],
    counts: Sequence[int],
    whole: Release,
    shape: tuple[int, ...],
    images: Sequence[Array] = (),
    known: Array | None = None,
) -> Iterator[OfCall]:
    """All that arrays of a call make together.

    Args:
        calls: the encoder's answers to calls of at least two sizes.
        counts: images in each.
        whole: all of the release that is attacked, with rows of known images.
        shape: (H, W, C) of images.
        images: (n_i, H, W, C) of each call, and `known`, which the last rows of the release are of: they tell which
            member of a basis is whose; without them members are taken in their order only.
    """
    seen = [_named(r) for r in calls]
    own = _named(whole)
    if images and known is not None and len(known) >= LEAST_KNOWN:
        for s, x in zip([*seen, own], [*images, known], strict=True):
            s[IMAGES] = x.reshape(len(x), -1)
    names = [name for name in own if name != IMAGES and all(name in s for s in seen)][:MAX_ARRAYS]
    tried = 0
    for way in _ways(names, seen[0], counts[0], shape):
        if tried == MAX_WAYS:
            return
        with np.errstate(all="ignore"):
            first = way.f(seen[0])
            if first is None:
                continue
            tried += 1
            made = [first, *(m for s in seen[1:] if (m := way.f(s)) is not None)]
        if len(made) < len(seen):
            continue
        for split in splits(made, counts, FEW_ROWS):

            def target(way: _Way = way, split: Any = split) -> Array | None:
                with np.errstate(all="ignore"):
                    a = way.f(own)
                return None if a is None or not split.count(a) else split(a)

            words = f"{way.words}{', ' if split.words else ''}{split.words}"
            yield OfCall(words, way.sources, [split(a) for a in made], target)


def _named(release: Release) -> dict[str, Array]:
    """Arrays of numbers; matrices with a diagonal only as that."""
    out: dict[str, Array] = {}
    for name, a in parts(replace(release, labels=None, raw={})).items():
        if not a.ndim or a.dtype.kind not in "buif" or not 1 < a.size <= MAX_VALUES:
            continue
        square = a.ndim == 2 and a.shape[0] == a.shape[1]
        out[name] = np.diag(a) if square and np.count_nonzero(a - np.diag(np.diag(a))) == 0 else a
    return out


def _ways(names: Sequence[str], first: Named, count: int, shape: tuple[int, ...]) -> Iterator[_Way]:
    """What may be made of the arrays of a call of `count` images, two by two; those beside encodings first."""
    pairs = sorted(permutations(names, 2), key=lambda pair: "encodings" in pair)
    found = [
        *(it for a, b in pairs for it in (_steps(a, b, first, count), _looked_up(a, b, first, shape))),
        *(_products(a, b, names, first, 2 * count * int(np.prod(shape))) for a, b in pairs),
        *(_sums(a, first) for a in names),
        *(_reordered(a, b, first, count) for a, b in pairs if IMAGES in first),
    ]
    while found:
        left = []
        for ways in found:
            way = next(ways, None)
            if way is not None:
                left.append(ways)
                yield way
        found = left


# --- a basis and scores ---


def _products(a: str, b: str, names: Sequence[str], first: Named, most: int) -> Iterator[_Way]:
    """Scores in a basis, with what scales each member of it, and with a mean; of `most` values."""
    if first[a].ndim < 2 or first[b].ndim < 2:
        return
    for at, over in product((-1, 0), (0, -1)):
        x, y = first[a], first[b]
        k = x.shape[at]
        if k != y.shape[over] or k < LEAST_BASIS or (x.size // k) * (y.size // k) > most:
            continue
        rest = [n for n in names if n not in (a, b)]
        scales: list[str | None] = [None, *(n for n in rest if first[n].size == k)]
        means: list[str | None] = [None, *(n for n in rest if first[n].size == y.size // k)]
        for scale, root, mean, spread in product(scales, (False, True), means, means):
            if (scale is None and root) or (spread is not None and spread in (mean, scale)) or (mean and mean == scale):
                continue

            def made(
                s: Named,
                at: int = at,
                over: int = over,
                scale: str | None = scale,
                root: bool = root,
                mean: str | None = mean,
                spread: str | None = spread,
            ) -> Array | None:
                x, y = np.moveaxis(s[a], at, -1), np.moveaxis(s[b], over, 0)
                if x.shape[-1] != len(y) or (x.size // len(y)) * (y.size // len(y)) > MAX_VALUES:
                    return None
                x = x.astype(np.float64)
                if scale is not None:
                    if s[scale].size != len(y):
                        return None
                    by = s[scale].reshape(-1).astype(np.float64)
                    x = x * (np.sqrt(np.abs(by)) if root else by)
                out = x.reshape(-1, len(y)) @ y.reshape(len(y), -1).astype(np.float64)
                for name, f in ((spread, np.multiply), (mean, np.add)):
                    if name is not None:
                        if s[name].size != out.shape[1]:
                            return None
                        out = f(out, s[name].reshape(1, -1))
                return out.reshape(*x.shape[:-1], *y.shape[1:]).astype(np.float32)

            others = tuple(n for n in (scale, mean, spread) if n is not None)
            beside = f" with {' and '.join(others)}" if others else ""
            yield _Way(f"the product of {a} and {b}{beside}", (a, b, *others), made)


def _reordered(a: str, b: str, first: Named, count: int) -> Iterator[_Way]:
    """Scores (n, k) in a basis of k members in any order: theirs is that in which known images have them."""
    x, y = first[a], first[b]
    if x.ndim != 2 or y.ndim < 2 or len(x) != count or len(y) != x.shape[1] or not LEAST_BASIS <= len(y) <= MAX_MEMBERS:
        return

    def made(s: Named) -> Array | None:
        x, images = s[a].astype(np.float64), s[IMAGES]
        basis = s[b].reshape(len(s[b]), -1).astype(np.float64)
        if x.shape[1] != len(basis) or basis.shape[1] != images.shape[1] or len(x) < len(images):
            return None
        if not (np.isfinite(basis).all() and np.isfinite(x).all()):
            return None
        inner = (images - images.mean(0)) @ np.linalg.pinv(basis)
        given = x[len(x) - len(images) :]
        likeness = _unit(given).T @ _unit(inner)
        mine, member = linear_sum_assignment(likeness, maximize=True)
        if np.median(likeness[mine, member]) < ALIKE:  # the same images judge what is made: chance must not do
            return None
        out: Array = (x[:, mine] @ basis[member]).astype(np.float32)
        return out

    yield _Way(f"the product of {a} and {b}, whose members stand in another order", (a, b), made)


def _unit(a: Array) -> Array:
    """Columns less their mean, of length 1."""
    out = a - a.mean(0)
    unit: Array = out / np.maximum(np.linalg.norm(out, axis=0), 1e-12)
    return unit


# --- a codebook and places in it ---


def _places_in(a: Array, k: int) -> Array | None:
    """int64, what of 0 .. k - 1 values are, as they are or brought to [0, 1]; None where they are not."""
    for scale in (1, k - 1, 255, k):
        x = a.astype(np.float64) * scale
        if x.min() < -0.01 or x.max() > k - 0.5 or x.max() < 0.5:
            continue
        near = np.rint(x)
        if np.abs(x - near).max() < 0.01:
            return near.astype(np.int64)
    return None


def _rough(images: Array) -> float:
    """How much neighbours in (n, H, W, C) differ, in standard deviations: least where images are laid out rightly."""
    x = images[:LOOKED_AT].astype(np.float64)
    return float(np.abs(np.diff(x, axis=1)).mean() + np.abs(np.diff(x, axis=2)).mean()) / max(float(x.std()), 1e-12)


def _looked_up(a: str, b: str, first: Named, shape: tuple[int, ...]) -> Iterator[_Way]:
    """Entries of a codebook at places: as they are, and put side by side as an image."""
    h, w, c = shape
    x, table = first[a], first[b]
    size = table.size // len(table)
    if len(table) < LEAST_ENTRIES or size * x.size > MAX_VALUES or _places_in(x, len(table)) is None:
        return

    def at(s: Named) -> tuple[Array, Array] | None:
        places = _places_in(s[a], len(s[b]))
        return None if places is None else (places, s[b].reshape(len(s[b]), -1))

    words = f"entries of {b} at the places that {a} states"
    laid_out: list[tuple[float, int, _Way]] = []
    for ch, planes in ((c, 1), (1, c), (1, 1)):
        each = h * w * ch * planes // size
        if size % ch or h * w * ch * planes % size or x.size % each:
            continue
        for rows in (r for r in range(1, h + 1) if h % r == 0):
            high, pixels = h // rows, size // ch
            if pixels % high or w % (pixels // high) or rows * (w // (pixels // high)) * planes != each:
                continue
            wide, columns = pixels // high, w * high // pixels
            grid = x.shape[1:3]
            if (table.ndim == 4 and high not in table.shape[1:3]) or (
                len(grid) == 2 and grid[0] * grid[1] == each and rows != grid[0]
            ):
                continue
            front = table.ndim == 4 and table.shape[1] == ch != table.shape[-1]
            for behind in (False, True) if planes > 1 else (False,):

                def tiled(
                    s: Named,
                    grid: tuple[int, ...] = (rows, columns, high, wide, ch, planes),
                    front: bool = front,
                    behind: bool = behind,
                ) -> Array | None:
                    rows, columns, high, wide, ch, planes = grid
                    found = at(s)
                    if found is None or found[0].size % (rows * columns * planes):
                        return None
                    places, entries = found
                    if entries.shape[1] != high * wide * ch:
                        return None
                    if front:
                        entries = entries.reshape(-1, ch, high * wide).swapaxes(1, 2).reshape(len(entries), -1)
                    if behind:
                        places = places.reshape(-1, rows, columns, planes).transpose(0, 3, 1, 2)
                    tiles = entries[places.reshape(-1)].reshape(-1, planes, rows, columns, high, wide, ch)
                    laid = tiles.transpose(0, 2, 4, 3, 5, 1, 6)
                    return laid.reshape(len(laid), rows * high, columns * wide, planes * ch)

                looks = tiled(first)
                if looks is not None:
                    laid_out.append((_rough(looks), len(laid_out), _Way(words, (a, b), tiled)))
    yield from (way for _, _, way in sorted(laid_out, key=lambda found: found[:2])[:LAID])

    def plain(s: Named) -> Array | None:
        found = at(s)
        return None if found is None else found[1][found[0]]

    yield _Way(f"{words}, as they are", (a, b), plain)


# --- steps from row to row ---


def _bytes(a: Array) -> Array | None:
    """uint8 of whole numbers, or of those that were brought to [0, 1]."""
    for scale in (1.0, 255.0):
        rows = a.reshape(len(a), -1)
        found = whole(rows if scale == 1 else (rows * scale).round(3).astype(np.float64))
        if found is not None and found.size and 1 < int(found.max()) < 256 and int(found.min()) > -256:
            return (found.astype(np.int64) & 255).astype(np.uint8)
    return None


def _walked(rows: Array, how: str) -> Array | None:
    """Sums of one kind along rows, the first of which is what they start from."""
    if how in ("exclusive or", "sums modulo 256"):
        x = _bytes(rows)
        if x is None:
            return None
        return np.bitwise_xor.accumulate(x, 0) if how == "exclusive or" else np.add.accumulate(x, 0, dtype=np.uint8)
    x = rows.reshape(len(rows), -1).astype(np.float64)
    out: Array = np.cumsum(x, 0)
    return (out % 1.0 if how == "sums modulo 1" else out).astype(np.float32)


_HOW = ("exclusive or", "sums modulo 256", "sums", "sums modulo 1")


def _steps(a: str, b: str, first: Named, count: int) -> Iterator[_Way]:
    """Rows as steps from one image to the next, from a row that stands in another array.

    Of `count` images as many steps, the first to no avail, or one less.
    """
    x, y = first[a], first[b]
    if (
        x.ndim < 2
        or not count - 1 <= len(x) <= count
        or y.size % x[0].size
        or not (y.size == x[0].size or y[0].size == x[0].size)
    ):
        return
    for how, back, less in product(_HOW, (False, True), (False, True)):
        if how == "exclusive or" and less:
            continue

        def made(
            s: Named, how: str = how, back: bool = back, less: bool = less, drop: bool = len(x) == count
        ) -> Array | None:
            steps, start = s[a], s[b].reshape(-1, *s[a].shape[1:])
            start = start[-1:] if back else start[:1]
            x, y = (_bytes(v) if how in _HOW[:2] else v for v in (steps, start))
            if x is None or y is None:
                return None
            x = x.reshape(len(x), -1)
            if less:
                x = (0 - x.astype(np.int64)).astype(np.uint8) if how in _HOW[:2] else -x.astype(np.float64)
            out = _walked(np.concatenate([y.reshape(1, -1), x[::-1] if back else x]), how)
            if out is None:
                return None
            out = out[1:] if drop else out
            return out[::-1] if back else out

        words = f"{how} of {a} from row to row{', from the last' if back else ''}, from {b}{', less' if less else ''}"
        yield _Way(words, (a, b), made)


def _sums(a: str, first: Named) -> Iterator[_Way]:
    """Sums from row to row of one array."""
    if first[a].ndim < 2 or len(first[a]) < 3:
        return
    for how, back in product(_HOW, (False, True)):

        def made(s: Named, how: str = how, back: bool = back) -> Array | None:
            out = _walked(s[a][::-1] if back else s[a], how)
            return out if out is None or not back else out[::-1]

        yield _Way(f"{how} of {a} from row to row{', from the last' if back else ''}", (a,), made)

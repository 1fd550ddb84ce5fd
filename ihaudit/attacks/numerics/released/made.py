"""What parts of a release make together, and what one becomes under maps that anyone can undo.

Shares of an image in two halves of a row, in several rows or in two arrays (sums, exclusive or, products, order, one in
the order of the other, magnitudes at angles); sums along an axis, and from row to row; fractions and exponents.  There
are hundreds of such ways: each is a `Made`, of which a few values are computed first (`ihaudit...released.screen`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.released.channels import Channel, as_numbers, flat
from ihaudit.attacks.numerics.released.fields import Array
from ihaudit.attacks.numerics.released.predicted import undone

#: Parts that are combined with each other at most, values of each, and of one that states an order.
MAX_COMBINED, MAX_VALUES, MAX_ORDERED = 6, 120_000, 16_384
#: Parts of a row that are taken together at most, and values of a part at least.
MOST, LEAST = 4, 48
#: Values that a first look is about.
FEW = 2048
#: Steps beyond which a number is an image's and below which it may be anything's.
STEPS = (*(10.0**k for k in range(-4, 5)), *(2.0**k for k in range(-10, 13) if k))
#: A fraction needs so many values of its type within a step.
FINE = 64
#: Rows of which it is seen whether values repeat in them.
LOOKED = 4

Two = Callable[[Any, Any], Any]


@dataclass(frozen=True, eq=False)
class Made:
    """A channel that is made of one or two others.

    Attributes:
        name: for reports.
        sources: these.
        f: from their rows (n, ...) to the made ones (n, ...).
        few: the same for some of the values; None where that is no faster.
        alone: `f` makes each row of the same row alone.
    """

    name: str
    sources: tuple[Channel, ...]
    f: Callable[..., Any]
    few: Callable[..., Any] | None = None
    alone: bool = True

    def calls(self, *, few: bool = False, count: int | None = None) -> list[Array]:
        """Rows made of (some values of) the first `count` calls, or all."""
        f = self.few if few and self.few is not None else self.f
        with np.errstate(all="ignore"):  # what cannot be computed holds nothing
            return [f(*arrays) for arrays in zip(*(c.calls[:count] for c in self.sources), strict=True)]

    def channel(self) -> Channel:
        """The channel that is made."""
        known = [c.pairs for c in self.sources]
        with np.errstate(all="ignore"):
            pairs = self.f(*known) if self.alone and all(p is not None for p in known) else None
            target = self.f(*(c.target for c in self.sources))
        rows = all(c.rows for c in self.sources)
        return Channel(self.name, self.sources[0].part, self.calls(), target, rows, True, pairs)


def made_of(given: Sequence[Channel], silent: Sequence[Channel], shape: tuple[int, ...]) -> Iterator[Made]:
    """All that is made of channels.

    Args:
        given: all channels; rows of one image are taken from them.
        silent: those that say nothing by themselves, which are taken two by two; encodings are taken with any.
        shape: (H, W, C) of images.
    """
    several = [as_numbers(c) for c in given if "rows an image" in c.name and c.target.ndim > 2]
    for c in several:
        if c.target[0].size <= 2 * MAX_VALUES:
            yield from _folds(c, 1, c.target.shape[1], False)
    single = [c for c in silent if "rows an image" not in c.name and 1 < c.target[0].size <= MAX_VALUES]
    single = [as_numbers(c) for c in single[:MAX_COMBINED]]
    other = [c for c in given if c not in silent and c.part != "encodings" and "rows an image" not in c.name]
    main = [c for c in given if c.part == "encodings" and c.rows]
    two = [*combinations(single, 2), *product(map(as_numbers, main), map(as_numbers, other[:MAX_COMBINED]))]
    for a, b in two:
        if a.part != b.part and a.target[0].size == b.target[0].size and len(a.target) == len(b.target):
            yield from _both(a, b)
    small = [as_numbers(c) for c in given if c.part not in ("encodings", "labels") and "rows an image" not in c.name]
    for a, b in product(single, small[:MAX_COMBINED]):
        if a.part != b.part and len(a.target) == len(b.target) and a.target[0].size >= LEAST:
            yield from _keyed(a, b)
            yield from _tabled(a, b)
    for c in single:
        if c.target.ndim > 1 and c.target.dtype.kind == "f":
            yield Made(f"digits of {c.name}", (c,), partial(_digits, point=_point(c.target)))
        if c.target.ndim > 1 and c.target[0].size >= LEAST and c.target.dtype != bool:
            yield from _parts(c, shape)
            yield from _along_axes(c) if c.target.dtype.kind in "iu" else _alone(c)
            for words, f in undone(c.target[0].size, shape) if c.target.dtype.kind in "iu" else ():
                yield Made(f"{words} of {c.name}", (c,), f)


def _places(size: int) -> NDArray[np.int64]:
    return np.sort(np.random.default_rng(size).permutation(size)[:FEW])


# --- two arrays ---


def _operations(dtype: np.dtype[Any], *, both: bool) -> list[tuple[str, Two]]:
    """Names and functions of two arrays (n, d), value by value; `both`: those too that are for no more than two."""
    found: list[tuple[str, Two]]
    if dtype.kind in "bui":
        found = [("exclusive or", _exclusive), ("sum modulo 256", lambda a, b: _bytes(a) + _bytes(b))]
        if both:
            found += [("difference modulo 256", lambda a, b: _bytes(a) - _bytes(b))]
    else:
        found = [("sum", np.add), ("sum modulo 1", lambda a, b: np.mod(a + b, 1)), ("product", np.multiply)]
        if both:
            found += [
                ("difference", np.subtract),
                ("difference modulo 1", lambda a, b: np.mod(a - b, 1)),
                ("quotient", _quotient),
                ("quotient, the other way round,", lambda a, b: _quotient(b, a)),
                ("magnitude and angle", _turned),
                ("angle and magnitude", lambda a, b: _turned(b, a)),
            ]
    return [*found, ("which is larger", lambda a, b: (a > b).astype(np.uint8))] if both else found


#: The same for what is not value by value.
_ORDERS: tuple[tuple[str, Two], ...] = (
    ("first put in the order of the second", lambda a, b: _put(a, b, there=True)),
    ("first taken in the order of the second", lambda a, b: _put(a, b, there=False)),
    ("second put in the order of the first", lambda a, b: _put(b, a, there=True)),
    ("second taken in the order of the first", lambda a, b: _put(b, a, there=False)),
)


def _bytes(a: Array) -> NDArray[np.uint8]:
    return a if a.dtype == np.uint8 else (a.astype(np.int64) & 255).astype(np.uint8)


def _exclusive(a: Array, b: Array) -> Array:
    out: Array = a ^ b if a.dtype == b.dtype else a.astype(np.int64) ^ b.astype(np.int64)
    return out


def _quotient(a: Array, b: Array) -> Array:
    out: Array = a / np.where(np.abs(b) > 1e-6, b, 1e-6)
    return out


def _turned(a: Array, b: Array) -> Array:
    """Real and imaginary part of numbers of these magnitudes and angles."""
    return np.concatenate([a * np.cos(b), a * np.sin(b)], axis=1)


def _put(values: Array, places: Array, *, there: bool) -> Array:
    """Values (n, d) in the order that `places` (n, d) states: put to its places, or taken from there.

    Zeros where places repeat in a row, so that they state none.
    """
    some = np.sort(places[:LOOKED], axis=1)
    if (some[:, 1:] == some[:, :-1]).any():
        return np.zeros_like(values)
    order = np.argsort(places, axis=1, kind="stable")
    if there:
        return np.take_along_axis(values, order, 1)
    out = np.empty_like(values)
    np.put_along_axis(out, order, values, 1)
    return out


def _with_flat(a: Array, b: Array, f: Two, places: NDArray[np.int64] | None = None) -> Array:
    x, y = flat(a), flat(b)
    out: Array = f(x, y) if places is None else f(x[:, places], y[:, places])
    return out


def _both(a: Channel, b: Channel) -> Iterator[Made]:
    places = _places(a.target[0].size)
    names = f"{a.name} and {b.name}"
    for words, f in _operations(np.promote_types(a.target.dtype, b.target.dtype), both=True):
        few = partial(_with_flat, f=f, places=places)
        yield Made(f"{words} of {names}", (a, b), partial(_with_flat, f=f), few)
    for words, f in _ORDERS if len(flat(a.target)[0]) <= MAX_ORDERED else ():
        yield Made(f"{words} of {names}", (a, b), partial(_with_flat, f=f))
    if {a.target.dtype.kind, b.target.dtype.kind} <= set("iu"):
        for words, f in (("first", _runs), ("second", lambda x, y: _runs(y, x))):
            yield Made(f"{words} of {names} as often as the other says", (a, b), partial(_with_flat, f=f))


def _runs(values: Array, counts: Array) -> Array:
    """Values (n, d), each as often as it is counted; zeros where rows do not become equally long."""
    lengths = counts.sum(1)
    if (lengths != lengths[0]).any() or not LEAST <= lengths[0] <= MAX_VALUES or (counts < 0).any():
        return np.zeros_like(values)
    return np.stack([np.repeat(v, c) for v, c in zip(values, counts.astype(np.int64), strict=True)])


#: The inverse of odd numbers modulo 256.
_INVERSE = np.array([pow(k, -1, 256) if k % 2 else 0 for k in range(256)], np.uint8)


def _keyed(a: Channel, b: Channel) -> Iterator[Made]:
    """Rows with a few numbers of their own: each with all values, or in turn."""
    size, key = a.target[0].size, b.target[0].size if b.target.ndim > 1 else 1
    if size % key or size // key < 2:
        return
    found = _operations(np.promote_types(a.target.dtype, b.target.dtype), both=True)
    if a.target.dtype.kind in "iu" and b.target.dtype.kind in "iu":
        found += [("product modulo 256", lambda x, y: _bytes(x) * _bytes(y))]
        found += [("quotient modulo 256", lambda x, y: _bytes(x) * _INVERSE[_bytes(y)])]
    places = _places(size)
    for spread in (np.tile, np.repeat) if key > 1 else (np.repeat,):
        for words, f in found:

            def made(x: Array, y: Array, f: Two = f, spread: Any = spread) -> Array:
                times = (1, size // key) if spread is np.tile else size // key
                out: Array = f(flat(x), spread(flat(y), times) if spread is np.tile else spread(flat(y), times, 1))
                return out

            turn = "" if key == 1 else ", in turn," if spread is np.tile else ", one after the other,"
            few = None if f is _turned else lambda x, y, made=made: made(x, y)[:, places]
            yield Made(f"{words} of {a.name} and the few numbers{turn} of {b.name}", (a, b), made, few)


def _tabled(a: Channel, b: Channel) -> Iterator[Made]:
    """Values looked up in a table of few colours."""
    if a.target.dtype.kind not in "iu" or b.target.ndim < 2 or b.target.shape[1] < 2 or b.target[0].size > MAX_ORDERED:
        return
    if any(x.min(initial=0) < 0 or x.max(initial=0) >= b.target.shape[1] for x in (*a.calls, a.target)):
        return

    def made(x: Array, y: Array) -> Array:
        return y[np.arange(len(y))[:, None], flat(x)].reshape(len(x), -1)

    yield Made(f"values of {a.name} looked up in {b.name}", (a, b), made)


# --- parts of a row ---


def _cut(a: Array, axis: int | None, count: int, woven: bool) -> Array:
    """(count, n, d / count): a row in parts along an axis (None: all values), next to each other or woven."""
    x = a.reshape(len(a), -1) if axis is None else np.moveaxis(a, axis, 1)
    rest = x.shape[2:]
    if woven:
        x = np.moveaxis(x.reshape(len(a), -1, count, *rest), 2, 0)
    else:
        x = np.moveaxis(x.reshape(len(a), count, -1, *rest), 1, 0)
    if axis is not None:
        x = np.moveaxis(x, 2, axis + 1)
    return x.reshape(count, len(a), -1)


def _folded(
    a: Array, *, f: Two, axis: int | None, count: int, woven: bool, places: NDArray[np.int64] | None = None
) -> Array:
    parts = _cut(a, axis, count, woven)
    if places is not None:
        parts = parts[:, :, places]
    out: Array = parts[0]
    for part in parts[1:]:
        out = f(out, part)
    return out


def _folds(c: Channel, axis: int | None, count: int, woven: bool) -> Iterator[Made]:
    """What the parts of a row along an axis make together."""
    size = c.target[0].size // count
    where = f"{count} parts along {'all values' if axis is None else f'axis {axis}'}{', in turn,' if woven else ''}"
    if "rows an image" in c.name:
        where = "rows"
    fold = partial(_folded, axis=axis, count=count, woven=woven)
    for words, f in _operations(c.target.dtype, both=count == 2):
        few = partial(fold, f=f, places=_places(size))
        yield Made(f"{words} of {where} of {c.name}", (c,), partial(fold, f=f), few)
    if count == 2 and size <= MAX_ORDERED:
        for words, f in _ORDERS:
            yield Made(f"{words} of {where} of {c.name}", (c,), partial(fold, f=f))


def _parts(c: Channel, shape: tuple[int, ...]) -> Iterator[Made]:
    """What parts of a row make together, where a part is as large as an image, or as a grey or smaller one."""
    row = c.target.shape[1:]
    size, full = int(np.prod(row)), int(np.prod(shape))
    small = {full // shape[-1], full // 4, full // shape[-1] // 4}
    places = np.arange(size).reshape(1, *row)
    axes: list[int | None] = [None] if len(row) == 1 else [None, *range(1, len(row) + 1)]
    seen = set()
    for count in range(2, MOST + 1):
        each = size // count
        if each < LEAST or (each < 0.9 * full and each not in small):
            continue
        for axis in axes:
            if (size if axis is None else row[axis - 1]) % count:
                continue
            for woven in (False, True):
                key = count, _cut(places, axis, count, woven).tobytes()
                if key not in seen:
                    seen.add(key)
                    yield from _folds(c, axis, count, woven)


# --- one array ---


def _before(a: Array, axis: int) -> Array:
    """Each value's neighbour before it; 0 for the first."""
    out = np.zeros_like(a)
    ahead, behind = [slice(None)] * a.ndim, [slice(None)] * a.ndim
    ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
    out[tuple(ahead)] = a[tuple(behind)]
    return out


#: Maps of bytes along an axis.
_BYTEWISE: tuple[tuple[str, Callable[[Array, int], Array]], ...] = (
    ("sums modulo 256", lambda x, axis: np.add.accumulate(x, axis, dtype=np.uint8)),
    ("exclusive or", lambda x, axis: np.bitwise_xor.accumulate(x, axis)),
    ("differences modulo 256", lambda x, axis: x - _before(x, axis)),
    ("exclusive or of neighbours", lambda x, axis: x ^ _before(x, axis)),
)


def _along(a: Array, f: Callable[[Array, int], Array], axis: int | None) -> Array:
    """Bytes of whole numbers under `f` along an axis; None for all values of a row."""
    x = _bytes(a)
    return f(x.reshape(len(x), -1), 1) if axis is None else f(x, axis)


def _along_axes(c: Channel) -> Iterator[Made]:
    """Sums and differences of whole numbers along the axes of a row, along all of its values, and from row to row."""
    count = c.target.ndim - 1
    axes: list[int | None] = [None] if count == 1 else [None, *range(1, count + 1)]
    for axis in (*axes, 0):
        where = "from row to row" if axis == 0 else f"along {'all values' if axis is None else f'axis {axis}'}"
        for words, f in _BYTEWISE:
            yield Made(f"{words} {where} of {c.name}", (c,), partial(_along, f=f, axis=axis), alone=axis != 0)


def _some(a: Array, f: Callable[[Any], Any], places: NDArray[np.int64]) -> Array:
    out: Array = f(flat(a)[:, places])
    return out


def _alone(c: Channel) -> Iterator[Made]:
    """Fractions of floats beyond a step, their exponents and magnitudes."""
    a = c.target
    far, places = float(np.abs(a).max(initial=0)), _places(a[0].size)
    least = far * float(np.finfo(a.dtype).eps) * FINE
    found: list[tuple[str, Callable[[Any], Any]]] = [
        ("exponents", lambda x: np.frexp(x)[1].astype(np.int64)),
        ("logarithms", lambda x: np.log(np.maximum(np.abs(x), 1e-30))),
        ("magnitudes", np.abs),
        ("values less their row's mean, by its spread", _standard),
    ]
    for step in STEPS:
        if least < step < 0.8 * far:
            found.append((f"what is left of values beyond multiples of {step:g}", partial(_fraction, step=step)))
    for words, f in found:
        yield Made(f"{words} of {c.name}", (c,), f, partial(_some, f=f, places=places))


def _standard(a: Array) -> Array:
    x = flat(a)
    out: Array = (x - x.mean(1, keepdims=True)) / np.maximum(x.std(1, keepdims=True), 1e-30)
    return out


def _point(a: Array) -> int:
    """By which power of two numbers fill 62 bits at most."""
    return 61 - int(np.frexp(float(np.abs(a).max(initial=0)))[1])


def _digits(a: Array, point: int) -> NDArray[np.int64]:
    """Numbers as whole ones, so that their digits stand in the same bits whatever their size."""
    x = np.ldexp(flat(a).astype(np.float64), point)
    out: NDArray[np.int64] = np.rint(np.clip(x, -(2.0**62), 2.0**62)).astype(np.int64)
    return out


def _fraction(a: Array, step: float) -> Array:
    out: Array = np.mod(a, step) / step
    return out

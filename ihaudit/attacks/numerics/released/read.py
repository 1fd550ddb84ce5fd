"""Reads images off one channel of a release: bit by bit, pixel by pixel, or by the families of `known_pairs`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.known_pairs.learn import PRIOR, learn
from ihaudit.attacks.numerics.released.bits import fit_bits
from ihaudit.attacks.numerics.released.carries import ERRORS, carries
from ihaudit.attacks.numerics.released.channels import Channel, forms
from ihaudit.attacks.numerics.released.fields import Array
from ihaudit.attacks.numerics.released.pairs import fit_pairs
from ihaudit.attacks.numerics.released.tables import fit_tables, words_of
from ihaudit.metrics.ssim import ssim

Rows = NDArray[Any]
#: SSIM on held-out images from which nothing more is tried.
ENOUGH = 0.9
#: Values of a row at most, and bits of one byte of each, that maps are fitted to.
MAX_VALUES = 60_000
#: Features of a pixel at most, and pixels that a map of them is fitted to.
MAX_FEATURES, MAX_PIXELS = 256, 60_000
#: How much more SSIM than the mean of its class a reading must show, at least and in standard errors.
GAIN, SHOWN_ERRORS = 0.02, 4.0
#: How much more SSIM than the mean of a class released labels may show.
IN_LABELS = 0.1
#: SSIM below which what floats' last bits say is no picture that somebody put there.
FAINT = 0.4
#: Bits of a float's significand that an image may be expected to need; those below are looked at by themselves.
SIGNIFICANT = 10


@dataclass(frozen=True, eq=False)
class Known:
    """Images of which the released rows are known.

    Attributes:
        images: float32 (n, H, W, C) in [0, 1].
        labels: int64 (n,).
        held: int64, which of them are held out.
        words: what they are, after their number.
        similar: float32 (M, H, W, C) or None.
        rng: for the families' choices.
        similar_labels: int64 (M,) or None.
        flat: float64 (len(held),), SSIM of the mean of their class, over the others of these and over similar images.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    held: NDArray[np.int64]
    words: str
    similar: NDArray[np.float32] | None
    rng: np.random.Generator
    similar_labels: NDArray[np.int64] | None = None
    flat: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        fit = self.fit
        guesses = [_class_means(self.images[fit], self.labels[fit], self.labels[self.held])]
        if self.similar is not None and self.similar_labels is not None:
            guesses.append(_class_means(self.similar, self.similar_labels, self.labels[self.held]))
        truth = self.images[self.held]
        object.__setattr__(self, "flat", np.max([ssim(g, truth) for g in guesses], axis=0))

    @property
    def fit(self) -> NDArray[np.int64]:
        return np.setdiff1d(np.arange(len(self.images)), self.held)


def _class_means(
    images: NDArray[np.float32], labels: NDArray[np.int64], wanted: NDArray[np.int64]
) -> NDArray[np.float32]:
    """float32 (len(wanted), H, W, C): the mean image of each class; of all where a class has none or one."""
    out = np.broadcast_to(images.mean(0), (len(wanted), *images.shape[1:])).copy()
    for c in np.unique(wanted):
        mine = labels == c
        if mine.sum() > 1:
            out[wanted == c] = images[mine].mean(0)
    return out


@dataclass(frozen=True, eq=False)
class Reading:
    """Images read off a channel.

    Attributes:
        channel: which.
        words: how.
        expected: mean SSIM on held-out images.
        flat: that of the mean image of their class.
        answer: float32 (m, H, W, C).
        pairs: what it was learned from.
        hidden: it stands in bits of floats that nobody needs, or in names: it was hidden there.
        faint: it is less than `FAINT` and stands in such bits: sums of floats leave traces there by rounding.
    """

    channel: Channel
    words: str
    expected: float
    flat: float
    answer: NDArray[np.float32]
    pairs: str
    hidden: bool = False

    @property
    def faint(self) -> bool:
        """See above."""
        return self.expected < FAINT and self.words.startswith("bits ")


def shown(gain: NDArray[np.float64]) -> bool:
    """Whether SSIM beyond the mean image of the class, of several held-out images, is no chance."""
    return bool(gain.mean() > max(GAIN, SHOWN_ERRORS * float(gain.std(ddof=1)) / len(gain) ** 0.5))


def read(channel: Channel, known: Known, rows: Callable[[Channel], Rows], *, values: bool) -> Reading | None:
    """The best reading of a channel that says more of held-out images than the mean of their class, or None.

    Args:
        channel: the channel.
        known: images with known rows.
        rows: the rows of the known images, of a channel.
        values: also as numbers, and not only as bits (other attacks do that with encodings of one row an image).
    """
    best: Reading | None = None

    def judged(words: str, inverse: Callable[[Any], Any], given: Rows, target: Array) -> bool:
        """Whether it is good enough to stop; keeps it where it is the best so far."""
        nonlocal best
        truth = known.images[known.held]
        reached = ssim(np.clip(inverse(given[known.held]), 0, 1).astype(np.float32), truth)
        gain = reached - known.flat
        if shown(gain) and (best is None or float(reached.mean()) > best.expected):
            answer = np.clip(inverse(target), 0, 1).astype(np.float32)
            mean, flat = float(reached.mean()), float(known.flat.mean())
            # Numbers say the same by their values: bits say more only where these do not.
            hidden = channel.part.startswith("names") or (
                words.startswith("bit by bit") and channel.target.dtype.kind == "f" and not channel.made
            )
            # Labels may follow images a little, where a model made them; pictures are put there on purpose.
            hidden |= channel.part == "labels" and float(gain.mean()) > IN_LABELS
            best = Reading(channel, words, mean, flat, answer, f"{len(known.images)} {known.words}", hidden)
        return best is not None and best.expected > ENOUGH

    made = forms(channel)
    for form in made:
        given = rows(form)
        for inverse in fit_bits(known.images[known.fit], given[known.fit]):
            if judged(inverse.words, inverse, given, form.target):
                return best
        if best is None and (not channel.made or channel.part == "all"):
            two = fit_pairs(known.images[known.fit], given[known.fit])
            if two is not None and judged(two.words, two, given, form.target):
                return best
    for form, width in _words(channel, made):
        given = rows(form)
        spelled, target = words_of(given, width), words_of(form.target, width)
        if spelled is None or target is None:
            continue
        table = fit_tables(known.images[known.fit], spelled[known.fit])
        if table is not None and judged(table.words, table, spelled, target):
            return best
    for form, words in _numeric(channel, made, values):
        given = rows(form).reshape(len(known.images), -1)
        if given.shape[1] > MAX_VALUES or not given.size:
            continue
        if carries(known.images, given.astype(np.float32), known.labels, known.held) < ERRORS:
            continue
        for how, fitted in _maps(known, given):
            if judged(f"{words}{how}", fitted, given, form.target):
                return best
    return best


def _words(channel: Channel, made: list[Channel]) -> Iterator[tuple[Channel, int]]:
    """A channel's bytes with the number of them that may be one value: as they are stored, else any."""
    if not made:
        return
    stored, size = made[-1], channel.target.dtype.itemsize
    if channel.target.dtype.kind == "f":
        yield stored, size
        return
    yield made[0], made[0].target.shape[1] // max(1, channel.target[0].size)
    if size == 1:
        yield from ((made[0], width) for width in (4, 8, 2))


def _numeric(channel: Channel, made: list[Channel], values: bool) -> Iterator[tuple[Channel, str]]:
    """Forms of a channel as numbers: its values; the bits of each byte that precision beyond an image's could carry."""
    a = channel.target
    if values:
        scale = max(float(np.abs(x).max(initial=0)) for x in (*channel.calls, a)) or 1.0
        yield channel.same(lambda x: (x.reshape(len(x), -1) / scale).astype(np.float32), channel.name), ""
    if a.dtype.kind == "f":
        low = {2: 0, 4: 13, 8: 42}.get(a.dtype.itemsize, 0)
        stored, size = made[-1], a.dtype.itemsize
        for byte in range(-(-low // 8)):
            some = min(8, low - 8 * byte)
            yield stored.same(_plane(byte, size, some), channel.name), f"bits {8 * byte} to {8 * byte + some - 1}, "
    elif a.dtype.itemsize > 1 and made:
        d = made[0].target.shape[1]
        if d * 8 <= MAX_VALUES:
            yield made[0].same(_plane(0, 1, 8), channel.name), "bits, "


def _plane(byte: int, size: int, bits: int) -> Callable[[Any], Any]:
    """Rows of bytes to the lowest bits of the byte at this place of each number."""

    def planes(rows: Any) -> Any:
        mine = rows[:, byte::size]
        return ((mine[:, :, None] >> np.arange(bits, dtype=np.uint8)) & 1).reshape(len(rows), -1).astype(np.float32)

    return planes


def _maps(known: Known, given: Rows) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Words, and inverse of flat rows; from the cheapest to the costliest."""
    h, w, c = known.images.shape[1:]
    d = given.shape[1]
    fit = known.fit
    if d % (h * w) == 0 and d // (h * w) <= MAX_FEATURES:
        q = d // (h * w)
        for front in sorted({f for f in (1, c, q, q // c) if f and q % f == 0}):
            laid = _laid(front, (h, w), q)
            yield "pixel by pixel", _after(laid, _pixelwise(known.images[fit], laid(given[fit])))
        if q == c:
            byte = _tabled(known.images[fit], given[fit])
            if byte is not None:
                yield "by one table for all values", byte

    def shaped(a: Any) -> Any:
        out = np.asarray(a, np.float32).reshape(len(a), -1)
        return out.reshape(len(a), h, w, c) if d == h * w * c else out

    families = ("pad", "positions", "spectrum", "global", PRIOR) if d == h * w * c else ("global", PRIOR)
    x = shaped(given)
    # `learn` chooses by the held-out images, and what it fits again on all of them is judged on them here: they are
    # given to it in two parts.
    choose = known.rng.permutation(fit)[: max(4, len(fit) // 5)]
    some = np.setdiff1d(fit, choose)
    order = np.concatenate([some, choose])
    found = learn(
        known.images[order],
        x[order],
        x[known.held],
        known.rng,
        np.arange(len(some), len(order)),
        families,
        known.similar,
    )
    if found.inverse is not None:
        yield found.inverse.words, _after(shaped, found.inverse)


def _after(first: Callable[[Any], Any], second: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda a: second(first(a))


def _laid(front: int, plane: tuple[int, int], q: int) -> Callable[[Any], Any]:
    def laid(a: Any) -> Any:
        n = len(a)
        x = np.asarray(a, np.float32).reshape(n, front, *plane, q // front)
        return x.transpose(0, 2, 3, 1, 4).reshape(n, *plane, q)

    return laid


def _pixelwise(images: NDArray[np.float32], features: NDArray[np.float32]) -> Callable[[Any], Any]:
    """One affine map of each pixel's features, the same everywhere."""
    q, c = features.shape[-1], images.shape[-1]
    x, y = features.reshape(-1, q), images.reshape(-1, c)
    step = max(1, len(x) // MAX_PIXELS)
    x, y = x[::step].astype(np.float64), y[::step].astype(np.float64)
    centre, mean = x.mean(0), y.mean(0)
    gram = (x - centre).T @ (x - centre)
    ridge = 1e-6 * max(float(np.trace(gram)) / q, 1e-12) * np.eye(q)
    weights = np.linalg.solve(gram + ridge, (x - centre).T @ (y - mean)).astype(np.float32)

    def inverse(a: Any) -> Any:
        return (a - centre.astype(np.float32)) @ weights + mean.astype(np.float32)

    return inverse


def _tabled(images: NDArray[np.float32], rows: Rows) -> Callable[[Any], Any] | None:
    """One table from released values to those of pixels; None where values are too many."""
    values, index = np.unique(rows, return_inverse=True)
    if len(values) > 4096 or len(values) < 2:
        return None
    flat = images.reshape(len(images), -1)
    counts = np.bincount(index.reshape(-1), minlength=len(values))
    table = np.bincount(index.reshape(-1), flat.reshape(-1), len(values)) / np.maximum(counts, 1)
    shape = images.shape[1:]

    def inverse(a: Any) -> Any:
        at = np.clip(np.searchsorted(values, a), 0, len(values) - 1)
        return table[at].reshape(len(a), *shape).astype(np.float32)

    return inverse

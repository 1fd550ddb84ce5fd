"""Kinds of keys that change values where they stand, each tried where a look at the encodings does not rule it out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.fft import dctn, idctn

from ihaudit.attacks.numerics.in_place import halves, pads, sites
from ihaudit.attacks.numerics.jigsaw.grid import block_edge, roughness
from ihaudit.attacks.numerics.jigsaw.model import blocks_of, pictures_of
from ihaudit.attacks.numerics.jigsaw.motions import motions
from ihaudit.attacks.numerics.jigsaw.pose import Pose
from ihaudit.attacks.numerics.known_pairs.learn import smoothness

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

#: similar images that densities are fitted to
SIMILAR = 4000
#: values must vary together with others as those of pictures do, as a share
TOGETHER = 0.8
#: smoothness of what was found, as a share of that of similar images
SMOOTH = 0.8
#: the same of each part that is looked at by itself
PART = 0.4
#: correlation of covariances from which pictures are in order, as a share of that of as many similar images, once a
#: key was undone and before; and places that are compared
ALIKE, UNTOUCHED, PLACES = 0.6, 0.9, 300
#: encodings this smooth, as a share of similar images' smoothness, may be pictures already
PICTURES = 0.85
#: encodings smoother than this, as a share of similar images' smoothness, had no single values changed
ROUGH = 0.7
#: mean absolute log-ratio of the power of cosine coefficients to that of similar images
POWER = 0.7
#: share of the halves of bytes that must vary with another, and most values of a block
HALVES, MOST_IN_BLOCK = 0.4, 64


Undo = Callable[[Floats, Floats, np.random.Generator], Floats]

#: most values of a picture whose covariance is inverted at once
MOST_VALUES = 4100


@dataclass(frozen=True, eq=False)
class Found:
    """Pictures in plain.

    Attributes:
        pictures: float32 (n, H, W, C) in [0, 1].
        words: what the key did.
        smooth: smoothness of the pictures, as a share of that of similar images.
        alike: see `alike`.
    """

    pictures: Floats
    words: str
    smooth: float
    alike: float


def kinds(encodings: Floats, similar: Floats) -> Iterator[tuple[str, Undo]]:
    """Kinds of keys that may have been used, the cheapest to rule out first, with what undoes each.

    Args:
        encodings: float32 (n, H, W, C) in [0, 1].
        similar: float32 (S, H, W, C).
    """
    n, h, w, c = encodings.shape
    some = similar[: max(n, 100)]
    flat = encodings.reshape(n, -1)
    inside = float(encodings.min()) >= -1e-4 and float(encodings.max()) <= 1 + 1e-4
    # Smooth blocks, or smooth mixtures: there is nothing to undo at single values.
    blocks_seen = block_edge(encodings, some)
    cut = blocks_seen is not None
    cut |= smoothness(encodings[:200]) > ROUGH * smoothness(some)
    if inside and not cut and pads.together(encodings) > TOGETHER * pads.together(some[:n]):
        yield "one pad was added to all images, modulo 1", _pad
    if inside and not cut and _neighbours(encodings) > TOGETHER * _neighbours(some[:n]):
        what = "values were negated and channels exchanged at each pixel" if c > 1 else "values were negated"
        yield f"{what}, in one way in all images", _signs
    # Signs that were changed block by block leave cuts between blocks.
    if blocks_seen is not None and _power(encodings, some, blocks_seen, blocks_seen) < POWER:
        yield (
            f"signs of the cosine coefficients of every block of {blocks_seen} x {blocks_seen} pixels were changed, in "
            "one way in all images",
            partial(_spectrum, rows=blocks_seen, columns=blocks_seen),
        )
    byte = flat * 255
    if inside and not cut and float(np.abs(byte - np.rint(byte)).max()) < 1e-2:
        for edge in range(2, 9):
            if h % edge or w % edge or edge * edge * c > MOST_IN_BLOCK:
                continue
            blocks = blocks_of(encodings, edge).reshape(-1, edge * edge * c)
            seen = halves.correlation(halves.halves_of(blocks[:: max(1, len(blocks) // 20000)]))
            like = halves.correlation(halves.halves_of(blocks_of(some, edge).reshape(-1, edge * edge * c)))
            leading = [float(np.linalg.eigvalsh(np.abs(v))[-1]) for v in (seen, like)]
            if halves.high_halves(seen) > HALVES * len(seen) and leading[0] > TOGETHER * leading[1]:
                yield (
                    f"halves of the bytes of every block of {edge} x {edge} pixels were exchanged and negated, in one "
                    "way in all blocks",
                    partial(_halves, edge=edge),
                )


def solve(encodings: Floats, similar: Floats, rng: np.random.Generator) -> Found | None:
    """The first kind of key without which encodings are as smooth as pictures.

    Args:
        encodings: float32 (n, H, W, C) in [0, 1].
        similar: float32 (S, H, W, C).
        rng: of all draws.
    """
    usual = smoothness(similar[:200])
    whole, reference = encodings.shape[1:], alike(similar[: len(encodings)], similar)
    for words, undo in kinds(encodings, similar):
        shared = undo not in (_pad, _signs) and getattr(undo, "func", None) is _halves
        parts = [(slice(None), slice(None))] if shared else tiles(whole)
        pictures = np.empty_like(encodings)
        for y, x in parts:
            pictures[:, y, x] = undo(encodings[:, y, x], similar[:, y, x], rng)
            if smoothness(pictures[:200, y, x]) < PART * smoothness(similar[:200, y, x]):
                break  # what is wrong in one part is no key of all
        else:
            found = _judged(pictures, words, similar, usual, reference)
            if found is not None:
                return found
    return None


def _judged(pictures: Floats, words: str, similar: Floats, usual: float, reference: float) -> Found | None:
    smooth, same = smoothness(pictures[:200]) / usual, alike(pictures, similar)
    return Found(pictures, words, smooth, same) if smooth > SMOOTH and same > ALIKE * reference else None


def alike(pictures: Floats, similar: Floats) -> float:
    """Correlation, over pairs of places, of how values vary together in pictures and in similar images.

    At the same places: 0.7 to 0.95 for as many other pictures, about 0 where a key changed signs or places.
    """
    h, w, c = pictures.shape[1:]
    some = np.linspace(0, h * w - 1, min(h * w, PLACES)).astype(np.int64)
    a, b = (v.reshape(len(v), h * w, c).mean(2)[:, some] for v in (pictures, similar))
    upper = np.triu_indices(len(some), 1)
    x, y = ((v - v.mean(0)).T @ (v - v.mean(0)) for v in (a, b))
    x, y = (v[upper] / np.sqrt(np.maximum(np.outer(np.diag(v), np.diag(v))[upper], 1e-12)) for v in (x, y))
    if x.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def untouched(encodings: Floats, similar: Floats) -> bool:
    """Whether encodings are pictures as they are: smooth, uncut, and varying together as similar images do."""
    return bool(
        smoothness(encodings[:200]) > PICTURES * smoothness(similar[:200])
        and block_edge(encodings[:200], similar[:200]) is None
        and alike(encodings, similar) > UNTOUCHED * alike(similar[: len(encodings)], similar)
    )


def tiles(shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """Equal parts of a picture (H, W, C) of at most `MOST_VALUES` values: keys that act in place are found in each."""
    h, w, c = shape
    count = 1
    while (h // count) * (w // count) * c > MOST_VALUES or h % count or w % count:
        count += 1
        if count > min(h, w):
            return [(slice(None), slice(None))]
    rows, columns = h // count, w // count
    return [
        (slice(i * rows, (i + 1) * rows), slice(j * columns, (j + 1) * columns))
        for i in range(count)
        for j in range(count)
    ]


def _pad(encodings: Floats, similar: Floats, rng: np.random.Generator) -> Floats:
    pad, _ = pads.synchronised(encodings.reshape(len(encodings), -1))
    return pads.unpadded(np.clip(encodings, 0, 1), pad, similar)


def _signs(encodings: Floats, similar: Floats, rng: np.random.Generator) -> Floats:
    n, h, w, c = encodings.shape
    like = (similar[:SIMILAR] - np.float32(0.5)).reshape(len(similar[:SIMILAR]), -1)
    precision, mean = sites.precision_of(like * sites.weights_of(like))
    y = (encodings - np.float32(0.5)).reshape(n, -1)
    maps = sites.signed_orders(c)
    state = sites.settle((y * sites.weights_of(y)).reshape(n, h * w, c), precision, mean, maps)
    out = np.einsum("pij,npj->npi", maps[state], y.reshape(n, h * w, c)).reshape(encodings.shape)
    return posed(np.asarray(out, np.float32), similar, rng) + np.float32(0.5)


def posed(pictures: Floats, similar: Floats, rng: np.random.Generator) -> Floats:
    """Pictures about mid-grey in the likeliest of their negatives and orders of channels, one for all."""
    allowed = motions(pictures.shape[-1]).allowed(False, True, True)
    pose = Pose.of(similar, allowed, rng)
    best = int(pose.log_odds(pictures).sum(0).argmax())
    return pose.moved(pictures, int(allowed[best]))


def _cosines(x: Floats, rows: int, columns: int) -> Floats:
    n, h, w, c = x.shape
    out = dctn(x.reshape(n, h // rows, rows, w // columns, columns, c), axes=(2, 4), norm="ortho")
    return np.asarray(out.reshape(n, -1), np.float32)


def _spectrum(encodings: Floats, similar: Floats, rng: np.random.Generator, rows: int, columns: int) -> Floats:
    n, h, w, c = encodings.shape
    grey = _cosines(np.full((1, h, w, c), 0.5, np.float32), rows, columns)[0]
    like = _cosines(similar[:SIMILAR], rows, columns) - grey
    y = _cosines(encodings, rows, columns)
    # Means of blocks are positive, which gives their signs away.
    means = grey > 1e-3
    y = np.where(means, np.abs(y), y) - grey
    precision, mean = sites.precision_of(like * sites.weights_of(like))
    maps = np.array([[[1.0]], [[-1.0]]], np.float32)
    state = sites.settle((y * sites.weights_of(y))[:, :, None], precision, mean, maps)
    if state[means].mean() > 0.5:
        state = 1 - state
    z = np.where(means, y, y * np.where(state == 0, 1, -1)) + grey
    grid = z.reshape(n, h // rows, rows, w // columns, columns, c)
    return np.asarray(idctn(grid, axes=(2, 4), norm="ortho").reshape(encodings.shape), np.float32)


def _power(encodings: Floats, similar: Floats, rows: int, columns: int) -> float:
    """Mean absolute log-ratio of the power of cosine coefficients to that in similar images."""
    a, b = ((_cosines(v, rows, columns) ** 2).mean(0) + 1e-6 for v in (encodings, similar))
    return float(np.abs(np.log(a / b)).mean())


def _neighbours(pictures: Floats) -> float:
    """Median over pixels of the largest modulus of a correlation with a value of the pixel beside it."""
    z = pictures - pictures.mean(0)
    z = z / np.maximum(np.sqrt((z**2).mean(0)), 1e-6)
    n = len(z)
    beside = np.abs(np.einsum("nhwc,nhwd->hwcd", z[:, :, 1:], z[:, :, :-1], optimize=True)) / n
    return float(np.median(beside.max((2, 3))))


def _halves(encodings: Floats, similar: Floats, rng: np.random.Generator, edge: int) -> Floats:
    n, h, w, c = encodings.shape
    e, s = (blocks_of(v, edge).reshape(-1, edge * edge * c) for v in (encodings, similar))
    found = halves.match(e, s, rng)
    group = motions(c)
    rows, columns = h // edge, w // edge

    def shown(blocks: Floats) -> Floats:
        return pictures_of(blocks.reshape(n, rows * columns, edge, edge, c), rows, columns)

    def moved(motion: int) -> halves.Halves:
        """Another layout of the block that explains covariances as well."""
        turn, _, order = (int(v[motion]) for v in group.parts())
        v = edge * edge * c
        grid = np.arange(v).reshape(edge, edge, c)
        place = np.rot90(grid[:, ::-1] if turn >= 4 else grid, turn % 4)[..., group.orders[order]].ravel()
        source, sign = found.source.copy(), found.sign.copy()
        source[:v], sign[:v] = found.source[place], found.sign[place]
        return halves.Halves(source, sign, found.fit, found.low)

    def cuts(motion: int) -> float:
        """How rough pictures are across the edges of blocks."""
        down, right = roughness(shown(halves.decoded(moved(motion), e))[:100])
        return float(np.concatenate([v[edge - 1 :: edge] for v in (down, right)]).mean())

    found = moved(min(group.allowed(True, False, False), key=lambda g: cuts(int(g))))
    pictures = shown(halves.decoded(found, e)) - np.float32(0.5)
    allowed = group.allowed(False, True, True)
    pose = Pose.of(similar, allowed, rng)
    best = int(allowed[int(pose.log_odds(pictures).sum(0).argmax())])
    negative = int(group.parts()[1][best])
    found = moved(best)
    found = halves.Halves(found.source, -found.sign if negative else found.sign, found.fit, found.low)
    return shown(halves.decoded(halves.with_low(found, e, s, rng), e))

"""Private images once more, with weights that differ from place to place and from scale to scale.

What public images leave in an encoding is strong where they have texture and weak where they are flat, so an encoding
that says little about one place of a private image says much about another.  In an orthonormal Haar pyramid each
coefficient of each encoding gets a variance, predicted from all other coefficients of its residual by a small network
trained on mixtures of photographs (`ihaudit.nn.scales`); public images that recur (`recurring`) are unknowns beside the
private ones (`joint`), with variances of their own, from round to round.  At last the images are brought within their
range, which tells of errors that extend over whole images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ihaudit.attacks.numerics.demix import Demixed
from ihaudit.attacks.numerics.frame import Frame
from ihaudit.attacks.numerics.joint import FactorSolution, solve
from ihaudit.attacks.numerics.mixing import Mixing
from ihaudit.attacks.numerics.recurring import embed, loadings
from ihaudit.attacks.numerics.shared import levels
from ihaudit.attacks.numerics.standard_errors import expected_ssim
from ihaudit.attacks.numerics.transforms import Whitener
from ihaudit.errors import NotApplicable
from ihaudit.nn.scales import Scales
from ihaudit.nn.shipped import load_scales
from ihaudit.release import FloatArray

Floats = NDArray[np.float32]
Progress = Callable[[str, float | None], None]

_FEWEST = 5  # encodings per image: with fewer not even the pairing is right
_MOST_PADDED = 1.35  # area over the picture's: what is mirrored into the rest is unlike photographs (48 pixels: a loss)
_MOST_IMAGES, _MOST_COMPARED = 500, 20_000
_MOST_VALUES = 100_000_000  # of all mixtures: a dozen arrays of that size are held, 400 MB each
_ROUNDS = 3  # solutions, with variances estimated anew between them
_TOLERANCE_BETWEEN, _TOLERANCE = 1e-2, 1e-3  # of a solution from which variances are estimated anew, and of the last
_LEAST_FIRST, _LEAST = 0.15, 0.1  # of an encoding's variance that recurring images cannot explain
_LEAST_OF_BAND = 1e-3  # of a band's mean square: rounding is not modelled below it
_ROWS = 256
_PREDICTED = 32  # rows whose variances are predicted together: a network holds some hundred times their values
_TINY = 1e-9  # variance of a colour that no picture has
_LOADINGS = (0.03, 1.5)
_TOP_PRIOR = 1e-3  # of the prior's precision of mean colours
_WALL = 100.0  # weight of a squared excess over the range: a standard deviation of 0.1


def expected(energies: Floats, frame: Frame, net: Scales, kind: str) -> Floats:
    """Variances (n, P) of coefficients of (expected) squares (n, P), each predicted from the others; right on average
    over every band whatever the images are."""
    out = np.empty_like(energies)
    with torch.no_grad():
        for k in range(0, len(energies), _PREDICTED):
            part = slice(k, k + _PREDICTED)
            out[part] = frame.flat(net.predict(frame.parts(energies[part]), kind))
    if not len(out):
        return out
    ratio = np.maximum(out, _TINY)
    np.divide(energies, ratio, out=ratio)
    right = _by_band(ratio, frame).clip(0.05, 20)
    del ratio
    out *= right
    np.maximum(out, np.maximum(_LEAST_OF_BAND * _by_band(energies, frame), _TINY), out=out)
    return out


def _by_band(values: Floats, frame: Frame) -> Floats:
    """float32 (1, P): means over rows and places."""
    means = [p.mean((0, 3, 4), keepdim=True) for p in frame.parts(values)]
    return frame.flat([m.expand(1, *b) for m, b in zip(means, frame.bands)])


def _flat_top(variance: Floats, energies: Floats, frame: Frame, share: Floats | float = 1.0) -> None:
    """Mean colours: how far one lies from the mean says too little of its variance to be worth its error."""
    variance[:, frame.top] = share * np.maximum(energies[:, frame.top].mean(0), _TINY)


def _reloaded(shares: csr_matrix, left: Floats, v: Floats, doubt: Floats, specific: Floats) -> csr_matrix:
    """Loadings estimated anew, each from how much of v is still in `left` (the M-step of factor analysis).

    Args:
        shares: (E, G) loadings that `left` (E, P) is without the part of; v: (G, P) expected, doubt: its variances.
        specific: (E, P) variances of `left`.

    Returns:
        float32 (E, G), of the same entries; the geometric mean of a group's stays, since v has its scale from there.
    """
    f = shares.tocoo()
    fresh = np.empty(f.nnz, np.float32)
    for k in range(0, f.nnz, _ROWS):
        part = slice(k, k + _ROWS)
        i, g = f.row[part], f.col[part]
        weight = 1 / specific[i]
        have = (weight * left[i] * v[g]).sum(1) + f.data[part] * (weight * v[g] ** 2).sum(1)
        fresh[part] = have / (weight * (v[g] ** 2 + doubt[g])).sum(1)
    change = np.log(fresh.clip(*_LOADINGS) / f.data)
    count = np.maximum(np.bincount(f.col, minlength=shares.shape[1]), 1)
    change -= (np.bincount(f.col, change, minlength=shares.shape[1]) / count)[f.col].astype(np.float32)
    return csr_matrix((f.data * np.exp(change), (f.row, f.col)), shape=shares.shape, dtype=np.float32)


def local_least_squares(
    c: NDArray[np.float64],
    images: Floats,
    u: Floats,
    level: NDArray[np.float64],
    shares: csr_matrix,
    net: Scales,
    progress: Progress | None = None,
    *,
    paired: bool = True,
) -> tuple[FactorSolution, csr_matrix, Frame]:
    """Private images (and in the last row the mean public one) as columns of a frame.

    Args:
        c: (E, N + 1) mixing matrix, the last column for the mean public image.
        images: float32 (N + 1, H, W, C), a first solution on [-1, 1].
        u: float32 (E, H, W, C) mixtures on [-1, 1].
        level: (E,) the public part of each.
        shares: (E, G) from `recurring.loadings`.
        net: predicts variances.
        paired: nearly all encodings hold the images that they should hold.

    Returns:
        FactorSolution, the loadings (E, G) of its recurring images, and the frame of its columns.
    """
    frame = Frame(u.shape[1:], net.config.levels)
    y = frame.columns(u)
    del u  # as large as the release, like all that follows: what is not needed any more is given up
    mix, scale = csr_matrix(c, dtype=np.float32), level.astype(np.float32)[:, None]
    start = frame.columns(images)
    # one image is no sample to take a mean and a spread from: every band's power is its prior
    alone = len(start) == 2
    centre = np.zeros_like(start[0]) if alone else start[:-1].mean(0)
    y -= (
        np.asarray(mix[:, :-1].sum(1), np.float32).reshape(-1, 1) * centre
    )  # images as differences from their mean, for the prior
    start[:-1] -= centre
    prior = np.zeros_like(start)
    spread = _by_band(start[:-1] ** 2, frame) if alone else (start[:-1] ** 2).mean(0)
    prior[:-1] = 1 / np.maximum(spread, 1e-6)
    if not paired:
        # drawn to the average image, dark ones turn grey where wrong images make the residual of many encodings; their
        # mean colours are then bounded by the range alone
        prior[:, frame.top] *= _TOP_PRIOR
    squares = csr_matrix(shares.multiply(shares))
    scaled = csr_matrix(shares.multiply(scale))
    explained = np.asarray(squares.sum(1), np.float32).reshape(-1, 1)
    energies = y - mix @ start
    energies /= scale
    energies *= energies
    whole = expected(energies, frame, net, "mixture")
    _flat_top(whole, energies, frame)
    members = csr_matrix(shares > 0, dtype=np.float32)
    count = np.maximum(np.asarray(members.sum(0)).reshape(-1, 1), 1)
    common = np.exp((members.T @ np.log(whole)) / count).astype(np.float32)
    specific = np.maximum(whole - squares @ common, _LEAST_FIRST * whole)
    _flat_top(specific, energies, frame, np.maximum(1 - explained, _LEAST))
    del energies
    whole *= _LEAST  # all that is asked of it from here on
    found: FactorSolution | None = None
    for n in range(_ROUNDS):
        if progress:
            progress("weights from place to place", n / _ROUNDS)
        begin = (start, np.zeros((shares.shape[1], y.shape[1]), np.float32)) if found is None else (found.x, found.v)
        last = n == _ROUNDS - 1
        tolerance = _TOLERANCE if last else _TOLERANCE_BETWEEN
        found = solve(mix, scaled, y, specific, common, prior, scale=scale, start=begin, tolerance=tolerance)
        if last:
            break
        # what is expected of squares, given all that is seen: the estimate's own, and what it may be wrong by
        doubt = 1 / (1 / common + squares.T @ (1 / specific))
        fresh = expected(found.v**2 + doubt, frame, net, "single")
        fresh[:, frame.top] = common[:, frame.top]
        left = y - mix @ found.x
        left -= scaled @ found.v
        left /= scale
        seen = slice(0, frame.top.start)
        before = scaled
        shares = _reloaded(shares, left[:, seen], found.v[:, seen], doubt[:, seen], specific[:, seen])
        squares, scaled = csr_matrix(shares.multiply(shares)), csr_matrix(shares.multiply(scale))
        left -= ((scaled - before) @ found.v) / scale
        left *= left
        left += np.minimum(squares @ doubt, specific)
        own = expected(left, frame, net, "mixture")
        del left
        np.maximum(own, whole, out=own)
        own[:, frame.top] = specific[:, frame.top]
        common, specific = fresh, own
    assert found is not None
    found.x[:-1] += centre
    return found, scaled, frame


def within_range(x: Floats, variance: Floats, frame: Frame, steps: int = 120) -> Floats:
    """The most likely images (n, P) given estimates, their variances and that images lie in [-1, 1].

    Minimises ``sum (x - x_0)^2 / variance + 100 sum excess^2`` by Nesterov's method for strongly convex functions.
    """
    spread = np.sqrt(variance)
    steepest = 1 + _WALL * float(variance.max(initial=0))
    momentum = (steepest**0.5 - 1) / (steepest**0.5 + 1)
    z = last = np.zeros_like(x)
    for _ in range(steps):
        ahead = z + momentum * (z - last)
        pictures = frame.images(x + ahead * spread)
        excess = frame.columns(pictures - pictures.clip(-1, 1))
        last, z = z, (ahead - (ahead + _WALL * spread * excess) / steepest).astype(np.float32)
    return (x + z * spread).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Refined:
    """Private images by local weights.

    Attributes:
        images: float32 (N, H, W, C) in the range of the mixtures.
        variance: float32 (N,) the mean of each image's variances, in the same units.
        confidence: float32 (N,) expected pinned SSIM.
        facts: JSON-able.
    """

    images: Floats
    variance: Floats
    confidence: Floats
    facts: dict[str, int]
    _span: tuple[float, float]
    _parts: tuple[csr_matrix, csr_matrix, Floats, Floats, Frame]

    def predicted(self, rows: slice) -> Floats:
        """float32 (n, H, W, C): what private images, recurring public images and the mean public one make of some
        encodings, masks undone."""
        mix, loadings, x, v, frame = self._parts
        middle, half = _middle(self._span)
        moved = np.float32(middle) * np.asarray(mix[rows].sum(1), np.float32).reshape(-1, 1, 1, 1)
        both = (mix[rows] @ x + loadings[rows] @ v).astype(np.float32)
        return (frame.images(both) * np.float32(half) + moved).astype(np.float32)


def _middle(span: tuple[float, float]) -> tuple[float, float]:
    return (span[0] + span[1]) / 2, (span[1] - span[0]) / 2


def too_many(images: int, values: int) -> bool:
    """Whether images, or values of all their mixtures, are more than this has the memory for."""
    return images > _MOST_IMAGES or values > _MOST_VALUES


def refined(
    result: Demixed,
    unmasked: FloatArray,
    labels: FloatArray,
    span: tuple[float, float] = (-1.0, 1.0),
    progress: Progress | None = None,
    *,
    paired: bool = True,
) -> Refined | None:
    """The images of `shared.sharpen` solved again with local weights; None where that cannot be done.

    Args:
        result: pairing, coefficients and first images.
        unmasked: float32 (E, H, W, C), masks undone.
        labels: float (E, n_classes), coefficient-weighted one-hot.
        span: the range that images have in the mixtures.
        paired: nearly all encodings hold the images that they should hold.
    """
    u = np.asarray(unmasked, np.float32)
    e, n = len(u), len(result.images)
    rest = 1 - np.asarray(labels, np.float64).sum(1)
    each = int((result.members >= 0).sum()) / max(n, 1)
    if float(rest.mean()) < 0.02 or each < _FEWEST or n > _MOST_IMAGES or u.shape[3] not in (1, 3):
        return None
    try:
        net = load_scales()
    except NotApplicable:
        return None
    area = int(np.prod(Frame(u.shape[1:], net.config.levels).side))
    if area > _MOST_PADDED * u.shape[1] * u.shape[2] or 3 * area * e > _MOST_VALUES:
        return None
    middle, half = _middle(span)
    c = Mixing.of(result.members, result.coefficients, rest, n).dense.double().numpy()
    u = (u - np.float32(middle) * c.sum(1).astype(np.float32)[:, None, None, None]) / np.float32(half)
    del unmasked  # as large as the release: nothing of it stays while images are solved for
    images = ((result.images - middle) / half).reshape(n, -1).astype(np.float32)
    left = u.reshape(e, -1) - c[:, :-1].astype(np.float32) @ images
    mean = ((rest @ left) / (rest @ rest)).astype(np.float32)
    left -= rest.astype(np.float32)[:, None] * mean
    level = levels(rest, result.noise / half, 1.0)
    shares = csr_matrix((e, 0), dtype=np.float32)
    if e <= _MOST_COMPARED:
        shares = loadings(embed(left.reshape(u.shape), Whitener(u - u.mean(0, keepdims=True))))
    del left
    first = np.concatenate([images, mean[None]]).reshape(n + 1, *u.shape[1:])
    handed_over = [u]
    del u
    found, scaled, frame = local_least_squares(c, first, handed_over.pop(), level, shares, net, progress, paired=paired)
    x = within_range(found.x[:-1], found.variance[:-1], frame)
    return Refined(
        (frame.images(x) * np.float32(half) + np.float32(middle)).astype(np.float32),
        found.variance[:-1].mean(1) * np.float32(half**2),
        _confidence(x, found.variance[:-1], frame),
        {
            "recurring_public_images": shares.shape[1],
            "encodings_that_share": int((np.diff(shares.indptr) > 0).sum()),
        },
        span,
        (csr_matrix(c, dtype=np.float32), scaled, np.concatenate([x, found.x[-1:]]), found.v, frame),
    )


def refine(
    result: Demixed,
    unmasked: FloatArray,
    labels: FloatArray,
    span: tuple[float, float] = (-1.0, 1.0),
    progress: Progress | None = None,
) -> Demixed:
    """`result` with the images of `refined` (the same arguments); as it is where that cannot be done."""
    found = refined(result, unmasked, labels, span, progress)
    if found is None:
        return result
    return replace(
        result,
        images=found.images,
        diagnostics=result.diagnostics | found.facts,
        confidence=found.confidence,
    )


def _confidence(x: Floats, variance: Floats, frame: Frame) -> Floats:
    spread = np.sqrt(variance)

    def draw(rng: np.random.Generator) -> Floats:
        moved = frame.images((x + rng.standard_normal(x.shape) * spread).astype(np.float32))
        return (moved / 2 + 0.5).astype(np.float32)

    return expected_ssim((frame.images(x) / 2 + 0.5).clip(0, 1), draw)

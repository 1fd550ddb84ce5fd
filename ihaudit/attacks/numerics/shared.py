"""Public images that recur: their covariance makes least squares for the private images sharper, without a public set.

What public images leave in an encoding is the noise of Carlini et al.'s equation (1).  A scheme that draws them from a
finite set draws the same one again: 20,000 draws from 14,000 images leave three in four encodings with a partner.  The
noises of such encodings are correlated, and generalised least squares (Aitken 1935), which knows the covariance, sees
through part of them.  Which encodings share an image is read off the whitened residuals, in which different photographs
are all but orthogonal; the covariance is the thresholded Gram matrix, shrunk until it is positive definite.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn
from scipy.sparse import coo_matrix, csr_matrix, identity
from scipy.sparse.linalg import ArpackNoConvergence, eigsh

from ihaudit.attacks.numerics.demix import Demixed
from ihaudit.attacks.numerics.mixing import Mixing
from ihaudit.attacks.numerics.standard_errors import expected_ssim
from ihaudit.attacks.numerics.transforms import Whitener
from ihaudit.release import FloatArray

_LEAST_CORRELATION = 0.1  # of two residuals; chance has a standard deviation of 1 / sqrt(values), 0.018 at 32x32x3
_SMALLEST_EIGENVALUE = 0.1  # of the correlation matrix after shrinking: entries are estimates, not to be trusted fully
_OUTLYING = 2.5  # times the usual residual for its rest: beyond that of any public images but a few
_LEAST_REST = 0.02  # below it coefficients and pairing are not known well enough to trust an encoding more
_MOST_ENCODINGS = 20_000  # the Gram matrix takes E^2 P operations: 80 s at this number
_BLOCK = 1024


@dataclass(frozen=True, eq=False)
class Correlation:
    """Correlations of the noises of encodings.

    Attributes:
        matrix: sparse float64 (E, E), unit diagonal, positive definite.
        pairs: how many pairs of encodings are seen to share a public image.
        shrunk: factor on the off-diagonal entries that made it positive definite.
    """

    matrix: csr_matrix
    pairs: int
    shrunk: float


def correlation(whitened: FloatArray) -> Correlation | None:
    """Which residuals share a public image, and by how much.

    Args:
        whitened: float32 (E, P), what private images leave of each mixture, in a space where different photographs are
            nearly orthogonal (`transforms.Whitener`).

    Returns:
        Correlation, or None where no pair stands out (or there are more than 20,000 encodings).
    """
    e, p = whitened.shape
    if e < 2 or e > _MOST_ENCODINGS:
        return None
    unit = whitened / np.maximum(np.linalg.norm(whitened, axis=1, keepdims=True), 1e-12)
    least = max(_LEAST_CORRELATION, 6 / np.sqrt(p))
    rows, columns, values = [], [], []
    for start in range(0, e, _BLOCK):
        block = unit[start : start + _BLOCK] @ unit[start:].T
        i, j = np.nonzero(block > least)
        upper = j > i
        i, j = i[upper], j[upper]
        rows.append(i + start)
        columns.append(j + start)
        values.append(block[i, j])
    r, c, v = np.concatenate(rows), np.concatenate(columns), np.concatenate(values).astype(np.float64)
    if not len(r):
        return None
    off = coo_matrix((v, (r, c)), shape=(e, e)).tocsr()
    off = off + off.T
    # One number makes all of it positive definite: the smallest eigenvalue of I + a off is 1 + a min(eigenvalue of off)
    try:
        low = float(eigsh(off, k=1, which="SA", return_eigenvectors=False, tol=1e-3)[0])
    except (ArpackNoConvergence, TypeError):  # TypeError: too small a matrix for Lanczos
        low = -float(abs(off).sum(1).max())
    room = 1 - _SMALLEST_EIGENVALUE
    shrunk = min(1.0, room / max(-1.01 * low, 1e-12))
    return Correlation((identity(e, format="csr") + shrunk * off).tocsr(), len(r), shrunk)


def _solve(matrix: csr_matrix, right: NDArray[np.float64], tolerance: float = 1e-5) -> NDArray[np.float64]:
    """Conjugate gradients, all columns at once: matrix^-1 right, for a well-conditioned matrix."""
    x = np.zeros_like(right)
    residual = right.copy()
    direction = residual.copy()
    energy = (residual**2).sum(0)
    goal = tolerance**2 * energy
    for _ in range(400):
        image = matrix @ direction
        step = energy / np.maximum((direction * image).sum(0), 1e-300)
        x += step * direction
        residual -= step * image
        fresh = (residual**2).sum(0)
        if (fresh <= goal).all():
            break
        direction = residual + fresh / np.maximum(energy, 1e-300) * direction
        energy = fresh
    return x


def levels(rest: NDArray[np.float64], noise: NDArray[np.float64], power: float = 0.85) -> NDArray[np.float64]:
    """Noise level of each encoding (E,), up to a common factor.

    The residual's own energy says more of how textured the public images are than of their weight, which the labels
    tell: their sum leaves `rest` to the public images, and the level goes with a `power` of it.  Where it does not
    (labels that are not weighted), the residual's own level is taken.  An encoding whose residual is several times what
    its rest explains is one of which wrong images were assumed: its residual says how much to trust it.
    """
    own = np.maximum(noise, 0.1 * float(np.median(noise)))  # a residual near zero is one that was fitted away
    if float(np.quantile(rest, 0.05)) <= 0.01 or float(rest.std()) < 0.02:
        return own
    rest = np.maximum(rest, _LEAST_REST)
    if float(np.corrcoef(np.log(rest), np.log(own))[0, 1]) < 0.2:
        return own
    expected: NDArray[np.float64] = rest**power
    usual = float(np.median(own / expected))
    return np.maximum(expected, own / (_OUTLYING * usual))


def regular(normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """A normal matrix (N, N) that can be inverted: an image that no encoding was assigned to has a row of zeros."""
    unit: NDArray[np.float64] = np.eye(len(normal))
    return normal + 1e-9 * max(float(np.trace(normal)) / len(normal), 1e-12) * unit


def generalised_least_squares(
    c: NDArray[np.float64], flat: NDArray[np.float32], level: NDArray[np.float64], shared: Correlation
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """``min_X (U - C X)' K^-1 (U - C X)`` with K = diag(level) shared diag(level).

    Args:
        c: (E, N) mixing matrix.
        flat: float32 (E, P) mixtures.
        level: (E,) positive noise levels.
        shared: their correlation.

    Returns:
        X float32 (N, P), and per row of X the error variance in units of the squared level (N,).
    """
    scaled = c / level[:, None]
    solved = _solve(shared.matrix, scaled)
    lhs = regular(scaled.T @ solved)
    right = (solved / level[:, None]).astype(np.float32).T @ flat
    x: NDArray[np.float32] = np.linalg.solve(lhs, right).astype(np.float32)
    return x, np.diag(np.linalg.inv(lhs)).copy()


def sharpen(
    result: Demixed, unmasked: FloatArray, labels: FloatArray, span: tuple[float, float] = (-1.0, 1.0)
) -> Demixed:
    """The images of `demix` solved again with the covariance of recurring public images; as they are where none recur.

    Args:
        result: from `demix`.
        unmasked: float32 (E, H, W, C), masks undone.
        labels: float (E, n_classes), coefficient-weighted one-hot.
        span: the range that images have in the mixtures.
    """
    u = np.asarray(unmasked, np.float32)
    flat = u.reshape(len(u), -1)
    rest = 1 - np.asarray(labels, np.float64).sum(1)
    if float(rest.mean()) < 0.02:  # no public images
        return result
    c = Mixing.of(result.members, result.coefficients, rest, len(result.images)).dense.double().numpy()
    images = result.images.reshape(len(result.images), -1)
    left = flat - c[:, :-1].astype(np.float32) @ images
    # the public images' common mean is no sign of sharing one
    mean = (rest @ left) / (rest @ rest)
    left = (left - rest[:, None] * mean[None]).astype(np.float32)
    shared = correlation(Whitener(u - u.mean(0, keepdims=True))(left.reshape(u.shape)))
    if shared is None:
        return result
    level = levels(rest, result.noise)
    solved, variance = generalised_least_squares(c, flat, level, shared)
    shaped = solved[:-1].reshape(result.images.shape)
    scaled = ((flat - c.astype(np.float32) @ solved) / level[:, None].astype(np.float32)).reshape(u.shape)
    facts = {"pairs_sharing_a_public_image": shared.pairs, "correlations_shrunk_by": round(shared.shrunk, 3)}
    return replace(
        result,
        images=shaped,
        diagnostics=result.diagnostics | facts,
        confidence=_confidence(shaped, scaled, variance[:-1], span),
    )


def _confidence(
    images: FloatArray, scaled: FloatArray, variance: NDArray[np.float64], span: tuple[float, float]
) -> NDArray[np.float32]:
    """Expected SSIM float32 (N,) of images (N, H, W, C) in `span`.

    The error of a least-squares image is a weighted sum of the encodings' noises, so it has their spectrum.

    Args:
        scaled: float32 (E, H, W, C) residuals over their levels.
        variance: (N,) error variance of each image in units of the squared level.
    """
    low, high = span
    spectrum = (dctn(scaled, axes=(1, 2), norm="ortho").astype(np.float64) ** 2).mean(0)
    deviation = np.sqrt(np.maximum(variance, 0)[:, None, None, None] * spectrum[None])

    def unit(x: FloatArray) -> NDArray[np.float32]:
        return ((x - low) / (high - low)).clip(0, 1).astype(np.float32)

    def draw(rng: np.random.Generator) -> NDArray[np.float32]:
        return unit(images + idctn(rng.standard_normal(deviation.shape) * deviation, axes=(1, 2), norm="ortho"))

    return expected_ssim(unit(images), draw)

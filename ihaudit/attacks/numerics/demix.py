"""Private images from unmasked mixtures: u_i = sum_j lambda_ij x_a(i,j) + sum_j lambda_ij p_j, signs and all.

Without a mask, inner products in a whitened space tell nearly without error which encodings share an image, so the
grouping that phase retrieval has to fight for (Carlini et al. 2021, section 4.3) is read off; what is left is ordinary
least squares (their equation 1) with the noise level of each encoding re-estimated from its own residual.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ihaudit.attacks.numerics.least_squares import exactly
from ihaudit.attacks.numerics.members import by_labels
from ihaudit.attacks.numerics.mixing import Mixing
from ihaudit.attacks.numerics.standard_errors import variances
from ihaudit.attacks.numerics.transforms import Whitener
from ihaudit.release import FloatArray

_MEMBER = 0.5  # a member's fitted weight lies near 1 of its label weight, a stranger's near 0


@dataclass(eq=False)
class Demixed:
    """What `demix` found.

    Attributes:
        images: float32 (N, H, W, C) in the range of the mixtures.
        members: int64 (E, s) indices into images, -1 for none.
        coefficients: float32 (E, s).
        noise: float64 (E,) residual standard deviation of each encoding (what the public images leave).
        classes: int64 (N,) the class of each image.
        diagnostics: JSON-able.
        confidence: float32 (N,) expected pinned SSIM under the error model, or None.
    """

    images: NDArray[np.float32]
    members: NDArray[np.int64]
    coefficients: NDArray[np.float32]
    noise: NDArray[np.float64]
    classes: NDArray[np.int64]
    diagnostics: dict[str, Any] = field(default_factory=dict)
    confidence: NDArray[np.float32] | None = None


def _unit(z: NDArray[np.float32]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
    return result


def _grow(
    z: NDArray[np.float32], w: NDArray[np.float64], other: NDArray[np.int64], smallest: int
) -> list[NDArray[np.int64]]:
    """Sets of rows of one class that share its image.

    Args:
        z: (n, P) whitened mixtures.
        w: (n,) the class's label weight.
        other: (n,) a code of the row's other classes: rows of the same code may share another image instead.
        smallest: least number of rows per set.

    Returns:
        Disjoint index sets, greedily from the best connected row on.
    """
    n, dim = z.shape
    unit = _unit(z)
    corr = unit @ unit.T
    np.fill_diagonal(corr, 0)
    if (other != other[0]).any():
        corr[other[:, None] == other[None]] = 0
    linked = corr > 6.5 / np.sqrt(dim)
    free = np.ones(n, bool)
    found: list[NDArray[np.int64]] = []
    tried = np.zeros(n, bool)
    while True:
        degree = np.where(free & ~tried, (linked & free[None]).sum(1), -1)
        lead = int(degree.argmax())
        if degree[lead] + 1 < smallest:
            return found
        tried[lead] = True
        members = np.flatnonzero((linked[lead] & free) | (np.arange(n) == lead))
        for _ in range(4):
            weight = w[members]
            centre = (weight @ z[members]) / (weight @ weight)
            # a member's own noise is in the centre: leave it out of its own score
            own = np.zeros(n)
            own[members] = weight / (weight @ weight)
            energy = np.einsum("ij,ij->i", z, z)
            norm = float(centre @ centre)
            score = (z @ centre - own * energy) / (w * norm * (1 - own * w) + 1e-12)
            fresh = np.flatnonzero(free & (score > _MEMBER) & (score < 2.5))
            if len(fresh) < smallest:
                fresh = members[:0]
                break
            if np.array_equal(fresh, members):
                break
            members = fresh
        if len(members) >= smallest and len(fresh):
            found.append(members)
            free[members] = False


def _shrink(centres: NDArray[Any], error: NDArray[Any]) -> NDArray[np.float32]:
    """Estimates pulled to the mean by their known error energy: else a faint image's own noise repels its encodings."""
    norm = np.einsum("ij,ij->i", centres, centres).astype(np.float64)
    result: NDArray[np.float32] = (centres * np.clip(1 - error / np.maximum(norm, 1e-12), 0.02, 1)[:, None]).astype(
        np.float32
    )
    return result


def demix(unmasked: FloatArray, labels: FloatArray, *, whitener: Whitener | None = None) -> Demixed | None:
    """Private images, pairing and coefficients from unmasked mixtures and their soft labels.

    Args:
        unmasked: float32 (E, H, W, C), masks undone.
        labels: float (E, n_classes), coefficient-weighted one-hot.
        whitener: of similar images, if there are any; the mixtures' own otherwise.

    Returns:
        Demixed, or None when no two encodings are seen to share an image.
    """
    u = np.asarray(unmasked, np.float32)
    y = np.asarray(labels, np.float64)
    e = len(u)
    whiten = whitener or Whitener(u)
    mean = u.mean(0, keepdims=True)
    z = whiten(u - mean)
    present = (y > 1e-6).sum(1)
    slots = int(np.quantile(present, 0.999, method="higher"))
    code = np.unique(y > 1e-6, axis=0, return_inverse=True)[1].reshape(-1)
    clusters: list[tuple[int, NDArray[np.int64]]] = []
    for c in range(y.shape[1]):
        rows = np.flatnonzero((y[:, c] > 0.08) & (present == slots))
        if len(rows) < 2:
            continue
        rows = rows[:4000]
        per_image = 2 if len(rows) < 40 else 3
        clusters += [(c, rows[s]) for s in _grow(z[rows], y[rows, c], code[rows], per_image)]
    if not clusters:
        return None
    classes = np.array([c for c, _ in clusters])
    energy = float(np.median(np.einsum("ij,ij->i", z, z)))
    sums = np.array([y[r, c] @ y[r, c] for c, r in clusters])
    centres = _shrink(np.stack([y[r, c] @ z[r] for c, r in clusters]) / sums[:, None], energy / sums)
    flat = u.reshape(e, -1)
    rest = 1 - y.sum(1)
    changes: list[float] = []
    members = np.zeros((e, slots), np.int64)
    weights = np.zeros((e, slots))
    for _ in range(6):
        before = members
        members, weights = by_labels(z, y, centres, classes, slots)
        changes.append(float((members != before).any(1).mean()))
        if changes[-1] < 1e-3:
            break
        mixing = Mixing.of(members, weights, np.zeros(e), len(clusters))
        solved, noise = exactly(z, mixing, rounds=3)
        error = variances(mixing, torch.from_numpy(noise**2), 1e-9).numpy()
        centres = _shrink(solved[:-1], error * z.shape[1])
    solved, noise = exactly(flat, Mixing.of(members, weights, rest, len(clusters)))
    images = solved[:-1].reshape(-1, *u.shape[1:])
    return Demixed(
        images,
        members,
        weights.astype(np.float32),
        noise,
        classes,
        {"images": len(clusters), "slots": slots, "reassigned": [round(v, 4) for v in changes]},
    )

"""Least squares for private images and recurring public images at once, every value of every encoding with a weight.

    y_ip = sum_a c_ia x_ap + sum_g f_ig v_gp + e_ip,   var(e_ip) = specific_ip,   var(v_gp) = common_gp

Each coefficient p is Gaussian given its own variances; the solution for x is generalised least squares with the
covariance ``F common_p F' + inside_p``, one for every p, reached by conjugate gradients on x and v together, since
their matrix is sparse and the covariance's inverse is not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack

Floats = NDArray[np.float32]

_LEAST = 1e-4  # of a coefficient's mean variance: single precision carries no more
_BLOCK = 64  # coefficients solved together: bounds the memory of their N x N matrices, and stays in caches


@dataclass(frozen=True, eq=False)
class FactorSolution:
    """x float32 (N, P); v float32 (G, P); variance float32 (N, P) of x, sharing a recurring image taken for nothing."""

    x: Floats
    v: Floats
    variance: Floats


def outer(c: csr_matrix) -> csr_matrix:
    """float32 (N * N, E): times weights (E, P) it gives the normal matrices sum_i w_ip c_i c_i' of all p."""
    e, n = c.shape
    per_row = np.diff(c.indptr)
    most = int(per_row.max(initial=0))
    index = np.zeros((e, most), np.int64)
    value = np.zeros((e, most), np.float32)
    rows = np.repeat(np.arange(e), per_row)
    slot = np.arange(len(rows)) - np.repeat(c.indptr[:-1], per_row)
    index[rows, slot], value[rows, slot] = c.indices, c.data
    place = index[:, :, None] * n + index[:, None, :]
    product = value[:, :, None] * value[:, None, :]
    owner = np.broadcast_to(np.arange(e)[:, None, None], place.shape)
    there = product != 0
    return csr_matrix((product[there], (place[there], owner[there])), shape=(n * n, e))


def solve(
    c: csr_matrix,
    f: csr_matrix,
    y: Floats,
    specific: Floats,
    common: Floats,
    prior: Floats,
    *,
    scale: Floats | None = None,
    start: tuple[Floats, Floats] | None = None,
    steps: int = 25,
    tolerance: float = 1e-3,
) -> FactorSolution:
    """The most likely x and v.

    Args:
        c: (E, N) mixing matrix; f: (E, G) loadings, G may be 0.
        y: float32 (E, P).
        specific: float32 (E, P), common: float32 (G, P): variances, positive.
        prior: float32 (N, P) precisions of x around 0; 0 for none.
        scale: float32 (E, 1), deviations by which encodings' parts are larger than `specific` says; None for 1.
        start: x and v to start from.
        steps, tolerance: conjugate gradient steps at most; size of the preconditioned residual,
            over that of zero, to stop at.

    Returns:
        FactorSolution.
    """
    c, f = csr_matrix(c, dtype=np.float32), csr_matrix(f, dtype=np.float32)
    n, g, p = c.shape[1], f.shape[1], y.shape[1]
    both = csr_matrix(hstack([c, f]))
    matrices = (both, csr_matrix(both.T), csr_matrix(f.multiply(f)), outer(c))
    x, v, variance = np.zeros((n, p), np.float32), np.zeros((g, p), np.float32), np.zeros((n, p), np.float32)
    for k in range(0, p, _BLOCK):
        part = slice(k, k + _BLOCK)
        begin = None if start is None else np.concatenate([start[0][:, part], start[1][:, part]])
        own = specific[:, part] if scale is None else specific[:, part] * scale**2
        z, diagonal = _block(matrices, n, y[:, part], own, common[:, part], prior[:, part], begin, steps, tolerance)
        x[:, part], v[:, part], variance[:, part] = z[:n], z[n:], diagonal
    return FactorSolution(x, v, variance)


def inverted(normal: torch.Tensor) -> torch.Tensor:
    """Inverses float32 of symmetric positive definite matrices (p, n, n); in float64 where single precision finds one
    that is not."""
    factor, failed = torch.linalg.cholesky_ex(normal)
    inverse: torch.Tensor
    inverse = torch.linalg.inv(normal.double()).float() if bool(failed.any()) else torch.cholesky_inverse(factor)
    return inverse


def _block(
    matrices: tuple[csr_matrix, csr_matrix, csr_matrix, csr_matrix],
    n: int,
    y: Floats,
    specific: Floats,
    common: Floats,
    prior: Floats,
    start: Floats | None,
    steps: int,
    tolerance: float,
) -> tuple[Floats, Floats]:
    both, across, squares, products = matrices
    # every coefficient in units of its own: only ratios of variances matter to x and v
    specific = np.maximum(specific, _LEAST * specific.mean(0))
    unit = np.float32(1) / (1 / specific).mean(0)
    weight = unit / specific
    own = np.concatenate([prior * unit, unit / common]).astype(np.float32)
    strength = squares.T @ weight + own[n:]
    # the diagonal of the covariance's inverse, exact where no encoding holds two recurring images; never less than
    # what would be left if each encoding had its recurring images for itself
    whole = np.maximum(weight - weight**2 * (squares @ (1 / strength)), unit / (specific + squares @ common))
    whole = np.ascontiguousarray(whole)
    normal = torch.from_numpy((products @ whole).reshape(n, n, -1)).permute(2, 0, 1).contiguous()
    diagonal = normal.diagonal(dim1=1, dim2=2)
    diagonal += torch.from_numpy(np.ascontiguousarray(own[:n].T)) + 1e-6 * diagonal.mean(1, keepdim=True)
    inverse = inverted(normal)

    def precondition(r: Floats) -> Floats:
        out = np.empty_like(r)
        # symmetric, so that rows may stand on the left: columns on the right take 17 times as long in torch 2.13
        out[:n] = torch.bmm(torch.from_numpy(np.ascontiguousarray(r[:n].T))[:, None], inverse)[:, 0].T.numpy()
        out[n:] = r[n:] / strength
        return out

    right = (across @ (weight * y)).astype(np.float32)
    goal = tolerance**2 * (right * precondition(right)).sum(0)
    z = np.zeros_like(right) if start is None else start.astype(np.float32)
    residual = right if start is None else right - (across @ (weight * (both @ z)) + own * z)
    toward = precondition(residual)
    direction = toward.copy()
    energy = (residual * toward).sum(0)
    for _ in range(steps):
        if (energy <= goal).all():
            break
        image = across @ (weight * (both @ direction)) + own * direction
        # columns that are done stay as they are: their quotients are of rounding errors
        step = np.where(energy > goal, energy / np.maximum((direction * image).sum(0), 1e-30), 0).astype(np.float32)
        z += step * direction
        residual -= step * image
        toward = precondition(residual)
        fresh = (residual * toward).sum(0)
        direction = toward + fresh / np.maximum(energy, 1e-30) * direction
        energy = fresh
    return z, (inverse.diagonal(dim1=1, dim2=2).T.numpy() * unit).astype(np.float32)

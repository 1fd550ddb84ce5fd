"""A start for phase retrieval that has the relative signs right.

E|m_ip|^2 = c_i^T a_p a_p^T c_i + noise, so the matrices sum_i r_ip c_i c_i^T, with r the squares less their diagonal
part, have a_p as top eigenvector.  Pooling them over neighbouring pixels and channels before the eigenvector (that is,
pooling r) buys the signal that a single pixel lacks.  Each pixel's eigenvector has an arbitrary sign; those are
synchronised over the image by the top eigenvector of the neighbours' correlations.
"""

from __future__ import annotations

import torch
import torch.nn.functional as fn
from torch import Tensor

from ihaudit.attacks.stages.mixing import Mixing
from ihaudit.attacks.stages.parallel import run_jobs, single_threaded

Shape = tuple[int, int, int]


def spectral_start(
    magnitude: Tensor,
    mixing: Mixing,
    weight: Tensor,
    shape: Shape,
    *,
    pool: int = 3,
    iterations: int = 60,
    batch: int = 1024,
    generator: torch.Generator,
) -> Tensor:
    """Signed start float32 (N + 1, P), P = C*H*W; the public mean (last row) starts at zero.

    Args:
        magnitude: float32 (E, P) = |encodings|.
        weight: float32 (E,) inverse variance of the squares.
    """
    c, h, w = shape
    n = mixing.unknowns
    power, residual = _diagonal_part(magnitude, mixing, weight, shape, pool, batch)
    # the mean public image is faint but its coefficient is the largest: unscaled it would take over the eigenvector
    coupling = mixing.dense.clone()
    coupling[:, -1] *= 0.2
    diagonal = (coupling**2).T @ residual
    v = torch.randn(n + 1, h * w, generator=generator).to(magnitude.device)
    v /= v.norm(dim=0)

    def iterate(columns: Tensor) -> Tensor:
        r, d, x = residual[:, columns], diagonal[:, columns], v[:, columns]
        for step in range(iterations):
            u = coupling.T @ (r * (coupling @ x)) - d * x
            if step > 3:  # shift so that the largest eigenvalue, not the largest in modulus, wins
                u += 0.3 * (u * x).sum(0).abs() * x
            x = u / u.norm(dim=0).clamp_min(1e-12)
        return x

    parts = torch.arange(h * w, device=magnitude.device).split(64 if magnitude.device.type == "cpu" else 4096)
    v = torch.cat(run_jobs(iterate, list(parts), magnitude.device), 1)
    with single_threaded():
        v = v * synchronise(v, (h, w))
    size = (fn.avg_pool2d(power.view(n, c, h, w).mean(1, keepdim=True), pool, 1, pool // 2, count_include_pad=False)
            .reshape(n, h * w).clamp_min(1e-3).sum(0).sqrt())
    start = v * size
    start[-1] = 0
    return start[:, None, :].expand(-1, c, -1).reshape(n + 1, c * h * w).contiguous()


def _diagonal_part(
    magnitude: Tensor, mixing: Mixing, weight: Tensor, shape: Shape, pool: int, batch: int
) -> tuple[Tensor, Tensor]:
    """Least squares of |m|^2 on (lam^2 per image, 1, s, s^2): x^2 per image, and the weighted pooled residual."""
    c, h, w = shape
    s = mixing.share
    design = torch.cat([mixing.dense[:, :-1] ** 2, torch.stack([torch.ones_like(s), s, s**2], 1)], 1)
    gram = design.T @ (design * weight[:, None])
    gram += 1e-3 * gram.diagonal().mean() * torch.eye(len(gram), device=gram.device)
    right = torch.zeros(design.shape[1], magnitude.shape[1], device=magnitude.device)
    for i in range(0, len(magnitude), batch):
        right += (design[i : i + batch] * weight[i : i + batch, None]).T @ magnitude[i : i + batch] ** 2
    power = torch.linalg.solve(gram, right)
    residual = torch.empty(len(magnitude), h * w, device=magnitude.device)
    for i in range(0, len(magnitude), batch):
        rest = magnitude[i : i + batch] ** 2 - design[i : i + batch] @ power
        rest = (rest * weight[i : i + batch, None]).view(-1, c, h, w).mean(1, keepdim=True)
        rest = fn.avg_pool2d(rest, pool, 1, pool // 2, count_include_pad=False)
        residual[i : i + batch] = rest.reshape(len(rest), h * w)
    return power[: mixing.unknowns], residual


def synchronise(v: Tensor, size: tuple[int, int], *, radius: int = 3, iterations: int = 500) -> Tensor:
    """Signs float32 (H*W,) that make neighbouring columns of (K, H*W) agree; the overall sign stays arbitrary."""
    h, w = size
    field = (v / v.norm(dim=0).clamp_min(1e-12)).view(-1, h, w)
    offsets = [
        (dy, dx) for dy in range(-radius, radius + 1) for dx in range(-radius, radius + 1)
        if (dy or dx) and abs(dy) < h and abs(dx) < w
    ]
    links = [(field * _shifted(field, dy, dx)).sum(0) for dy, dx in offsets]
    z = torch.ones(h, w, device=v.device)
    for _ in range(iterations):
        z = sum((link * _shifted(z, dy, dx) for (dy, dx), link in zip(offsets, links, strict=True)), 2 * z)
        z = z / z.abs().mean().clamp_min(1e-12)
    return torch.where(z >= 0, 1.0, -1.0).reshape(-1)


def _shifted(x: Tensor, dy: int, dx: int) -> Tensor:
    """x[..., y + dy, x + dx], zero outside."""
    h, w = x.shape[-2:]
    out = torch.zeros_like(x)
    y0, y1, x0, x1 = max(0, -dy), min(h, h - dy), max(0, -dx), min(w, w - dx)
    out[..., y0:y1, x0:x1] = x[..., y0 + dy : y1 + dy, x0 + dx : x1 + dx]
    return out

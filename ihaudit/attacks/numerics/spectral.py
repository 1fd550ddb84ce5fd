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

from ihaudit.attacks.numerics.mixing import Mixing
from ihaudit.attacks.numerics.parallel import run_jobs, single_threaded

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
    size = (
        fn.avg_pool2d(power.view(n, c, h, w).mean(1, keepdim=True), pool, 1, pool // 2, count_include_pad=False)
        .reshape(n, h * w)
        .clamp_min(1e-3)
        .sum(0)
        .sqrt()
    )
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
    gram += 1e-3 * gram.diagonal().mean().clamp_min(1e-9) * torch.eye(len(gram), device=gram.device)
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
    return _agree((v / v.norm(dim=0).clamp_min(1e-12)).view(len(v), 1, *size), radius, iterations).reshape(-1)


def resynchronise(images: Tensor, shape: Shape, *, radius: int = 2, iterations: int = 300) -> tuple[Tensor, float]:
    """Turns values whose sign, in all images at once, disagrees with that of their surroundings.

    Negating all unknowns at one value leaves every encoding's magnitude as it was, so EM never repairs it; where the
    spectral start was weak whole patches can be negated.  After EM the neighbours' correlations are much clearer, and
    the channels can be told apart.

    Returns:
        Images (N + 1, P) and the share of values turned.
    """
    private = images[:-1]
    field = (private / private.norm(dim=0).clamp_min(1e-12)).view(-1, *shape)
    with single_threaded():
        signs = _agree(field, radius, iterations).reshape(-1)
    if float(signs.mean()) < 0:  # the fewer values turn
        signs = -signs
    return images * signs, float((signs < 0).float().mean())


def _agree(field: Tensor, radius: int, iterations: int) -> Tensor:
    """Signs (C, H, W) by power iteration on the neighbours' correlations of unit columns (K, C, H, W).

    Every row is divided by its sum of moduli: the plain top eigenvector lives where images are smoothest and is next to
    zero, with arbitrary signs, elsewhere.
    """
    c, h, w = field.shape[1:]
    offsets = [
        (dc, dy, dx)
        for dc in range(1 - c, c)
        for dy in range(-radius, radius + 1)
        for dx in range(-radius, radius + 1)
        if (dc or dy or dx) and abs(dy) < h and abs(dx) < w and (dc == 0 or (dy == 0 and dx == 0))
    ]
    links = [(field * _shifted(field, dc, dy, dx)).sum(0) for dc, dy, dx in offsets]
    degree = torch.stack(links).abs().sum(0).clamp_min(1e-12)
    z = torch.ones(c, h, w, device=field.device)
    for _ in range(iterations):
        pull = torch.zeros_like(z)
        for offset, link in zip(offsets, links, strict=True):
            pull += link * _shifted(z, *offset)
        z = pull / degree + 0.5 * z
        z = z / z.abs().mean().clamp_min(1e-12)
    return torch.where(z >= 0, 1.0, -1.0)


def _shifted(x: Tensor, dc: int, dy: int, dx: int) -> Tensor:
    """x[..., c + dc, y + dy, x + dx], zero outside."""
    out = torch.zeros_like(x)
    here, there = [], []
    for size, d in zip(x.shape[-3:], (dc, dy, dx), strict=True):
        here.append(slice(max(0, -d), min(size, size - d)))
        there.append(slice(max(0, -d) + d, min(size, size - d) + d))
    out[..., here[0], here[1], here[2]] = x[..., there[0], there[1], there[2]]
    return out

"""Images with natural spectra and InstaHide-like releases, made here so that the tests need no data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.prng.generators.conventions import Convention, Layout


def natural(n: int, seed: int, size: int = 32) -> NDArray[np.float32]:
    """float32 (n, size, size, 3) in [0, 1]: random phases under a 1 / f^1.4 spectrum, channels correlated."""
    rng = np.random.default_rng(seed)
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size), indexing="ij"))
    f[0, 0] = 1 / size
    noise = rng.standard_normal((n, size, size, 3)) @ np.array([[1, 1, 1], [0.3, 0, -0.3], [0.1, -0.2, 0.1]])
    x = np.fft.ifft2(np.fft.fft2(noise, axes=(1, 2)) / f[None, :, :, None] ** 1.4, axes=(1, 2)).real
    x = (x - x.mean((1, 2, 3), keepdims=True)) / x.std((1, 2, 3), keepdims=True)
    x = np.clip(0.5 + 0.2 * x + 0.1 * rng.standard_normal((n, 1, 1, 3)), 0, 1)
    return np.asarray(x, np.float32)


def mixtures(count: int, seed: int, size: int = 32, k: int = 4) -> NDArray[np.float32]:
    """float32 (count, size, size, 3) in [-1, 1]: random mixtures of k images of `natural`."""
    rng = np.random.default_rng(seed)
    pool = 2 * natural(60, seed + 1, size) - 1
    lam = np.abs(rng.standard_normal((count, k)))
    lam /= lam.sum(1, keepdims=True)
    out = np.zeros((count, size, size, 3), np.float32)
    for j in range(k):
        out += lam[:, j, None, None, None].astype(np.float32) * pool[rng.integers(0, len(pool), count)]
    return out


def signs(
    words: NDArray[np.uint32],
    convention: Convention,
    layout: Layout,
    count: int,
    shape: tuple[int, int, int] = (32, 32, 3),
) -> NDArray[np.int8]:
    """int8 (count, *shape) in {-1, 1}: masks drawn from 32-bit words one after another."""
    size = layout.size(shape)
    bits = convention.bits(words)[: count * size].reshape(count, size)
    return (2 * bits.astype(np.int8) - 1)[:, layout.index(shape)]

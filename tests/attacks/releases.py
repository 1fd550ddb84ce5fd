"""Small releases made in the test itself, with their truth, from crops of scikit-image's photographs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage import data


@cache
def photographs(n: int, seed: int = 0, size: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """float32 (n, size, size, 3) in [0, 1] and int64 labels (the photograph each crop comes from)."""
    rng = np.random.default_rng(seed)
    sources = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    images, labels = [], []
    for i in range(n):
        source = sources[i % len(sources)]
        side = int(rng.integers(64, 200))
        y = int(rng.integers(0, source.shape[0] - side))
        x = int(rng.integers(0, source.shape[1] - side))
        crop = source[y : y + side, x : x + side, :3].astype(np.float32) / 255
        step = side // size
        crop = crop[: step * size, : step * size].reshape(size, step, size, step, 3).mean((1, 3))
        images.append(crop)
        labels.append(i % len(sources))
    return np.stack(images).astype(np.float32), np.array(labels, dtype=np.int64)


@dataclass(frozen=True)
class Sample:
    """A release and its truth: encodings (E, H, W, C), labels (E, classes), members (E, s), lambdas (E, k), images;
    where a benchmark needs it which public images are in each encoding (E, k - s), and classes of the images (N,)."""

    encodings: np.ndarray
    labels: np.ndarray
    members: np.ndarray
    lambdas: np.ndarray
    images: np.ndarray
    public: np.ndarray | None = None
    classes: np.ndarray | None = None


def blobs(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Smooth noise under fresh sign masks: encodings (E, H, W, C), no two of which share anything."""
    rng = np.random.default_rng(seed)
    smooth: np.ndarray = gaussian_filter(rng.normal(size=shape), (0, 1.5, 1.5, 0))
    masked: np.ndarray = (smooth / smooth.std() * rng.choice([-1, 1], size=shape)).astype(np.float32)
    return masked


def instahide(
    n: int = 16, epochs: int = 30, k: int = 4, seed: int = 0, size: int = 16, *, mask: bool = True, private: int = 2
) -> Sample:
    """Cross-dataset InstaHide on [-1, 1] (no sign mask with ``mask=False``)."""
    rng = np.random.default_rng(seed)
    images, labels = photographs(n, seed, size)
    public, _ = photographs(200, seed + 1000, size)
    members = np.concatenate([np.stack([rng.permutation(n) for _ in range(private)], 1) for _ in range(epochs)])
    lambdas = np.empty((len(members), k), np.float32)
    for row in lambdas:
        while True:
            draw = np.abs(rng.standard_normal(k))
            draw /= draw.sum()
            if draw.max() <= 0.65 and draw[:private].sum() >= 0.3:
                break
        row[:] = draw
    x = np.einsum("es,eshwc->ehwc", lambdas[:, :private], images[members] * 2 - 1)
    for j in range(private, k):
        x += lambdas[:, j, None, None, None] * (public[rng.integers(0, len(public), len(x))] * 2 - 1)
    if mask:
        x *= rng.integers(0, 2, x.shape) * 2 - 1
    soft = np.zeros((len(x), 4), np.float32)
    for j in range(private):
        np.add.at(soft, (np.arange(len(x)), labels[members[:, j]]), lambdas[:, j])
    return Sample(x.astype(np.float32), soft, members, lambdas, images)

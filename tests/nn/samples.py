"""Small pools of images, small networks, and a folder of images to train on that holds noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ihaudit.nn.releases import ReleaseConfig, Releases
from ihaudit.nn.similarity import PairConfig
from ihaudit.nn.unmask import UnmaskConfig

SMALL = UnmaskConfig(widths=(8, 16, 16), blocks=1, groups=4)
TINY = PairConfig(unmask=SMALL, learned=8, groups=4, hidden=16)
QUICK = ReleaseConfig(k=(2, 3), per_image=6)


def pool(n: int, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth random images, uint8 (n, 32, 32, 3)."""
    x = np.random.default_rng(seed).normal(size=(n, 8, 8, 3)).repeat(4, 1).repeat(4, 2)
    return np.clip(128 + 50 * x, 0, 255).astype(np.uint8)


def releases(config: ReleaseConfig = QUICK, seed: int = 0) -> Releases:
    """A sampler over 40 images of two classes and 20 public ones."""
    return Releases(pool(40, seed), np.arange(40) // 20, pool(20, seed + 1), config)


def _smooth(n: int, rng: np.random.Generator) -> np.ndarray:
    """uint8 (n, 32, 32, 3): noise, but for neighbours that go together as those of pictures do."""
    x = gaussian_filter(rng.normal(size=(n, 32, 32, 3)), (0, 1, 1, 0))
    out: np.ndarray = np.clip(127 + 50 * x / x.std(), 0, 255).astype(np.uint8)
    return out


def write_data(folder: Path, held_out: int) -> None:
    """What `ihaudit.nn.sources.load_split` reads: `held_out` and more images of each kind."""
    rng = np.random.default_rng(0)
    for name, n in (("cifar10_train20k", 2 * held_out), ("cifar100_train5k", 20)):
        images = _smooth(n, rng)
        np.savez(folder / f"{name}.npz", images=images, labels=(np.arange(n) % 2).astype(np.uint8))
    patches = _smooth(3 * held_out, rng)
    np.savez(folder / "imagenet_patches.npz", images=patches, source_index=np.arange(3 * held_out) // 5)

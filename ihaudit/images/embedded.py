"""Images without a download and without copies in this package: crops of the photographs in scikit-image.

Private and public crops come from different photographs.  Similar ones (what an adversary may know of the private
distribution) come from the same photographs as the private ones, from the other side of a line no crop touches.
The pseudo-class of a crop is its photograph.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from ihaudit.errors import ImageError
from ihaudit.images.base import ImageSet
from ihaudit.release import FloatArray

#: Photographs in scikit-image's wheel, by file name, so that nothing is ever fetched.
PRIVATE = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
PUBLIC = ("motorcycle_left.png", "motorcycle_right.png", "hubble_deep_field.jpg", "ihc.png", "retina.jpg")
SIZE = 32
SCALES = (32, 40, 52, 68, 88, 112)
#: The part of each private photograph, from the left, that private crops come from; similar ones from the rest.
PRIVATE_SHARE = 0.58
#: Standard deviation of grey values below which a crop is too plain to judge a reconstruction by.
MIN_CONTRAST = 0.08
#: Crops of one set correlate at most this much.
MAX_CORRELATION = 0.85
COUNTS = {"private": 200, "similar": 1600, "public": 2000}


@cache
def embedded(role: str) -> ImageSet:
    """The embedded set for a role: ``private``, ``similar`` or ``public``; always the same images.

    Raises:
        ImageError: scikit-image's data files are missing.
    """
    names = PUBLIC if role == "public" else PRIVATE
    rng = np.random.default_rng([32, list(COUNTS).index(role)])
    each = COUNTS[role] // len(names)
    images, labels = [], []
    for i, name in enumerate(names):
        photo = _photo(name)
        cut = int(photo.shape[1] * PRIVATE_SHARE)
        if role == "private":
            photo = photo[:, :cut]
        elif role == "similar":
            photo = photo[:, cut:]
        crops = _crops(photo, each, rng, MAX_CORRELATION if role == "private" else 0.97)
        images.append(crops)
        labels.append(np.full(len(crops), i, np.int64))
    kinds = np.concatenate(labels)
    # Dealt round by photograph, so that a prefix of the set is balanced too.
    order = np.lexsort((kinds, np.concatenate([np.arange(len(x)) for x in labels])))
    return ImageSet(np.concatenate(images)[order], kinds[order], f"embedded photographs ({role})", groups=kinds[order])


def _photo(name: str) -> FloatArray:
    """float32 (H, W, 3) in [0, 1]."""
    import skimage
    from PIL import Image

    path = Path(skimage.__file__).parent / "data" / name
    if not path.exists():
        raise ImageError(
            f"scikit-image's photograph {name} is not installed; reinstall scikit-image, or give --private"
        )
    with Image.open(path) as f:
        photo = f.convert("RGB")
        if min(photo.size) > 900:  # so that crops show things, not grain
            photo = photo.resize((photo.width // 2, photo.height // 2), Image.Resampling.LANCZOS)
        return np.asarray(photo, np.float32) / 255


def _crops(photo: FloatArray, count: int, rng: np.random.Generator, max_correlation: float) -> FloatArray:
    """Up to `count` crops at several scales, float32 (n, 32, 32, 3), none plain and no two alike."""
    from PIL import Image

    kept: list[FloatArray] = []
    grey = photo.mean(axis=2)
    prints = np.zeros((count, 192), np.float32)
    for _ in range(count * 12):
        if len(kept) == count:
            break
        edge = int(rng.choice([s for s in SCALES if s <= min(photo.shape[:2])]))
        top = int(rng.integers(photo.shape[0] - edge + 1))
        left = int(rng.integers(photo.shape[1] - edge + 1))
        window = photo[top : top + edge, left : left + edge]
        if np.ascontiguousarray(grey[top : top + edge, left : left + edge]).std() < MIN_CONTRAST:
            continue
        if edge != SIZE:
            picture = Image.fromarray((window * 255).round().astype(np.uint8))
            window = np.asarray(picture.resize((SIZE, SIZE), Image.Resampling.LANCZOS), np.float32) / 255
        small = window.reshape(8, 4, 8, 4, 3).mean(axis=(1, 3)).ravel()
        small = small - small.mean()
        small /= np.linalg.norm(small) + 1e-9
        if len(kept) and float((prints[: len(kept)] @ small).max()) > max_correlation:
            continue
        prints[len(kept)] = small
        kept.append(window)
    return np.stack(kept)

"""Where the real images of measurements lie, for tests that need them; they are never committed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

DATA = Path(os.environ.get("IHAUDIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def load_images(name: str) -> tuple[np.ndarray, np.ndarray]:
    """float32 images in [0, 1] and int64 labels of `name`.npz; skips the test where the data is absent."""
    path = DATA / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"needs {path.name}: set IHAUDIT_DATA to the folder of the real images")
    with np.load(path) as z:
        images = z["images"].astype(np.float32) / 255
        labels = z["labels"].astype(np.int64) if "labels" in z.files else np.zeros(len(images), np.int64)
    return images, labels

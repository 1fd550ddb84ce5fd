"""The image sets of an audit go together: one brightness, and no private image among the similar ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ihaudit.audit.data import Data, load_data
from ihaudit.audit.options import AuditOptions
from ihaudit.audit.profiles import get_profile
from ihaudit.errors import ImageError

IMAGES = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 1), dtype=np.uint8)


def loaded(folder: Path, private: np.ndarray, similar: np.ndarray | None = None, bits: int | None = None) -> Data:
    np.savez(folder / "private.npz", images=private, labels=np.arange(len(private)) % 2)
    if similar is not None:
        np.savez(folder / "similar.npz", images=similar)
    options = AuditOptions(
        scheme="identity",
        private=str(folder / "private.npz"),
        similar=None if similar is None else str(folder / "similar.npz"),
        n_private=8,
        bits=bits,
    )
    return load_data(options, get_profile("quick"))


def test_private_images_are_taken_from_the_similar_ones(tmp_path: Path) -> None:
    data = loaded(tmp_path, IMAGES[:8], IMAGES)
    assert data.similar is not None and len(data.similar) == 16
    assert "8 of 24 images are private ones too" in " ".join(data.similar.notes)
    with pytest.raises(ImageError, match="private ones too; give others"):
        loaded(tmp_path, IMAGES[:8], IMAGES[:8])


def test_copies_in_one_set_are_not_both_private_and_known(tmp_path: Path) -> None:
    data = loaded(tmp_path, np.concatenate([IMAGES[:8], IMAGES[:8]]))
    assert data.similar is None or not {x.tobytes() for x in data.similar.images} & {
        x.tobytes() for x in data.private.images
    }


def test_sets_of_different_depth_are_refused_until_the_bits_are_stated(tmp_path: Path) -> None:
    """A similar set whose brightest value needs fewer bits came out four times as bright."""
    deep = IMAGES.astype(np.uint16) * 16
    with pytest.raises(ImageError, match="state the bits of both with --bits"):
        loaded(tmp_path, deep[:8], deep[8:] // 4)
    data = loaded(tmp_path, deep[:8], deep[8:] // 4, bits=12)
    assert data.similar is not None and float(data.similar.images.max()) < 0.26
    assert loaded(tmp_path, deep[:8], deep[8:]).similar is not None

"""Files that promise what they do not hold, or are not what their names say: one sentence, at once."""

from __future__ import annotations

import contextlib
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ihaudit.challenge.npy import load_npy
from ihaudit.errors import ImageError
from ihaudit.images import load

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)


def npy(array: np.ndarray, shape: tuple[int, ...] | None = None) -> bytes:
    """A .npy file; `shape` is what its header says instead of the array's."""
    buffer = io.BytesIO()
    header = np.lib.format.header_data_from_array_1_0(array)
    np.lib.format.write_array_header_1_0(buffer, header | {"shape": array.shape if shape is None else shape})
    return buffer.getvalue() + array.tobytes()


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in members.items():
            z.writestr(f"{name}.npy", data)
    return path


def single(folder: Path) -> Path:
    path = folder / "x.npz"
    with path.open("wb") as f:
        np.save(f, IMAGES)
    return path


def terabytes(folder: Path) -> Path:
    return archive(folder / "x.npz", images=npy(IMAGES, (1 << 30, 32, 32, 3)))


def overflowing(folder: Path) -> Path:
    return archive(folder / "x.npz", images=npy(IMAGES, (1 << 40, 1 << 40, 1 << 40, 3)))


def objects(folder: Path) -> Path:
    path = folder / "x.npz"
    np.savez(path, images=np.array([IMAGES[0], IMAGES[1, :4]], object))
    return path


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "x.npz")
    return folder / "x.npz"


def nothing_in_it(folder: Path) -> Path:
    return archive(folder / "x.npz")


def far_classes(folder: Path) -> Path:
    path = folder / "x.npz"
    np.savez(path, images=IMAGES, labels=np.array([0, 1, 2, 10**12]))
    return path


def broken_labels(folder: Path) -> Path:
    path = folder / "x.npz"
    np.savez(path, images=IMAGES, labels=np.array([0, 1, 2, np.nan]))
    return path


FILES: list[tuple[Callable[[Path], Path], str]] = [
    (single, r"x.npz is one array \(.npy\) under the name of an archive"),
    (terabytes, r"promises 3,298,534,883,328 bytes .* and holds 768"),
    (overflowing, "promises .* and holds 768"),
    (objects, "holds objects"),
    (pipe, "neither a file nor a folder"),
    (nothing_in_it, "has no array 'images'"),
    (far_classes, r"labels lie in 0\.\.1000000000000"),
    (broken_labels, "one of them is nan"),
]


@pytest.mark.timeout(20)  # a pipe is never read to its end
@pytest.mark.parametrize(("make", "message"), FILES, ids=[f.__name__ for f, _ in FILES])
def test_one_sentence(make: Callable[[Path], Path], message: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=message):
        load(str(make(tmp_path)), role="similar")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("data", [npy(IMAGES, (1 << 40, 8)), b"\x93NUMPY\x01\x00\xff\xff{", b"PK\x03\x04", b""])
def test_arrays_of_a_challenge_are_checked_alike(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "encryption.npy"
    path.write_bytes(data)
    for mmap in (True, False):
        with pytest.raises(ImageError, match=r"encryption.npy is (not a readable|an archive)"):
            load_npy(path, mmap=mmap)
    os.mkfifo(tmp_path / "pipe.npy")
    with pytest.raises(ImageError, match="is not a file"):
        load_npy(tmp_path / "pipe.npy")


@pytest.mark.parametrize("spec", ["a" * 5000 + ".npz", "nul\0.npz", "~nobody-of-this-name/x.npz"])
def test_names_that_are_no_paths(spec: str) -> None:
    with pytest.raises(ImageError):
        load(spec, role="private")


def test_what_is_no_number_in_a_picture_of_floats_is_refused(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    Image.fromarray(values).save(tmp_path / "a.tiff")
    values = values.copy()
    values[3, 4] = np.nan
    Image.fromarray(values).save(tmp_path / "b.tiff")
    with pytest.raises(ImageError, match=r"b\.tiff cannot be read .*NaN"):
        load(str(tmp_path), role="private", size=8)


def test_numbers_are_read_as_they_were_saved(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    labels = np.array([3, 1, 2, 0], np.int16)
    np.savez_compressed(path, images=np.asfortranarray(IMAGES), labels=labels)
    got = load(str(path), role="private")
    np.testing.assert_array_equal(got.images, IMAGES.astype(np.float32) / 255)
    np.testing.assert_array_equal(got.labels, labels)


WHOLE = io.BytesIO()
np.savez(WHOLE, images=IMAGES, labels=np.arange(4))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(WHOLE.getvalue()) - 1), st.binary(min_size=1, max_size=8), st.booleans())
def test_damage_anywhere_is_one_sentence_or_harmless(at: int, by: bytes, cut: bool) -> None:
    import tempfile

    data = WHOLE.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npz"
        path.write_bytes(data[:at] if cut else data[:at] + by + data[at + len(by) :])
        with contextlib.suppress(ImageError):  # anything else would be raised
            assert load(str(path), role="private").images.shape == IMAGES.shape

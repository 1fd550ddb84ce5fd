"""Folders of image files: one class for each subfolder, one scale for all."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ihaudit.errors import ImageError
from ihaudit.images.depth import Extent, Scale, scale
from ihaudit.images.npz import check_room
from ihaudit.release import FloatArray, IntArray

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".avif"}
DICOM = {".dcm", ".dicom", ".ima"}
#: Pictures that are not read, and are not passed over without a word.
UNREAD = {".heic", ".heif", ".jxl", ".jp2", ".j2k", ".svg", ".psd", ".raw", ".nef", ".cr2", ".dng", ".exr", ".hdr"}
UNREAD |= {".nii", ".nii.gz", ".mha", ".nrrd", ".mp4", ".avi"}
#: What holds images that are read once they are unpacked, and arrays that are read by themselves.
PACKED = {".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z"}
ARRAYS = {".npz", ".npy"}
#: Names of the parts that sets come in; their subfolders are the classes, not they.
SPLITS = {"train", "training", "val", "valid", "validation", "dev", "eval", "test", "testing"}
MAX_IMAGES = 200_000


@dataclass(frozen=True, eq=False)
class Source:
    """What was read.

    Attributes:
        images: float32 (N, H, W, C) in [0, 1].
        labels: int64 (N,), or None.
        notes: what was assumed or left out, one sentence each.
    """

    images: FloatArray
    labels: IntArray | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """One picture to be read: a file, which of its pages, and its bytes where it lies in a larger file."""

    path: Path
    page: int = 0
    data: bytes | None = field(default=None, repr=False)


def folder(path: Path, size: int, bits: int | None) -> Source:
    """Files in subfolders (one class each, by name), or all in the folder itself (no labels).

    Args:
        path: of the folder.
        size: edge in pixels that pictures are brought to.
        bits: of deep pictures, as stated; None where they are read off the set.
    """
    classes = sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    groups = [(p, _files(p, deep=True)) for p in classes]
    groups = [(p, files) for p, files in groups if files]
    loose = _files(path, deep=False)
    if groups and loose:
        raise ImageError(f"{path} holds images both in subfolders and beside them; put every image into a class folder")
    _check_levels(path, groups)
    found = [(f, i) for i, (_, files) in enumerate(groups) for f in files] if groups else [(f, 0) for f in loose]
    if not found:
        raise ImageError(f"{path} holds no image files ({', '.join(sorted(SUFFIXES | DICOM))}){_instead(path)}")
    if len(found) > MAX_IMAGES:
        raise ImageError(f"{path} holds {len(found):,} images; give at most {MAX_IMAGES:,}")
    check_room((len(found), size, size, 3), f"{path} at --size {size}")
    images, each, notes = read_all([Picture(f) for f, _ in found], size, bits, str(path))
    kinds = np.repeat(np.array([kind for _, kind in found], np.int64), each)
    return Source(images, kinds if groups else None, (*_left_out(path), *notes))


def _check_levels(path: Path, groups: list[tuple[Path, list[Path]]]) -> None:
    """Refuse a folder whose classes lie one level further down, which would be taken for one class, or for two."""
    deeper = [(p, {f.relative_to(p).parts[0] for f in files}) for p, files in groups]
    if not all(len(f.relative_to(p).parts) > 1 for p, files in groups for f in files):
        return
    inner = max(deeper, key=lambda d: (len(d[1]), d[0].name), default=None)
    if inner is None or len(inner[1]) < 2:
        return
    if len(groups) == 1 or all(p.name.lower() in SPLITS for p, _ in groups):
        names = ", ".join(p.name for p, _ in groups)
        raise ImageError(
            f"{path} holds no classes itself, but {names}; name the folder whose subfolders they are: {inner[0]}"
        )


def read_all(
    pictures: Sequence[Picture], size: int, bits: int | None, name: str
) -> tuple[FloatArray, list[int], list[str]]:
    """Every page of some pictures, on one scale.

    Args:
        pictures: their first pages.
        size: edge in pixels that they are brought to.
        bits: of deep pictures, as stated; None where they are read off the set.
        name: of the set, for errors.

    Returns:
        float32 (pages, size, size, 3) in [0, 1]; how many pages each picture has; what was assumed, in sentences.
    """
    pages, each, extents, animated = [], [], [], 0
    for picture in pictures:
        count, extent, moving = _looked_at(picture)
        animated += moving
        pages += [replace(picture, page=i) for i in range(count)]
        each.append(count)
        extents += [extent] if extent is not None else []
    notes = []
    if len(pages) > len(pictures):
        notes.append(f"{len(pictures)} files hold {len(pages)} pages; each was read as an image of its file's class")
    if animated:
        notes.append(f"of {animated} animated pictures the first frame was read")
    how: Scale | None = None
    if extents:
        how = scale(Extent.all(extents), bits, name)
        notes += [how.words] if how.words else []
        if len(extents) < len(pictures):
            notes.append(f"{len(pictures) - len(extents)} of {len(pictures)} files have 8 bits and were read as such")
    elif bits is not None:
        notes.append(f"--bits {bits} was not used: no picture holds more than 8 bits")
    check_room((len(pages), size, size, 3), f"{name} at --size {size}")
    return np.stack([_read(p, size, how) for p in pages]), each, notes


def _files(path: Path, *, deep: bool) -> list[Path]:
    each = path.rglob("*") if deep else path.iterdir()
    return sorted(p for p in each if p.is_file() and not p.name.startswith(".") and _known(p))


def _known(path: Path) -> bool:
    """Whether a file is one of images, by its suffix; DICOM files on disks of clinics have none."""
    return path.suffix.lower() in SUFFIXES or _is_dicom(path)


def _is_dicom(path: Path) -> bool:
    if path.suffix:
        return path.suffix.lower() in DICOM
    if path.name == "DICOMDIR":  # an index of the others
        return False
    with path.open("rb") as f:
        return f.read(132)[128:] == b"DICM"


def _left_out(path: Path) -> list[str]:
    """What lies in the folder and is not read."""
    there = [p for p in path.rglob("*") if not p.name.startswith(".")]
    kinds = Counter(_kind(p) for p in there if _kind(p) in UNREAD | PACKED)
    notes = [
        f"{n} {kind} files were not read; {'unpack them' if kind in PACKED else 'convert them to PNG to include them'}"
        for kind, n in sorted(kinds.items())
    ]
    gone = [p for p in there if p.suffix.lower() in SUFFIXES | DICOM and not p.is_file() and not p.is_dir()]
    if gone:
        notes.append(
            f"{len(gone)} with names of image files are none (such as {gone[0].name}: a link that leads nowhere, or a "
            "pipe); put the files in their place to include them"
        )
    return notes


def _kind(path: Path) -> str:
    """The suffix of a file, two where the last only says that it is packed: ``.nii.gz``."""
    two = "".join(path.suffixes[-2:]).lower()
    return two if two in UNREAD else path.suffix.lower()


def _instead(path: Path) -> str:
    """A remedy where a folder holds something else."""
    files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
    arrays = [p for p in files if p.suffix.lower() in ARRAYS]
    if arrays:
        return f"; name the file of arrays itself: {arrays[0]}"
    unread = _left_out(path)
    if unread:
        return f"; {unread[0]}"
    there = sorted({p.suffix.lower() for p in files})[:5]
    held = f"; it holds {', '.join(t or 'files without a suffix' for t in there)}" if there else "; it is empty"
    return f"{held}: save their images with numpy.savez('images.npz', images=..., labels=...)" if there else held


def _looked_at(picture: Picture) -> tuple[int, Extent | None, bool]:
    """Pages of a file, what its values reach where it holds more than 8 bits, and whether it is animated."""

    def look(f: Any) -> tuple[int, Extent | None, bool]:
        frames = int(getattr(f, "n_frames", 1))
        pages = frames if f.format == "TIFF" else 1
        parts = []
        for i in range(pages):
            if pages > 1:
                f.seek(i)
            if _deep(f):
                parts.append(Extent.of(_values(f), picture.path.name))
        return pages, Extent.all(parts) if parts else None, frames > 1 and pages == 1

    if picture.data is None and _is_dicom(picture.path):
        from ihaudit.images.dicom import values

        return 1, Extent.of(values(picture.path), picture.path.name), False
    found: tuple[int, Extent | None, bool] = _opened(picture, look)
    return found


def _opened(picture: Picture, work: Callable[[Any], Any]) -> Any:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # twice as many pixels are an error
            with Image.open(picture.path if picture.data is None else io.BytesIO(picture.data)) as f:
                return work(f)
    except Exception as e:  # PIL raises many kinds for damaged files
        held = "the image file" if picture.data is None else "a picture in"
        raise ImageError(
            f"{held} {picture.path} cannot be read ({damage(picture.path, e)}); remove or replace it"
        ) from None


def damage(path: Path, error: Exception) -> str:
    """Why a file cannot be read: that it was never fetched, or what its reader said."""
    with contextlib.suppress(OSError), path.open("rb") as f:
        if f.read(40).startswith(b"version https://git-lfs.github.com"):
            return "it is a pointer of Git LFS to the file, which 'git lfs pull' fetches"
    return str(error) or type(error).__name__


def _deep(picture: Any) -> bool:
    """16-bit, 32-bit and float greys, which PIL would clip at 255."""
    return str(picture.mode).startswith(("I", "F"))


def _values(picture: Any) -> FloatArray:
    """Values of a grey picture of more than 8 bits, turned as the camera was held."""
    from PIL import ImageOps

    values = np.asarray(ImageOps.exif_transpose(picture))
    return values.astype(np.int64) if values.dtype.kind in "iu" else values.astype(np.float32)


def _read(page: Picture, size: int, how: Scale | None) -> FloatArray:
    """One picture as float32 (size, size, 3) in [0, 1]: centre square, antialiased; grey repeated, alpha over white."""
    from PIL import Image, ImageOps

    def fitted(values: FloatArray) -> FloatArray:
        assert how is not None  # there is a scale where there is a deep picture
        grey = Image.fromarray(how.unit(values))
        small = np.asarray(ImageOps.fit(grey, (size, size), Image.Resampling.LANCZOS), np.float32)
        return np.repeat(np.clip(small, 0, 1)[..., None], 3, axis=2)

    def read(f: Any) -> FloatArray:
        if page.page:
            f.seek(page.page)
        f.load()
        if _deep(f):
            return fitted(_values(f))
        picture: Any = ImageOps.exif_transpose(f)
        if picture.has_transparency_data:
            picture = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
        picture = ImageOps.fit(picture.convert("RGB"), (size, size), Image.Resampling.LANCZOS)
        return np.asarray(picture, np.float32) / 255

    if page.data is None and _is_dicom(page.path):
        from ihaudit.images.dicom import values

        return fitted(values(page.path))
    result: FloatArray = _opened(page, read)
    return result

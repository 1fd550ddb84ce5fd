"""Folders of image files: one class for each subfolder, one scale for all."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
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
UNREAD |= {".nii", ".gz", ".mha", ".nrrd"}
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
class _Page:
    """One picture: a file, and which of its pages."""

    path: Path
    page: int


def folder(path: Path, size: int, bits: int | None) -> Source:
    """Files in subfolders (one class each, by name), or all in the folder itself (no labels).

    Args:
        path: of the folder.
        size: edge in pixels that pictures are brought to.
        bits: of deep pictures, as stated; None where they are read off the set.
    """
    classes = sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    groups = [(i, _files(p, deep=True)) for i, p in enumerate(classes)]
    groups = [(i, files) for i, files in groups if files]
    loose = _files(path, deep=False)
    if groups and loose:
        raise ImageError(f"{path} holds images both in subfolders and beside them; put every image into a class folder")
    found = [(f, i) for i, files in groups for f in files] if groups else [(f, 0) for f in loose]
    if not found:
        raise ImageError(f"{path} holds no image files ({', '.join(sorted(SUFFIXES | DICOM))}){_instead(path)}")
    if len(found) > MAX_IMAGES:
        raise ImageError(f"{path} holds {len(found):,} images; give at most {MAX_IMAGES:,}")
    check_room((len(found), size, size, 3), f"{path} at --size {size}")
    notes = _left_out(path)
    pages, kinds, extents, animated = [], [], [], 0
    for file, kind in found:
        count, extent, moving = _looked_at(file)
        animated += moving
        pages += [_Page(file, i) for i in range(count)]
        kinds += [kind] * count
        extents += [extent] if extent is not None else []
    if len(pages) > len(found):
        notes.append(f"{len(found)} files hold {len(pages)} pages; each was read as an image of its file's class")
    if animated:
        notes.append(f"of {animated} animated pictures the first frame was read")
    how: Scale | None = None
    if extents:
        how = scale(Extent.all(extents), bits, str(path))
        notes += [how.words] if how.words else []
        if len(extents) < len(found):
            notes.append(f"{len(found) - len(extents)} of {len(found)} files have 8 bits and were read as such")
    images = np.stack([_read(p, size, how) for p in pages])
    return Source(images, np.array(kinds, np.int64) if groups else None, tuple(notes))


def _files(path: Path, *, deep: bool) -> list[Path]:
    each = path.rglob("*") if deep else path.iterdir()
    known = SUFFIXES | DICOM
    return sorted(p for p in each if p.is_file() and p.suffix.lower() in known and not p.name.startswith("."))


def _left_out(path: Path) -> list[str]:
    """What lies in the folder and is not read."""
    kinds = Counter(
        p.suffix.lower() for p in path.rglob("*") if p.suffix.lower() in UNREAD and not p.name.startswith(".")
    )
    return [f"{n} {kind} files were not read; convert them to PNG to include them" for kind, n in sorted(kinds.items())]


def _instead(path: Path) -> str:
    """A remedy where a folder holds something else."""
    unread = _left_out(path)
    if unread:
        return f"; {unread[0]}"
    there = sorted({p.suffix.lower() for p in path.rglob("*") if p.is_file()})[:5]
    return f"; it holds {', '.join(t or 'files without a suffix' for t in there)}" if there else "; it is empty"


def _looked_at(path: Path) -> tuple[int, Extent | None, bool]:
    """Pages of a file, what its values reach where it holds more than 8 bits, and whether it is animated."""

    def look(picture: Any) -> tuple[int, Extent | None, bool]:
        frames = int(getattr(picture, "n_frames", 1))
        pages = frames if picture.format == "TIFF" else 1
        parts = []
        for i in range(pages):
            if pages > 1:
                picture.seek(i)
            if _deep(picture):
                parts.append(Extent.of(_values(picture), path.name))
        return pages, Extent.all(parts) if parts else None, frames > 1 and pages == 1

    if path.suffix.lower() in DICOM:
        from ihaudit.images.dicom import values

        return 1, Extent.of(values(path), path.name), False
    found: tuple[int, Extent | None, bool] = _opened(path, look)
    return found


def _opened(path: Path, work: Callable[[Any], Any]) -> Any:
    from PIL import Image

    try:
        with warnings.catch_warnings(), Image.open(path) as f:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # twice as many pixels are an error
            return work(f)
    except Exception as e:  # PIL raises many kinds for damaged files
        raise ImageError(f"the image file {path} cannot be read ({e}); remove or replace it") from None


def _deep(picture: Any) -> bool:
    """16-bit, 32-bit and float greys, which PIL would clip at 255."""
    return str(picture.mode).startswith(("I", "F"))


def _values(picture: Any) -> FloatArray:
    """Values of a grey picture of more than 8 bits, turned as the camera was held."""
    from PIL import ImageOps

    values = np.asarray(ImageOps.exif_transpose(picture))
    return values.astype(np.int64) if values.dtype.kind in "iu" else values.astype(np.float32)


def _read(page: _Page, size: int, how: Scale | None) -> FloatArray:
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

    if page.path.suffix.lower() in DICOM:
        from ihaudit.images.dicom import values

        return fitted(values(page.path))
    result: FloatArray = _opened(page.path, read)
    return result

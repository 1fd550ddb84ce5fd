"""Folders of image files: one class for each subfolder, one scale for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ihaudit.errors import ImageError
from ihaudit.images.depth import Extent, Scale, scale
from ihaudit.images.npz import check_room
from ihaudit.images.pictures import DICOM, MIN_SIDE, Look, Picture, is_dicom, look, read
from ihaudit.release import FloatArray, IntArray

SUFFIXES = {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".gif", ".webp", ".tif", ".tiff"}
SUFFIXES |= {".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".tga"}
#: Pictures that are not read, and are not passed over without a word.
UNREAD = {".heic", ".heif", ".jxl", ".jp2", ".j2k", ".svg", ".psd", ".raw", ".nef", ".cr2", ".dng", ".exr", ".hdr"}
UNREAD |= {".nii", ".nii.gz", ".mha", ".nrrd", ".mp4", ".avi", ".pcx", ".ico", ".pfm", ".svs", ".ndpi", ".czi", ".eps"}
#: What holds images that are read once they are unpacked, and arrays that are read by themselves.
PACKED = {".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z"}
ARRAYS = {".npz", ".npy"}
#: Tables that may hold the classes of pictures; they are not read.
TABLES = {".csv", ".tsv", ".json", ".jsonl", ".xml", ".xlsx"}
_WAYS = {
    **dict.fromkeys(UNREAD, "convert them to PNG to include them"),
    **dict.fromkeys(PACKED, "unpack them"),
    **dict.fromkeys(ARRAYS, "name such a file itself to read it"),
}
#: Names of the parts that sets come in; their subfolders are the classes, not they.
SPLITS = {"train", "training", "val", "valid", "validation", "dev", "eval", "test", "testing"}
#: Names of folders that hold the pictures, and of those that hold what was drawn over them.
_PICTURES = {"image", "images", "img", "imgs"}
_DRAWN = {"mask", "masks", "label", "labels", "annotation", "annotations", "segmentation", "segmentations", "gt"}
MAX_IMAGES = 200_000


@dataclass(frozen=True, eq=False)
class Source:
    """What was read.

    Attributes:
        images: float32 (N, H, W, C) in [0, 1].
        labels: int64 (N,), or None.
        notes: what was assumed or left out, one sentence each.
        scale: of images of more than 8 bits, where black and white lay; None for others.
    """

    images: FloatArray
    labels: IntArray | None
    notes: tuple[str, ...] = ()
    scale: Scale | None = None


def folder(path: Path, size: int, bits: int | None) -> Source:
    """Files in subfolders (one class each, by name), or all in the folder itself (no labels).

    Args:
        path: of the folder.
        size: edge in pixels that pictures are brought to.
        bits: of deep pictures, as stated; None where they are read off the set.
    """
    classes = sorted(p for p in path.iterdir() if p.is_dir() and not _hidden(p, path))
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
    images, each, notes, how = read_all([Picture(f) for f, _ in found], size, bits, str(path))
    kinds = np.repeat(np.array([kind for _, kind in found], np.int64), each)
    return Source(images, kinds if groups else None, (*_left_out(path, labelled=bool(groups)), *notes), how)


def _check_levels(path: Path, groups: list[tuple[Path, list[Path]]]) -> None:
    """Refuse a folder whose classes lie one level further down, which would be taken for one class, or for two, and
    one whose folders are no classes at all: parts of a set, or pictures and what was drawn over them."""
    names = {p.name.lower() for p, _ in groups}
    said = ", ".join(p.name for p, _ in groups)
    deeper = [(p, {f.relative_to(p).parts[0] for f in files}) for p, files in groups]
    inner = max(deeper, key=lambda d: (len(d[1]), d[0].name), default=None)
    if names & _PICTURES and names & _DRAWN and names <= _PICTURES | _DRAWN:
        pictures = next(p for p, _ in groups if p.name.lower() in _PICTURES)
        raise ImageError(f"{path} holds {said}, which are no classes; name the folder of the pictures: {pictures}")
    split = len(names) > 1 and names <= SPLITS
    if all(len(f.relative_to(p).parts) > 1 for p, files in groups for f in files):
        if inner is not None and len(inner[1]) > 1 and (len(groups) == 1 or split):
            raise ImageError(
                f"{path} holds no classes itself, but {said}; name the folder whose subfolders they are: {inner[0]}"
            )
    elif split:
        raise ImageError(f"{path} holds {said}, parts of a set and no classes; name one of them: {groups[0][0]}")


def read_all(
    pictures: Sequence[Picture], size: int, bits: int | None, name: str
) -> tuple[FloatArray, list[int], list[str], Scale | None]:
    """Every page of some pictures, on one scale.

    Args:
        pictures: their first pages.
        size: edge in pixels that they are brought to.
        bits: of deep pictures, as stated; None where they are read off the set.
        name: of the set, for errors.

    Returns:
        float32 (pages, size, size, 3) in [0, 1]; how many pages each picture has; what was assumed, in sentences; the
        scale of pictures of more than 8 bits.
    """
    looks = [look(p) for p in pictures]
    each = [len(seen.pages) for seen in looks]
    pages = [replace(p, page=i) for p, seen in zip(pictures, looks, strict=True) for i in seen.pages]
    notes = _shapes(pictures, looks, size)
    if len(pages) > len(pictures):
        notes.append(f"{len(pictures)} files hold {len(pages)} pages; each was read as an image of its file's class")
    animated = sum(seen.animated for seen in looks)
    if animated:
        notes.append(f"of {animated} animated pictures the first frame was read")
    notes += _deep_colours(looks, name)
    how: Scale | None = None
    extents = [seen.extent for seen in looks if seen.extent is not None]
    if extents:
        how = scale(Extent.all(extents), bits, name)
        notes += [how.words] if how.words else []
        if len(extents) < len(pictures):
            notes.append(f"{len(pictures) - len(extents)} of {len(pictures)} files have 8 bits and were read as such")
    elif bits is not None:
        notes.append(f"--bits {bits} was not used: no grey picture holds more than 8 bits")
    check_room((len(pages), size, size, 3), f"{name} at --size {size}")
    return np.stack([read(p, size, how) for p in pages]), each, notes, how


def _shapes(pictures: Sequence[Picture], looks: list[Look], size: int) -> list[str]:
    """What is said of pictures that are enlarged, or of which less than half is read.

    Raises:
        ImageError: one is too small to be judged.
    """
    for picture, seen in zip(pictures, looks, strict=True):
        if min(seen.size) < MIN_SIDE:
            w, h = seen.size
            raise ImageError(
                f"{picture.path} holds a picture of {h} x {w} pixels, and SSIM needs at least {MIN_SIDE} x {MIN_SIDE}; "
                "remove it, or give larger ones"
            )
    notes = []
    strips = sum(max(seen.size) > 2 * min(seen.size) for seen in looks)
    if strips:
        notes.append(f"of {strips} pictures more than twice as long as wide only the middle square was read")
    small = sum(min(seen.size) < size for seen in looks)
    if small:
        least = min(min(seen.size) for seen in looks)
        notes.append(f"{small} pictures were enlarged to {size} x {size} pixels (--size {least} keeps the smallest)")
    return notes


def _deep_colours(looks: list[Look], name: str) -> list[str]:
    """What is said of 16-bit colours, of which the 8 highest bits are read.

    Raises:
        ImageError: fewer bits than 16 are used, so that these would be nearly black.
    """
    high = [seen.high_byte for seen in looks if seen.high_byte is not None]
    if not high:
        return []
    used = 8 + max(high).bit_length()
    if used < 16:
        raise ImageError(
            f"{name} holds {len(high)} pictures in 16-bit colours (or 16-bit grey with transparency) of which only "
            f"{used} bits are used; divide all values by {2 ** (used - 8)} and save them as 8-bit PNG"
        )
    return [f"of {len(high)} pictures in 16-bit colours the 8 highest bits were read"]


def _files(path: Path, *, deep: bool) -> list[Path]:
    each = path.rglob("*") if deep else path.iterdir()
    return sorted(p for p in each if not _hidden(p, path) and p.is_file() and _known(p))


def _hidden(path: Path, top: Path) -> bool:
    """Whether a file, or a folder that it lies in, is hidden or made by an archiver; notebooks keep copies in such."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.relative_to(top).parts)


def _known(path: Path) -> bool:
    """Whether a file is one of images, by its suffix or by its first bytes."""
    return path.suffix.lower() in SUFFIXES or is_dicom(path)


def _left_out(path: Path, *, labelled: bool = True) -> list[str]:
    """What lies in the folder and is not read."""
    there = [p for p in path.rglob("*") if not _hidden(p, path)]
    kinds = Counter(_kind(p) for p in there if _kind(p) in _WAYS)
    notes = [f"{n} {kind} files were not read; {_WAYS[kind]}" for kind, n in sorted(kinds.items())]
    tables = [p for p in there if p.suffix.lower() in TABLES]
    if tables and not labelled:
        notes.append(
            f"{tables[0].name} was not read, and images are dealt into pseudo-classes; put those of each class into a "
            "subfolder to state classes"
        )
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
    files = sorted(p for p in path.rglob("*") if p.is_file() and not _hidden(p, path))
    arrays = [p for p in files if p.suffix.lower() in ARRAYS]
    if arrays:
        return f"; name the file of arrays itself: {arrays[0]}"
    unread = _left_out(path)
    if unread:
        return f"; {unread[0]}"
    there = sorted({p.suffix.lower() for p in files})[:5]
    held = f"; it holds {', '.join(t or 'files without a suffix' for t in there)}" if there else "; it is empty"
    return f"{held}: save their images with numpy.savez('images.npz', images=..., labels=...)" if there else held

"""One picture of a file: its values as they were meant, or a sentence on why they cannot be read.

Pillow reads what most files hold, and takes some for others without a word: 16-bit colours by their high byte (by
every second byte where the colours lie apart), signed bytes and unsigned 32-bit numbers as their counterparts, 16-bit
greys whose zero is white as they are.  These are told by the file's own header.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ihaudit.errors import ImageError
from ihaudit.images.depth import Extent, Scale
from ihaudit.release import FloatArray

DICOM = {".dcm", ".dicom", ".ima"}
#: Formats whose readers run in this process: PostScript under the name of a picture would be run by another program.
_FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000", "TGA")
#: Tags of TIFF: bits of a sample, what zero means, samples of a pixel, colours apart or together, kind of numbers.
_BITS, _ZERO, _SAMPLES, _APART, _KIND = 258, 262, 277, 284, 339
#: Tag of TIFF: bits of what a page is to the others; 1 stands for a smaller copy, 4 for a mask.
_ROLE, _NOT_A_PICTURE = 254, 1 | 4
#: Smaller pictures hold nothing that SSIM could judge.
MIN_SIDE = 8


@dataclass(frozen=True)
class Picture:
    """One picture to be read: a file, which of its pages, and its bytes where it lies in a larger file.

    Attributes:
        path: of the file.
        page: which of its pages, from 0.
        data: its bytes, where it is a part of the file.
        row: of a table, where it is a part of one.
    """

    path: Path
    page: int = 0
    data: bytes | None = field(default=None, repr=False)
    row: int = 0


@dataclass(frozen=True)
class Look:
    """What was seen of a file before its pictures are read.

    Attributes:
        pages: which there are; smaller copies of others, and masks, are none.
        extent: what values of more than 8 bits (or signed ones) reach; None where there are none.
        animated: whether further frames are left out.
        high_byte: the largest high byte of 16-bit colours; None where there are none.
        size: width and height of the first page, in pixels.
    """

    pages: tuple[int, ...]
    extent: Extent | None
    animated: bool
    high_byte: int | None
    size: tuple[int, int]


def look(picture: Picture) -> Look:
    """Look at every page of a file.

    Raises:
        ImageError: it cannot be read, or holds numbers of a kind that is not read.
    """

    def seen(f: Any) -> Look:
        frames = int(getattr(f, "n_frames", 1))
        several = f.format == "TIFF" and frames > 1
        pages, parts, high = [], [], None
        size = (int(f.size[0]), int(f.size[1]))
        for i in range(frames if several else 1):
            if several:
                f.seek(i)
                if _tag(f, _ROLE, 0) & _NOT_A_PICTURE:
                    continue
            pages.append(i)
            if _deep(f):
                parts.append(Extent.of(_values(f), picture.path.name))
            elif _deep_colours(f):
                high = max(high or 0, int(np.asarray(f.convert("RGB")).max()))
        if not pages:
            raise ValueError("it holds smaller copies and masks only")
        return Look(tuple(pages), Extent.all(parts) if parts else None, frames > 1 and not several, high, size)

    if picture.data is None and is_dicom(picture.path):
        from ihaudit.images.dicom import values

        found = values(picture.path)
        return Look((0,), Extent.of(found, picture.path.name), False, None, (found.shape[1], found.shape[0]))
    result: Look = _opened(picture, seen)
    return result


def read(page: Picture, size: int, how: Scale | None) -> FloatArray:
    """One picture as float32 (size, size, 3) in [0, 1]: centre square, antialiased; grey repeated, alpha over white.

    Args:
        page: which.
        size: edge in pixels.
        how: the scale of pictures of more than 8 bits; None where there are none.
    """
    from PIL import Image, ImageOps

    def fitted(values: FloatArray, *, negative: bool) -> FloatArray:
        assert how is not None  # there is a scale where there is a deep picture
        unit = how.unit(values)
        grey = Image.fromarray(1 - unit if negative else unit)
        small = np.asarray(ImageOps.fit(grey, (size, size), Image.Resampling.LANCZOS), np.float32)
        return np.repeat(np.clip(small, 0, 1)[..., None], 3, axis=2)

    def taken(f: Any) -> FloatArray:
        if page.page:
            f.seek(page.page)
        f.load()
        if _deep(f):
            return fitted(_values(f), negative=_tag(f, _ZERO, 1) == 0)
        picture: Any = ImageOps.exif_transpose(f)
        if picture.has_transparency_data:
            picture = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
        picture = ImageOps.fit(picture.convert("RGB"), (size, size), Image.Resampling.LANCZOS)
        return np.asarray(picture, np.float32) / 255

    if page.data is None and is_dicom(page.path):
        from ihaudit.images.dicom import values

        return fitted(values(page.path), negative=False)
    result: FloatArray = _opened(page, taken)
    return result


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM by its suffix, or by its first bytes: on disks of clinics the suffix is a part of a
    number (``1.2.840.113619.2.5``), or there is none."""
    if path.suffix.lower() in DICOM:
        return True
    if path.name.upper() == "DICOMDIR":  # an index of the others
        return False
    with path.open("rb") as f:
        return f.read(132)[128:] == b"DICM"


def damage(path: Path, error: Exception) -> str:
    """Why a file cannot be read: that it was never fetched, or what its reader said."""
    from PIL import UnidentifiedImageError

    with contextlib.suppress(OSError), path.open("rb") as f:
        if f.read(40).startswith(b"version https://git-lfs.github.com"):
            return "it is a pointer of Git LFS to the file, which 'git lfs pull' fetches"
    if isinstance(error, UnidentifiedImageError):
        return "it is damaged, or of a kind that is not read"
    return str(error) or type(error).__name__


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what readers say of damaged tags, and of large pictures (of twice as many pixels they raise an error)."""
    log = logging.getLogger("PIL")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _opened(picture: Picture, work: Callable[[Any], Any]) -> Any:
    from PIL import Image

    try:
        with quiet():
            source = picture.path if picture.data is None else io.BytesIO(picture.data)
            Image.init()  # so that it knows which formats this build of it reads
            with Image.open(source, formats=[f for f in _FORMATS if f in Image.OPEN]) as f:
                return work(f)
    except Exception as e:  # PIL raises many kinds for damaged files
        held = "the image file" if picture.data is None else f"the picture in row {picture.row} of"
        raise ImageError(
            f"{held} {picture.path} cannot be read ({damage(picture.path, e)}); remove it, or save it as PNG"
        ) from None


def _tag(picture: Any, tag: int, otherwise: int) -> int:
    """A tag of a TIFF page, the first of its numbers; `otherwise` where there is none, or for other formats."""
    if picture.format != "TIFF":
        return otherwise
    found = picture.tag_v2.get(tag)
    first = found[0] if isinstance(found, tuple) else found
    return int(first) if isinstance(first, int) else otherwise


def _deep(picture: Any) -> bool:
    """Greys whose values Pillow would clip at 255 or misread: 16-bit, 32-bit, float and signed ones."""
    mode = str(picture.mode)
    return mode.startswith(("I", "F")) or (mode == "L" and _tag(picture, _KIND, 1) == 2)


def _deep_colours(picture: Any) -> bool:
    """Whether Pillow reads colours (or a grey with transparency) of 16 bits, by their high byte.

    Raises:
        ValueError: colours of a kind that it misreads.
    """
    if picture.format == "TIFF" and _tag(picture, _SAMPLES, 1) > 1:
        bits, kind = _tag(picture, _BITS, 1), _tag(picture, _KIND, 1)
        if kind != 1 or (bits > 8 and _tag(picture, _APART, 1) != 1):
            what = {2: "signed ", 3: "float "}.get(kind, "")
            raise ValueError(f"its colours are {what}numbers of {bits} bits, which are not read")
        return bits > 8
    mode = picture.tile[0][3] if picture.format == "PNG" and picture.tile else ""
    return ";16" in (mode if isinstance(mode, str) else "")


def _values(picture: Any) -> FloatArray:
    """Values of a grey picture of more than 8 bits, turned as the camera was held."""
    from PIL import ImageOps

    values = np.asarray(ImageOps.exif_transpose(picture))
    if values.dtype.kind not in "iu":
        return values.astype(np.float32)
    kind = _tag(picture, _KIND, 1)
    if values.dtype == np.uint8 and kind == 2:
        values = values.view(np.int8)
    elif values.dtype == np.int32 and kind == 1 and _tag(picture, _BITS, 16) == 32:
        values = values.view(np.uint32)
    return values.astype(np.int64)

"""Image sets of the Hugging Face hub: parquet files with a column of encoded pictures, through pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ihaudit.errors import ImageError
from ihaudit.images.files import MAX_IMAGES, SUFFIXES, Source, read_all
from ihaudit.images.npz import check_room
from ihaudit.images.pictures import Picture, damage
from ihaudit.release import IntArray

_IMAGES = ("image", "img", "pixel_values", "jpg", "png")
_LABELS = ("label", "fine_label", "labels", "class", "cls", "target", "y")


def parquet(paths: list[Path], size: int, bits: int | None) -> Source:
    """Pictures and labels of parquet files, in their order.

    Args:
        paths: files of one set.
        size: edge in pixels that pictures are brought to.
        bits: of deep pictures, as stated; None where they are read off the set.

    Raises:
        ImageError: pyarrow is missing, or a file holds no column of pictures.
    """
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise ImageError(
            f"{paths[0].name} is a parquet file; reading it needs pyarrow: install ihaudit[parquet], or save the "
            "images with numpy.savez(images=...)"
        ) from None
    pictures: list[Picture] = []
    labels: list[Any] = []
    unlabelled: list[str] = []
    others: dict[str, None] = {}
    for path in paths:
        try:
            schema = pq.read_schema(path)
            picture = next((n for n in _IMAGES if n in schema.names), None)
            kind = next((n for n in _LABELS if n in schema.names), None)
            if picture is None:
                raise ImageError(
                    f"{path.name} has the columns {', '.join(schema.names[:10])}, and none of {', '.join(_IMAGES)}; "
                    "rename the column of pictures"
                )
            others |= dict.fromkeys(n for n in schema.names if n not in (picture, kind))
            rows = pq.read_metadata(path).num_rows
            if len(pictures) + rows > MAX_IMAGES:
                raise ImageError(f"{path.name} brings the set to more than {MAX_IMAGES:,} images; give fewer")
            check_room((len(pictures) + rows, size, size, 3), f"{path.name} at --size {size}")
            table = pq.read_table(path, columns=[picture] + ([kind] if kind else []))
            pictures += [_picture(cell, path, i) for i, cell in enumerate(table.column(picture).to_pylist())]
            labels += table.column(kind).to_pylist() if kind else []
            unlabelled += [] if kind else [path.name]
        except ImageError:
            raise
        except Exception as e:  # pyarrow raises many kinds for damaged files
            raise ImageError(f"{path} cannot be read as parquet ({damage(path, e)}); download it again") from None
    if not pictures:
        raise ImageError(f"{paths[0].name} holds no images; name a file that does")
    if labels and unlabelled:
        raise ImageError(
            f"{unlabelled[0]} has no column of labels ({', '.join(_LABELS)}), and others have; leave it out"
        )
    missing = sum(label is None for label in labels)
    if missing:
        raise ImageError(f"{missing} of {len(labels)} labels of {paths[0].name} are missing; remove these rows")
    images, each, notes, how = read_all(pictures, size, bits, paths[0].name)
    if others and (not labels or others.keys() & set(_IMAGES + _LABELS)):
        read = "the pictures and their classes" if labels else "the pictures"
        notes.append(f"of {paths[0].name} {read} were read, and not the columns {', '.join(list(others)[:8])}")
    if len(paths) > 1:
        notes.append(f"{len(paths)} parquet files were read as one set: {', '.join(p.name for p in paths[:4])}")
    kinds = np.repeat(_table(labels, paths[0].name), each, axis=0) if labels else None
    return Source(images, kinds, tuple(notes), how)


def _table(labels: list[Any], name: str) -> IntArray:
    """The cells of the column of labels as an array."""
    try:
        return np.asarray(labels)
    except ValueError:  # lists of different lengths
        raise ImageError(
            f"the labels of {name} are lists of different lengths; give one class for each image, the one that tells "
            "the images apart best"
        ) from None


def _picture(cell: Any, path: Path, row: int) -> Picture:
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(data, bytes):
        held = "nothing" if cell is None else "only a path" if isinstance(cell, dict) else f"a {type(cell).__name__}"
        raise ImageError(
            f"row {row} of {path.name} holds {held} in place of a picture's bytes; save the pictures themselves in it, "
            f"or as files ({', '.join(sorted(SUFFIXES)[:4])}, ...) in a folder"
        )
    return Picture(path, data=data, row=row)

"""Image sets of the Hugging Face hub: parquet files with a column of encoded pictures, through pyarrow."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from ihaudit.errors import ImageError
from ihaudit.images.files import MAX_IMAGES, Source
from ihaudit.images.npz import check_room

_IMAGES = ("image", "img", "pixel_values")
_LABELS = ("label", "fine_label", "labels", "class")


def parquet(paths: list[Path], size: int) -> Source:
    """Pictures and labels of parquet files, in their order.

    Args:
        paths: files of one set.
        size: edge in pixels that pictures are brought to.

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
    images: list[np.ndarray] = []
    labels: list[Any] = []
    for path in paths:
        try:
            names = pq.read_schema(path).names
            picture = next((n for n in _IMAGES if n in names), None)
            kind = next((n for n in _LABELS if n in names), None)
            if picture is None:
                raise ImageError(f"{path.name} has the columns {', '.join(names[:10])}, and none of {_IMAGES}")
            table = pq.read_table(path, columns=[picture] + ([kind] if kind else []))
            cells = table.column(picture).to_pylist()
            if len(images) + len(cells) > MAX_IMAGES:
                raise ImageError(f"{path.name} brings the set to more than {MAX_IMAGES:,} images; give fewer")
            check_room((len(cells), size, size, 3), f"{path.name} at --size {size}")
            images += [_picture(c, size) for c in cells]
            labels += table.column(kind).to_pylist() if kind else []
        except ImageError:
            raise
        except Exception as e:  # pyarrow and PIL raise many kinds for damaged files
            raise ImageError(f"{path} cannot be read as parquet ({e}); download it again") from None
    if not images:
        raise ImageError(f"{paths[0].name} holds no images")
    return Source(np.stack(images), np.asarray(labels) if len(labels) == len(images) else None)


def _picture(cell: Any, size: int) -> np.ndarray:
    from PIL import Image, ImageOps

    data = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(data, bytes):
        raise ValueError("a picture is not stored in the file itself, only its path is")
    with Image.open(io.BytesIO(data)) as f:
        fitted = ImageOps.fit(f.convert("RGB"), (size, size), Image.Resampling.LANCZOS)
    return np.asarray(fitted, np.float32) / 255

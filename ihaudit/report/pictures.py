"""Pictures: how arrays become PNG, and the tables in which they stand."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.format import Source

#: Pictures are enlarged to about this many pixels without smoothing, so that 32 x 32 stays 32 x 32 squares on paper.
TARGET = 96
#: Images with a longer side are left out of the sheet of all ranks.
MAX_SIDE = 64


@dataclass(frozen=True)
class Row:
    """One private image: what it is an example of, its pictures by column, and its score."""

    which: str
    index: int
    label: str
    score: str
    stricter: str
    pictures: list[str]
    note: str = ""


@dataclass(frozen=True)
class Gallery:
    """A gallery of one attack."""

    title: str
    attack: str
    columns: list[str]
    rows: list[Row]
    overview: str = ""
    overview_count: int = 0


def is_image(a: NDArray[Any] | None) -> bool:
    """Whether `a` holds a batch of grey or colour images, shape (N, H, W, 1 | 3 | 4) or (N, H, W)."""
    if a is None or a.ndim not in (3, 4) or min(a.shape) == 0 or not np.issubdtype(a.dtype, np.number):
        return False
    return (a.ndim == 3 or a.shape[3] in (1, 3, 4)) and min(a.shape[1:3]) >= 2


def to_uint8(image: NDArray[Any]) -> NDArray[np.uint8]:
    """One image (H, W) or (H, W, C), uint8 or float in [0, 1], as uint8 (H, W) or (H, W, 3)."""
    if image.ndim == 3:
        image = image[..., 0] if image.shape[2] == 1 else image[..., :3]
    if image.dtype == np.uint8:
        return image
    return np.round(np.clip(np.nan_to_num(image.astype(np.float64)), 0.0, 1.0) * 255).astype(np.uint8)


def signed(image: NDArray[Any]) -> NDArray[np.uint8]:
    """A signed encoding for display: zero is mid-grey, the 99.5 % quantile of magnitudes is black or white."""
    scale = _scale(image)
    return to_uint8(0.5 + 0.5 * np.asarray(image, np.float64) / scale) if image.dtype != np.uint8 else to_uint8(image)


def magnitude(image: NDArray[Any]) -> NDArray[np.uint8]:
    """The absolute value of an encoding for display: zero is black, the 99.5 % quantile is white."""
    return to_uint8(np.abs(np.asarray(image, np.float64)) / _scale(image))


def _scale(image: NDArray[Any]) -> float:
    finite = np.abs(np.nan_to_num(np.asarray(image, np.float64)))
    return float(np.quantile(finite, 0.995)) or float(finite.max()) or 1.0


def encoding(image: NDArray[Any]) -> NDArray[np.uint8]:
    """An encoding for display; one without negative values keeps its scale from zero to its largest values."""
    return signed(image) if bool(np.any(np.asarray(image) < 0)) else magnitude(image)


def heat(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Values of any shape as a heat map (rows, columns, 3): blue below zero, red above, white at zero.

    A set of tokens (n, d) has a row for each; maps (h, w, c) stand side by side; a vector runs in reading order.
    """
    x = np.nan_to_num(np.asarray(values, np.float64))
    if x.ndim == 3:
        x = _tiled(x)
    elif x.ndim != 2:
        width = max(1, int(np.ceil(np.sqrt(2 * x.size))))
        flat = np.zeros(-(-x.size // width) * width)
        flat[: x.size] = x.ravel()
        x = flat.reshape(-1, width)
    t = np.clip(x / _scale(x), -1, 1)[..., None]
    red, blue = np.array([178, 24, 43.0]), np.array([33, 102, 172.0])
    colours: NDArray[np.uint8] = np.round(255 + np.abs(t) * (np.where(t > 0, red, blue) - 255)).astype(np.uint8)
    return colours


def _tiled(x: NDArray[Any]) -> NDArray[Any]:
    """(h, w, c) as c maps in rows, a line of zeros between them."""
    h, w, c = x.shape
    across = max(1, int(np.ceil(np.sqrt(c * h / w))))
    down = -(-c // across)
    out = np.zeros((down * (h + 1) - 1, across * (w + 1) - 1))
    for k in range(c):
        top, left = (k // across) * (h + 1), (k % across) * (w + 1)
        out[top : top + h, left : left + w] = x[..., k]
    return out


def png(picture: NDArray[np.uint8], target: int = TARGET) -> str:
    """A picture as a PNG data URI, enlarged by a whole factor (or reduced when it is large)."""
    from PIL import Image

    height, width = picture.shape[:2]
    factor = max(1, target // max(height, width))
    if factor > 1:
        picture = picture.repeat(factor, 0).repeat(factor, 1)
    image = Image.fromarray(np.ascontiguousarray(picture))
    if max(height, width) > 2 * target:
        image.thumbnail((2 * target, 2 * target))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def spread(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` of the numbers 0 .. count - 1, evenly spaced, first and last among them."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.int64))


def sheet(columns: Sequence[Sequence[NDArray[Any]]], per_row: int = 12, gap: int = 2) -> str:
    """One picture of many: each column's images (H, W) or (H, W, C) above each other, columns in rows of `per_row`.

    Empty where images are larger than `MAX_SIDE` or not of one size.
    """
    sizes = {image.shape[:2] for column in columns for image in column}
    if len(sizes) != 1 or max(max(s) for s in sizes) > MAX_SIDE:
        return ""
    [(height, width)] = sizes
    per_row, deep = min(per_row, len(columns)), len(columns[0])
    # Columns of several images stand a little further apart than the images in them.
    step = deep * height + (gap if deep == 1 else 3 * gap)
    rows = -(-len(columns) // per_row)
    out = np.full((rows * step - (step - deep * height), per_row * (width + gap) - gap, 3), 255, np.uint8)
    for k, column in enumerate(columns):
        top, left = (k // per_row) * step, (k % per_row) * (width + gap)
        for j, image in enumerate(column):
            tile = to_uint8(image)
            tile = tile[..., None] if tile.ndim == 2 else tile
            out[top + j * height : top + (j + 1) * height, left : left + width] = tile
    return png(out, target=2 * max(out.shape[:2]))


def private_images(source: Source) -> NDArray[Any] | None:
    """The private images (N, H, W, C), or None where they are not there or may not be shown."""
    found = source.array("private", "images")
    return found if found is not None else source.array("truth", "images")

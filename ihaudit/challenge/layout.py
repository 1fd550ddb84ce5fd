"""How images lie in an array: channels last or first, without a channel axis, or flat; and back again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.errors import ImageError

Shape = tuple[int, int, int]
#: Channels at most: an axis no longer than this may be the channels.
CHANNELS = 4
#: Pixels along an edge at least: SSIM's windows and the attacks' statistics need them.
EDGE = 8
#: Correlation of values with those beside and below them from which rows are pictures; noise stays within 0.01 of 0.
PICTURE = 0.05


@dataclass(frozen=True)
class Layout:
    """Where height, width and channels are in each row of an array.

    Attributes:
        shape: (H, W, C).
        row: the shape of one row as stored, e.g. (3072,), (3, 32, 32), (28, 28).
        first: channels come before height and width.
    """

    shape: Shape
    row: tuple[int, ...]
    first: bool = False

    @property
    def name(self) -> str:
        """As a person would write it, e.g. ``N x 3 x 32 x 32``."""
        order = " (channels first)" if self.first and len(self.row) == 1 else ""
        return " x ".join(["N", *map(str, self.row)]) + order

    def view(self, array: NDArray[Any]) -> NDArray[Any]:
        """(E, *row) -> (E, H, W, C) without copying where the memory allows it."""
        h, w, c = self.shape
        if self.first:
            return array.reshape(len(array), c, h, w).transpose(0, 2, 3, 1)
        return array.reshape(len(array), h, w, c)

    def restore(self, images: NDArray[Any]) -> NDArray[Any]:
        """(E, H, W, C) -> (E, *row): the inverse of `view`."""
        if self.first:
            images = images.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(images).reshape(len(images), *self.row)


def detect(array: NDArray[Any], shape: Shape | None = None, *, name: str = "the array") -> Layout:
    """The layout of (E, H, W, C), (E, C, H, W), (E, H, W) or flat (E, H * W * C) images.

    Args:
        array: of E rows; only flat colour rows are looked into, to tell H*W*C from C*H*W (see `channels_first`).
        shape: (H, W, C) where it is known; needed where the array's own shape leaves several readings.
        name: of the array, for errors.

    Raises:
        ImageError: no reading, or more than one.
    """
    row = tuple(int(n) for n in array.shape[1:])
    found = _given(array, row, shape, name) if shape is not None else _guessed(array, row, name)
    if min(found.shape[:2]) < EDGE:
        h, w, _ = found.shape
        raise ImageError(f"{name} holds images of {h} x {w} pixels; at least {EDGE} x {EDGE} are needed{_hint(shape)}")
    return found


def _given(array: NDArray[Any], row: tuple[int, ...], shape: Shape, name: str) -> Layout:
    h, w, c = shape
    if row == shape:
        return Layout(shape, row)
    if row == (c, h, w):
        return Layout(shape, row, first=True)
    if int(np.prod(row)) != h * w * c or (len(row) > 1 and row != (h, w)):
        raise ImageError(f"{name} has rows of shape {_times(row)}, which are not images of {_times(shape)} (--shape)")
    return Layout(shape, row, first=len(row) == 1 and channels_first(array, shape))


def _guessed(array: NDArray[Any], row: tuple[int, ...], name: str) -> Layout:
    if len(row) == 3:
        last, first = row[2] <= CHANNELS, row[0] <= CHANNELS
        if last and not first:
            return Layout((row[0], row[1], row[2]), row)
        if first and not last:
            return Layout((row[1], row[2], row[0]), row, first=True)
    elif len(row) == 2 and min(row) > CHANNELS:
        return Layout((row[0], row[1], 1), row)
    elif len(row) == 1:
        # 3 a^2 = b^2 has no whole solution, so at most one of the two fits
        for channels in (3, 1):
            edge = round((row[0] / channels) ** 0.5)
            if edge * edge * channels == row[0] and edge:
                shape = (edge, edge, channels)
                return Layout(shape, row, first=channels_first(array, shape))
    if len(row) == 4:
        raise ImageError(
            f"{name} has shape {_times(tuple(array.shape))}, with two axes before the images; join them first: "
            "numpy.save(..., x.reshape(-1, *x.shape[2:]))"
        )
    raise ImageError(
        f"{name} has rows of shape {_times(row) or 'a single number'}, which can be read as images in no single way; "
        "say height, width and channels with --shape H W C"
    )


def channels_first(array: NDArray[Any], shape: Shape, *, sample: int = 256) -> bool:
    """Whether flat colour rows hold C x H x W rather than H x W x C.

    In any picture (or its magnitude, where a sign mask hides it) a value resembles the one a row of pixels below: W * C
    places on in one layout, W in the other.
    """
    h, w, c = shape
    if c == 1:
        return False
    step = max(1, len(array) // sample)
    rows = np.asarray(array[::step][:sample], np.float64).reshape(-1, h * w * c)
    best = [max(_resemblance(x, lag) for x in (rows, np.abs(rows))) for lag in (w * c, w)]
    return best[1] > best[0] + 0.01


def pictures(array: NDArray[Any], layout: Layout, *, sample: int = 256) -> bool:
    """Whether rows read as images vary as pictures do, or their magnitudes do: values resemble the ones beside them."""
    step = max(1, len(array) // sample)
    x = np.asarray(layout.view(array[::step][:sample]), np.float64)
    x = x.transpose(0, 3, 1, 2).reshape(len(x) * layout.shape[2], -1)
    lags = (1, layout.shape[1])
    return max(min(_resemblance(v, lag) for lag in lags) for v in (x, np.abs(x))) > PICTURE


def _resemblance(rows: NDArray[np.float64], lag: int) -> float:
    x = rows - rows.mean()
    return float((x[:, lag:] * x[:, :-lag]).mean() / max(float((x**2).mean()), 1e-12))


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _hint(shape: Shape | None) -> str:
    return "" if shape is not None else "; if that is a misreading, say height, width and channels with --shape H W C"


def as_images(array: NDArray[Any], like: tuple[int, ...] | None = None) -> NDArray[np.float32]:
    """float32 (E, H, W, C) from any layout that `detect` reads.

    Args:
        array: any numeric array.
        like: (H, W, C) where it is known.

    Raises:
        ImageError: another layout.
    """
    layout = detect(array, None if like is None else (like[0], like[1], like[2]))
    return np.asarray(layout.view(array), np.float32)

"""Images (N, H, W, C) in [0, 1] and rows (N, C*H*W) in mixing units."""

from __future__ import annotations

import mmap

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.scratch import empty, hand_back_pages

Shape = tuple[int, int, int]


def to_rows(
    x: NDArray[np.floating], device: str, *, absolute: bool = False, kind: torch.dtype = torch.float32
) -> Tensor:
    """(E, C*H*W) of a `kind` on the device from (E, H, W, C), non-finite values as zero."""
    e, h, w, c = x.shape
    out = empty((e, c * h * w), kind, device)
    for i in range(0, e, 1024):
        block = np.nan_to_num(np.asarray(x[i : i + 1024], dtype=np.float32))
        if absolute:
            block = np.abs(block)
        _drop(x)
        out[i : i + 1024] = torch.from_numpy(np.ascontiguousarray(block.transpose(0, 3, 1, 2)).reshape(len(block), -1))
        hand_back_pages()
    return out


def _drop(x: NDArray[np.floating]) -> None:
    """Hands back the pages of a file that `x` is mapped from: they are read once, yet count as memory in use."""
    owner: object = x
    unchanged = False  # of any other mapping what was written would be lost
    while isinstance(owner, np.ndarray):
        unchanged |= isinstance(owner, np.memmap) and owner.mode == "r"
        owner = owner.base
    if unchanged and isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)


def to_arrays(rows: Tensor, shape: Shape) -> NDArray[np.float32]:
    """float32 (R, H, W, C) from (R, C*H*W), in the same units."""
    return rows.view(-1, *shape).permute(0, 2, 3, 1).contiguous().cpu().numpy().astype(np.float32)


def to_pictures(rows: Tensor, shape: Shape, image_range: tuple[float, float]) -> NDArray[np.float32]:
    """float32 (R, H, W, C) in [0, 1] from (R, C*H*W) in mixing units."""
    low, high = image_range
    return to_arrays(((rows - low) / max(high - low, 1e-9)).clamp(0, 1), shape)

"""One fixed linear map over the images of a call: transforms along the axis of images, sums and differences of rows.

Every pixel is mixed with the same pixel of the other images, by the same numbers at every pixel and in every call of as
many images.  Calls of known images then state, for each image, one equation per pixel in as many unknowns as the call
has rows: far more equations than unknowns, so that noise is not taken for such a map.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.released.fields import Array
from ihaudit.metrics.ssim import ssim

#: Equations at least for each unknown; rows of a call at most.
EQUATIONS, MAX_ROWS = 3, 4000
#: Images of values at most that a row holds, as the real and imaginary parts of a transform.
MOST = 4
#: Strength of the ridge, as a share of the mean eigenvalue.
STRENGTH = 1e-9


@dataclass(frozen=True, eq=False)
class RowsInverse:
    """The images of a call from its rows.

    Attributes:
        shape: (H, W, C) of images.
        layout: how a row's values are dealt out to pixels, of `_layouts`.
        weights: float64 (rows, n), by which rows make images.
        constant: float64 (n,), what is added to each image.
    """

    shape: tuple[int, ...]
    layout: int
    weights: NDArray[np.float64]
    constant: NDArray[np.float64]

    def __call__(self, rows: Array) -> NDArray[np.float32] | None:
        """float32 (n, H, W, C), clipped to [0, 1], from the rows of a call; None where these are of another number."""
        laid = list(_layouts(rows, self.shape))
        if self.layout >= len(laid) or len(laid[self.layout]) != len(self.weights):
            return None
        made = self.weights.T @ laid[self.layout] + self.constant[:, None]
        out: NDArray[np.float32] = np.clip(made, 0, 1).astype(np.float32)
        return out.reshape(-1, *self.shape)


def calls_needed(rows: Array, shape: tuple[int, ...]) -> int:
    """Calls that tell the map of this release, at least two; 0 where it is too large, or no images' values."""
    laid = next(_layouts(rows, shape), None)
    if laid is None or not 2 <= len(laid) <= MAX_ROWS:
        return 0
    return max(2, -(-EQUATIONS * (len(laid) + 1) // int(np.prod(shape))))


def unmixed(images: Sequence[NDArray[np.float32]], rows: Sequence[Array]) -> RowsInverse | None:
    """The inverse that calls but the last tell, the best at the last among layouts; None where rows do not suffice.

    Args:
        images: float32 (n, H, W, C) in [0, 1], of calls of one size.
        rows: (r, ...), what was released of them.
    """
    shape = images[0].shape[1:]
    if len({len(x) for x in images}) > 1 or len({r.shape for r in rows}) > 1 or rows[0].dtype.kind not in "biuf":
        return None
    flat = np.concatenate([x.reshape(len(x), -1) for x in images[:-1]], axis=1).astype(np.float64)
    best: tuple[float, RowsInverse] | None = None
    for layout, parts in enumerate(zip(*(_layouts(r, shape) for r in rows), strict=False)):
        given = np.concatenate(parts[:-1], axis=1)
        if not 2 <= len(given) <= MAX_ROWS or given.shape[1] < EQUATIONS * (len(given) + 1):
            continue
        found = RowsInverse(shape, layout, *_solved(given, flat))
        answer = found(rows[-1])
        score = -1.0 if answer is None else float(ssim(answer, images[-1]).mean())
        if best is None or score > best[0]:
            best = score, found
    return None if best is None else best[1]


def _solved(given: NDArray[np.float64], wanted: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights (r, n) and constants (n,) of the least squares of `wanted` (n, p) by `given` (r, p)."""
    centre, mean = given.mean(1, keepdims=True), wanted.mean(1, keepdims=True)
    # rows of a transform differ in size, which the ridge must not see
    scale = np.maximum((given - centre).std(1, keepdims=True), 1e-12)
    x = (given - centre) / scale
    gram = x @ x.T
    ridge = STRENGTH * max(float(np.trace(gram)) / len(gram), 1e-12) * np.eye(len(gram))
    weights = np.linalg.solve(gram + ridge, x @ (wanted - mean).T) / scale
    return weights, mean[:, 0] - weights.T @ centre[:, 0]


def _layouts(rows: Array, shape: tuple[int, ...]) -> Iterator[NDArray[Any]]:
    """float64 (r', pixels): rows of images, colours last or first, or several images' values in a row."""
    h, w, c = shape
    size = int(np.prod(rows.shape[1:]))
    several = size // (h * w * c)
    if not len(rows) or size % (h * w * c) or not 1 <= several <= MOST:
        return
    x = np.nan_to_num(rows.astype(np.float64), posinf=0.0, neginf=0.0)
    yield x.reshape(len(rows) * several, -1)
    if several > 1:
        yield np.moveaxis(x.reshape(len(rows), h * w, several, c), 2, 1).reshape(len(rows) * several, -1)
    if c > 1:
        yield np.moveaxis(x.reshape(len(rows) * several, c, h * w), 1, 2).reshape(len(rows) * several, -1)

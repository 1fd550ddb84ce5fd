"""Finds private images that a release repeats outright, in whatever field."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.release import Release

#: |correlation| from which a row counts as a copy; an 8-bit copy has above 0.999, a mix of two like images at 0.8 : 0.2
#: has 0.97, and up to 0.99 where the second is much plainer than the first.
THRESHOLD = 0.995
_BLOCK = 2048
_MAX_VALUES = 200_000_000


def leaks(release: Release, truth_images: NDArray[Any]) -> list[dict[str, Any]]:
    """Where released fields repeat private images: exactly, scaled, flattened, in 8 bits, transposed, in grey or
    halved in size.

    A row of a field counts as a copy of image i when the two correlate above 0.995 in absolute value after the
    private images' mean image and the constant are projected out of both; so neither a class mean nor a mixture counts.

    Args:
        release: as released (provenance is ignored).
        truth_images: float (N, H, W, C) in [0, 1].

    Returns:
        One dict per field that repeats images: ``field``, ``form`` (how they are laid out), ``images`` (how many
        distinct private images are repeated), ``rows``, ``worst`` (largest correlation).
    """
    forms = _forms(np.asarray(truth_images, np.float32))
    fields: list[tuple[str, NDArray[Any]]] = [("encodings", release.encodings)]
    if release.labels is not None:
        fields.append(("labels", release.labels))
    fields += [(f"extra[{name}]", value) for name, value in release.extra.items()]
    found = []
    for name, value in fields:
        best: dict[str, Any] | None = None
        for form, (truth, folded) in forms.items():
            rows = _rows(value, truth.shape[1])
            if rows is None:
                continue
            hit = _compare(rows, truth, folded)
            if hit is not None and (best is None or (hit["images"], hit["worst"]) > (best["images"], best["worst"])):
                best = {"field": name, "form": form, **hit}
        if best is not None:
            found.append(best)
    return found


def _forms(images: NDArray[np.float32]) -> dict[str, tuple[NDArray[np.float32], bool]]:
    """The layouts to look for: name -> (N, P) rows, and whether to compare with |row| (a masked copy)."""
    n, h, w, c = images.shape
    flat = images.reshape(n, -1)
    forms = {"the images themselves": (flat, False), "the images under a sign mask": (np.abs(2 * flat - 1), True)}
    if c > 1:
        forms["the images, channels first"] = (images.transpose(0, 3, 1, 2).reshape(n, -1), False)
        forms["the images in grey"] = (images.mean(-1).reshape(n, -1), False)
    if h % 2 == 0 and w % 2 == 0 and h >= 16:
        small = images.reshape(n, h // 2, 2, w // 2, 2, c).mean((2, 4))
        forms["the images at half size"] = (small.reshape(n, -1), False)
    forms["the images mirrored"] = (images[:, :, ::-1].reshape(n, -1), False)
    return forms


def _rows(value: NDArray[Any], width: int) -> NDArray[Any] | None:
    """A field as rows of one image each, or None where its size does not fit."""
    if value.size == 0 or value.size > _MAX_VALUES or value.size % width:
        return None
    per_row = value.size // len(value) if value.ndim else 0
    if per_row % width and value.ndim > 1 and len(value) > 1 and value.ndim != 2:
        return None
    return value.reshape(-1, width)


def _compare(rows: NDArray[Any], truth: NDArray[np.float32], folded: bool) -> dict[str, Any] | None:
    basis = np.ones((1, truth.shape[1]), np.float64)
    if len(truth) > 2:
        basis = np.vstack([basis, truth.mean(0, dtype=np.float64)])
    q = np.linalg.qr(basis.T)[0].astype(np.float32)
    target, kept = _unit(truth, q)
    hit = np.zeros(len(truth), bool)
    count, worst = 0, 0.0
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK].astype(np.float32)
        unit, solid = _unit(np.abs(block) if folded else block, q)
        corr = np.abs(unit @ target.T) * solid[:, None] * kept[None]
        above = corr > THRESHOLD
        if above.any():
            hit |= above.any(0)
            count += int(above.any(1).sum())
            worst = max(worst, float(corr.max()))
    return {"images": int(hit.sum()), "rows": count, "worst": min(1.0, worst)} if hit.any() else None


def _unit(rows: NDArray[np.float32], q: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Rows with the span of `q` removed and of norm 1; False marks rows of which next to nothing was left."""
    full = np.linalg.norm(rows, axis=1)
    rest = rows - (rows @ q) @ q.T
    norm = np.linalg.norm(rest, axis=1)
    solid = norm > 1e-3 * np.maximum(full, 1e-30)
    return (rest / np.where(solid, norm, 1.0)[:, None]).astype(np.float32), solid

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
#: Pieces: their side, how many images have one looked for, in how many places; steps between pieces of which the one
#: that varies most is taken, and by how much it must; in how many (and which share) of the images one must show, and
#: |correlation| from which it does: a mixture with something plain has 0.999.
_PIECE, _PIECES, _PLACES, _STEP, _VARIES, _FEWEST, _SHARE, _SAME = 6, 24, 100_000, 3, 0.03, 4, 0.5, 0.9995
_MAX_VALUES = 200_000_000


def leaks(release: Release, truth_images: NDArray[Any]) -> list[dict[str, Any]]:
    """Where released fields repeat private images: exactly, scaled, flattened, in 8 bits, transposed, in grey or
    halved in size; or pieces of them, whatever stands beside these and in whatever order.

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
        if best is None and name != "labels":
            best = _pieces(name, value, np.asarray(truth_images, np.float32))
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
    forms["the images upside down"] = (images[:, ::-1].reshape(n, -1), False)
    forms["the images turned by 180 degrees"] = (images[:, ::-1, ::-1].reshape(n, -1), False)
    if h == w:
        across = images.swapaxes(1, 2)
        forms["the images transposed"] = (across.reshape(n, -1), False)
        forms["the images transposed across"] = (across[:, ::-1, ::-1].reshape(n, -1), False)
        forms["the images turned by 90 degrees"] = (across[:, ::-1].reshape(n, -1), False)
        forms["the images turned by 270 degrees"] = (across[:, :, ::-1].reshape(n, -1), False)
    return forms


def _rows(value: NDArray[Any], width: int) -> NDArray[Any] | None:
    """A field as rows of one image each, or None where its size does not fit."""
    if value.size == 0 or value.size > _MAX_VALUES or value.size % width:
        return None
    per_row = value.size // len(value) if value.ndim else 0
    if per_row % width and value.ndim > 1 and len(value) > 1 and value.ndim != 2:
        return None
    return value.reshape(-1, width)


def _pieces(name: str, value: NDArray[Any], images: NDArray[np.float32]) -> dict[str, Any] | None:
    """Whether rows of pictures hold pieces of images, as they are or turned, mirrored, negated or shifted around,
    beside what hides the rest."""
    n, h, w, c = images.shape
    rows = value[..., None] if value.ndim == 3 and c == 1 else value
    if rows.ndim == 4 and rows.shape[1] == c and rows.shape[3] != c:
        rows = rows.transpose(0, 2, 3, 1)
    if rows.ndim != 4 or rows.shape[3] != c or min(*rows.shape[1:3], h, w) < _PIECE or rows.dtype == bool:
        return None
    places = (rows.shape[1] - _PIECE + 1) * (rows.shape[2] - _PIECE + 1)
    rows = rows[:: max(1, -(-len(rows) * places // _PLACES))]
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, _PIECE)] * 2, indexing="ij")).reshape(2, -1)
    plane = np.linalg.qr(np.vstack([np.ones((1, _PIECE**2)), grid]).T)[0]
    q = np.kron(plane, np.eye(c)).astype(np.float32)  # what any smooth place has: its colour, and how that changes
    wanted = []
    for image in images[:: max(1, -(-n // _PIECES))]:
        own = _windows(image[None])[0, ::_STEP, ::_STEP].reshape(-1, _PIECE, _PIECE, c)
        flat = own.reshape(len(own), -1)
        rest = (flat - (flat @ q) @ q.T).std(1)
        best = int(np.argmax(rest))
        if rest[best] > _VARIES:
            wanted.append(own[best])
    if len(wanted) < _FEWEST:
        return None
    turned = [np.rot90(v, k) for piece in wanted for v in (piece, piece[:, ::-1]) for k in range(4)]
    target, _ = _unit(np.stack(turned).reshape(len(turned), -1), q)
    hit, worst, count = np.zeros(len(wanted), bool), 0.0, 0
    for row in rows:
        # across the edges too: images that were shifted around, each by a step of its own, are cut there
        around = np.pad(np.asarray(row, np.float32), ((0, _PIECE - 1), (0, _PIECE - 1), (0, 0)), "wrap")
        spots = _windows(around[None]).reshape(-1, _PIECE**2 * c)
        unit, solid = _unit(spots, q)
        corr = np.abs(unit @ target.T).max(0, where=solid[:, None], initial=0.0).reshape(len(wanted), 8).max(1)
        above = corr > _SAME
        hit |= above
        count += bool(above.any())
        worst = max(worst, float(corr.max()))
    if hit.sum() < max(_FEWEST, _SHARE * len(wanted) * min(1.0, len(rows) / len(value))):
        return None
    form = f"pieces of the images (of {len(wanted)} that were looked for)"
    return {"field": name, "form": form, "images": int(hit.sum()), "rows": count, "worst": min(1.0, worst)}


def _windows(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, h', w', piece, piece, c): every place of (n, h, w, c)."""
    seen = np.lib.stride_tricks.sliding_window_view(images, (_PIECE, _PIECE), (1, 2))
    return np.ascontiguousarray(seen.transpose(0, 1, 2, 4, 5, 3))


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

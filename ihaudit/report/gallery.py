"""Galleries: which reconstructions are shown, and how arrays become pictures."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ihaudit.report import words
from ihaudit.results import Finding

if TYPE_CHECKING:
    from ihaudit.report.base import Source

#: Pictures are enlarged to about this many pixels without smoothing, so that 32 x 32 stays 32 x 32 squares on paper.
TARGET = 96
#: Pairs in the overview of all ranks.
OVERVIEW = 24


@dataclass(frozen=True)
class Row:
    """One private image: what it is an example of, its pictures by column, and its score."""

    which: str
    index: int
    label: str
    score: str
    stricter: str
    pictures: list[str]


@dataclass(frozen=True)
class Gallery:
    """A gallery of one attack."""

    title: str
    attack: str
    columns: list[str]
    rows: list[Row]
    overview: str = ""
    overview_count: int = 0


def is_image(a: NDArray | None) -> bool:
    """Whether `a` holds a batch of grey or colour images, shape (N, H, W, 1 | 3 | 4) or (N, H, W)."""
    if a is None or a.ndim not in (3, 4) or min(a.shape) == 0 or not np.issubdtype(a.dtype, np.number):
        return False
    return (a.ndim == 3 or a.shape[3] in (1, 3, 4)) and min(a.shape[1:3]) >= 2


def to_uint8(image: NDArray) -> NDArray[np.uint8]:
    """One image (H, W) or (H, W, C), uint8 or float in [0, 1], as uint8 (H, W) or (H, W, 3)."""
    if image.ndim == 3:
        image = image[..., 0] if image.shape[2] == 1 else image[..., :3]
    if image.dtype == np.uint8:
        return image
    return np.round(np.clip(np.nan_to_num(image.astype(np.float64)), 0.0, 1.0) * 255).astype(np.uint8)


def signed(image: NDArray) -> NDArray[np.uint8]:
    """A signed encoding for display: zero is mid-grey, the 99.5 % quantile of magnitudes is black or white."""
    scale = _scale(image)
    return to_uint8(0.5 + 0.5 * np.asarray(image, np.float64) / scale) if image.dtype != np.uint8 else to_uint8(image)


def magnitude(image: NDArray) -> NDArray[np.uint8]:
    """The absolute value of an encoding for display: zero is black, the 99.5 % quantile is white."""
    return to_uint8(np.abs(np.asarray(image, np.float64)) / _scale(image))


def _scale(image: NDArray) -> float:
    finite = np.abs(np.nan_to_num(np.asarray(image, np.float64)))
    return float(np.quantile(finite, 0.995)) or float(finite.max()) or 1.0


def encoding(image: NDArray) -> NDArray[np.uint8]:
    """An encoding for display; one without negative values keeps its scale from zero to its largest values."""
    return signed(image) if bool(np.any(np.asarray(image) < 0)) else magnitude(image)


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


def _choose(scores: NDArray, each: int) -> list[tuple[str, int]]:
    """Indices of best, median and worst images by score; all of them where there are few."""
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
    n = len(order)
    if n <= 3 * each:
        names = ["best" if i == 0 else "worst" if i == n - 1 else "median" if i == n // 2 else "" for i in range(n)]
        return [(name, int(i)) for name, i in zip(names, order)]
    middle = (n - each) // 2
    parts = (("best", order[:each]), ("median", order[middle : middle + each]), ("worst", order[-each:]))
    return [(name, int(i)) for name, part in parts for i in part]


def _overview(truth: NDArray, found: NDArray, scores: NDArray) -> tuple[str, int]:
    """One picture: originals above their reconstructions, evenly spaced by rank from best to worst."""
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
    count = min(OVERVIEW, len(order))
    picks = order[np.unique(np.linspace(0, len(order) - 1, count).round().astype(int))]
    per_row = min(12, len(picks))
    height, width = truth.shape[1:3]
    if max(height, width) > 64 or truth.shape[1:3] != found.shape[1:3]:
        return "", 0
    gap, rows = 2, -(-len(picks) // per_row)
    sheet = np.full((rows * (2 * height + 3 * gap) - 2 * gap, per_row * (width + gap) - gap, 3), 255, np.uint8)
    for k, i in enumerate(picks):
        top, left = (k // per_row) * (2 * height + 3 * gap), (k % per_row) * (width + gap)
        for j, image in enumerate((truth[i], found[i])):
            tile = to_uint8(image)
            tile = np.repeat(tile[..., None], 3, 2) if tile.ndim == 2 else tile
            sheet[top + j * height : top + (j + 1) * height, left : left + width] = tile
    return png(sheet, target=2 * max(sheet.shape[:2])), len(picks)


def private_images(source: Source) -> NDArray | None:
    """The private images (N, H, W, C), or None where they are not there or may not be shown."""
    found = source.array("private", "images")
    return found if found is not None else source.array("truth", "images")


def _labels(source: Source, n: int) -> NDArray | None:
    labels = source.array("private", "labels")
    labels = labels if labels is not None else source.array("truth", "labels")
    return labels if labels is not None and labels.shape == (n,) else None


def _encodings(source: Source, n: int) -> tuple[NDArray | None, NDArray | None]:
    """An encoding for each private image (N, H, W, C), and whether it is known to hold it, bool (N,)."""
    codes = source.array("release", "encodings")
    codes = codes if codes is not None else source.array("truth", "encoding")
    if codes is None or not is_image(codes) or len(codes) != n:
        return None, None
    index = source.array("release", "index")
    known = index >= 0 if index is not None and index.shape == (n,) else np.ones(n, bool)
    return codes, known


def build(source: Source, finding: Finding, each: int, *, overview: bool = False) -> Gallery | None:
    """The gallery of one attack, or None where its pictures are not there (or may not be shown).

    Args:
        each: images shown of each of best, median and worst.
        overview: whether to add the sheet of all ranks.
    """
    truth, found, scores = private_images(source), source.array(finding.id, "reconstruction"), source.scores(finding)
    if truth is None or found is None or not (is_image(truth) and is_image(found)) or len(truth) != len(found):
        return None
    if scores is None or len(scores) != len(truth):
        return None
    codes, known = _encodings(source, len(truth))
    has_signs = codes is not None and bool(np.any(codes < 0))
    first = "An encoding of it" if known is None or known.all() else "An encoding"
    columns = ["Original", *([first] if codes is not None else []), *(["|Encoding|"] if has_signs else [])]
    labels, challenge = _labels(source, len(truth)), source.scores(finding, "ssim_challenge")
    rows = []
    for which, i in _choose(scores, each):
        pictures = [png(to_uint8(truth[i]))]
        if codes is not None:
            pictures.append(png(encoding(codes[i])))
            if has_signs:
                pictures.append(png(magnitude(codes[i])))
        pictures.append(png(to_uint8(found[i])))
        stricter = float(challenge[i]) if challenge is not None and len(challenge) == len(scores) else None
        label = f"class {labels[i]}" if labels is not None else ""
        rows.append(Row(which, i, label, words.score(float(scores[i])), words.score(stricter), pictures))
    sheet, count = _overview(truth, found, scores) if overview and len(truth) > 3 * each else ("", 0)
    return Gallery(finding.title, finding.id, [*columns, "Reconstruction"], rows, sheet, count)


def _unit(source: Source, image: NDArray) -> NDArray:
    """An undone mixture in [0, 1]: as it is, or mapped from the release's range where it has negative values."""
    release = source.results.release
    if release is None or image.dtype == np.uint8 or not bool(np.any(image < -0.25)):
        return image
    low, high = release.image_range
    return (image - low) / max(high - low, 1e-9)


def unmasked(source: Source, finding: Finding) -> Gallery | None:
    """Encodings with their masks undone, for attacks that recover masks; None where there are none."""
    codes = source.array(finding.id, "samples_encoding")
    bare, truth = source.array(finding.id, "samples_unmasked"), source.array(finding.id, "samples_truth")
    if codes is None or bare is None or not (is_image(codes) and is_image(bare)) or len(codes) != len(bare):
        return None
    if truth is not None and (not is_image(truth) or len(truth) != len(bare)):
        truth = None
    rows = []
    for i in range(min(6, len(bare))):
        pictures = [png(encoding(codes[i])), png(to_uint8(_unit(source, bare[i])))]
        if truth is not None:
            pictures.append(png(to_uint8(_unit(source, truth[i]))))
        rows.append(Row("", i, "", "", "", pictures))
    columns = ["Encoding as released", "Mask undone", *(["True mixture"] if truth is not None else [])]
    return Gallery(finding.title, finding.id, columns, rows)

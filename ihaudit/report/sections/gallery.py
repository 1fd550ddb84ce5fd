"""Reconstructions beside the originals: the strongest attack's, smaller galleries of others, undone masks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section
from ihaudit.report import charts, words
from ihaudit.report.pictures import (
    Gallery,
    Row,
    encoding,
    heat,
    is_image,
    magnitude,
    png,
    private_images,
    sheet,
    spread,
    to_uint8,
)
from ihaudit.report.selection import answer, answered, chosen, strongest_attack
from ihaudit.results import Finding

#: Pairs in the overview of all ranks.
OVERVIEW = 24
#: ends the heading of encodings that are no pictures
HEAT = ", as a heat map"


@section("gallery", "Reconstructions", order=40)
def build(source: Source) -> dict[str, Any]:
    best = strongest_attack(source.results)
    main = reconstructions(source, best, 1, overview=True) if best and answered(best) else None
    return {
        "best": best,
        "main": main,
        "distributions": charts.distributions(source),
        "why_none": _why_none(source, best),
        "heat": _heat(source, main),
        "poses": "" if best is None else pose_note(best),
    }


def pose_note(finding: Finding) -> str:
    """That answers are shown and scored in another pose than they came in, and what they score as they came; or ''."""
    moved = finding.details.get("images_may_be")
    if not isinstance(moved, str) or not moved:
        return ""
    known = finding.metrics.get("ssim_as_answered")
    came = "" if known is None or known.value is None else f"; as answered the mean SSIM is {words.scaled(known.value)}"
    return (
        f"Images are moved anew for every use ({moved}), and an attack cannot know in which pose each was at first: "
        "its reconstructions are shown and scored in the pose that suits the original best, as are those that the "
        f"chance level is taken from{came}."
    )


def _heat(source: Source, main: Gallery | None) -> str:
    """What the heat maps of encodings show; empty where encodings are shown as pictures."""
    release = source.results.release
    if main is None or release is None or not any(c.endswith(HEAT) for c in main.columns):
        return ""
    size = " × ".join(map(str, release.encodings[1:]))
    order = {1: "in reading order", 2: "one row for each token", 3: "one map for each channel"}
    how = order.get(len(release.encodings) - 1, "")
    return (
        f"Encodings of {size} values are no pictures and are drawn as heat maps{f', {how}' if how else ''}: white is "
        "zero, blue below, red above."
    )


def _why_none(source: Source, best: Finding | None) -> str:
    if best is None:
        return "No attack was scored, so there is nothing to show."
    if not answered(best):
        return "No attack answered with a picture that could stand for a private image, so there is nothing to show."
    if not source.samples:
        return "Private images were left out of this report (--no-samples)."
    if private_images(source) is None:
        return "The arrays beside results.json hold no private images (--no-samples, or they were removed)."
    return "The reconstructions of this attack are not among the arrays, or are not images."


def _overview(truth: NDArray[Any], found: NDArray[Any], scores: NDArray[Any]) -> tuple[str, int]:
    """One picture: originals above their reconstructions, evenly spaced by rank from best to worst."""
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
    picks = order[spread(len(order), OVERVIEW)]
    picture = sheet([(truth[i], found[i]) for i in picks])
    return picture, len(picks) if picture else 0


def _labels(source: Source, n: int) -> NDArray[Any] | None:
    labels = source.array("private", "labels")
    labels = labels if labels is not None else source.array("truth", "labels")
    return labels if labels is not None and labels.shape == (n,) else None


def _encodings(source: Source, n: int) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
    """An encoding for each private image (N, ...), and whether it is known to hold it, bool (N,)."""
    codes = source.array("release", "encodings")
    codes = codes if codes is not None else source.array("truth", "encoding")
    if codes is None or codes.ndim < 2 or min(codes.shape) == 0 or len(codes) != n:
        return None, None
    index = source.array("release", "index")
    known = index >= 0 if index is not None and index.shape == (n,) else np.ones(n, bool)
    return codes, known


def _pictured(codes: NDArray[Any], truth: NDArray[Any]) -> bool:
    """Whether encodings are to be shown as pictures: of the shape of the images, or of images of another size."""
    shape, image = codes.shape[1:], truth.shape[1:]
    return is_image(codes) and (shape in (image, image[:2]) or (codes.ndim == 4 and shape[2] in (1, image[-1])))


def reconstructions(source: Source, finding: Finding, each: int, *, overview: bool = False) -> Gallery | None:
    """The gallery of one attack, or None where its pictures are not there (or may not be shown).

    Args:
        each: images shown of each of best, median and worst.
        overview: whether to add the sheet of all ranks.
    """
    truth = private_images(source)
    given = None if truth is None else answer(source, finding, len(truth))
    if truth is None or given is None or not (is_image(truth) and is_image(given.pictures)):
        return None
    found, scores, mine = given.pictures, given.scores, given.there
    codes, known = _encodings(source, len(truth))
    drawn = codes is not None and not _pictured(codes, truth)
    has_signs = codes is not None and not drawn and bool(np.any(codes < 0))
    first = "An encoding of it" if known is None or known.all() else "An encoding"
    first += HEAT if drawn else ""
    columns = ["Original", *([first] if codes is not None else []), *(["|Encoding|"] if has_signs else [])]
    private = source.results.private
    labels, challenge = _labels(source, len(truth)), source.scores(finding, "ssim_challenge")
    rows = []
    for which, i in chosen(given.ranks(), each):
        pictures = [png(to_uint8(truth[i]))]
        if codes is not None:
            pictures.append(png(heat(codes[i]) if drawn else encoding(codes[i])))
            if has_signs:
                pictures.append(png(magnitude(codes[i])))
        pictures.append(png(to_uint8(found[i])) if mine[i] else "")
        stricter = float(challenge[i]) if challenge is not None and len(challenge) == len(scores) else None
        label = f"class {labels[i]}" if labels is not None and not (private and private.pseudo) else ""
        rows.append(
            Row(which, i, label, words.scaled(float(scores[i])), words.scaled(stricter), pictures, given.note(i))
        )
    picture, count = "", 0
    if overview and mine.sum() > 3 * each:
        picture, count = _overview(truth[mine], found[mine], given.recovered[mine])
    return Gallery(finding.title, finding.id, [*columns, "Reconstruction"], rows, picture, count)

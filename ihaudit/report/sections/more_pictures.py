"""Pictures beside those of the strongest attack: what other attacks answered, and masks undone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section
from ihaudit.report.pictures import Gallery, Row, encoding, is_image, png, to_uint8
from ihaudit.report.sections.gallery import reconstructions
from ihaudit.report.selection import answered, by_weight, ran, strongest_attack
from ihaudit.results import Finding

#: Galleries of each sort.
GALLERIES = 5


@section("more_pictures", "More reconstructions", order=240, annex=True)
def build(source: Source) -> dict[str, Any]:
    best = strongest_attack(source.results)
    others = [f for f in by_weight(ran(source.results, "attack")) if f is not best and answered(f)]
    found = [reconstructions(source, f, 1) for f in others]
    masks = [unmasked(source, f) for f in source.results.of_kind("attack")]
    return {"others": [g for g in found if g][:GALLERIES], "unmasked": [g for g in masks if g][:GALLERIES]}


def _unit(source: Source, image: NDArray[Any]) -> NDArray[Any]:
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

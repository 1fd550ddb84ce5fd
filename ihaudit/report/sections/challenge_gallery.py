"""Recovered images, most confident first: there is no truth to set beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section
from ihaudit.report import plots, words
from ihaudit.report.cards import Chart
from ihaudit.report.pictures import Gallery, Row, encoding, is_image, magnitude, png, sheet, spread, to_uint8
from ihaudit.report.selection import challenge_answer
from ihaudit.results import Finding

#: Rows of the gallery (most confident, then evenly down to the least), and images of the overview.
ROWS, OVERVIEW = 9, 96


@section("challenge_gallery", "Recovered images, most confident first", order=20, reports=("challenge",))
def build(source: Source) -> dict[str, Any]:
    answer = challenge_answer(source.results)
    return {
        "answer": answer,
        "gallery": _gallery(source, answer) if answer else None,
        "histogram": _histogram(source, answer) if answer else None,
    }


def _gallery(source: Source, f: Finding) -> dict[str, Any] | None:
    """Candidates with an encoding of each, and an overview; None where there are no pictures (or may be none)."""
    found, index = source.array(f.id, "candidates"), source.array(f.id, "candidate_index")
    confidence = source.scores(f, "confidence")
    if found is None or index is None or confidence is None or not is_image(found):
        return None
    codes, example = source.array(f.id, "candidate_encoding"), source.array(f.id, "candidate_example")
    shown = codes is not None and example is not None and is_image(codes)
    masked = shown and codes is not None and bool(np.any(codes < 0))
    rows = []
    for k in spread(len(found), ROWS):
        pictures = []
        if shown and codes is not None:
            pictures.append(png(encoding(codes[k])))
            if masked:
                pictures.append(png(magnitude(codes[k])))
        pictures.append(png(to_uint8(found[k])))
        j = int(index[k])
        rank = "most confident" if k == 0 else "least confident" if k == len(found) - 1 else ""
        label = f"encoding {int(example[k])}" if example is not None and example[k] >= 0 else "in no encoding"
        rows.append(Row(rank, j, label, words.scaled(float(confidence[j])), "n/a", pictures))
    columns = [*(["An encoding of it"] if shown else []), *(["|Encoding|"] if masked else []), "Recovered image"]
    picks = spread(len(found), OVERVIEW)
    picture = sheet([(found[i],) for i in picks])
    table = Gallery(f.title, f.id, columns, rows, picture, len(picks) if picture else 0)
    return {"table": table, "all": len(confidence)}


def _histogram(source: Source, f: Finding) -> Chart | None:
    confidence = source.scores(f, "confidence")
    if confidence is None:
        return None
    kind = str(f.details.get("confidence_is", "confidence"))
    uri = plots.histogram(confidence, [], None, f"Confidence: {kind}")
    caption = f"Confidence in each recovered image ({kind})."
    ends = f"from {words.number(float(confidence.min()), 2)} to {words.number(float(confidence.max()), 2)}"
    return Chart(uri, caption, f"Histogram of the confidence in {len(confidence)} images, {ends}.")

"""The report on a release that came without its scheme: what an attack answered, and no score, for lack of a truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.report import cards, glossary, plots, reproduce, words
from ihaudit.report.gallery import Gallery, Row, encoding, is_image, magnitude, png, to_uint8
from ihaudit.report.summary import Verdict
from ihaudit.results import Finding, Results

if TYPE_CHECKING:
    from ihaudit.report.base import Source

SECTIONS = (
    ("challenge_verdict", "What came out"),
    ("challenge_gallery", "Recovered images, most confident first"),
    ("challenge_release", "The release, and what the attacker has"),
    ("challenge_attacks", "Attacks"),
    ("notrun", "What did not run, and why"),
    ("challenge_limits", "Limits"),
    ("reproduce", "Cost, and how to repeat it"),
    ("glossary", "Glossary and references"),
)
#: Rows of the gallery (most confident, then evenly down to the least), and images of the overview.
ROWS, OVERVIEW = 9, 96


def is_challenge(results: Results) -> bool:
    """Whether results came from `ihaudit challenge`."""
    return results.options.get("kind") == "challenge"


def build(source: Source) -> dict[str, Any]:
    """Everything that the templates show."""
    r = source.results
    answer = r.finding(str(r.options.get("answer_by") or ""))
    return {
        "results": r,
        "sections": [{"id": id_, "title": title, "number": i + 1} for i, (id_, title) in enumerate(SECTIONS)],
        "verdict": _verdict(r, answer),
        "answer": answer,
        "answer_card": cards.card(answer) if answer else None,
        "gallery": _gallery(source, answer) if answer else None,
        "histogram": _histogram(source, answer) if answer else None,
        "samples": source.samples,
        "attack_rows": [_row(f, answer) for f in cards.ran(source, "attack")],
        "attack_cards": [cards.card(f) for f in cards.ran(source, "attack") if f is not answer],
        "release_card": [p for p in reproduce.release_card(r) if p[0] not in ("Encoding took",)],
        "said": _said(r),
        "notes": [str(n) for n in r.options.get("notes", [])],
        "files": [(name, FILES[name]) for name in r.options.get("files", []) if name in FILES],
        "image_rows": reproduce.image_rows(r),
        "adversary": reproduce.adversary(r),
        "not_run": [f for f in r.findings if f.status == "not run"],
        "inconclusive": [f for f in r.findings if f.status == "inconclusive"],
        "cost": reproduce.cost(r),
        "cost_rows": sorted((f for f in r.findings if f.cost.wall_s > 0), key=lambda f: -f.cost.wall_s)[:12],
        "environment": reproduce.environment(r),
        "packages": sorted(r.environment.packages.items()),
        "hashes": reproduce.hashes(r),
        "options": [p for p in reproduce.options(r) if p[0] not in ("notes", "files", "kind")],
        "terms": glossary.TERMS,
        "references": glossary.REFERENCES,
        "finding_references": glossary.references(r),
    }


FILES = {
    "decryption.npy": "one recovered image per encoding, in the layout, type and range of the encodings",
    "private.npy": "the recovered private images, likewise",
    "pairs.npy": "which rows of private.npy are in each encoding, −1 for none",
    "coefficients.npy": "with which coefficients",
    "confidence.npy": "the confidence in each row of private.npy",
}


def _verdict(r: Results, answer: Finding | None) -> Verdict:
    count = r.release.encodings[0] if r.release else 0
    know = [words.KNOWLEDGE[k][0].lower() for k in r.adversary if k in words.KNOWLEDGE]
    sentences = [
        f"{words.plural(count, 'encoding')} were attacked without the scheme that made them and without the private "
        f"images, knowing: {words.listing(know)}."
    ]
    if answer is None:
        sentences.append("No attack could answer; the section “What did not run” and the attacks’ cards say why.")
    else:
        sentences.append(
            f"{answer.title} answered with {words.plural(int(answer.details.get('images', 0)), 'image')}. "
            + _confidence_sentence(answer)
        )
        left = int(answer.details.get("encodings_without_image", 0))
        if left:
            sentences.append(
                f"For {words.plural(left, 'encoding')} no image was found; decryption.npy holds the mean image there."
            )
    line = "There is no truth to compare with: nothing here was scored, and no gate was decided"
    word = words.verdict_word(r)
    if word == "broken":
        line = "A secret of the scheme was recovered from the release alone, which shows without the private images"
    sentences.append(
        "The private images are not known to this report, so it holds no SSIM and no verdict on the scheme. Whoever "
        "has them scores decryption.npy with “ihaudit score”. Look at the pictures: a recovered photograph speaks for "
        "itself, and confident noise does too."
    )
    return Verdict(word, line, sentences, [words.sentence(x) for x in r.gate.reasons[1:]], [])


def _confidence_sentence(f: Finding) -> str:
    text = ""
    if (mean := f.metrics.get("confidence")) is not None and mean.value is not None:
        text += f"By the attack’s own estimate their mean SSIM is {words.scaled(mean.value)}. "
    if (fit := f.metrics.get("agreement")) is not None and fit.value is not None:
        text += (
            f"What these images predict for the encodings correlates with them by {words.scaled(fit.value)} on average "
            "(1 would explain them wholly; what else was mixed in keeps it below)."
        )
    return text.strip()


def _said(r: Results) -> list[tuple[str, str]]:
    o = r.options
    return [
        ("Layout of the file", str(o.get("layout", ""))),
        ("Number of private images", str(o.get("n_private") or "not said; estimated")),
        ("Private images per encoding", str(o.get("private_per_encoding") or "not said; read off the labels")),
    ]


def _row(f: Finding, answer: Finding | None) -> dict[str, Any]:
    residual = f.details.get("residual_rms")
    return {
        "finding": f,
        "answer": f is answer,
        "images": words.number(int(f.details["images"])) if "images" in f.details else "–",
        "confidence": words.estimate(f.metrics["confidence"]) if "confidence" in f.metrics else "none of its own",
        "agreement": words.estimate(f.metrics["agreement"]) if "agreement" in f.metrics else "–",
        "residual": words.number(float(residual)) if isinstance(residual, (int, float)) else "–",
        "cost": words.duration(f.cost.wall_s),
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
    for k in np.unique(np.linspace(0, len(found) - 1, min(ROWS, len(found))).round().astype(int)):
        pictures = []
        if shown and codes is not None:
            pictures.append(png(encoding(codes[k])))
            if masked:
                pictures.append(png(magnitude(codes[k])))
        pictures.append(png(to_uint8(found[k])))
        j = int(index[k])
        rank = "most confident" if k == 0 else "least confident" if k == len(found) - 1 else ""
        label = f"encoding {int(example[k])}" if example is not None and example[k] >= 0 else "in no encoding"
        rows.append(Row(rank, j, label, words.score(float(confidence[j])), "n/a", pictures))
    columns = [*(["An encoding of it"] if shown else []), *(["|Encoding|"] if masked else []), "Recovered image"]
    sheet, count = _overview(found)
    return {"table": Gallery(f.title, f.id, columns, rows), "overview": sheet, "count": count, "all": len(confidence)}


def _overview(found: NDArray) -> tuple[str, int]:
    """One picture of the candidates, in the order of confidence, row by row."""
    picks = np.unique(np.linspace(0, len(found) - 1, min(OVERVIEW, len(found))).round().astype(int))
    height, width = found.shape[1:3]
    if max(height, width) > 64:
        return "", 0
    per_row, gap = min(12, len(picks)), 2
    rows = -(-len(picks) // per_row)
    sheet = np.full((rows * (height + gap) - gap, per_row * (width + gap) - gap, 3), 255, np.uint8)
    for k, i in enumerate(picks):
        top, left = (k // per_row) * (height + gap), (k % per_row) * (width + gap)
        tile = to_uint8(found[i])
        sheet[top : top + height, left : left + width] = tile[..., None] if tile.ndim == 2 else tile
    return png(sheet, target=2 * max(sheet.shape[:2])), len(picks)


def _histogram(source: Source, f: Finding) -> cards.Chart | None:
    confidence = source.scores(f, "confidence")
    if confidence is None:
        return None
    kind = str(f.details.get("confidence_is", "confidence"))
    uri = plots.histogram(confidence, [], None, f"Confidence: {kind}")
    caption = f"Confidence in each recovered image ({kind})."
    ends = f"from {words.number(float(confidence.min()), 2)} to {words.number(float(confidence.max()), 2)}"
    return cards.Chart(uri, caption, f"Histogram of the confidence in {len(confidence)} images, {ends}.")

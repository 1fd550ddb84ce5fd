"""What was released, with which images, for which adversary: facts that several sections state."""

from __future__ import annotations

from typing import Any

from ihaudit.report import words
from ihaudit.report.contents import report_kind
from ihaudit.results import ImageCard, Results

Pairs = list[tuple[str, str]]


def release_and_adversary(results: Results) -> dict[str, Any]:
    """The template's variables for the release, the images and the adversary."""
    return {
        "release_card": release_card(results),
        "image_rows": image_rows(results),
        "adversary": adversary(results),
    }


def release_card(results: Results) -> Pairs:
    """What was published."""
    r = results.release
    if r is None:
        return [("Release", "none: the scheme released nothing that could be audited")]
    low, high = r.image_range
    pairs = [
        ("Encodings", f"{shape_text(r.encodings)}, {r.dtype}"),
        ("Labels", shape_text(r.labels) if r.labels else "none published"),
        ("Range of images when encoded", f"{words.number(low, 2)} to {words.number(high, 2)}"),
    ]
    pairs += [(f"Further field “{name}”", shape_text(shape)) for name, shape in r.extra.items()]
    pairs += [
        ("Says which image is in which encoding", "yes (to the scorer only)" if r.has_provenance else "no"),
        *([("Encoding took", words.duration(r.encode_s))] if report_kind(results) == "audit" else []),
        ("SHA-256 of the release", r.sha256),
    ]
    if r.file:
        pairs.append((f"Canonical release: {r.file}, in {r.precision}", f"SHA-256 {r.file_sha256}"))
    if r.dropped:
        pairs.append(("Left out of it", "; ".join(r.dropped)))
    return pairs


def shape_text(shape: list[int]) -> str:
    return " × ".join(words.number(n) for n in shape)


def image_rows(results: Results) -> list[dict[str, str]]:
    """The image sets, without their images."""
    sets = (
        ("private", results.private),
        ("public, given to the scheme", results.public),
        ("similar, to train on", results.similar),
    )
    return [_image_row(role, card) for role, card in sets if card is not None]


def _image_row(role: str, card: ImageCard) -> dict[str, str]:
    return {
        "role": role,
        "name": card.name,
        "count": words.number(card.count),
        "shape": shape_text(card.shape),
        "classes": f"none stated; dealt into {words.number(card.classes)}"
        if card.pseudo
        else words.number(card.classes),
        "sha256": card.sha256,
    }


def adversary(results: Results) -> list[dict[str, Any]]:
    """What an adversary may have, which of them this one has, and who made use of it."""
    rows = []
    for key, (name, text) in words.KNOWLEDGE.items():
        has = key in results.adversary or key == "encodings"
        rows.append({"name": name, "text": text + _amount(results, key), "has": has, "by": _users(results, key)})
    known = [f for f in results.of_kind("game") if f.status != "not run" and "known_images" in f.details]
    for f in known:
        count = words.number(int(f.details["known_images"]))
        text = f"in that game alone: {count} images of one's own in the same call, so under the same key"
        rows.append({"name": "Known images under the key", "text": text, "has": True, "by": f.title})
    return rows


def _amount(results: Results, key: str) -> str:
    if key != "pairs" or key not in results.adversary:
        return ""
    count = results.options.get("known_pairs")
    if not isinstance(count, int):
        return ""
    return (
        f": {words.plural(count, 'image')}"
        if count
        else ": none here (--known-pairs 0, or rows that hold several images each)"
    )


def _users(results: Results, key: str) -> str:
    """Attacks that looked at it, by id, and how many games were played with it; empty where nobody did."""
    attacks = [f.id for f in results.of_kind("attack") if f.status != "not run" and key in words.used(f)]
    games = [f for f in results.of_kind("game") if f.status != "not run" and key in f.needs]
    parts = attacks + ([words.plural(len(games), "game")] if games else [])
    return words.listing(parts)

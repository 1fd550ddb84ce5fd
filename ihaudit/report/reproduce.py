"""Sections 3 and 10: the cards of scheme, release and images; cost; how to repeat the audit."""

from __future__ import annotations

from typing import Any

from ihaudit.report import details, words
from ihaudit.results import ImageCard, Results

Pairs = list[tuple[str, str]]


def scheme_card(results: Results) -> Pairs:
    """The scheme as audited."""
    s = results.scheme
    pairs = [
        ("Name", s.name),
        ("Source", f"{s.source}, class on line {s.line}"),
        ("SHA-256 of the file", s.sha256),
        ("Keeps secret", s.secrets or "not stated"),
        ("Security parameter", s.security_parameter or "none named"),
        (
            "Key",
            {"fresh": "fresh randomness in every call", "dataset": "one key for a whole dataset"}.get(s.key, s.key),
        ),
        ("Encoded images depend on labels", "declared not to" if s.decomposable else "declared to"),
    ]
    if s.mechanism:
        pairs.append(("Mechanism", s.mechanism))
    return pairs


def release_card(results: Results) -> Pairs:
    """What was published."""
    r = results.release
    if r is None:
        return [("Release", "none: the scheme released nothing that could be audited")]
    low, high = r.image_range
    pairs = [
        ("Encodings", f"{_shape(r.encodings)}, {r.dtype}"),
        ("Labels", _shape(r.labels) if r.labels else "none published"),
        ("Range of images when encoded", f"{words.number(low, 2)} to {words.number(high, 2)}"),
    ]
    pairs += [(f"Further field “{name}”", _shape(shape)) for name, shape in r.extra.items()]
    pairs += [
        ("Says which image is in which encoding", "yes (to the scorer only)" if r.has_provenance else "no"),
        ("Encoding took", words.duration(r.encode_s)),
        ("SHA-256 of the release", r.sha256),
    ]
    return pairs


def _shape(shape: list[int]) -> str:
    return " × ".join(words.number(n) for n in shape)


def image_rows(results: Results) -> list[dict[str, str]]:
    """The image sets, without their images."""
    sets = (
        ("private", results.private),
        ("public, mixed in", results.public),
        ("similar, to train on", results.similar),
    )
    return [_image_row(role, card) for role, card in sets if card is not None]


def _image_row(role: str, card: ImageCard) -> dict[str, str]:
    return {
        "role": role,
        "name": card.name,
        "count": words.number(card.count),
        "shape": _shape(card.shape),
        "classes": words.number(card.classes),
        "sha256": card.sha256,
    }


def adversary(results: Results) -> list[dict[str, Any]]:
    """The six things an adversary may have, and which of them this one has."""
    return [
        {"name": name, "text": text, "has": key in results.adversary or key == "encodings"}
        for key, (name, text) in words.KNOWLEDGE.items()
    ]


def cost(results: Results) -> Pairs:
    """Time, hours and money of the whole audit."""
    c, price = results.cost, results.price_per_hour
    pairs = [("Time on the clock", words.duration(c.wall_s)), ("CPU time", _hours(c.cpu_s))]
    pairs.append(("GPU time", _hours(c.gpu_s) if c.gpu_s else "none"))
    if c.peak_mb:
        pairs.append(("Memory at most", f"{words.number(round(c.peak_mb))} MB"))
    rates = {k: v for k, v in price.items() if k in ("cpu", "gpu") and isinstance(v, (int, float))}
    if rates:
        money = sum(rates.get(k, 0.0) * s / 3600 for k, s in (("cpu", c.cpu_s), ("gpu", c.gpu_s)))
        at = words.listing([f"{words.number(v, 2)} an hour of {k.upper()}" for k, v in rates.items()])
        amount = words.number(money, 2) if money >= 0.01 else "less than 0.01"
        currency = price.get("currency")
        unit = f" {currency}" if isinstance(currency, str) else ""
        pairs.append(("Money", f"{amount}{unit}, at {at} (prices as stated for this audit)"))
    return pairs


def _hours(seconds: float) -> str:
    return f"{words.duration(seconds)} ({words.number(seconds / 3600)} hours)" if seconds else "not recorded"


def environment(results: Results) -> Pairs:
    """Version, seed, device."""
    e = results.environment
    pairs = [
        ("ihaudit", e.ihaudit),
        ("Preset", results.profile),
        ("Seed", str(results.seed)),
        ("Python", e.python),
        ("Platform", e.platform),
        ("Device", f"{e.device} ({e.device_name})" if e.device_name else e.device),
        ("Cores", str(e.cores)),
        ("Started", e.started or "not recorded"),
        ("Finished", e.finished or "not recorded"),
    ]
    if e.ssim:
        pairs.append(("SSIM as pinned", "; ".join(f"{k} {details.cell(v)}" for k, v in e.ssim.items())))
    return pairs


def hashes(results: Results) -> Pairs:
    """SHA-256 of everything that went in."""
    pairs = [("scheme file", results.scheme.sha256)]
    pairs += [(f"{row['role']} images ({row['name']})", row["sha256"]) for row in image_rows(results)]
    if results.release:
        pairs.append(("release", results.release.sha256))
    return pairs + [(f"weights {name}", digest) for name, digest in results.environment.weights.items()]


def options(results: Results) -> Pairs:
    """Options as they were set, flattened."""
    pairs: Pairs = []
    for key, value in results.options.items():
        if isinstance(value, dict):
            pairs += [(f"{key}: {k}", _set(v)) for k, v in value.items()]
        else:
            pairs.append((key, _set(value)))
    return pairs


def _set(value: Any) -> str:
    return "not set" if value is None or value == [] else details.cell(value)

"""The scheme as audited, its release and images, and what the attacker has."""

from __future__ import annotations

from typing import Any

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section
from ihaudit.report import facts, plain
from ihaudit.results import Results

#: A key's scope in words; ``fresh`` and ``dataset`` stand in results of earlier versions.
KEYS = {
    "image": "fresh randomness for every image",
    "release": "one key for a whole release",
    "fixed": "one key, the same in every release",
    "fresh": "fresh randomness in every call",
    "dataset": "one key for a whole release",
}


@section("scheme", "The scheme, and what the attacker has", order=210, annex=True)
def build(source: Source) -> dict[str, Any]:
    results = source.results
    return {
        "doc": plain.reflow(results.scheme.doc),
        "scheme_card": _scheme(results),
        "parameters": sorted(results.scheme.parameters.items()),
        **facts.release_and_adversary(results),
    }


def _scheme(results: Results) -> facts.Pairs:
    s = results.scheme
    pairs = [
        ("Name", s.name),
        ("Source", f"{s.source}, class on line {s.line}"),
        ("SHA-256 of the file", s.sha256),
        ("Keeps secret", s.secrets or "not stated"),
        ("Security parameter", s.security_parameter or "none named"),
        ("Key", KEYS.get(s.key, s.key)),
        ("Encoded images depend on labels", "declared not to" if s.decomposable else "declared to"),
    ]
    return [*pairs, ("Mechanism", s.mechanism)] if s.mechanism else pairs

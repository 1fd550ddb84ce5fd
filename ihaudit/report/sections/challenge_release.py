"""The release that came without its scheme, what was said about it, and what the attacker has."""

from __future__ import annotations

from typing import Any

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section
from ihaudit.report import facts


@section("challenge_release", "The release, and what the attacker has", order=30, reports=("challenge",))
def build(source: Source) -> dict[str, Any]:
    options = source.results.options
    stated = [
        ("Layout of the file", str(options.get("layout", ""))),
        ("Number of private images", str(options.get("n_private") or "not said; estimated")),
        ("Private images per encoding", str(options.get("private_per_encoding") or "not said; read off the labels")),
    ]
    return {"stated": stated, **facts.release_and_adversary(source.results)}

"""Terms in plain words (they stand in the template), and the sources behind attacks and games."""

from __future__ import annotations

from typing import Any

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section


@section("glossary", "Glossary and references", order=290, annex=True, reports=("audit", "challenge"))
def build(source: Source) -> dict[str, Any]:
    titles: dict[str, str] = {}
    for f in source.results.findings:
        if f.reference and f.kind != "control":
            titles.setdefault(f.reference, f.title)
    return {"finding_references": [(title, reference) for reference, title in titles.items()]}

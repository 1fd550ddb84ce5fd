"""What each attack and game made of each control."""

from __future__ import annotations

from typing import Any

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section
from ihaudit.report import words
from ihaudit.report.sections.controls import SHOWN, raised


@section("control_parts", "Each control", order=250, annex=True)
def build(source: Source) -> dict[str, Any]:
    flags = sorted(raised(source), key=lambda f: f.level != "serious")
    return {"control_parts": _parts(source), "flags": flags[SHOWN:]}


def _parts(source: Source) -> list[dict[str, Any]]:
    """What each attack and game made of each control, one row each."""
    rows = []
    for f in source.results.of_kind("control"):
        table = f.details.get("table")
        parts = table.get("rows") if isinstance(table, dict) else None
        for part in parts if isinstance(parts, list) else []:
            if isinstance(part, (list, tuple)) and len(part) == 4 and part[2] in words.STATUS_SIGN:
                rows.append({"control": f.title, "by": str(part[0]), "status": part[2], "seen": str(part[3])})
    return rows

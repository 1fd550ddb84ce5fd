"""What did not run, and what ran to no conclusion."""

from __future__ import annotations

from typing import Any

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section


@section("notrun", "What did not run, and why", order=260, annex=True, reports=("audit", "challenge"))
def build(source: Source) -> dict[str, Any]:
    findings = source.results.findings
    return {
        "not_run": [f for f in findings if f.status == "not run"],
        "inconclusive": [f for f in findings if f.status == "inconclusive"],
    }

"""Page one: the verdict, claims beside measurements, six pictures, what was tried, how sure, what to do."""

from __future__ import annotations

from typing import Any

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section
from ihaudit.report import summary
from ihaudit.report.front import front


@section("verdict", "Verdict", order=10)
def build(source: Source) -> dict[str, Any]:
    return {"verdict": summary.verdict(source), "front": front(source)}

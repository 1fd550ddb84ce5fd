"""What the scheme's process printed."""

from __future__ import annotations

from typing import Any

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section

#: Characters that are printed.
MAX_LOG = 5000


@section("log", "What the scheme printed", order=280, annex=True)
def build(source: Source) -> dict[str, Any]:
    log = source.results.scheme.log
    return {"log": log[:MAX_LOG], "log_left_off": max(0, len(log) - MAX_LOG)}

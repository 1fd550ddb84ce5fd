"""What an attack on a release without its scheme cannot say."""

from __future__ import annotations

from typing import Any

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section


@section("challenge_limits", "Limits", order=90, reports=("challenge",))
def build(source: Source) -> dict[str, Any]:
    return {}

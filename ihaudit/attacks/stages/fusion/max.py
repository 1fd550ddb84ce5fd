"""`fusion=max`: the largest feature (Luo et al., AAAI 2022)."""

from __future__ import annotations

from typing import Any

from ihaudit.attacks.stages.fusion._network import fused
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("fusion", "max")
def fusion_max(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """The largest feature of all encodings of an image.

    Options: ``fusion_weights``, a file of `ihaudit train fusion` to use instead of the shipped one.
    """
    return fused(state, ctx, "max")

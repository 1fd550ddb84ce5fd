"""`fusion=auto`: the paper's rule: the largest feature of up to ten, else the mean (Luo et al., AAAI 2022)."""

from __future__ import annotations

from typing import Any

from ihaudit.attacks.stages.fusion._network import fused
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("fusion", "auto")
def fusion_auto(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """As the paper has it: the largest feature of up to ten encodings of an image, or else the mean.

    Options: ``fusion_weights``, a file of `ihaudit train fusion` to use instead of the shipped one.
    """
    return fused(state, ctx, None)

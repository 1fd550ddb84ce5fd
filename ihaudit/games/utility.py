"""Utility beside privacy: a constant hides everything and teaches nothing, and the report must say so.

Definition 2 of Carlini et al. 2021 (accuracy on plain data of what was learned from encodings) comes from the
dataset game, Definition 3 (accuracy on fresh encodings, balanced over labels) from the instance and single-concept
games: always from the very runs that measured the advantage, never stitched together.
"""

from __future__ import annotations

from typing import Any

from ihaudit.games.outcome import finding, table
from ihaudit.results import Finding
from ihaudit.stats import Estimate

CHANCE = 0.5


def utility_finding(
    item: Any, *, accuracy: Estimate, advantage: Estimate, what: str, definition: str, rows: list[list[object]]
) -> Finding:
    """A finding of kind ``utility`` beside the game `item`.

    Args:
        accuracy: balanced accuracy of a two-valued property, chance 0.5.
        advantage: the game's, from the same run.
        what: what was learned, for the sentence.
        definition: of Carlini et al. 2021.
        rows: further lines of its table.
    """
    value = "an unknown share" if accuracy.value is None else f"{100 * accuracy.value:.0f} %"
    words = f"{what} is right in {value} of cases; guessing gives 50 %."
    useless = accuracy.low is not None and accuracy.low <= CHANCE
    leaks = advantage.low is not None and advantage.low > 0
    if useless and not leaks:
        words += " Nothing was learned and no difference was seen: so far private and useless, as a constant would be."
    elif useless:
        words += " Leaking and, for this learner, useless."
    return finding(
        item,
        kind="utility",
        id=f"{item.id}-utility",
        title=f"Utility: {item.title[0].lower() + item.title[1:]}",
        reference=f"Carlini et al. 2021, {definition}",
        status="measured",
        primary="accuracy",
        metrics={"accuracy": accuracy},
        sentence=words,
        details={
            "table": table(["quantity", "value"], [["accuracy", accuracy], ["advantage, same run", advantage], *rows]),
            "useless": useless,
        },
    )

"""What every game takes for granted about a scheme, measured: each check is a finding of its own, none is a verdict.

1. *decomposable* (Definition 1 of Carlini et al. 2021): images, seed and all but the labels equal, equal encodings;
2. *sources*: the image that a row is said to be made from is the one it resembles most.

(Randomness, the scope of the key and dependence on companions are measured in every audit: `ihaudit.audit.traits`.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.context import Context
from ihaudit.contracts.game import GameSetting, game
from ihaudit.games.base import OracleGame, table
from ihaudit.games.challenger import CALL_MIN, CALL_ROWS, Challenger, split
from ihaudit.games.filters import Bank
from ihaudit.release import IntArray, Release
from ihaudit.results import Finding


class Answer(NamedTuple):
    """What a check saw: a sentence, rows of its table, and what follows for the games where something does."""

    sentence: str
    rows: list[list[object]]
    reason: str = ""
    status: Literal["measured", "inconclusive"] = "measured"


@game("checks")
@dataclass(frozen=True)
class Checks(OracleGame):
    """Decomposable? Which row shows which image?"""

    title: ClassVar[str] = "Checks of what the games rely on"
    reference: ClassVar[str] = "Carlini et al. 2021, Definition 1"

    def play(self, setting: GameSetting, ctx: Context) -> list[Finding]:
        """A summary, then one finding per check."""
        pools = split(setting, ctx)
        challenger = Challenger(setting, ctx, pools)
        rng = ctx.rng("checks")
        who = rng.permutation(pools.train)[: min(CALL_MIN, len(pools.train))]
        seed = int(rng.integers(2**62))
        first = setting.encoder.encode(setting.images[who], setting.labels[who], seed=seed)
        ctx.progress("checks", 0.3)
        answers = {
            "decomposable": decomposable(setting, who, seed, first, rng),
            "sources": sources(setting, challenger, who, first, rng),
        }
        parts = [
            self.finding(
                kind="check",
                id=f"checks-{name}",
                title=f"Check: {name}",
                status=a.status,
                sentence=a.sentence,
                reason=a.reason,
                details={"table": table(["quantity", "value"], a.rows)},
            )
            for name, a in answers.items()
        ]
        bad = [p for p in parts if p.status == "inconclusive"]
        odd = [p for p in parts if p.reason and p not in bad]
        summary = self.finding(
            kind="check",
            status="inconclusive" if bad else "measured",
            sentence=" ".join(p.sentence for p in parts),
            reason="; ".join(p.reason for p in [*bad, *odd]),
            details={"table": table(["check", "what was seen"], [[p.title, p.sentence] for p in parts])},
        )
        return [summary, *parts]


def decomposable(setting: GameSetting, who: IntArray, seed: int, first: Release, rng: np.random.Generator) -> Answer:
    """Same images and seed under other labels must give bit-identical encodings."""
    labels = setting.labels[who]
    other = (labels + rng.integers(1, max(2, setting.n_classes), size=len(who))) % max(2, setting.n_classes)
    if set(np.unique(other)) != set(np.unique(labels)):  # the number of classes may be all that changed
        other = rng.permutation(labels)
    second = setting.encoder.encode(setting.images[who], other, seed=seed)
    same = _equal(first.encodings, second.encodings)
    rows: list[list[object]] = [["declared", setting.decomposable], ["measured", same]]
    if same:
        return Answer("Encoded images do not depend on labels (decomposable).", rows)
    reason = (
        "encoded images change with the labels, so Theorems 4 and 5 do not apply as stated: the games pass the true "
        "class of both images, which are equal"
    )
    if setting.decomposable:
        reason = "the scheme declares itself decomposable but is not: " + reason
    return Answer("Encoded images depend on labels (not decomposable).", rows, reason)


def sources(
    setting: GameSetting, challenger: Challenger, who: IntArray, release: Release, rng: np.random.Generator
) -> Answer:
    """The declared source of a row must resemble it more than other images of the call do."""
    bank = Bank.fitting(challenger.row_shape, setting.images.shape[1:])
    if not len(bank):
        text = f"Encodings of shape {challenger.row_shape} cannot be compared with images directly."
        return Answer(text, [], "which row shows which image is taken as stated")
    stated = challenger.sources(release, len(who))
    keep = rng.permutation(len(release.encodings))[: min(400, CALL_ROWS)]
    images = challenger.scaled(setting.images[who])
    used = np.zeros((len(keep), len(who)), bool)
    row, column = np.nonzero(stated[keep] >= 0)
    used[row, stated[keep][row, column]] = True
    declared, strongest = _fit(bank, release.encodings[keep], images, used)
    rows: list[list[object]] = [
        ["link of rows and images", challenger.layout],
        ["rows compared", len(keep)],
        ["standard score of the declared source", declared],
        ["largest standard score of any other image", strongest],
    ]
    if strongest > 4.0 and strongest > declared + 1.0:
        reason = (
            f"rows resemble other images (score {strongest:.1f}) more than those they are said to come from "
            f"({declared:.1f}); a finding of no leak would be an artefact: correct Provenance.sources"
        )
        return Answer("Rows are not made from the images that the scheme says.", rows, reason, "inconclusive")
    if declared < 0.3:
        return Answer("Rows resemble no image of the call, so which row shows which image cannot be verified.", rows)
    return Answer("Rows resemble the images that they are said to come from.", rows)


def _fit(
    bank: Bank, encodings: NDArray[Any], images: NDArray[np.float32], used: NDArray[np.bool_]
) -> tuple[float, float]:
    """Mean standard score over the call's images of declared sources and of the best other image; best filter."""
    best: tuple[float, float] = (-np.inf, -np.inf)
    for name in bank.filters:
        s = bank.only([name]).cross(encodings, images, np.ones(1, np.float32))
        z = (s - s.mean(1, keepdims=True)) / (s.std(1, keepdims=True) + 1e-9)
        mine = np.where(used, z, -np.inf).max(1)
        mine = mine[np.isfinite(mine)]
        others = np.where(used, -np.inf, z).max(1)
        pair = (float(mine.mean()) if len(mine) else 0.0, float(others.mean()))
        if max(pair) > max(best):
            best = pair
    return best


def _equal(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and bool(np.array_equal(a, b))

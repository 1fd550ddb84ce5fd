"""From counts to findings: what all games here share, the words of their verdicts and the threshold behind them.

The word of every game comes from one pre-declared statistic (`Finding.primary`).  Its two-sided 95 % interval's
lower end, so a one-sided bound at 2.5 %, is compared with `BROKEN_ABOVE`:

* above it: ``broken``;
* above 0 by `REMARKED` standard errors: ``no break found`` with the remark that they are *distinguishable*;
* else ``no break found``.

The margin of 0.05 is what keeps a null scheme quiet over a dozen games at once without a correction that depends on how
many games ran: with T trials a null's lower end exceeds it with probability Phi(-1.96 - 0.05 sqrt(T)), that is 0.3 %
for 300 trials and 1e-5 for 2,000.  A declared (epsilon, delta) Gaussian mechanism is held to what its epsilon allows
instead.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from threadpoolctl import threadpool_limits

from ihaudit import registry, stats
from ihaudit.contracts.context import Context
from ihaudit.contracts.game import GameSetting
from ihaudit.contracts.learner import Learner
from ihaudit.games.trials import BROKEN_ABOVE, Trials
from ihaudit.results import Finding, Kind, Status
from ihaudit.scheme import Knowledge
from ihaudit.stats import Estimate

#: standard errors above 0 from which encodings are called distinguishable: 1 in 1,000 for a perfect cipher, so that a
#: dozen games together do not say it of one
REMARKED = 3.1
ALL = ("quick", "standard", "full")
LATER = ("standard", "full")
DERIVED = "constants are derived from the wording of the proof; the paper's own may differ"
DEFINITION = "advantage = 2 Pr[correct] - 1 = TPR - FPR; 0 is guessing, 1 is certainty"


@dataclass(frozen=True)
class OracleGame:
    """A game whose adversary encodes images of its choice and has images like the private ones to choose from.

    Subclasses state id, title and reference, and define `play`.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    reference: ClassVar[str]
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.ORACLE, Knowledge.DISTRIBUTION})
    profiles: ClassVar[tuple[str, ...]] = ALL
    control: ClassVar[bool] = False

    def run(self, setting: GameSetting, ctx: Context) -> list[Finding]:
        """See `ihaudit.contracts.game.Game.run`; on one BLAS thread, so that sums do not depend on the cores."""
        with threadpool_limits(1, user_api="blas"):
            return self.play(setting, ctx)

    def play(self, setting: GameSetting, ctx: Context) -> list[Finding]:
        """The findings, the game's own first.

        Raises:
            NotApplicable: the game cannot be played with this scheme or these images.
        """
        raise NotImplementedError

    def finding(self, *, kind: Kind = "game", id: str = "", **values: Any) -> Finding:
        """A finding with the game's id, title, reference and needs (each can be overridden); options join the id."""
        values = {"title": self.title, "reference": self.reference} | values
        needs = sorted(k.value for k in self.needs)
        return Finding(id=(id or self.id) + self._options(), kind=kind, needs=needs, **values)

    def _options(self) -> str:
        """``:name=value,...`` of the options that are not at their default, as on the command line; else empty."""
        values = [(f.name, getattr(self, f.name), f.default) for f in dataclasses.fields(self)]
        given = ",".join(f"{name}={value}" for name, value, default in values if value != default)
        return f":{given}" if given else ""

    def verdict(
        self,
        setting: GameSetting,
        metrics: dict[str, Estimate],
        sentence: str,
        *,
        trials: Trials | None = None,
        **values: Any,
    ) -> Finding:
        """A finding whose word follows from ``metrics["advantage"]``; `trials` that were left out are a part of it."""
        status, reason = word(metrics["advantage"], setting)
        values = {"status": status, "reason": reason} | values
        found = self.finding(primary="advantage", metrics=metrics, sentence=sentence, **values)
        return shortened(found, trials)

    def utility(
        self, definition: str, what: str, accuracy: Estimate, advantage: Estimate, *rows: tuple[str, object]
    ) -> Finding:
        """Utility beside leaks: a constant hides everything and teaches nothing, and the report must say so.

        Args:
            definition: of Carlini et al. 2021: 2, accuracy on plain data of what was learned from encodings, or 3,
                accuracy on fresh encodings, balanced over labels.
            what: what was learned, for the sentence.
            accuracy: balanced accuracy of a two-valued property, chance 0.5.
            advantage: the game's, from the very run that measured the accuracy.
            rows: further lines of the table.
        """
        value = "an unknown share" if accuracy.value is None else f"{100 * accuracy.value:.0f} %"
        words = f"{what} is right in {value} of cases; guessing gives 50 %."
        useless = accuracy.low is not None and accuracy.low <= 0.5
        leaks = advantage.low is not None and advantage.low > 0
        if useless and not leaks:
            words += " Nothing was learned and no difference was seen, as it would be with a constant."
        elif useless:
            words += " Leaking and, for this learner, useless."
        lines = [("accuracy", accuracy), ("advantage, same run", advantage), *rows]
        return self.finding(
            kind="utility",
            id=f"{self.id}-utility",
            title=f"Utility: {self.title[0].lower() + self.title[1:]}",
            reference=f"Carlini et al. 2021, {definition}",
            status="measured",
            primary="accuracy",
            metrics={"accuracy": accuracy},
            sentence=words,
            details={"table": table(["quantity", "value"], lines), "useless": useless},
        )


@dataclass(frozen=True)
class LearningGame(OracleGame):
    """A game whose adversary learns from encodings.

    Attributes:
        learner: ``ridge``, ``convolutional`` or another registered one; ``default`` is ridge, and for the profile
            ``full`` on a GPU the convolutional one.
    """

    learner: str = "default"

    def __post_init__(self) -> None:
        if self.learner != "default":
            registry.get("learner", self.learner)

    def make_learner(self, ctx: Context) -> Learner:
        """The learner for a context."""
        large = ctx.profile == "full" and ctx.device.startswith("cuda")
        name = self.learner if self.learner != "default" else "convolutional" if large else "ridge"
        made: Learner = registry.get("learner", name)(ctx)
        return made


def shortened(finding: Finding, trials: Trials | None) -> Finding:
    """The finding, which says so where trials were left out because a call is slow."""
    if trials is not None and trials.note:
        finding.sentence += f" {trials.note[0].upper()}{trials.note[1:]}."
        finding.details["trials"] = {"played": trials.count, "planned": trials.planned, "smallest": trials.smallest}
    return finding


def threshold(setting: GameSetting) -> float:
    """What the primary's lower end must exceed for ``broken``."""
    epsilon = setting.parameters.get("epsilon")
    if setting.mechanism == "gaussian" and isinstance(epsilon, (int, float)) and epsilon > 0:
        delta = float(setting.parameters.get("delta", 0.0) or 0.0)
        return max(BROKEN_ABOVE, stats.max_advantage(float(epsilon), delta))
    return BROKEN_ABOVE


def word(estimate: Estimate, setting: GameSetting) -> tuple[Status, str]:
    """The status of a primary advantage and a remark (empty where the word says it all)."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "inconclusive", "nothing was measured"
    limit = threshold(setting)
    if estimate.low > limit:
        return "broken", ""
    # The interval's lower end lies 1.96 standard errors below the value.
    seen = estimate.value > 0 and estimate.value - (estimate.value - estimate.low) * REMARKED / 1.96 > 0
    if seen and limit > BROKEN_ABOVE:
        remark = f"distinguishable, within the advantage of {limit:.2f} that the declared epsilon allows"
    elif seen:
        remark = f"distinguishable from chance, but the lower bound does not exceed {limit:g}"
    elif estimate.high < 0:
        remark = "the interval lies below 0: chance in 1 audit of 40, or a rule that is turned around"
    else:
        remark = ""
    return "no break found", remark


def percent(estimate: Estimate) -> str:
    """Pr[correct] behind an advantage, in words for a sentence: ``64 %``."""
    return "an unknown share" if estimate.value is None else f"{50 * (1 + estimate.value):.0f} %"


def table(columns: list[str], rows: Any) -> dict[str, Any]:
    """A table as the report renders it, from rows of as many values."""
    return {"title": "", "columns": columns, "rows": [[_plain(v) for v in row] for row in rows]}


def _plain(v: Any) -> Any:
    if isinstance(v, Estimate):
        return str(v)
    if isinstance(v, (np.floating, float)):
        return round(float(v), 4)
    return int(v) if isinstance(v, np.integer) else v


def self_test(f: Finding, floor: float, measured: Estimate, what: str) -> None:
    """Theory against measurement: a floor above the interval's upper end means that the audit itself is wrong."""
    violated = measured.high is not None and floor > measured.high
    f.details["self_test"] = {"floor": floor, "measured_high": measured.high, "holds": not violated}
    if violated:
        f.status = "inconclusive"
        f.reason = (
            f"self-test failed: {what} must be at least {floor:.3f} by the theorem, yet at most {measured.high:.3f} "
            "was measured; the audit's sources or trials are wrong (see the check of rows and sources)"
        )

"""Epsilon in one call: Steinke, Nasr and Jagielski 2023.

m slots, each a pair of images of equal label, m independent fair bits, **one** encode call; the adversary scores each
slot and guesses the ones it is surest of.  The bound stays valid however the slots of the call depend on each other
(mixing, a shared key, statistics of the batch), which an interval over trials does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ihaudit import stats
from ihaudit.contracts.context import Context
from ihaudit.contracts.game import GameSetting, game
from ihaudit.errors import NotApplicable
from ihaudit.games.adversary.training import Trained, trained
from ihaudit.games.base import DEFINITION, LearningGame, shortened, table
from ihaudit.games.challenger import same_label_partner, used_in
from ihaudit.games.distinguisher import curve, epsilon_at_least
from ihaudit.games.trials import BROKEN_ABOVE, Arrays, affordable, stored
from ihaudit.results import Finding, Status
from ihaudit.stats import Estimate

SLOTS = {"quick": 1000, "standard": 1000, "full": 4000}
MAX_ROWS = {"quick": 10_000, "standard": 20_000, "full": 40_000}
SHARES = (0.05, 0.1, 0.25, 0.5, 1.0)  # of the slots guessed: the declared grid, Bonferroni over it
MIN_SLOTS = 50


@game("one-run")
@dataclass(frozen=True)
class OneRunGame(LearningGame):
    """A lower bound on epsilon from a single call of the scheme."""

    title: ClassVar[str] = "Epsilon in one run"
    reference: ClassVar[str] = "Steinke, Nasr and Jagielski 2023"

    def play(self, setting: GameSetting, ctx: Context) -> list[Finding]:
        """One finding; primary is the epsilon bound."""
        shared = trained(setting, ctx, self.make_learner(ctx))
        slots, rows = SLOTS[ctx.profile], MAX_ROWS[ctx.profile]
        m = min(slots, len(shared.pools.estimate), rows // shared.challenger.rows_per_image)
        if m < MIN_SLOTS:
            raise NotApplicable(f"needs at least {MIN_SLOTS} slots; images and rows per image allow {m}")
        trials = affordable(
            setting, ctx, m, setting.encoder.seconds, share=1.0, least=MIN_SLOTS, what="slots of a call"
        )
        m = trials.count
        c = stored(ctx, setting, "one-run", {"m": m}, lambda: one_call(setting, ctx, shared, m))
        score, bit = c["score"], c["bit"]
        declared = setting.parameters.get("epsilon") if setting.mechanism == "gaussian" else None
        delta = float(setting.parameters.get("delta") or 1e-5) if declared else 1e-5
        run = stats.one_run_grid(score, bit, [max(1, round(s * m)) for s in SHARES], delta)
        limit = float(declared) if isinstance(declared, (int, float)) else stats.eps_from_advantage(BROKEN_ABOVE)
        status: Status = "broken" if run.epsilon > limit else "no break found"
        right = int((((score > 0) == bit) & (score != 0)).sum() + 0.5 * (score == 0).sum())
        if run.epsilon > 0:
            words = (
                f"One call with {m} images in doubt refutes every epsilon below {run.epsilon:.2f} at delta = "
                f"{delta:g}; the largest value that so many could show is {run.ceiling:.2f}."
            )
        else:
            words = (
                f"One call with {m} images in doubt refutes no epsilon; up to {run.ceiling:.2f} could have been shown."
            )
        near = status != "broken" and run.epsilon > 0
        at_ceiling = run.epsilon > 0.99 * run.ceiling
        found = self.finding(
            status=status,
            reason=f"distinguishable, but the bound does not exceed {limit:.2f}" if near else "",
            primary="epsilon",
            metrics={
                "epsilon": Estimate(run.epsilon, run.epsilon, None, m),
                "advantage": stats.advantage(right, m),
            },
            sentence=words,
            details={
                "roc": curve(score, bit),
                "table": table(["guesses", "right", "epsilon at least"], run.rows),
                "epsilon": {
                    "lower": epsilon_at_least(run.epsilon, m),
                    "delta": delta,
                    "ceiling": run.ceiling,
                    "kind": "central, replace-one, valid under dependence between slots",
                    "note": "at its ceiling: more slots could show more" if at_ceiling else "of it",
                },
                "threshold": limit,
                "notes": [
                    DEFINITION,
                    "the advantage's interval takes slots as independent, which one call does not promise; epsilon "
                    "does not",
                    f"numbers of guesses fixed beforehand: {', '.join(f'{s:.0%}' for s in SHARES)} of the slots",
                ],
            },
        )
        return [shortened(found, trials)]


def one_call(setting: GameSetting, ctx: Context, shared: Trained, m: int) -> Arrays:
    """Scores (positive: bit 1, the second image was encoded) and bits of m slots of one call."""
    rng, challenger, pool = ctx.rng("one-run"), shared.challenger, shared.pools.estimate
    x0 = rng.permutation(pool)[:m]
    x1 = same_label_partner(x0, pool, setting.labels, rng)
    bit = rng.integers(2, size=m).astype(bool)
    who = np.where(bit, x1, x0)
    ctx.progress("one call", 0.1)
    release = setting.encoder.encode(setting.images[who], setting.labels[who], seed=int(rng.integers(2**62)))
    used = used_in(challenger.sources(release, m))
    if len(used) > 20_000:  # the adversary may ignore rows
        used = used[rng.permutation(len(used))[:20_000]]
    ctx.progress("scoring", 0.5)
    score = np.zeros(m)
    step = 2048
    for i in range(0, len(used), step):
        slot, rows = used[i : i + step].T
        pixels = np.asarray(release.encodings[rows], np.float32)
        np.add.at(score, slot, -shared.adversary.margin(pixels, x0[slot], x1[slot]))
    return {"score": score, "bit": bit}

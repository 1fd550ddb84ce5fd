"""Membership: was this very image among those encoded?

Half of 2n candidates, at random, make up the data set; the adversary sees all encodings and scores every candidate
by the rows that resemble it most.  The size is fixed because a varying one shows in the number of rows, which would
win the game without a look at any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.context import Context
from ihaudit.contracts.game import GameSetting, game
from ihaudit.games.adversary.training import Trained, budget_of, trained
from ihaudit.games.base import DEFINITION, LATER, LearningGame, percent, table
from ihaudit.games.distinguisher import best_cut, curve, epsilon, two_arms
from ihaudit.games.trials import Arrays, Trials, affordable, stored
from ihaudit.results import Finding

TRIALS = {"quick": 600, "standard": 2000, "full": 10_000}
ROWS = {"quick": 20_000, "standard": 60_000, "full": 500_000}
SCORED = 1024  # rows scored per data set; the adversary may ignore rows


@game("membership")
@dataclass(frozen=True)
class MembershipGame(LearningGame):
    """Was this image encoded at all?"""

    title: ClassVar[str] = "Membership: was this very image encoded?"
    reference: ClassVar[str] = (
        "membership inference (Shokri et al. 2017) on encodings; Carlini et al. 2021, Definition 4"
    )
    profiles: ClassVar[tuple[str, ...]] = LATER

    def play(self, setting: GameSetting, ctx: Context) -> list[Finding]:
        """One finding, with the ROC curve and TPR at 1 % FPR."""
        shared = trained(setting, ctx, self.make_learner(ctx))
        before, _ = _trials(setting, ctx, shared, "select", max(200, TRIALS[ctx.profile] // 3), share=0.25)
        c, played = _trials(setting, ctx, shared, "estimate", TRIALS[ctx.profile], share=0.45)
        rules = [k for k in before if k.startswith("score")]
        cut = {k: best_cut(before[k], before["member"], balanced=True) for k in rules}
        best = max(rules, key=lambda k: float(np.mean((before[k] > cut[k]) == before["member"])))
        arms = before[best] - cut[best], before["member"], c[best] - cut[best], c["member"]
        metrics = two_arms(*arms, ctx.rng("ties"))
        size = metrics["tpr_low_fpr"].n, metrics["fpr_low_fpr"].n
        return [
            self.verdict(
                setting,
                metrics,
                "Given all encodings, an adversary says of an image whether it was among those encoded, and is right "
                f"in {percent(metrics['advantage'])} of cases; guessing gives 50 %.",
                details={
                    "table": table(
                        ["images per data set", "members", "others", "rule, chosen on other data sets"],
                        [[int(c["n"]), *size, best.removeprefix("score ")]],
                    ),
                    "roc": curve(*arms[2:]),
                    "epsilon": epsilon(*arms, "central, replace-one, of the data set"),
                    "notes": [
                        DEFINITION + " (two arms: Bonferroni on two exact intervals)",
                        "candidates of one data set share its encodings; the interval takes them as independent",
                    ],
                },
                trials=played,
            )
        ]


def _trials(
    setting: GameSetting, ctx: Context, shared: Trained, which: str, trials: int, *, share: float
) -> tuple[Arrays, Trials]:
    """`data_sets` for `trials` candidates of one pool, or fewer where images have many encodings."""
    t = shared.challenger.rows_per_image
    trials = int(np.clip(2 * ROWS[ctx.profile] // t, 200, trials))
    n = min(len(getattr(shared.pools, which)) // 2, 32 if t <= 12 else 16)
    each = setting.encoder.seconds(n)
    played = affordable(
        setting, ctx, trials, lambda c: -(-c // (2 * n)) * each, share=share, least=2 * n, what="candidates"
    )
    trials = played.count
    key = {"trials": trials, "n": n}
    found = stored(ctx, setting, f"membership-{which}", key, lambda: data_sets(ctx, shared, which, trials, n))
    return found, played


def data_sets(ctx: Context, shared: Trained, which: str, trials: int, n: int) -> Arrays:
    """Data sets of n images out of 2n candidates each: membership and scores by rule, for `trials` candidates."""
    pool, t, rng = getattr(shared.pools, which), shared.challenger.rows_per_image, ctx.rng("membership", which)
    reference = rng.permutation(shared.pools.train)[:256]
    own, rows_made = ctx.rng("membership", which, "own"), budget_of(ctx).rows_select
    member: list[NDArray[Any]] = []
    scores: dict[str, list[NDArray[Any]]] = {}
    calls, drawn = [], []
    for _ in range(-(-trials // (2 * n))):
        candidates = rng.permutation(pool)[: 2 * n]
        bits = rng.permutation(len(candidates)) < len(candidates) // 2
        calls.append((rng.permutation(candidates[bits]), np.zeros(0, np.int64)))
        drawn.append((candidates, bits))
    asked = np.concatenate([c for c, _ in drawn])
    adversary = shared.adversary.knowing(shared.challenger, asked, pool, own, rows_made)
    adversary = adversary.knowing(shared.challenger, reference, shared.pools.train, own, rows_made)
    for i, (_, _, release) in enumerate(shared.challenger.releases(calls, rng)):
        candidates, bits = drawn[i]
        rows = release.encodings[rng.permutation(len(release.encodings))[:SCORED]]
        s = adversary.cross(np.asarray(rows, np.float32), np.r_[candidates, reference]).astype(np.float64)
        # An encoding that fits everything, and a candidate that fits everything, say nothing: take both means off.
        s -= s[:, len(candidates) :].mean(1, keepdims=True)
        s = s[:, : len(candidates)]
        s -= np.median(s, axis=0)
        top = np.sort(s, axis=0)[-min(len(s), t) :]
        scores.setdefault("score best row", []).append(s.max(0))
        scores.setdefault("score best rows", []).append(top.mean(0))
        scores.setdefault("score mixture likelihood", []).append(np.logaddexp.reduce(s, axis=0))
        member.append(bits)
        ctx.progress(f"membership: {which}", (i + 1) / len(calls))
    out = {k: np.concatenate(v)[:trials] for k, v in scores.items()}
    return out | {"member": np.concatenate(member)[:trials], "n": np.array(n)}

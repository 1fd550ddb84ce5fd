"""Membership: was this very image among those encoded?

Half of 2n candidates, at random, make up the data set; the adversary sees all encodings and scores every candidate
by the rows that resemble it most.  The size is fixed because a varying one shows in the number of rows, which would
win the game without a look at any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ihaudit import stats
from ihaudit.contracts.context import Context
from ihaudit.contracts.game import GameSetting, game
from ihaudit.errors import NotApplicable
from ihaudit.games.adversary import Trained, trained
from ihaudit.games.instance import answer, eps_details
from ihaudit.games.outcome import (
    DEFINITION,
    LATER,
    NEEDS,
    curve,
    finding,
    metered,
    not_run,
    percent,
    stored,
    table,
    word,
)
from ihaudit.results import Finding

TRIALS = {"quick": 600, "standard": 2000, "full": 10_000}
ROWS = {"quick": 20_000, "standard": 60_000, "full": 500_000}
SCORED = 1024  # rows scored per data set; the adversary may ignore rows


@game("membership")
@dataclass(frozen=True)
class MembershipGame:
    """Was this image encoded at all?"""

    id: ClassVar[str] = "membership"
    title: ClassVar[str] = "Membership: was this very image encoded?"
    reference: ClassVar[str] = (
        "membership inference (Shokri et al. 2017) on encodings; Carlini et al. 2021, Definition 4"
    )
    needs: ClassVar = NEEDS
    profiles: ClassVar[tuple[str, ...]] = LATER

    def run(self, setting: GameSetting, ctx: Context) -> list[Finding]:
        """One finding, with the ROC curve and TPR at 1 % FPR."""
        with metered() as meter:
            try:
                shared = trained(setting, ctx)
                before = self._trials(setting, ctx, shared, "select", max(200, TRIALS[ctx.profile] // 3))
                c = self._trials(setting, ctx, shared, "estimate", TRIALS[ctx.profile])
            except NotApplicable as why:
                return [not_run(self, str(why))]
        cut = {k: _cut(v, before["member"]) for k, v in before.items() if k.startswith("score")}
        best = max(cut, key=lambda k: float(np.mean((before[k] > cut[k]) == before["member"])))
        member, score = c["member"].astype(bool), c[best] - cut[best]
        p, n = int(member.sum()), int((~member).sum())
        said = ~answer(score, ctx.rng("ties"))
        tp, fp = int((said & member).sum()), int((said & ~member).sum())
        e = stats.link_advantage(tp, p, fp, n)
        status, remark = word(e, setting)
        low = np.quantile(before[best][~before["member"].astype(bool)], 0.99) - cut[best]
        out = finding(
            self,
            status=status,
            reason=remark,
            primary="advantage",
            metrics={
                "advantage": e,
                "auc": stats.auc(score, member),
                "tpr_low_fpr": stats.rate(int((score[member] > low).sum()), p),
                "fpr_low_fpr": stats.rate(int((score[~member] > low).sum()), n),
            },
            sentence=(
                "Given all encodings, an adversary says of an image whether it was among those "
                "encoded, and is right in "
                f"{percent(e)} of cases; guessing gives 50 %."
            ),
            details={
                "table": table(
                    ["images per data set", "members", "others", "rule, chosen on other data sets"],
                    [[int(c["n"]), p, n, best.removeprefix("score ")]],
                ),
                "roc": curve(score, member),
                "epsilon": eps_details(
                    before[best] - cut[best],
                    before["member"].astype(bool),
                    score,
                    member,
                    "central, replace-one, of the data set",
                ),
                "notes": [
                    DEFINITION + " (two arms: Bonferroni on two exact intervals)",
                    "candidates of one data set share its encodings; the interval takes them as independent",
                ],
            },
        )
        out.cost = meter.cost
        return [out]

    def _trials(
        self, setting: GameSetting, ctx: Context, shared: Trained, which: str, trials: int
    ) -> dict[str, NDArray]:
        t = shared.challenger.rows_per_image
        trials = int(np.clip(2 * ROWS[ctx.profile] // t, 200, trials))
        pool = shared.pools.select if which == "select" else shared.pools.estimate
        n = min(len(pool) // 2, 32 if t <= 12 else 16)

        def make() -> dict[str, NDArray]:
            return play(setting, ctx, shared, which, trials, n)

        return stored(ctx, setting, f"membership-{which}", {"trials": trials, "n": n}, make)


def play(setting: GameSetting, ctx: Context, shared: Trained, which: str, trials: int, n: int) -> dict[str, NDArray]:
    """Data sets of n images out of 2n candidates each: membership and scores by rule, for `trials` candidates."""
    pool = shared.pools.select if which == "select" else shared.pools.estimate
    rng = ctx.rng("membership", which)
    reference = rng.permutation(shared.pools.train)[:256]
    t = shared.challenger.rows_per_image
    member: list[NDArray] = []
    scores: dict[str, list[NDArray]] = {}
    rounds = -(-trials // (2 * n))
    calls, inside = [], []
    for _ in range(rounds):
        candidates = rng.permutation(pool)[: 2 * n]
        bits = rng.permutation(len(candidates)) < len(candidates) // 2
        calls.append((rng.permutation(candidates[bits]), np.zeros(0, np.int64)))
        inside.append((candidates, bits))
    for i, (_, _, release) in enumerate(shared.challenger.releases(calls, rng)):
        candidates, bits = inside[i]
        rows = release.encodings[rng.permutation(len(release.encodings))[:SCORED]]
        s = shared.adversary.cross(np.asarray(rows, np.float32), np.r_[candidates, reference]).astype(np.float64)
        # An encoding that fits everything, and a candidate that fits everything, say nothing: take both means off.
        s -= s[:, len(candidates) :].mean(1, keepdims=True)
        s = s[:, : len(candidates)]
        s -= np.median(s, axis=0)
        top = np.sort(s, axis=0)[-min(len(s), t) :]
        for name, v in (
            ("score best row", s.max(0)),
            ("score best rows", top.mean(0)),
            ("score mixture likelihood", np.logaddexp.reduce(s, axis=0)),
        ):
            scores.setdefault(name, []).append(v)
        member.append(bits)
        ctx.progress(f"membership: {which}", (i + 1) / rounds)
    out = {k: np.concatenate(v)[:trials] for k, v in scores.items()}
    return out | {"member": np.concatenate(member)[:trials], "n": np.array(n)}


def _cut(score: NDArray, member: NDArray) -> float:
    order = np.sort(score)
    cuts = np.r_[order[0] - 1, (order[1:] + order[:-1]) / 2]
    inside = np.asarray(member, bool)
    above_in = inside.sum() - np.searchsorted(np.sort(score[inside]), cuts, "right")
    above_out = (~inside).sum() - np.searchsorted(np.sort(score[~inside]), cuts, "right")
    return float(cuts[int(np.argmax(above_in / max(1, inside.sum()) - above_out / max(1, (~inside).sum())))])

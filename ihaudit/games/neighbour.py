"""Definition 4 played directly: two data sets that differ in one image of equal label, told apart from all encodings.

Theorem 3 only promises an advantage of the order of 1/n for schemes that can be learned from; a real adversary, who
knows both images and all bystanders, does far better.  Two adversaries:

* *matched filter*: does any row look like x0 rather than x1?  It is not told which rows to look at;
* *equality pattern*: the adversary puts a second copy of x0 into the data set and looks for two rows that match.  It
  catches reuse of a key (a pad, a permutation), which no statistic of single rows can see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.context import Context
from ihaudit.contracts.game import GameSetting, game
from ihaudit.games.adversary.scorer import Adversary
from ihaudit.games.adversary.training import Trained, budget_of, trained
from ihaudit.games.base import DEFINITION, LearningGame, percent, table
from ihaudit.games.challenger import draw_pairs
from ihaudit.games.distinguisher import advantage, best_cut, curve, epsilon
from ihaudit.games.filters import Bank, unit_rows
from ihaudit.games.trials import LEAST, Arrays, affordable, stored
from ihaudit.release import FloatArray, IntArray
from ihaudit.results import Finding

TRIALS = {"quick": (120, 300), "standard": (300, 1000), "full": (1000, 5000)}  # select, estimate
ROWS = {"quick": 40_000, "standard": 200_000, "full": 3_000_000}
VALUES = {"quick": 80e6, "standard": 800e6, "full": np.inf}  # of all these rows together
LOOKED_AT = 64  # rows scored per data set; the adversary may ignore rows
KNOWN = "rows known"  # measured beside the others, never chosen: the adversary of the game is not told
Scorer = Callable[[FloatArray, int, int, NDArray[np.bool_]], dict[str, float]]


@game("neighbour")
@dataclass(frozen=True)
class NeighbourGame(LearningGame):
    """Was it x0 or x1 that completed this data set?"""

    title: ClassVar[str] = "Neighbour game: two data sets that differ in one image"
    reference: ClassVar[str] = "Carlini et al. 2021, Definition 4; two adversaries"

    def play(self, setting: GameSetting, ctx: Context) -> list[Finding]:
        """Two findings: matched filter, equality pattern."""
        shared = trained(setting, ctx, self.make_learner(ctx))
        return [
            self._finding(setting, ctx, shared, "matched", "matched filter over all rows"),
            self._finding(setting, ctx, shared, "equality", "two rows that match"),
        ]

    def _finding(self, setting: GameSetting, ctx: Context, shared: Trained, kind: str, how: str) -> Finding:
        t = shared.challenger.rows_per_image
        n = 32 if t <= 4 else 16 if t <= 12 else 8
        select, trials = TRIALS[ctx.profile]
        size = max(1, int(np.prod(shared.challenger.row_shape)))
        share = min(1.0, min(ROWS[ctx.profile], VALUES[ctx.profile] / size) / (n * t * (select + trials)))
        select, planned = max(40, int(select * share)), max(80, int(trials * share))
        each = setting.encoder.seconds(n)
        # Two kinds share what the game may spend; a third of the calls chooses the rule.
        played = affordable(setting, ctx, planned, lambda count: 4 / 3 * count * each, share=0.5, what="data sets")
        trials, select = played.count, min(select, max(LEAST // 2, played.count // 3)) if played.note else select
        before = _trials(setting, ctx, shared, kind, "select", select, n)
        c = _trials(setting, ctx, shared, kind, "estimate", trials, n)
        names = [k for k in before if k not in ("first", KNOWN)]
        cut = {k: best_cut(before[k], before["first"]) if kind == "equality" else 0.0 for k in names}
        best = max(names, key=lambda k: float(np.mean((before[k] > cut[k]) == before["first"])))
        first, score = c["first"], c[best] - cut[best]
        e = advantage(score, first, ctx.rng(kind, "ties"))
        metrics = {"advantage": e}
        if KNOWN in c:
            metrics["advantage_rows_known"] = advantage(c[KNOWN], first, ctx.rng(kind, "ties"))
        return self.verdict(
            setting,
            metrics,
            f"Given all encodings of {n} images, an adversary who knows both candidates for one of them says which it "
            f"was in {percent(e)} of cases ({how}); guessing gives 50 %.",
            id=self.id if kind == "matched" else f"{self.id}-equality",
            title=self.title if kind == "matched" else "Neighbour game: does a row repeat?",
            details={
                "table": table(
                    ["images per data set", "encodings per image", "trials", "rule, chosen on other trials"],
                    [[n, t, len(first), best]],
                ),
                "roc": curve(score, first),
                "epsilon": epsilon(
                    before[best] - cut[best], before["first"], score, first, "central, replace-one, of the data set"
                ),
                "floor": {
                    "value": 1 / (3 * n),
                    "formula": "1/(3n)",
                    "note": "the most that Theorem 3 can promise at this n, if the scheme is learned from perfectly; "
                    "differentially private schemes may exceed it too",
                },
                "notes": [DEFINITION],
            },
            trials=played,
        )


def _trials(setting: GameSetting, ctx: Context, shared: Trained, kind: str, which: str, count: int, n: int) -> Arrays:
    """`count` data sets of n images; scores (positive: x0) by rule, and ``first``, whether it was x0."""
    pool, twin, name = getattr(shared.pools, which), kind == "equality", f"{kind}-{which}"

    def make() -> Arrays:
        rng = ctx.rng("neighbour", name)
        x0, x1 = draw_pairs(pool, setting.labels, count, rng)
        bit = rng.integers(2, size=count).astype(bool)
        shown = np.where(bit, x1, x0)
        if kind == "matched":
            own = ctx.rng("neighbour", name, "own")
            images, rows_made = np.r_[x0, x1], budget_of(ctx).rows_select
            score = _matched(shared, shared.adversary.knowing(shared.challenger, images, pool, own, rows_made))
        else:
            score = _equal_rows(shared, setting)
        calls: list[tuple[IntArray, IntArray]] = []
        for i in range(count):
            others = rng.choice(pool, size=min(len(pool), n + 2), replace=False)
            others = others[~np.isin(others, (x0[i], x1[i]))][: n - 1 - twin]
            who = np.r_[others, [x0[i]] if twin else [], shown[i]].astype(np.int64)
            calls.append((rng.permutation(who), np.full(len(who), i)))
        out: dict[str, list[float]] = {}
        for i, (who, _, release) in enumerate(shared.challenger.releases(calls, rng)):
            source = shared.challenger.sources(release, len(who))
            target = ((source >= 0) & (who[source.clip(0)] == shown[i])).any(1)
            looked = np.sort(rng.permutation(len(source))[:LOOKED_AT])
            rows = np.asarray(release.encodings[looked], np.float32)
            for k, v in score(rows, int(x0[i]), int(x1[i]), target[looked]).items():
                out.setdefault(k, []).append(v)
            if i % 50 == 49:
                ctx.progress(f"neighbour game: {name}", (i + 1) / count)
        return {k: np.asarray(v) for k, v in out.items()} | {"first": ~bit}

    return stored(ctx, setting, f"neighbour-{name}", {"count": count, "n": n}, make)


def _matched(shared: Trained, adversary: Adversary) -> Scorer:
    def score(rows: FloatArray, x0: int, x1: int, target: NDArray[np.bool_]) -> dict[str, float]:
        s = adversary.cross(rows, np.array([x0, x1])).astype(np.float64)
        d = s[:, 0] - s[:, 1]
        c = d - np.median(d)  # how well either candidate fits rows that hold neither
        t = min(len(d), max(1, shared.challenger.rows_per_image))
        order = np.sort(c)
        return {
            "best row": float(order[-1] + order[0]),
            "best rows": float(order[-t:].mean() + order[:t].mean()),
            "mixture likelihood": float(np.logaddexp.reduce(c) - np.logaddexp.reduce(-c)),
            "all rows": float(d.mean()),
            KNOWN: float(d[target].sum()),
        }

    return score


def _equal_rows(shared: Trained, setting: GameSetting) -> Scorer:
    bank = Bank.fitting(shared.challenger.row_shape, setting.images.shape[1:])
    bank = bank.only(set(bank.filters) & {"square: high"})

    def score(rows: FloatArray, x0: int, x1: int, target: NDArray[np.bool_]) -> dict[str, float]:
        flat, unit, upper = rows.reshape(len(rows), -1), unit_rows(rows), np.triu_indices(len(rows), 1)
        corr = (unit @ unit.T)[upper]
        squares = np.einsum("ij,ij->i", flat, flat)
        distance = (squares[:, None] + squares[None] - 2 * flat @ flat.T)[upper]
        out = {
            "correlation": float(corr.max()),
            "absolute correlation": float(np.abs(corr).max()),
            "distance": -float(distance.min()),
        }
        for v in bank.views(rows):
            out["correlation of squares"] = float((v @ v.T)[upper].max())
        return out

    return score

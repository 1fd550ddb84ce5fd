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

from ihaudit import stats
from ihaudit.contracts.context import Context
from ihaudit.contracts.game import GameSetting, game
from ihaudit.errors import NotApplicable
from ihaudit.games.adversary import Trained, trained
from ihaudit.games.challenger import draw_pairs
from ihaudit.games.filters import Bank
from ihaudit.games.instance import answer, eps_details
from ihaudit.games.outcome import ALL, DEFINITION, NEEDS, curve, finding, metered, not_run, percent, stored, table, word
from ihaudit.release import FloatArray, IntArray
from ihaudit.results import Finding

TRIALS = {"quick": (120, 300), "standard": (300, 1000), "full": (1000, 5000)}  # select, estimate
ROWS = {"quick": 40_000, "standard": 200_000, "full": 3_000_000}
LOOKED_AT = 64  # rows scored per data set; the adversary may ignore rows
KNOWN = "rows known"  # measured beside the others, never chosen: the adversary of the game is not told
Score = dict[str, NDArray]
Scorer = Callable[[FloatArray, int, int, NDArray[np.bool_]], dict[str, float]]


@game("neighbour")
@dataclass(frozen=True)
class NeighbourGame:
    """Was it x0 or x1 that completed this data set?"""

    id: ClassVar[str] = "neighbour"
    title: ClassVar[str] = "Neighbour game: two data sets that differ in one image"
    reference: ClassVar[str] = "Carlini et al. 2021, Definition 4; adversaries of our documentation"
    needs: ClassVar = NEEDS
    profiles: ClassVar[tuple[str, ...]] = ALL

    def run(self, setting: GameSetting, ctx: Context) -> list[Finding]:
        """Two findings: matched filter, equality pattern."""
        with metered() as meter:
            try:
                shared = trained(setting, ctx)
            except NotApplicable as why:
                return [not_run(self, str(why))]
        del meter
        return [
            self._game(setting, ctx, shared, "matched", "matched filter over all rows"),
            self._game(setting, ctx, shared, "equality", "two rows that match"),
        ]

    def _game(self, setting: GameSetting, ctx: Context, shared: Trained, kind: str, how: str) -> Finding:
        t = shared.challenger.rows_per_image
        n = 32 if t <= 4 else 16 if t <= 12 else 8
        select, trials = TRIALS[ctx.profile]
        share = min(1.0, ROWS[ctx.profile] / (n * t * (select + trials)))
        select, trials = max(40, int(select * share)), max(80, int(trials * share))
        with metered() as meter:
            try:
                before = self._trials(setting, ctx, shared, kind, "select", select, n)
                c = self._trials(setting, ctx, shared, kind, "estimate", trials, n)
            except NotApplicable as why:
                return not_run(self, str(why))
        names = [k for k in before if k not in ("bit", KNOWN)]
        cut = {k: _threshold(before[k], before["bit"]) if kind == "equality" else 0.0 for k in names}
        best = max(names, key=lambda k: float(np.mean((before[k] < cut[k]) == before["bit"])))
        score, bit = c[best] - cut[best], c["bit"].astype(bool)
        e = stats.advantage(int((answer(score, ctx.rng(kind, "ties")) == bit).sum()), len(bit))
        metrics = {"advantage": e}
        if KNOWN in c:
            right = int((answer(c[KNOWN], ctx.rng(kind, "ties")) == bit).sum())
            metrics["advantage_rows_known"] = stats.advantage(right, len(bit))
        status, remark = word(e, setting)
        out = finding(
            self,
            id=self.id if kind == "matched" else f"{self.id}-equality",
            title=self.title if kind == "matched" else "Neighbour game: does a row repeat?",
            status=status,
            reason=remark,
            primary="advantage",
            metrics=metrics,
            sentence=(
                f"Given all encodings of {n} images, an adversary who knows both candidates for one "
                "of them says which it "
                f"was in {percent(e)} of cases ({how}); guessing gives 50 %."
            ),
            details={
                "table": table(
                    ["images per data set", "encodings per image", "trials", "rule, chosen on other trials"],
                    [[n, t, len(bit), best]],
                ),
                "roc": curve(score, ~bit),
                "epsilon": eps_details(
                    before[best] - cut[best],
                    ~before["bit"].astype(bool),
                    score,
                    ~bit,
                    "central, replace-one, of the data set",
                ),
                "floor": {
                    "value": 1 / (3 * n),
                    "formula": "1/(3n)",
                    "note": "the most that Theorem 3 can promise at this n, if the scheme is learned from perfectly; "
                    "differentially private schemes may exceed it too",
                },
                "notes": [DEFINITION],
            },
        )
        out.cost = meter.cost
        return out

    def _trials(
        self, setting: GameSetting, ctx: Context, shared: Trained, kind: str, which: str, count: int, n: int
    ) -> Score:
        score = _matched(shared) if kind == "matched" else _equal_rows(shared, setting)

        def make() -> Score:
            return play(
                setting, ctx, shared, score, count, n, twin=kind == "equality", name=f"{kind}-{which}", which=which
            )

        return stored(ctx, setting, f"neighbour-{kind}-{which}", {"count": count, "n": n}, make)


def play(
    setting: GameSetting,
    ctx: Context,
    shared: Trained,
    score: Scorer,
    count: int,
    n: int,
    *,
    twin: bool,
    name: str,
    which: str,
) -> Score:
    """`count` data sets of n images; scores (positive: x0) by rule, and the bits (True: x1)."""
    pool = shared.pools.select if which == "select" else shared.pools.estimate
    rng = ctx.rng("neighbour", name)
    x0, x1 = draw_pairs(pool, setting.labels, count, rng)
    bit = rng.integers(2, size=count).astype(bool)
    calls: list[tuple[IntArray, IntArray]] = []
    for i in range(count):
        others = rng.choice(pool, size=min(len(pool), n + 2), replace=False)
        others = others[~np.isin(others, (x0[i], x1[i]))][: n - 1 - twin]
        who = np.r_[others, [x0[i]] if twin else [], x1[i] if bit[i] else x0[i]].astype(np.int64)
        calls.append((rng.permutation(who), np.full(len(who), i)))
    out: dict[str, list[float]] = {}
    for i, (who, _, release) in enumerate(shared.challenger.releases(calls, rng)):
        shown = x1[i] if bit[i] else x0[i]
        source = shared.challenger.sources(release, len(who))
        target = ((source >= 0) & (who[source.clip(0)] == shown)).any(1)
        looked = np.sort(rng.permutation(len(source))[:LOOKED_AT])
        rows = np.asarray(release.encodings[looked], np.float32)
        for k, v in score(rows, int(x0[i]), int(x1[i]), target[looked]).items():
            out.setdefault(k, []).append(v)
        if i % 50 == 49:
            ctx.progress(f"neighbour game: {name}", (i + 1) / count)
    return {k: np.asarray(v) for k, v in out.items()} | {"bit": bit}


def _matched(shared: Trained) -> Scorer:
    def score(rows: FloatArray, x0: int, x1: int, target: NDArray[np.bool_]) -> dict[str, float]:
        s = shared.adversary.cross(rows, np.array([x0, x1])).astype(np.float64)
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
    bank = Bank(shared.challenger.row_shape, setting.images.shape[1:])
    bank = bank.only([i for i, name in enumerate(bank.names) if name == "square: high"])

    def score(rows: FloatArray, x0: int, x1: int, target: NDArray[np.bool_]) -> dict[str, float]:
        flat = rows.reshape(len(rows), -1)
        centred = flat - flat.mean(1, keepdims=True)
        centred = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)
        upper = np.triu_indices(len(rows), 1)
        corr = (centred @ centred.T)[upper]
        out = {"correlation": float(corr.max()), "absolute correlation": float(np.abs(corr).max())}
        squares = np.einsum("ij,ij->i", flat, flat)
        distance = (squares[:, None] + squares[None] - 2 * flat @ flat.T)[upper]
        out["distance"] = -float(distance.min())
        if len(bank):
            (v,) = bank.views(rows)
            out["correlation of squares"] = float((v @ v.T)[upper].max())
        return out

    return score


def _threshold(score: NDArray, bit: NDArray) -> float:
    """The cut that answers most select trials rightly (above it: x0); middle of the best gap."""
    s = np.sort(score)
    cuts = np.r_[s[0] - 1, (s[1:] + s[:-1]) / 2, s[-1] + 1]
    right = [float(np.mean((score < c) == bit)) for c in cuts]
    return float(cuts[int(np.argmax(right))])

"""Marginal tests as InstaHide's authors used them, beside the games, and why passing them proves nothing.

Kolmogorov-Smirnov tests of per-encoding statistics (one pixel, mean, variance, total variation) between encodings of
different images.  Each is *one* adversary with *one* scalar that has forgotten which image it looks at; the reused
pad passes them all and is fully broken.  Not rejecting is not accepting, so this is never a verdict of "no break
found".  A rejection (Holm over all tests) is one more adversary: the statistic, its threshold and the pair of images
are taken from one half of the encodings, its advantage is measured on the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from ihaudit import stats
from ihaudit.contracts.context import Context
from ihaudit.contracts.game import GameSetting, game
from ihaudit.games.base import DEFINITION, LATER, OracleGame, percent, table
from ihaudit.games.challenger import Challenger, pick_rows, split
from ihaudit.games.trials import Arrays, affordable, stored
from ihaudit.release import FloatArray
from ihaudit.results import Finding

IMAGES = 10
ENCODINGS = {"quick": 100, "standard": 400, "full": 2000}
ROWS = {"quick": 20_000, "standard": 40_000, "full": 400_000}
STATISTICS = ("pixel", "mean", "variance", "total variation")
WHY = (
    "Passing says nothing: each test is one adversary with one number, it has forgotten which image it looks at, and "
    "it cannot see two encodings under one key. The reused pad passes them all and is fully broken."
)


@game("marginals")
@dataclass(frozen=True)
class MarginalTests(OracleGame):
    """Kolmogorov-Smirnov panel; a rejection becomes an adversary."""

    title: ClassVar[str] = "Marginal tests (KS panel, InstaHide-style)"
    reference: ClassVar[str] = "after Huang et al. 2020; Kolmogorov-Smirnov, Holm"
    profiles: ClassVar[tuple[str, ...]] = LATER

    def play(self, setting: GameSetting, ctx: Context) -> list[Finding]:
        """One finding of kind ``marginal``."""
        values = _values(setting, ctx)
        images, count = values.shape[:2]
        half = count // 2
        pairs = [(i, i + 1) for i in range(0, images - 1, 2)]  # disjoint, so that the tests are independent over pairs
        p = _p_values(values, pairs)
        adjusted = stats.holm(p.ravel()).reshape(p.shape)
        rejected = int((adjusted <= 0.05).sum())
        rows = [
            [name, int((adjusted[:, s] <= 0.05).sum()), float(p[:, s].min()), float(adjusted[:, s].min())]
            for s, name in enumerate(STATISTICS)
        ]
        # The adversary behind the strongest rejection, chosen on the first half alone.
        first, second = values[:, :half], values[:, half:]
        early = _p_values(first, pairs)
        pair, s = np.unravel_index(int(np.argmin(early)), early.shape)
        a, b = pairs[int(pair)]
        cut, up = _cut(first[a, :, s], first[b, :, s])
        coin = ctx.rng("marginals", "ties")
        says_a, says_b = (_above(second[i, :, s], cut, coin) == up for i in (a, b))
        e = stats.link_advantage(int(says_a.sum()), len(says_a), int(says_b.sum()), len(says_b))
        out = self.verdict(
            setting,
            {"advantage": e},
            f"{rejected} of {p.size} Kolmogorov-Smirnov tests reject (Holm, 5 %), smallest p {p.min():.2g}. ",
            kind="marginal",
            details={
                "table": table(["statistic", f"rejected of {len(pairs)} pairs", "smallest p", "smallest Holm p"], rows),
                "notes": [
                    WHY,
                    f"{count} encodings of each of {images} images, disjoint pairs, {p.size} tests; "
                    "never averaged p-values",
                    f"adversary: {STATISTICS[int(s)]}, chosen on the first {half} encodings, measured on the others",
                    DEFINITION,
                ],
                "rejected": rejected,
            },
        )
        if out.status == "broken":
            out.sentence += (
                f"Used as an adversary, the {STATISTICS[int(s)]} of one encoding tells two images apart in "
                f"{percent(e)} of cases; guessing gives 50 %."
            )
        else:
            out.status = "measured"
            out.sentence += "No verdict: passing is not evidence."
        return [out]


def _values(setting: GameSetting, ctx: Context) -> NDArray[np.float64]:
    """float (IMAGES, count, 4): the statistics of `count` encodings of each image."""
    pools = split(setting, ctx)
    challenger = Challenger(setting, ctx, pools)
    t = challenger.rows_per_image
    size = min(len(pools.estimate), 40)
    # Rows under one key are not independent, and then tests reject falsely: one row per call.
    each = 1 if setting.key == "release" else min(t, 50)
    count = int(np.clip(ROWS[ctx.profile] * each // (size * t), 60, ENCODINGS[ctx.profile]))
    call = setting.encoder.seconds(size)
    what = "encodings of each image"
    count = affordable(setting, ctx, count, lambda c: -(-c // each) * call, share=0.9, least=60, what=what).count

    def make() -> Arrays:
        rng = ctx.rng("marginals")
        who = rng.permutation(pools.estimate)[:IMAGES]
        values = np.full((IMAGES, count, len(STATISTICS)), np.nan)
        calls = []
        for _ in range(-(-count // each)):
            others = rng.permutation(np.setdiff1d(pools.estimate, who))[: size - IMAGES]
            calls.append((rng.permutation(np.r_[who, others]), np.zeros(0, np.int64)))
        at = rng.integers(int(np.prod(challenger.row_shape)))
        for i, (members, _, release) in enumerate(challenger.releases(calls, rng)):
            rows, places = pick_rows(challenger.sources(release, len(members)), len(members), rng, each)
            s = statistics(np.asarray(release.encodings, np.float32), int(at))
            for j, x in enumerate(who):
                mine = rows[places[:, 0] == np.flatnonzero(members == x)[0]]
                stop = min(count, (i + 1) * each)
                values[j, i * each : stop] = s[mine][: stop - i * each]
            ctx.progress("marginal tests", (i + 1) / len(calls))
        return {"values": values}

    return stored(ctx, setting, "marginals", {"count": count}, make)["values"]


def _p_values(values: NDArray[np.float64], pairs: list[tuple[int, int]]) -> NDArray[np.float64]:
    """float (pairs, 4): of a Kolmogorov-Smirnov test of each statistic between the two images of each pair."""
    return np.array([[_ks(values[a, :, s], values[b, :, s]) for s in range(len(STATISTICS))] for a, b in pairs])


def statistics(encodings: FloatArray, at: int) -> NDArray[np.float64]:
    """float (R, 4): one pixel, mean, variance and total variation of each encoding."""
    flat = encodings.reshape(len(encodings), -1).astype(np.float64)
    if encodings.ndim == 4:
        tv = np.abs(np.diff(encodings, axis=1)).mean((1, 2, 3)) + np.abs(np.diff(encodings, axis=2)).mean((1, 2, 3))
    else:
        tv = np.abs(np.diff(flat, axis=1)).mean(1)
    return np.stack([flat[:, at], flat.mean(1), flat.var(1), tv], axis=1)


def _ks(a: NDArray[Any], b: NDArray[Any]) -> float:
    if a.std() == 0 and b.std() == 0 and a[0] == b[0]:
        return 1.0
    return float(ks_2samp(a, b, method="asymp").pvalue)


def _cut(a: NDArray[Any], b: NDArray[Any]) -> tuple[float, bool]:
    """Threshold where the two empirical distributions differ most, and whether `a` lies above it."""
    grid = np.unique(np.r_[a, b])
    below_a = np.searchsorted(np.sort(a), grid, "right") / len(a)
    below_b = np.searchsorted(np.sort(b), grid, "right") / len(b)
    i = int(np.argmax(np.abs(below_a - below_b)))
    return float(grid[i : i + 2].mean()), bool(below_a[i] < below_b[i])


def _above(x: NDArray[Any], cut: float, coin: np.random.Generator) -> NDArray[np.bool_]:
    return np.where(x == cut, coin.random(len(x)) < 0.5, x > cut)

"""Theorem 3 of Carlini et al. 2021: what can be learned from, can be told apart, with advantage of the order of 1/n.

Two concepts h and g.  The chain of the proof (appendix A.1; the three concepts as inferred here):

    D_h^n --(h)-- D1^n --(g)-- D2^n --(not h)-- D_{not h}^n

D1 has the images on which h and g agree, D2 those on which they do not; each link's two data sets are labelled by one
concept.  The adversary of every link is the same: learn f from the encodings and see whether it agrees with h on
fresh plain images.  Random-hybrid lemma: replacing one image after the other, an adversary who plays a random step
has exactly the link's advantage divided by n; so the link is measured and estimate *and* interval are divided.  The
bridge (g) is the pre-declared link.  This exceeding 1/(3n) is no scandal (private schemes that teach something do),
so the finding is ``measured``: the verdict on single images is the neighbour game's.
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
from ihaudit.games.adversary.components import components
from ihaudit.games.base import DEFINITION, DERIVED, LATER, OracleGame, self_test, shortened, table
from ihaudit.games.challenger import Challenger, split
from ihaudit.games.distinguisher import epsilon_at_least
from ihaudit.games.learners.features import Float32, features
from ihaudit.games.learners.ridge import ridge_batch
from ihaudit.games.trials import Arrays, affordable, stored
from ihaudit.release import IntArray
from ihaudit.results import Finding
from ihaudit.stats import Estimate

ARMS = ("D_h", "D1", "D2", "D_not_h")
TRIALS = {"quick": (20, 60), "standard": (40, 300), "full": (100, 2000)}  # per arm: select, estimate
ROWS = {"quick": 30_000, "standard": 100_000, "full": 2_000_000}
PROBES = 200
CELL_MIN = 0.05
PENALTIES = (0.03, 0.3, 3.0)


@game("dataset")
@dataclass(frozen=True)
class DatasetGame(OracleGame):
    """Learnable, hence distinguishable: the hybrid chain."""

    title: ClassVar[str] = "Data-set game: the hybrid chain"
    reference: ClassVar[str] = "Carlini et al. 2021, Definition 4 and Theorem 3"
    profiles: ClassVar[tuple[str, ...]] = LATER

    def play(self, setting: GameSetting, ctx: Context) -> list[Finding]:
        """The game, then the utility of what was learned (Definition 2)."""
        challenger = Challenger(setting, ctx, split(setting, ctx))
        t = challenger.rows_per_image
        n = 64 if t <= 4 else 32 if t <= 12 else 16
        share = min(1.0, ROWS[ctx.profile] / (4 * n * t * sum(TRIALS[ctx.profile])))
        before, trials = (max(least, int(v * share)) for least, v in zip((15, 40), TRIALS[ctx.profile], strict=True))
        each = setting.encoder.seconds(n)
        # Four arms, each with trials that are counted and fewer to choose the learner by.
        played = affordable(
            setting, ctx, trials, lambda c: 16 / 3 * c * each, share=0.9, what="data sets per distribution"
        )
        before, trials = min(before, max(10, played.count // 3)), played.count
        chain = Chain(setting, ctx, challenger)
        key = {"n": n, "before": before, "trials": trials}
        c = stored(ctx, setting, "dataset", key, lambda: chain.play(n, before, trials))
        k = [int(v) for v in c["answers"].sum(1)]  # times "agrees with h", by arm
        link_h, bridge, link_not_h, end = (
            stats.link_advantage(k[a], trials, k[b], trials) for a, b in ((0, 1), (1, 2), (2, 3), (0, 3))
        )
        links = {"link_h": link_h, "bridge": bridge, "link_not_h": link_not_h}
        adv = stats.scale(bridge, 1 / n)
        accuracy = np.concatenate([c["accuracy"][0], 1 - c["accuracy"][3]])  # of h on D_h, of not-h on D_not_h
        learned = stats.mean(accuracy)
        floor = max(0.0, end.low or 0.0) / (3 * n)
        best = max(links.values(), key=lambda e: e.value or 0.0)
        words = "can" if end.low is not None and end.low > 0 else "cannot be seen to"
        f = self.finding(
            status="measured",
            primary="advantage",
            metrics={"advantage": adv, "end_to_end": end, **links, "plain_accuracy": learned},
            sentence=(
                f"What is learned from the encodings of {n} images {words} tell which of two opposite labellings they "
                f"had (advantage {end}); for a single image of the {n} that is an advantage of at least "
                f"{max(0.0, adv.low or 0.0):.4f} on average over the hybrids."
            ),
            details={
                "table": table(
                    ["data sets compared", "labelled by", "advantage (95 %)"],
                    [
                        ["D_h and D_not-h (end to end)", "h, not h", end],
                        ["D_h and D1", "h", link_h],
                        ["D1 and D2 (bridge, pre-declared)", "g", bridge],
                        ["D2 and D_not-h", "not h", link_not_h],
                        [f"one image, random hybrid: bridge / {n}", "g", adv],
                    ],
                ),
                "floor": {
                    "value": floor,
                    "formula": "end-to-end / (3n)",
                    "note": DERIVED + "; what Theorem 3 promises for the best link of the three",
                    "measured": None if best.value is None else best.value / n,
                },
                "epsilon": {
                    "lower": epsilon_at_least(stats.eps_lower(k[1], trials, k[2], trials) / n, 2 * trials),
                    "delta": 0.0,
                    "ceiling": stats.eps_ceiling(trials, trials) / n,
                    "kind": "central, replace-one, through group privacy over the whole bridge",
                },
                "learner": str(c["learner"]),
                "notes": [
                    DEFINITION,
                    f"{trials} data sets of {n} images ({t} encodings each) per distribution",
                    "a scheme from which anything is learned is distinguishable in this sense, private ones included; "
                    "how much a single image shows is the neighbour game's to say",
                ],
            },
        )
        # The triangle inequality is the theorem: some link carries a third of the whole.
        high = max(e.high or 0.0 for e in links.values())
        self_test(f, floor * n, Estimate(best.value, best.low, high, best.n), "a link")
        f = shortened(f, played)
        if setting.key == "release":  # utility under a key is measured under one: `ihaudit.games.keyed`
            return [f]
        what = f"A classifier trained on the encodings of {n} images, shown plain images,"
        wrong = f"{int((accuracy <= 0.5).sum())} of {len(accuracy)}"
        row = ("trainings that did no better than guessing", wrong)
        return [f, self.utility("Definition 2", what, learned, end, row)]


class Chain:
    """Draws the four distributions, encodes, learns, tests.

    Attributes:
        h, g: bool (S,), the two concepts of every population image.
    """

    def __init__(self, setting: GameSetting, ctx: Context, challenger: Challenger) -> None:
        self.setting, self.ctx, self.challenger = setting, ctx, challenger
        self.scaled = challenger.scaled(setting.images)
        bits = components(self.scaled[challenger.pools.train], "raw", 2).bits(self.scaled) > 0
        if bits.shape[1] < 2:
            raise NotApplicable("the images have no two principal components to make concepts of")
        self.h, self.g = bits.T

    def sample(self, arm: str, pool: IntArray, n: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
        """Population indices and labels of n i.i.d. images of an arm."""
        by_g = arm in ("D1", "D2")
        labels = self.g if by_g else self.h
        y = rng.integers(2, size=n)
        who = np.empty(n, np.int64)
        for v in (0, 1):  # labels are balanced exactly, also where the pool is not
            cell = labels[pool] == v
            if by_g:
                cell &= self.h[pool] == (v if arm == "D1" else 1 - v)
            who[y == v] = rng.choice(pool[cell], size=int((y == v).sum()))
        return who, 1 - y if arm == "D_not_h" else y

    def play(self, n: int, before: int, trials: int) -> Arrays:
        """Answers bool (4, trials) "agrees with h" and accuracy of f against h, float (4, trials)."""
        pools, rng = self.challenger.pools, self.ctx.rng("dataset")
        for pool in (pools.select, pools.estimate):
            cells = [np.mean((self.h[pool] == a) & (self.g[pool] == b)) for a in (0, 1) for b in (0, 1)]
            if min(cells) < CELL_MIN:
                raise NotApplicable(
                    f"the two concepts split a pool into cells of {min(cells):.1%}; each must hold {CELL_MIN:.0%}"
                )
        probes = rng.choice(pools.train, size=PROBES)
        dummy = rng.integers(2, size=len(self.setting.images))  # the true label could hand the answer over
        shown = self.challenger.one_row_each(probes, pools.train, rng, labels=dummy, what="data-set game: probes")
        kinds = {"encoded probes": features(shown.pixels, quantiles=0)}
        if self.challenger.row_shape == self.scaled.shape[1:]:
            kinds["plain probes"] = features(self.scaled[probes], quantiles=0)
        h = self.h[probes]
        options = [(kind, penalty) for kind in kinds for penalty in PENALTIES]
        gains = np.zeros(len(options))
        for arm, sign in (("D_h", 1), ("D_not_h", -1)):
            sets = self._encode(arm, pools.select, n, before, rng)
            for i, (kind, penalty) in enumerate(options):
                gains[i] += sign * np.mean([agreement(x, y, kinds[kind], h, penalty) for x, y in sets])
        kind, penalty = options[int(np.argmax(gains))]
        accuracy = np.array(
            [
                [agreement(x, y, kinds[kind], h, penalty) for x, y in self._encode(arm, pools.estimate, n, trials, rng)]
                for arm in ARMS
            ]
        )
        coin = rng.random(accuracy.shape) < 0.5
        answers = np.where(accuracy == 0.5, coin, accuracy > 0.5)
        return {"answers": answers, "accuracy": accuracy, "learner": np.array(f"ridge, penalty {penalty:g}, {kind}")}

    def _encode(
        self, arm: str, pool: IntArray, n: int, trials: int, rng: np.random.Generator
    ) -> list[tuple[Float32, Float32]]:
        """Features (R, F) and targets (R,) in [-1, 1] of each data set, as released."""
        out = []
        step = 16
        for start in range(0, trials, step):
            drawn = [self.sample(arm, pool, n, rng) for _ in range(min(step, trials - start))]
            calls = [(self.setting.images[who], y, int(rng.integers(2**62))) for who, y in drawn]
            for release, (_, y) in zip(self.setting.encoder.encode_many(calls), drawn, strict=True):
                if release.labels is not None and release.labels.ndim == 2 and release.labels.shape[1] >= 2:
                    target = np.asarray(release.labels[:, 1] - release.labels[:, 0], np.float32)
                else:  # no labels released: the learner is told them, as it would be by the scheme's owner
                    source = self.challenger.sources(release, len(y))[:, 0]
                    target = np.where(source >= 0, 2.0 * y[source.clip(0)] - 1, 0).astype(np.float32)
                out.append((features(np.asarray(release.encodings, np.float32), quantiles=0), target))
            self.ctx.progress(f"data-set game: {arm}", min(1.0, (start + step) / trials))
        return out


def agreement(x: Float32, y: Float32, probes: Float32, h: NDArray[np.bool_], penalty: float) -> float:
    """Share of probes on which a classifier trained on (x, y) agrees with h; scores of exactly 0 count half."""
    if float(y.std()) == 0:
        return 0.5
    w, b = ridge_batch(x[None], y[None], penalty)
    s = probes @ w[0] + b[0]
    return float(np.mean(np.where(s == 0, 0.5, (s > 0) == h)))

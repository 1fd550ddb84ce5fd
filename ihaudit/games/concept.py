"""Theorem 5 of Carlini et al. 2021: one concept, which the encoding may depend on.

If a classifier f of one concept h works on encodings (balanced error alpha), then either

* (A) a pair of same-label images is told apart with advantage at least 1/2 - alpha - 2 tau, or
* (B) the majority vote of f over fresh encodings of an image is an almost perfect classifier.

Neither alone is a verdict: the identity with a perfect classifier lands in (B), an encoding that *is* the label too,
and it leaks nothing else.  The pair is chosen on select data for the largest gap; that gap is not a result, the
advantage on fresh encodings is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ihaudit import stats
from ihaudit.contracts.context import Context
from ihaudit.contracts.game import GameSetting, game
from ihaudit.errors import NotApplicable
from ihaudit.games.adversary import default_learner, training_rows
from ihaudit.games.challenger import Challenger, Pools, pick_rows, split
from ihaudit.games.codes import components
from ihaudit.games.learners import Model
from ihaudit.games.outcome import (
    DEFINITION,
    DERIVED,
    LATER,
    NEEDS,
    finding,
    metered,
    not_run,
    percent,
    self_test,
    stored,
    table,
    word,
)
from ihaudit.games.utility import utility_finding
from ihaudit.release import FloatArray, IntArray
from ihaudit.results import Finding
from ihaudit.stats import Estimate

VOTES = {"quick": 20, "standard": 40, "full": 200}
POINTS = {"quick": 200, "standard": 500, "full": 5000}
TRIALS = {"quick": 600, "standard": 1000, "full": 10_000}
ROWS = {"quick": 20_000, "standard": 60_000, "full": 1_000_000}
TAU, DELTA = 0.05, 0.1


@game("concept")
@dataclass(frozen=True)
class ConceptGame:
    """Can one learned property tell two images of the same label apart?"""

    id: ClassVar[str] = "concept"
    title: ClassVar[str] = "Single-concept game"
    reference: ClassVar[str] = "Carlini et al. 2021, Theorem 5"
    needs: ClassVar = NEEDS
    profiles: ClassVar[tuple[str, ...]] = LATER

    def run(self, setting: GameSetting, ctx: Context) -> list[Finding]:
        """The game, then the utility of its classifier (Definition 3)."""
        with metered() as meter:
            try:
                c = self._play(setting, ctx)
            except NotApplicable as why:
                return [not_run(self, str(why))]
            findings = self._judge(setting, c)
        findings[0].cost = meter.cost
        return findings

    def _play(self, setting: GameSetting, ctx: Context) -> dict[str, NDArray]:
        everything = split(setting, ctx)
        probe = Challenger(setting, ctx, everything)
        scaled = probe.scaled(setting.images)
        h = two_classes(scaled, setting.labels, everything.train)
        rng = ctx.rng("concept")
        pools = Pools(*(_balanced(p, h, rng) for p in (everything.train, everything.select, everything.estimate)))
        challenger = Challenger(setting, ctx, pools)
        votes, points = VOTES[ctx.profile], min(POINTS[ctx.profile], len(pools.select))
        key = {"votes": votes, "points": points}

        def make() -> dict[str, NDArray]:
            rows = training_rows(challenger, rng, labels=h)
            learner = setting.learner or default_learner(ctx)
            targets = (2.0 * h[rows.images] - 1).astype(np.float32)[:, None]
            model = learner.fit(rows.pixels, targets, rows.images, ctx.seed)
            fresh = rng.choice(
                pools.estimate, size=min(2000, max(200, ROWS[ctx.profile] // (4 * challenger.rows_per_image)))
            )
            shown = challenger.one_row_each(
                fresh, pools.estimate, rng, labels=h, what="single concept: error on fresh encodings"
            )
            right = (model.predict(shown.pixels)[:, 0] > 0) == (h[fresh] == 1)
            who = rng.permutation(pools.select)[:points]
            answers = _votes(challenger, model, who, pools.select, h, votes, rng)
            q = np.where(h[who][:, None] == 1, answers, ~answers).mean(1)
            gaps = [q[h[who] == y].max() - q[h[who] == y].min() for y in (0, 1)]
            y = int(np.argmax(gaps))
            of_y = np.flatnonzero(h[who] == y)
            easy, hard = who[of_y[np.argmax(q[of_y])]], who[of_y[np.argmin(q[of_y])]]
            bit, said = _duel(challenger, model, int(easy), int(hard), pools.select, h, TRIALS[ctx.profile], rng)
            return {
                "h": h[fresh],
                "right": right,
                "answers": answers,
                "truth": h[who],
                "gap": np.array(gaps[y]),
                "bit": bit,
                "correct": (said != y) == bit,  # answer x0 (easy) iff f says its label
            }

        return stored(ctx, setting, "concept", key, make)

    def _judge(self, setting: GameSetting, c: dict[str, NDArray]) -> list[Finding]:
        h, right, answers, truth = c["h"], c["right"].astype(bool), c["answers"].astype(bool), c["truth"]
        per_label = [stats.rate(int(right[h == y].sum()), int((h == y).sum()), 0.025) for y in (0, 1)]
        alpha = max(1 - (r.low or 0.0) for r in per_label)
        accuracy = _balanced_rate(per_label)
        e = stats.advantage(int(c["correct"].sum()), len(c["bit"]))
        curve = []
        for k in sorted({1, 5, 10, 20, answers.shape[1]}):
            if k <= answers.shape[1]:
                share = answers[:, :k].mean(1)
                curve.append(
                    [k, stats.rate(int(((share > 0.5) == (truth == 1))[share != 0.5].sum()), int((share != 0.5).sum()))]
                )
        majority: Estimate = curve[-1][1]
        votes = answers.shape[1]
        tau = math.sqrt(math.log(2 / DELTA) / (2 * votes))
        status, remark = word(e, setting)
        b = majority.low is not None and majority.low >= 1 - DELTA
        a = status == "broken"
        verdict = {
            (True, True): "(A) and (B): leaks beyond the label, and the label is almost certain from the encoding",
            (True, False): "(A): leaks beyond the label",
            (
                False,
                True,
            ): "(B): the encoding tells the label almost perfectly; this test can see nothing beyond it, and that is "
            "not evidence of privacy (see the instance and neighbour games)",
            (False, False): "neither seen: "
            + ("no utility" if alpha > 0.45 else "the classifier is too weak to decide"),
        }[(a, b)]
        f = finding(
            self,
            status=status,
            reason=remark,
            primary="advantage",
            metrics={"advantage": e, "majority_accuracy": majority, "encoded_accuracy": accuracy},
            sentence=(
                f"One learned property tells two images of the same label apart in {percent(e)} of "
                "cases; guessing gives 50 %. "
                f"{verdict}."
            ),
            details={
                "table": table(["fresh encodings per vote", "accuracy of the majority vote"], curve),
                "verdict": verdict,
                "floor": {
                    "value": 0.5 - alpha - 2 * TAU,
                    "formula": "1/2 - alpha - 2 tau, given that (B) fails",
                    "note": DERIVED,
                    "alpha_high": alpha,
                    "tau": TAU,
                    "certified": 0.5 - alpha - 4 * tau,
                    "certified_tau": tau,
                },
                "notes": [
                    DEFINITION,
                    f"the pair was chosen for a gap of {float(c['gap']):.2f} on select data, which is not a result",
                    f"(B) is decided at accuracy {1 - DELTA:.0%}; with {votes} votes the theorem's tau is {tau:.2f}",
                ],
            },
        )
        if majority.high is not None and majority.high < 1 - DELTA:
            self_test(f, 0.5 - alpha - 4 * tau, e, "the advantage of branch (A)")
        what = "A classifier trained on encodings with their labels, shown fresh encodings,"
        rows: list[list[object]] = [[f"accuracy for label {y}", r] for y, r in enumerate(per_label)]
        use = utility_finding(
            self, accuracy=accuracy, advantage=e, what=what, definition="Definition 3 (balanced)", rows=rows
        )
        return [f, use]


def two_classes(images: FloatArray, labels: IntArray, pool: IntArray) -> IntArray:
    """A two-valued label for every image: the classes themselves, or halves of them that lie apart in the train pool.

    Raises:
        NotApplicable: there is only one class.
    """
    classes = np.unique(labels[pool])
    if len(classes) < 2:
        raise NotApplicable("all images have one label; Theorem 5 needs a concept with two values")
    view = components(images[pool], "raw", 32)
    code = view.code(images[pool])
    means = np.stack([code[labels[pool] == y].mean(0) for y in classes])
    direction = np.linalg.svd(means - means.mean(0), full_matrices=False)[2][0]
    direction *= np.sign(direction[np.argmax(np.abs(direction))])
    order = classes[np.argsort(means @ direction, kind="stable")]
    out: IntArray = np.isin(labels, order[len(order) // 2 :]).astype(np.int64)
    return out


def _balanced(pool: IntArray, h: IntArray, rng: np.random.Generator) -> IntArray:
    n = min(int((h[pool] == 0).sum()), int((h[pool] == 1).sum()))
    if n < 20:
        raise NotApplicable(f"a label has only {n} images in a pool; the single-concept game needs 20")
    return rng.permutation(np.concatenate([rng.permutation(pool[h[pool] == y])[:n] for y in (0, 1)]))


def _balanced_rate(per_label: list[Estimate]) -> Estimate:
    """Mean of two rates; the interval is the mean of the two at 97.5 % each, so it covers at 95 % (Bonferroni)."""
    values = [(r.value or 0.0, r.low or 0.0, r.high if r.high is not None else 1.0) for r in per_label]
    value, low, high = (sum(v) / len(v) for v in zip(*values, strict=True))
    return Estimate(value, low, high, sum(r.n for r in per_label))


def _votes(
    challenger: Challenger,
    model: Model,
    who: IntArray,
    pool: IntArray,
    h: IntArray,
    votes: int,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """bool (len(who), votes): f's answer 1 on each of `votes` fresh encodings of each image."""
    each = min(votes, challenger.rows_per_image)
    out = []
    for _ in range(-(-votes // each)):
        shown = challenger.one_row_each(who, pool, rng, labels=h, what="single concept: votes", repeat=each)
        out.append((model.predict(shown.pixels)[:, 0] > 0).reshape(len(who), each))
    return np.concatenate(out, axis=1)[:, :votes]


def _duel(
    challenger: Challenger,
    model: Model,
    x0: int,
    x1: int,
    pool: IntArray,
    h: IntArray,
    trials: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.bool_], IntArray]:
    """One fresh call per trial, holding x0 or x1 among bystanders: bits (True: x1) and f's answers 0 or 1."""
    t = challenger.rows_per_image
    size = 48 if t <= 4 else 16
    trials = int(np.clip(ROWS[challenger.ctx.profile] // (size * t), 150, trials))
    bit = rng.integers(2, size=trials).astype(bool)
    calls = []
    for b in bit:
        others = rng.choice(pool, size=min(len(pool), size + 1), replace=False)
        others = others[~np.isin(others, (x0, x1))][: size - 1]
        calls.append((rng.permutation(np.r_[others, x1 if b else x0]), np.zeros(0, np.int64)))
    said = np.empty(trials, np.int64)
    for i, (who, _, release) in enumerate(challenger.releases(calls, rng, h)):
        rows, places = pick_rows(challenger.sources(release, len(who)), len(who), rng)
        place = int(np.flatnonzero(who == (x1 if bit[i] else x0))[0])
        row = rows[places[:, 0] == place]
        said[i] = int(model.predict(np.asarray(release.encodings[row], np.float32))[0, 0] > 0)
        if i % 100 == 99:
            challenger.ctx.progress("single concept: duel", (i + 1) / trials)
    return bit, said

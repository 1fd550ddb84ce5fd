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
from ihaudit.contracts.learner import Model
from ihaudit.errors import NotApplicable
from ihaudit.games.adversary.components import components
from ihaudit.games.adversary.training import training_rows
from ihaudit.games.base import DEFINITION, DERIVED, LATER, LearningGame, percent, self_test, table
from ihaudit.games.challenger import Challenger, Pools, pick_rows, split
from ihaudit.games.trials import Arrays, affordable, stored
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
class ConceptGame(LearningGame):
    """Can one learned property tell two images of the same label apart?"""

    title: ClassVar[str] = "Single-concept game"
    reference: ClassVar[str] = "Carlini et al. 2021, Theorem 5"
    profiles: ClassVar[tuple[str, ...]] = LATER

    def play(self, setting: GameSetting, ctx: Context) -> list[Finding]:
        """The game, then the utility of its classifier (Definition 3)."""
        c = self._trials(setting, ctx)
        h, right, answers, truth = c["h"], c["right"], c["answers"], c["truth"]
        per_label = [stats.rate(int(right[h == y].sum()), int((h == y).sum()), 0.025) for y in (0, 1)]
        alpha = max(1 - (r.low or 0.0) for r in per_label)
        accuracy = _balanced_rate(per_label)
        e = stats.advantage(int(c["correct"].sum()), len(c["correct"]))
        votes = answers.shape[1]
        curve = [(k, _majority(answers[:, :k], truth)) for k in sorted({1, 5, 10, 20, votes}) if k <= votes]
        majority = curve[-1][1]
        tau = math.sqrt(math.log(2 / DELTA) / (2 * votes))
        f = self.verdict(
            setting,
            {"advantage": e, "majority_accuracy": majority, "encoded_accuracy": accuracy},
            "",
            details={
                "table": table(["fresh encodings per vote", "accuracy of the majority vote"], curve),
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
        branch = {
            (True, True): "(A) and (B): leaks beyond the label, and the label is almost certain from the encoding",
            (True, False): "(A): leaks beyond the label",
            (False, True): "(B): the encoding tells the label almost perfectly; this test can see nothing beyond it, "
            "and that is not evidence of privacy (see the instance and neighbour games)",
            (False, False): "neither seen: "
            + ("no utility" if alpha > 0.45 else "the classifier is too weak to decide"),
        }[f.status == "broken", majority.low is not None and majority.low >= 1 - DELTA]
        f.details["verdict"] = branch
        f.sentence = (
            f"One learned property tells two images of the same label apart in {percent(e)} of cases; guessing gives "
            f"50 %. {branch}."
        )
        if majority.high is not None and majority.high < 1 - DELTA:
            self_test(f, 0.5 - alpha - 4 * tau, e, "the advantage of branch (A)")
        if setting.key == "release":  # utility under a key is measured under one: `ihaudit.games.keyed`
            return [f]
        what = "A classifier trained on encodings with their labels, shown fresh encodings,"
        rows = [(f"accuracy for label {y}", r) for y, r in enumerate(per_label)]
        return [f, self.utility("Definition 3 (balanced)", what, accuracy, e, *rows)]

    def _trials(self, setting: GameSetting, ctx: Context) -> Arrays:
        """By fresh encoding ``h``, ``right``; by image ``truth``, votes ``answers``; by trial ``correct``; ``gap``."""
        everything = split(setting, ctx)
        scaled = Challenger(setting, ctx, everything).scaled(setting.images)
        h = two_classes(scaled, setting.labels, everything.train)
        rng = ctx.rng("concept")
        pools = Pools(*(_balanced(p, h, rng) for p in (everything.train, everything.select, everything.estimate)))
        challenger = Challenger(setting, ctx, pools)
        votes, points = VOTES[ctx.profile], min(POINTS[ctx.profile], len(pools.select))
        count = min(2000, max(200, ROWS[ctx.profile] // (4 * challenger.rows_per_image)))

        def make() -> Arrays:
            rows = training_rows(challenger, rng, labels=h)
            targets = (2.0 * h[rows.images] - 1).astype(np.float32)[:, None]
            model = self.make_learner(ctx).fit(rows.pixels, targets, rows.images, ctx.seed)
            fresh = rng.choice(pools.estimate, size=count)
            shown = challenger.one_row_each(
                fresh, pools.estimate, rng, labels=h, what="single concept: error on fresh encodings"
            )
            right = _answers(model, shown.pixels) == (h[fresh] == 1)
            who = rng.permutation(pools.select)[:points]
            answers = _votes(challenger, model, who, h, votes, rng)
            q = np.where(h[who][:, None] == 1, answers, ~answers).mean(1)
            gaps = [q[h[who] == y].max() - q[h[who] == y].min() for y in (0, 1)]
            y = int(np.argmax(gaps))
            of_y = np.flatnonzero(h[who] == y)
            easy, hard = who[of_y[np.argmax(q[of_y])]], who[of_y[np.argmin(q[of_y])]]
            bit, said = _duel(challenger, model, int(easy), int(hard), h, rng)
            return {
                "h": h[fresh],
                "right": right,
                "answers": answers,
                "truth": h[who],
                "gap": np.array(gaps[y]),
                "correct": (said != y) == bit,  # answer x0 (easy) iff f says its label
            }

        return stored(ctx, setting, "concept", {"votes": votes, "points": points}, make)


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


def _majority(answers: NDArray[np.bool_], truth: IntArray) -> Estimate:
    """How often most answers, bool (R, k), are the truth, int (R,); without the points where they are divided."""
    share = answers.mean(1)
    decided = share != 0.5
    return stats.rate(int(((share > 0.5) == (truth == 1))[decided].sum()), int(decided.sum()))


def _answers(model: Model, pixels: FloatArray) -> NDArray[np.bool_]:
    """bool (R,): f's answer on each encoding."""
    return model.predict(np.asarray(pixels, np.float32))[:, 0] > 0


def _votes(
    challenger: Challenger, model: Model, who: IntArray, h: IntArray, votes: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """bool (len(who), votes): f's answer on each of `votes` fresh encodings of each image."""
    pool, each = challenger.pools.select, min(votes, challenger.rows_per_image)
    out = []
    for _ in range(-(-votes // each)):
        shown = challenger.one_row_each(who, pool, rng, labels=h, what="single concept: votes", repeat=each)
        out.append(_answers(model, shown.pixels).reshape(len(who), each))
    return np.concatenate(out, axis=1)[:, :votes]


def _duel(
    challenger: Challenger, model: Model, x0: int, x1: int, h: IntArray, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """One fresh call per trial, holding x0 or x1 among bystanders: bits (True: x1) and f's answers."""
    t, profile, pool = challenger.rows_per_image, challenger.ctx.profile, challenger.pools.select
    size = 48 if t <= 4 else 16
    trials = int(np.clip(ROWS[profile] // (size * t), 150, TRIALS[profile]))
    call = challenger.setting.encoder.seconds(size)
    trials = affordable(
        challenger.setting, challenger.ctx, trials, lambda n: n * call, share=0.4, what="challenges"
    ).count
    bit = rng.integers(2, size=trials).astype(bool)
    calls = []
    for b in bit:
        others = rng.choice(pool, size=min(len(pool), size + 1), replace=False)
        others = others[~np.isin(others, (x0, x1))][: size - 1]
        calls.append((rng.permutation(np.r_[others, x1 if b else x0]), np.zeros(0, np.int64)))
    said = np.empty(trials, bool)
    for i, (who, _, release) in enumerate(challenger.releases(calls, rng, h)):
        rows, places = pick_rows(challenger.sources(release, len(who)), len(who), rng)
        place = int(np.flatnonzero(who == (x1 if bit[i] else x0))[0])
        said[i] = _answers(model, release.encodings[rows[places[:, 0] == place]])[0]
        if i % 100 == 99:
            challenger.ctx.progress("single concept: duel", (i + 1) / trials)
    return bit, said

"""Theorem 4 of Carlini et al. 2021: whatever many concepts can be learned from, tells two images apart.

Definition 5: the adversary names two images of equal label, is shown one encoding of one of them among bystanders, and
says which.  Played here by

* the *paper's rule* (proof, appendix A.2): classifiers f_1..f_d of d concepts; answer x0 iff at least theta d of them
  agree with h(x0);
* the *codeword rule*: the same classifiers, weighted by the log-odds of their accuracy, nearest codeword of the two;
* the *direct* adversary (`ihaudit.games.adversary`): matched filters and a likelihood ratio on the predicted code.

The gated statistic is that of whichever of the last two did better on the select pool.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ihaudit import stats
from ihaudit.contracts.context import Context
from ihaudit.contracts.game import GameSetting, game
from ihaudit.errors import NotApplicable
from ihaudit.games.adversary.scorer import Adversary
from ihaudit.games.adversary.training import Trained, budget_of, trained
from ihaudit.games.base import DEFINITION, DERIVED, LearningGame, percent, self_test, shortened, table, threshold
from ihaudit.games.challenger import draw_pairs
from ihaudit.games.distinguisher import advantage, balanced_accuracy, curve, epsilon, share_right
from ihaudit.games.keyed import chosen_plaintext
from ihaudit.games.trials import Trials, stored
from ihaudit.release import IntArray
from ihaudit.results import Finding

THETAS = (0.52, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
MIN_TRIALS = 100


@dataclass(frozen=True, eq=False)
class Challenges:
    """Played challenges: pairs (x0, x1), which was encoded, the direct margin, and agreements per concept."""

    x0: IntArray
    x1: IntArray
    first: NDArray[np.bool_]  # x0 was encoded
    margin: NDArray[np.float64]  # > 0 answers x0
    answers: NDArray[np.int8]  # (T, d) in {-1, +1}: a_i = f_i(x_hat)

    @property
    def shown(self) -> IntArray:
        """The image that was encoded."""
        return np.where(self.first, self.x0, self.x1)


@dataclass(frozen=True)
class Codebook:
    """What was chosen on the select pool: concepts in order, how many, their weights, and theta."""

    order: tuple[int, ...]
    weights: tuple[float, ...]
    theta: float
    theta_floor: float


@game("instance")
@dataclass(frozen=True)
class InstanceGame(LearningGame):
    """Which of two same-class images does this one encoding hide?"""

    title: ClassVar[str] = "Instance game: which of two images does one encoding hide?"
    reference: ClassVar[str] = "Carlini et al. 2021, Definition 5 and Theorem 4"
    control: ClassVar[bool] = True  # played against the controls of every audit, at a reduced budget

    def play(self, setting: GameSetting, ctx: Context) -> list[Finding]:
        """On the three pools; further findings are utility and the chosen-plaintext mode of keyed schemes."""
        shared = trained(setting, ctx, self.make_learner(ctx))
        if setting.key != "release":
            out, properties = self._across(setting, ctx, shared)
            what = "A classifier of a property of the image, trained on encodings and shown fresh ones,"
            rows = ("properties (balanced, chosen on select data)", properties)
            measured = out.metrics["concept_accuracy"], out.metrics["advantage"]
            return [out, self.utility("Definition 3", what, *measured, rows)]
        keyed = chosen_plaintext(self, setting, ctx, shared)
        try:
            return [self._across(setting, ctx, shared)[0], *keyed]
        except NotApplicable as why:
            return [self.finding(status="not run", reason=str(why), sentence=f"Not run: {why}."), *keyed]

    def _across(self, setting: GameSetting, ctx: Context, shared: Trained) -> tuple[Finding, int]:
        """The game with a fresh key in every call, where there is one, and how many properties were learned."""
        select, _ = challenges(setting, ctx, shared, "select", share=0.2)
        codebook = choose(shared.adversary, select)
        estimate, trials = challenges(setting, ctx, shared, "estimate", share=0.3)
        out = judge(self, setting, ctx, shared, codebook, select, estimate)
        return shortened(out, trials), len(codebook.order)


def challenges(
    setting: GameSetting, ctx: Context, shared: Trained, which: str, *, share: float = 1.0
) -> tuple[Challenges, Trials]:
    """Draw pairs of one pool, encode one of each, and let the trained adversary answer."""
    challenger, budget, adversary = shared.challenger, budget_of(ctx), shared.adversary
    pool = getattr(shared.pools, which)
    rows = budget.rows_select if which == "select" else budget.rows_trials
    per_trial = challenger.rows_per_image * (challenger.per_call if setting.key == "release" else 1)
    count = int(np.clip(rows // per_trial, MIN_TRIALS, int(ctx.options.get("trials") or budget.trials)))
    trials = challenger.affordable(count, pool, share=share, challenge=True, what=f"challenges ({which})")
    count = trials.count

    def make() -> dict[str, NDArray[Any]]:
        rng = ctx.rng("instance", which)
        x0, x1 = draw_pairs(pool, setting.labels, count, rng)
        bit = rng.integers(2, size=count).astype(bool)
        shown = challenger.one_row_each(
            np.where(bit, x1, x0), pool, rng, challenge=True, what=f"instance game: {which} challenges"
        )
        answers = adversary.predict(shown.pixels)[0]
        knowing = adversary.knowing(challenger, np.r_[x0, x1], pool, ctx.rng("instance", which, "own"), rows)
        margin = knowing.margin(shown.pixels, x0, x1)
        return {"x0": x0, "x1": x1, "first": ~bit, "margin": margin, "answers": answers}

    key = {"count": count, "budget": str(budget)}
    return Challenges(**stored(ctx, setting, f"instance-{which}", key, make)), trials


def choose(adversary: Adversary, select: Challenges) -> Codebook:
    """Concept order, d, weights and the two thetas, from the select pool alone."""
    hits = (select.answers == adversary.bits[select.shown]).sum(0)
    accuracy = (hits + 1) / (len(select.shown) + 2)
    order = np.argsort(-accuracy, kind="stable")
    logit = np.clip(np.log(accuracy / (1 - accuracy)), 0, None)
    best, chosen = -2.0, Codebook((), (), 0.5, 0.5)
    for d in sorted({min(s, len(order)) for s in SIZES}):
        book = Codebook(tuple(order[:d].tolist()), tuple(logit[order[:d]].tolist()), 0.5, 0.5)
        right = share_right(codeword(adversary, book, select), select.first)
        if right > best:
            best, chosen = right, book
    d = len(chosen.order)
    own, other = agreements(adversary, chosen, select)
    error = 1 - own.mean() / d
    power = [(own >= t * d).mean() - (other >= t * d).mean() for t in THETAS]
    floors = [1 - error / (1 - t) - (other >= t * d).mean() for t in THETAS]
    return replace(chosen, theta=THETAS[int(np.argmax(power))], theta_floor=THETAS[int(np.argmax(floors))])


def agreements(adversary: Adversary, book: Codebook, c: Challenges) -> tuple[IntArray, IntArray]:
    """#{i: a_i = h_i(x)} over the chosen concepts, for the encoded image and for the other: two int (T,) arrays."""
    i = np.asarray(book.order)
    at0, at1 = ((c.answers[:, i] == adversary.bits[x][:, i]).sum(1) for x in (c.x0, c.x1))
    return np.where(c.first, at0, at1), np.where(c.first, at1, at0)


def codeword(adversary: Adversary, book: Codebook, c: Challenges) -> NDArray[np.float64]:
    """The codeword rule's margin: weighted agreement with h(x0) minus that with h(x1); positive answers x0."""
    i = np.asarray(book.order)
    difference = adversary.bits[c.x0][:, i].astype(np.float64) - adversary.bits[c.x1][:, i]
    margin: NDArray[np.float64] = (c.answers[:, i] * difference) @ np.asarray(book.weights) / 2
    return margin


def judge(
    item: InstanceGame,
    setting: GameSetting,
    ctx: Context,
    shared: Trained,
    book: Codebook,
    select: Challenges,
    c: Challenges,
) -> Finding:
    """The finding from estimate challenges; everything it uses besides was fixed before."""
    adversary, n, coin = shared.adversary, len(c.first), ctx.rng("instance", "ties")
    before = {"direct": select.margin, "codeword": codeword(adversary, book, select)}
    margins = {"direct": c.margin, "codeword": codeword(adversary, book, c)}
    used = max(before, key=lambda k: share_right(before[k], select.first))
    measured = {k: advantage(m, c.first, coin) for k, m in margins.items()}
    own, other = agreements(adversary, book, c)
    d, chosen = len(book.order), np.asarray(book.order)
    at0 = np.where(c.first, own, other)  # agreements with x0, which is answered iff there are theta d
    paper, at_floor = (
        stats.advantage(int(((at0 >= theta * d) == c.first).sum()), n) for theta in (book.theta, book.theta_floor)
    )
    floor, premise = _floor(own, other, d, book.theta_floor)
    accuracy = balanced_accuracy(c.answers[:, chosen], adversary.bits[c.shown][:, chosen])
    notes = [
        DEFINITION,
        f"gated: the {used} adversary, chosen on other images than those it is measured on",
        f"trained on {shared.train_rows} encodings of {shared.train_images} images, none of them in a challenge",
    ]
    if not setting.decomposable:
        notes.append(
            "the scheme declares that images depend on labels: Theorem 4 does not apply as stated; both images of a "
            "pair are encoded with their true, equal class"
        )
    f = item.verdict(
        setting,
        {
            "advantage": measured[used],
            "advantage_codeword": measured["codeword"],
            "advantage_paper": paper,
            "advantage_direct": measured["direct"],
            "concept_accuracy": accuracy,
        },
        "Shown one encoding, an adversary tells which of two same-class images it hides in "
        f"{percent(measured[used])} of cases; guessing gives 50 %.",
        details={
            "table": table(
                ["adversary", "advantage (95 %)", "trials"],
                [
                    ["paper's rule (Theorem 4)", paper, n],
                    [f"codeword rule, d = {d}", measured["codeword"], n],
                    ["direct: matched filters and code likelihood", measured["direct"], n],
                ],
            ),
            "roc": curve(margins[used], c.first),
            "floor": {
                "value": floor,
                "formula": "1 - e/(1 - theta) - kappa",
                "note": DERIVED + ("; vacuous here, which does not mean privacy" if floor <= 0 else ""),
                **premise,
                "asymptote": None if accuracy.value is None else 2 * accuracy.value - 1,
            },
            "epsilon": epsilon(
                before[used], select.first, margins[used], c.first, "local, replace-one, of one released encoding"
            ),
            "adversary": used,
            "threshold": threshold(setting),
            "notes": notes,
            "key_mode": "fresh key in every call" if setting.key == "release" else "fresh randomness",
        },
    )
    self_test(f, floor, at_floor, "the paper's rule")
    return f


def _floor(own: IntArray, other: IntArray, d: int, theta: float) -> tuple[float, dict[str, float]]:
    """Theorem 4's floor with both premises at their upper bounds (97.5 % each).

    e is a mean of d dependent errors per challenge, so its bound is Student's over challenges, not a binomial's.
    """
    error = stats.mean(1 - own / d)
    e = min(1.0, error.high if error.high is not None else 1.0)
    kappa = stats.clopper_pearson(int((other >= theta * d).sum()), len(other))[1]
    return 1 - e / (1 - theta) - kappa, {"theta": theta, "d": d, "error_high": e, "kappa_high": kappa}

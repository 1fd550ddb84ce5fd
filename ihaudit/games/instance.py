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

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ihaudit import stats
from ihaudit.contracts.context import Context
from ihaudit.contracts.game import GameSetting, game
from ihaudit.errors import NotApplicable
from ihaudit.games.adversary import Adversary, Trained, budget_of, trained
from ihaudit.games.challenger import draw_pairs
from ihaudit.games.outcome import (
    ALL,
    DEFINITION,
    DERIVED,
    NEEDS,
    curve,
    finding,
    metered,
    not_run,
    percent,
    self_test,
    stored,
    table,
    threshold,
    word,
)
from ihaudit.games.utility import utility_finding
from ihaudit.release import IntArray
from ihaudit.results import Finding
from ihaudit.stats import Estimate

THETAS = (0.52, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
MIN_TRIALS = 100


@dataclass(frozen=True, eq=False)
class Challenges:
    """Played challenges: pairs (x0, x1), bit (1: x1 was encoded), the direct margin, and agreements per concept."""

    x0: IntArray
    x1: IntArray
    bit: NDArray[np.bool_]
    margin: NDArray[np.float64]  # > 0 answers x0
    answers: NDArray[np.int8]  # (T, d) in {-1, +1}: a_i = f_i(x_hat)


@dataclass(frozen=True)
class Codebook:
    """What was chosen on the select pool: concepts in order, how many, their weights, and theta."""

    order: tuple[int, ...]
    weights: tuple[float, ...]
    theta: float
    theta_floor: float


@game("instance")
@dataclass(frozen=True)
class InstanceGame:
    """Which of two same-class images does this one encoding hide?"""

    id: ClassVar[str] = "instance"
    title: ClassVar[str] = "Instance game: which of two images does one encoding hide?"
    reference: ClassVar[str] = "Carlini et al. 2021, Definition 5 and Theorem 4"
    needs: ClassVar = NEEDS
    profiles: ClassVar[tuple[str, ...]] = ALL
    control: ClassVar[bool] = True  # played against the controls of every audit, at a reduced budget

    def run(self, setting: GameSetting, ctx: Context) -> list[Finding]:
        """Play on the three pools; further findings are the chosen-plaintext mode of keyed schemes."""
        with metered() as meter:
            try:
                shared = trained(setting, ctx)
                select = play(setting, ctx, shared, "select")
                codebook = choose(shared.adversary, select)
                estimate = play(setting, ctx, shared, "estimate")
            except NotApplicable as why:
                return [not_run(self, str(why))]
            out = judge(self, setting, ctx, shared.adversary, codebook, select, estimate)
            out.details["notes"].append(
                f"trained on {shared.train_rows} encodings of {shared.train_images} images, none of them in a challenge"
            )
        out.cost = meter.cost
        out.details["key_mode"] = "fresh key in every call" if setting.key == "dataset" else "fresh randomness"
        if not setting.decomposable:
            out.details["notes"].append(
                "the scheme declares that images depend on labels: Theorem 4 does not apply as "
                "stated; both images of a pair "
                "are encoded with their true, equal class"
            )
        use = utility_finding(
            self,
            accuracy=out.metrics["concept_accuracy"],
            advantage=out.metrics["advantage"],
            what="A classifier of a property of the image, trained on encodings and shown fresh ones,",
            definition="Definition 3",
            rows=[["properties (balanced, chosen on select data)", out.details["floor"]["d"]]],
        )
        findings = [out, use]
        if setting.key == "dataset":
            from ihaudit.games.keyed import chosen_plaintext

            findings.append(chosen_plaintext(self, setting, ctx, shared))
        return findings


def play(setting: GameSetting, ctx: Context, shared: Trained, which: str) -> Challenges:
    """Draw pairs of one pool, encode one of each, and let the trained adversary answer."""
    challenger, budget = shared.challenger, budget_of(ctx)
    pool = shared.pools.select if which == "select" else shared.pools.estimate
    rows = budget.rows_select if which == "select" else budget.rows_trials
    per_trial = challenger.rows_per_image * (challenger.per_call if setting.key == "dataset" else 1)
    count = int(np.clip(rows // per_trial, MIN_TRIALS, int(ctx.options.get("trials") or budget.trials)))

    def make() -> dict[str, NDArray]:
        rng = ctx.rng("instance", which)
        x0, x1 = draw_pairs(pool, setting.labels, count, rng)
        bit = rng.integers(2, size=count).astype(bool)
        shown = challenger.one_row_each(
            np.where(bit, x1, x0), pool, rng, challenge=True, what=f"instance game: {which} challenges"
        )
        d = shared.adversary.bits.shape[1]
        answers = np.where(shared.adversary.model.predict(shown.pixels)[:, :d] > 0, 1, -1).astype(np.int8)
        margin = shared.adversary.margin(shown.pixels, x0, x1)
        return {"x0": x0, "x1": x1, "bit": bit, "margin": margin, "answers": answers}

    return Challenges(**stored(ctx, setting, f"instance-{which}", {"count": count, "budget": str(budget)}, make))


def choose(adversary: Adversary, select: Challenges) -> Codebook:
    """Concept order, d, weights and the two thetas, from the select pool alone."""
    shown = np.where(select.bit, select.x1, select.x0)
    hits = (select.answers == adversary.bits[shown]).sum(0)
    accuracy = (hits + 1) / (len(shown) + 2)
    order = np.argsort(-accuracy, kind="stable")
    logit = np.clip(np.log(accuracy / (1 - accuracy)), 0, None)
    best, best_d = -2.0, 1
    for d in sorted({min(s, len(order)) for s in SIZES}):
        book = Codebook(tuple(int(i) for i in order[:d]), tuple(float(w) for w in logit[order[:d]]), 0.5, 0.5)
        right = _right(codeword(adversary, book, select), select.bit)
        if right > best:
            best, best_d = right, d
    chosen = order[:best_d]
    agree0, agree1 = agreements(adversary, chosen, select)
    own = np.where(select.bit, agree1, agree0)
    other = np.where(select.bit, agree0, agree1)
    error = 1 - own.mean() / best_d
    power = [(own >= t * best_d).mean() - (other >= t * best_d).mean() for t in THETAS]
    floors = [1 - error / (1 - t) - (other >= t * best_d).mean() for t in THETAS]
    return Codebook(
        tuple(int(i) for i in chosen),
        tuple(float(w) for w in logit[chosen]),
        THETAS[int(np.argmax(power))],
        THETAS[int(np.argmax(floors))],
    )


def agreements(adversary: Adversary, chosen: IntArray, c: Challenges) -> tuple[NDArray, NDArray]:
    """#{i: a_i = h_i(x)} over the chosen concepts, for x0 and for x1: two int (T,) arrays."""
    a = c.answers[:, chosen]
    bits = adversary.bits[:, chosen]
    return (a == bits[c.x0]).sum(1), (a == bits[c.x1]).sum(1)


def codeword(adversary: Adversary, book: Codebook, c: Challenges) -> NDArray[np.float64]:
    """The codeword rule's margin: weighted agreement with h(x0) minus that with h(x1); positive answers x0."""
    i = np.asarray(book.order)
    difference = adversary.bits[c.x0][:, i].astype(np.float64) - adversary.bits[c.x1][:, i]
    return (c.answers[:, i] * difference) @ np.asarray(book.weights) / 2


def answer(margin: NDArray, coin: np.random.Generator) -> NDArray[np.bool_]:
    """True where the answer is x1; exact ties are decided by a fair coin, never by >=."""
    margin = np.nan_to_num(margin)  # what could not be scored is a tie too
    tie = coin.integers(2, size=len(margin)).astype(bool)
    return np.where(margin == 0, tie, margin < 0)


def _right(margin: NDArray, bit: NDArray) -> float:
    return float(np.mean(np.where(margin == 0, 0.5, (margin < 0) == bit)))


def judge(
    item: InstanceGame,
    setting: GameSetting,
    ctx: Context,
    adversary: Adversary,
    book: Codebook,
    select: Challenges,
    c: Challenges,
) -> Finding:
    """The finding from estimate challenges; everything it uses besides was fixed before."""
    n, chosen, coin = len(c.bit), np.asarray(book.order), ctx.rng("instance", "ties")
    margins = {"direct": c.margin, "codeword": codeword(adversary, book, c)}
    on_select = {
        "direct": _right(select.margin, select.bit),
        "codeword": _right(codeword(adversary, book, select), select.bit),
    }
    used = max(on_select, key=lambda k: on_select[k])
    measured = {k: stats.advantage(int((answer(m, coin) == c.bit).sum()), n) for k, m in margins.items()}
    agree0, agree1 = agreements(adversary, chosen, c)
    d = len(chosen)
    paper = stats.advantage(int(((agree0 < book.theta * d) == c.bit).sum()), n)
    at_floor = stats.advantage(int(((agree0 < book.theta_floor * d) == c.bit).sum()), n)
    own, other = np.where(c.bit, agree1, agree0), np.where(c.bit, agree0, agree1)
    floor, premise = _floor(own, other, d, book.theta_floor)
    shown = adversary.bits[np.where(c.bit, c.x1, c.x0)][:, chosen]
    accuracy = balanced_accuracy(c.answers[:, chosen], shown)
    status, remark = word(measured[used], setting)
    f = finding(
        item,
        status=status,
        primary="advantage",
        metrics={
            "advantage": measured[used],
            "advantage_codeword": measured["codeword"],
            "advantage_paper": paper,
            "advantage_direct": measured["direct"],
            "concept_accuracy": accuracy,
        },
        sentence=(
            "Shown one encoding, an adversary tells which of two same-class images it hides in "
            f"{percent(measured[used])} "
            f"of cases; guessing gives 50 %."
        ),
        reason=remark,
        details={
            "table": table(
                ["adversary", "advantage (95 %)", "trials"],
                [
                    ["paper's rule (Theorem 4)", paper, n],
                    [f"codeword rule, d = {d}", measured["codeword"], n],
                    ["direct: matched filters and code likelihood", measured["direct"], n],
                ],
            ),
            "roc": curve(margins[used], ~c.bit),
            "floor": {
                "value": floor,
                "formula": "1 - e/(1 - theta) - kappa",
                "note": DERIVED + ("; vacuous here, which does not mean privacy" if floor <= 0 else ""),
                **premise,
                "asymptote": None if accuracy.value is None else 2 * accuracy.value - 1,
            },
            "epsilon": epsilon(select, c, margins[used], used, adversary, book),
            "adversary": used,
            "threshold": threshold(setting),
            "notes": [DEFINITION, f"gated: the {used} adversary, chosen on other images than those it is measured on"],
        },
    )
    self_test(f, floor, at_floor, "the paper's rule")
    return f


def balanced_accuracy(answers: NDArray, truth: NDArray) -> Estimate:
    """Mean over concepts of the accuracy balanced over both values, from (T, d) arrays in {-1, +1}.

    A constant answer gets exactly 0.5 however a concept splits these images.  The interval is Student's over
    challenges, with the share of each value taken as known.
    """
    share = np.clip((truth > 0).mean(0), 1e-9, 1 - 1e-9)
    weight = np.where(truth > 0, 1 / share, 1 / (1 - share)) / 2
    return stats.mean(((answers == truth) * weight).mean(1))


def _floor(own: NDArray, other: NDArray, d: int, theta: float) -> tuple[float, dict[str, float]]:
    """Theorem 4's floor with both premises at their upper bounds (97.5 % each).

    e is a mean of d dependent errors per challenge, so its bound is Student's over challenges, not a binomial's.
    """
    error = stats.mean(1 - own / d)
    e = min(1.0, error.high if error.high is not None else 1.0)
    kappa = stats.clopper_pearson(int((other >= theta * d).sum()), len(other))[1]
    return 1 - e / (1 - theta) - kappa, {"theta": theta, "d": d, "error_high": e, "kappa_high": kappa}


def epsilon(
    select: Challenges, c: Challenges, margin: NDArray, used: str, adversary: Adversary, book: Codebook
) -> dict[str, object]:
    """Local, replace-one epsilon of one released row; the threshold comes from the select pool."""
    before = select.margin if used == "direct" else codeword(adversary, book, select)
    return eps_details(before, ~select.bit, margin, ~c.bit, "local, replace-one, of one released encoding")


def eps_details(
    before: NDArray, before_positive: NDArray, scores: NDArray, positive: NDArray, kind: str, delta: float = 0.0
) -> dict[str, object]:
    """``details["epsilon"]``: the threshold is the best of 40 quantiles on `before`, the counts are from `scores`."""
    grid = np.quantile(before, np.linspace(0.005, 0.995, 40)) if len(before) else np.zeros(1)
    half_p, half_n = int(before_positive.sum()), int((~before_positive).sum())
    at = max(
        grid,
        key=lambda t: stats.eps_lower(
            int((before[before_positive] > t).sum()), half_p, int((before[~before_positive] > t).sum()), half_n, delta
        ),
    )
    p, q = int(positive.sum()), int((~positive).sum())
    tp, fp = int((scores[positive] > at).sum()), int((scores[~positive] > at).sum())
    low = stats.eps_lower(tp, p, fp, q, delta)
    return {
        "lower": {"value": low, "low": low, "high": None, "n": len(scores)},
        "delta": delta,
        "ceiling": stats.eps_ceiling(p, q, delta),
        "kind": kind,
        "counts": {"tp": tp, "positives": p, "fp": fp, "negatives": q},
    }


__all__ = ["Challenges", "Codebook", "Estimate", "InstanceGame", "answer", "choose", "codeword", "eps_details", "play"]

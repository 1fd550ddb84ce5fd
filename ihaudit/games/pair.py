"""Do two encodings share an image?  The first step of the reconstruction attack, and a leak by itself.

Carlini et al. 2021, section 4.3.1, train a network for it; here a logistic combination of how alike two encodings are
through each matched filter, and how likely their predicted codes are to be of one image.  Every image goes into the
call twice, so that pairs exist whatever the scheme; all pairs are within one call, where a key is shared if there is
one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from ihaudit import stats
from ihaudit.contracts.context import Context
from ihaudit.contracts.game import GameSetting, game
from ihaudit.errors import NotApplicable
from ihaudit.games.adversary import Trained, trained
from ihaudit.games.filters import Bank
from ihaudit.games.instance import answer
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
from ihaudit.release import IntArray
from ihaudit.results import Finding

PAIRS = {"quick": 600, "standard": 2000, "full": 20_000}
IMAGES = 120  # different images per call, each in it twice


@game("pair")
@dataclass(frozen=True)
class PairGame:
    """Do these two encodings show the same image?"""

    id: ClassVar[str] = "pair"
    title: ClassVar[str] = "Pair game: do two encodings share an image?"
    reference: ClassVar[str] = "Carlini et al. 2021, section 4.3.1"
    needs: ClassVar = NEEDS
    profiles: ClassVar[tuple[str, ...]] = LATER

    def run(self, setting: GameSetting, ctx: Context) -> list[Finding]:
        """One finding with ROC, AUC and advantage."""
        with metered() as meter:
            try:
                shared = trained(setting, ctx)
                count = PAIRS[ctx.profile]
                sets = {
                    which: stored(
                        ctx, setting, f"pair-{which}", {"n": n}, partial(play, setting, ctx, shared, which, n)
                    )
                    for which, n in (("train", count), ("select", max(200, count // 3)), ("estimate", count))
                }
            except NotApplicable as why:
                return [not_run(self, str(why))]
        weights = logistic(sets["train"]["x"], sets["train"]["same"].astype(bool))
        score = {k: v["x"] @ weights[:-1] + weights[-1] for k, v in sets.items()}
        same = {k: v["same"].astype(bool) for k, v in sets.items()}
        order = np.sort(score["select"])
        cuts = np.r_[order[0] - 1, (order[1:] + order[:-1]) / 2]
        cut = float(cuts[int(np.argmax([np.mean((score["select"] > t) == same["select"]) for t in cuts]))])
        s, y = score["estimate"] - cut, same["estimate"]
        said = ~answer(s, ctx.rng("ties"))
        e = stats.link_advantage(int((said & y).sum()), int(y.sum()), int((said & ~y).sum()), int((~y).sum()))
        low = float(np.quantile(score["select"][~same["select"]], 0.99)) - cut
        status, remark = word(e, setting)
        area = stats.auc(s, y)
        out = finding(
            self,
            status=status,
            reason=remark,
            primary="advantage",
            metrics={
                "advantage": e,
                "auc": area,
                "tpr_low_fpr": stats.rate(int((s[y] > low).sum()), int(y.sum())),
                "fpr_low_fpr": stats.rate(int((s[~y] > low).sum()), int((~y).sum())),
            },
            sentence=(
                "Shown two encodings, an adversary says whether they hide a common image and is "
                f"right in {percent(e)} of "
                "cases; guessing gives 50 %."
            ),
            details={
                "table": table(
                    ["pairs that share an image", "pairs that do not", "AUC"], [[int(y.sum()), int((~y).sum()), area]]
                ),
                "roc": curve(s, y),
                "notes": [DEFINITION, "no encoding is in two pairs; pairs of one call share its randomness"],
            },
        )
        out.cost = meter.cost
        return [out]


def play(setting: GameSetting, ctx: Context, shared: Trained, which: str, count: int) -> dict[str, NDArray]:
    """`count` pairs of rows, half of which share an image: features float32 (count, J) and `same` bool."""
    pool = getattr(shared.pools, which)
    rng, n = ctx.rng("pair", which), min(IMAGES, len(getattr(shared.pools, which)))
    calls = []
    for _ in range(-(-count // n)):
        who = rng.permutation(pool)[:n]
        calls.append((rng.permutation(np.r_[who, who]), np.zeros(0, np.int64)))
    x, same = [], []
    for who, _, release in shared.challenger.releases(calls, rng):
        source = shared.challenger.sources(release, len(who))
        images = np.where(source >= 0, who[source.clip(0)], -1)
        a, b, shares = disjoint_pairs(images, rng, n)
        rows = np.asarray(release.encodings, np.float32)
        x.append(compare(shared, rows[a], rows[b]))
        same.append(shares)
        ctx.progress(f"pair game: {which}", min(1.0, sum(map(len, same)) / count))
    return {"x": np.concatenate(x)[:count], "same": np.concatenate(same)[:count]}


def disjoint_pairs(
    images: IntArray, rng: np.random.Generator, count: int
) -> tuple[IntArray, IntArray, NDArray[np.bool_]]:
    """Pairs of rows, each row in at most one, alternately sharing an image and not.

    Args:
        images: int (M, s) the images of each row, -1 for none.
        count: at most so many pairs.
    """
    left = rng.permutation(len(images))
    used = np.zeros(len(images), bool)
    first: list[int] = []
    second: list[int] = []
    same: list[bool] = []
    by_image: dict[int, list[int]] = {}
    for r in left:
        for i in set(images[r].tolist()) - {-1}:
            by_image.setdefault(i, []).append(int(r))
    for r in left.tolist():
        if used[r] or len(first) >= count:
            continue
        mine = set(images[r].tolist()) - {-1}
        want = len(first) % 2 == 0
        if want:
            options = [q for i in mine for q in by_image[i] if q != r and not used[q]]
        else:
            tries = rng.integers(len(images), size=20).tolist()
            options = [q for q in tries if q != r and not used[q] and not mine & set(images[q].tolist())]
        if options:
            q = options[0]
            used[[r, q]] = True
            first.append(r)
            second.append(q)
            same.append(want)
    if len(first) < 10:
        raise NotApplicable("too few pairs of encodings share an image")
    return np.array(first), np.array(second), np.array(same)


def compare(shared: Trained, a: NDArray, b: NDArray) -> NDArray[np.float32]:
    """How alike rows a[i] and b[i] are, by filter, by equality of signs, and by predicted codes: float32 (R, J)."""
    bank = Bank(a.shape[1:], a.shape[1:])
    alike = bank.paired(a, [b])[:, 0]
    adversary = shared.adversary
    d = adversary.bits.shape[1]
    ra, rb = (np.asarray(adversary.model.predict(v), np.float32)[:, d:] for v in (a, b))
    # log-likelihood ratio of one common code against two independent ones, up to terms of each row alone
    gain = adversary.precision @ adversary.slope.T @ adversary.slope @ adversary.precision
    code = np.einsum("ij,ij->i", ra @ gain, rb)
    size = np.sqrt(np.einsum("ij,ij->i", ra @ gain, ra).clip(0) * np.einsum("ij,ij->i", rb @ gain, rb).clip(0))
    flat_a, flat_b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    distance = np.log(np.mean((flat_a - flat_b) ** 2, axis=1) + 1e-9)
    sign = np.abs(np.mean(np.sign(flat_a) * np.sign(flat_b), axis=1))
    parts = [
        alike,
        np.abs(alike),
        code[:, None],
        (code / np.maximum(size, 1e-9))[:, None],
        distance[:, None],
        sign[:, None],
    ]
    return np.concatenate(parts, axis=1).astype(np.float32)


def logistic(x: NDArray, y: NDArray[np.bool_]) -> NDArray[np.float64]:
    """L2-regularised logistic regression on standardised columns: weights for raw columns, then the intercept."""
    mean, std = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)
    keep = std > 1e-9
    z = np.concatenate([(x[:, keep] - mean[keep]) / std[keep], np.ones((len(x), 1))], axis=1)
    t = np.where(y, 1.0, -1.0)
    penalty = np.r_[np.full(z.shape[1] - 1, 2.0), 0.0]

    def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        m = t * (z @ w)
        slope = -t / (1 + np.exp(np.clip(m, -500, 500)))
        return float(np.logaddexp(0, -m).sum() + (penalty * w * w).sum()), z.T @ slope + 2 * penalty * w

    w = minimize(loss, np.zeros(z.shape[1]), jac=True, method="L-BFGS-B").x
    out = np.zeros(x.shape[1] + 1)
    out[:-1][keep] = w[:-1] / std[keep]
    out[-1] = w[-1] - float((out[:-1] * mean).sum())
    return out

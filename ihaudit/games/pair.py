"""Do two encodings share an image?  The first step of the reconstruction attack, and a leak by itself.

Carlini et al. 2021, section 4.3.1, train a network for it; here a logistic combination of how alike two encodings are
through each matched filter, and how likely their predicted codes are to be of one image.  Every image goes into the
call twice, so that pairs exist whatever the scheme; all pairs are within one call, where a key is shared if there is
one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.context import Context
from ihaudit.contracts.game import GameSetting, game
from ihaudit.errors import NotApplicable
from ihaudit.games.adversary.scorer import Adversary
from ihaudit.games.adversary.training import Trained, trained
from ihaudit.games.base import DEFINITION, LATER, LearningGame, percent, table
from ihaudit.games.distinguisher import best_cut, curve, two_arms
from ihaudit.games.filters import Bank
from ihaudit.games.learners.logistic import logistic
from ihaudit.games.trials import Arrays, affordable, stored
from ihaudit.release import IntArray
from ihaudit.results import Finding

PAIRS = {"quick": 600, "standard": 2000, "full": 20_000}
IMAGES = 120  # different images per call, each in it twice


@game("pair")
@dataclass(frozen=True)
class PairGame(LearningGame):
    """Do these two encodings show the same image?"""

    title: ClassVar[str] = "Pair game: do two encodings share an image?"
    reference: ClassVar[str] = "Carlini et al. 2021, section 4.3.1"
    profiles: ClassVar[tuple[str, ...]] = LATER

    def play(self, setting: GameSetting, ctx: Context) -> list[Finding]:
        """One finding with ROC, AUC and advantage."""
        shared = trained(setting, ctx, self.make_learner(ctx))
        n = min(IMAGES, min(len(p) for p in (shared.pools.train, shared.pools.select, shared.pools.estimate)))
        each = setting.encoder.seconds(2 * n)
        # Pairs to learn from, to choose by and to count: 7/3 of what is counted.
        planned = PAIRS[ctx.profile]
        played = affordable(setting, ctx, planned, lambda c: 3 * -(-c // n) * each, share=0.7, least=60, what="pairs")
        count = played.count
        sets = {
            which: stored(ctx, setting, f"pair-{which}", {"n": n}, partial(pairs, ctx, shared, which, n))
            for which, n in (("train", count), ("select", max(min(200, count), count // 3)), ("estimate", count))
        }
        weights = logistic(sets["train"]["x"], sets["train"]["same"])
        score = {k: v["x"] @ weights[:-1] + weights[-1] for k, v in sets.items()}
        before, same = sets["select"]["same"], sets["estimate"]["same"]
        cut = best_cut(score["select"], before)
        s = score["estimate"] - cut
        metrics = two_arms(score["select"] - cut, before, s, same, ctx.rng("ties"))
        size = metrics["tpr_low_fpr"].n, metrics["fpr_low_fpr"].n
        return [
            self.verdict(
                setting,
                metrics,
                "Shown two encodings, an adversary says whether they hide a common image and is right in "
                f"{percent(metrics['advantage'])} of cases; guessing gives 50 %.",
                details={
                    "table": table(
                        ["pairs that share an image", "pairs that do not", "AUC"], [[*size, metrics["auc"]]]
                    ),
                    "roc": curve(s, same),
                    "notes": [DEFINITION, "no encoding is in two pairs; pairs of one call share its randomness"],
                },
                trials=played,
            )
        ]


def pairs(ctx: Context, shared: Trained, which: str, count: int) -> Arrays:
    """`count` pairs of rows, half of which share an image: features float32 (count, J) and `same` bool."""
    pool, rng = getattr(shared.pools, which), ctx.rng("pair", which)
    n = min(IMAGES, len(pool))
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
        x.append(compare(shared.adversary, rows[a], rows[b]))
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
    left = rng.permutation(len(images)).tolist()
    shown = [set(row) - {-1} for row in images.tolist()]
    by_image: dict[int, list[int]] = {}
    for r in left:
        for i in shown[r]:
            by_image.setdefault(i, []).append(r)
    used: set[int] = set()
    found: list[tuple[int, int]] = []
    for r in left:
        if r in used or len(found) >= count:
            continue
        if len(found) % 2 == 0:
            options = (q for i in shown[r] for q in by_image[i])
        else:
            options = (q for q in rng.integers(len(images), size=20).tolist() if not shown[r] & shown[q])
        q = next((q for q in options if q != r and q not in used), None)
        if q is not None:
            used |= {r, q}
            found.append((r, q))
    if len(found) < 10:
        raise NotApplicable("too few pairs of encodings share an image")
    first, second = np.array(found).T
    return first, second, np.arange(len(found)) % 2 == 0


def compare(adversary: Adversary, a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float32]:
    """How alike rows a[i] and b[i] are, by filter, by equality of signs, and by predicted codes: float32 (R, J)."""
    alike = Bank.fitting(a.shape[1:], a.shape[1:]).paired(a, b, [np.arange(len(b))])[:, 0]
    ra, rb = (adversary.predict(v)[1] for v in (a, b))
    # log-likelihood ratio of one common code against two independent ones, up to terms of each row alone
    gain = adversary.precision @ adversary.slope.T @ adversary.slope @ adversary.precision
    code = np.einsum("ij,ij->i", ra @ gain, rb)
    size = np.sqrt(np.einsum("ij,ij->i", ra @ gain, ra).clip(0) * np.einsum("ij,ij->i", rb @ gain, rb).clip(0))
    flat_a, flat_b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    distance = np.log(np.mean((flat_a - flat_b) ** 2, axis=1) + 1e-9)
    sign = np.abs(np.mean(np.sign(flat_a) * np.sign(flat_b), axis=1))
    kept = np.zeros(len(a)) if adversary.invariants is None else adversary.invariants.alike(a, b)
    numbers = np.stack([kept, code, code / np.maximum(size, 1e-9), distance, sign], axis=1)
    return np.concatenate([alike, np.abs(alike), numbers], axis=1).astype(np.float32)

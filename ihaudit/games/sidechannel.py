"""The bit through everything but the pixels: a game of its own, so that no leak of the wrapping is credited to the
picture.

Definition 4 with everything fixed but one image: the same bystanders in every call, the challenge in first place.  The
adversary sees the number and order of rows, the dtype and memory layout, released labels and further released
arrays, and never a pixel value.  Whatever it wins there is metadata.  Time is left out: a finding must repeat from its
seed, and the clock of a shared machine does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.context import Context
from ihaudit.contracts.game import GameSetting, game
from ihaudit.errors import NotApplicable
from ihaudit.games.adversary.scorer import Adversary
from ihaudit.games.base import DEFINITION, OracleGame, percent, table
from ihaudit.games.challenger import Challenger, Rows, draw_pairs, split
from ihaudit.games.distinguisher import advantage, curve
from ihaudit.games.learners.features import Float32
from ihaudit.games.learners.ridge import RidgeLearner
from ihaudit.games.trials import Arrays, affordable, stored
from ihaudit.release import IntArray, Release
from ihaudit.results import Finding

SIZES = {"quick": (400, 400), "standard": (1500, 2000), "full": (4000, 10_000)}  # calls to learn from, trials
ROWS = {"quick": 20_000, "standard": 150_000, "full": 1_000_000}
WIDTH = 16  # values kept of a label vector or a further array, beside its summary
CODES = 6  # per family: a few hundred observations of a bit or two do not carry more
GROUPS = ("rows", "order", "dtype", "labels", "extra")


@game("side-channel")
@dataclass(frozen=True)
class SideChannelGame(OracleGame):
    """Do row order, dtype, number of rows, labels or extra arrays give the image away?"""

    title: ClassVar[str] = "Side-channel game: everything but the pixels"
    reference: ClassVar[str] = "Carlini et al. 2021, Definition 4; played on what is not pixels"

    def play(self, setting: GameSetting, ctx: Context) -> list[Finding]:
        """One finding."""
        challenger = Challenger(setting, ctx, split(setting, ctx))
        others = 3 if challenger.rows_per_image <= 4 else 1
        per_call = (others + 1) * challenger.rows_per_image
        share = min(1.0, ROWS[ctx.profile] / (per_call * sum(SIZES[ctx.profile])))
        known, trials = (max(80, int(s * share)) for s in SIZES[ctx.profile])
        each = setting.encoder.seconds(others + 1)
        played = affordable(setting, ctx, trials, lambda count: 2 * count * each, share=1.0, least=40, what="calls")
        trials, known = played.count, min(known, max(40, played.count)) if played.note else known
        key = {"known": known, "trials": trials, "others": others}
        c = stored(ctx, setting, "side-channel", key, lambda: margins(setting, ctx, challenger, known, trials, others))
        first, level = c["first"], 0.05 / len(GROUPS)
        e = advantage(c["all"], first, ctx.rng("ties"))
        by_group = {g: advantage(c[g], first, ctx.rng("ties", g), level) for g in GROUPS}
        where = [g for g, v in by_group.items() if v.low is not None and v.low > 0]
        words = (
            f"Without looking at a single pixel, an adversary tells which image was encoded in {percent(e)} of cases"
        )
        out = self.verdict(
            setting,
            {"advantage": e},
            words + "; guessing gives 50 %.",
            details={
                "table": table(["seen", f"advantage ({1 - level:.1%} each)"], by_group.items()),
                "roc": curve(c["all"], first),
                "channels": where,
                "notes": [
                    DEFINITION,
                    f"learned from {known} calls with known images, measured on {trials} others; "
                    f"{others} bystanders, fixed",
                    "labels that are soft carry coefficients and partners' classes, which say nothing of the image",
                ],
            },
            trials=played,
        )
        if out.status == "broken" and where:
            out.sentence = f"{words} (through {', '.join(where)}); guessing gives 50 %."
        return [out]


def margins(setting: GameSetting, ctx: Context, challenger: Challenger, known: int, trials: int, others: int) -> Arrays:
    """Margins (positive: x0) from all groups and from each, and ``first``, whether it was x0."""
    rng, pools = ctx.rng("side-channel"), challenger.pools
    bystanders = rng.permutation(pools.train)[:others]
    mine = rng.choice(np.setdiff1d(pools.train, bystanders), size=known)
    x0, x1 = draw_pairs(pools.estimate, setting.labels, trials, rng)
    bit = rng.integers(2, size=trials).astype(bool)
    seen = _observe(setting, ctx, challenger, np.r_[mine, np.where(bit, x1, x0)], bystanders, rng)
    scaled, learner = challenger.scaled(setting.images), RidgeLearner(quantiles=0)
    out: Arrays = {"first": ~bit}
    for name, groups in {"all": GROUPS, **{g: (g,) for g in GROUPS}}.items():
        f = _standardised(np.concatenate([seen[g] for g in groups], axis=1), known)
        out[name] = np.zeros(trials)
        if f.shape[1]:
            rows, rng = Rows(f[:known], mine, None), ctx.rng("fit", name)
            adversary = Adversary.fit(setting, scaled, rows, pools.train, learner, ctx.seed, rng, CODES)
            out[name] = adversary.margin(f[known:], x0, x1)
    return out


def _observe(
    setting: GameSetting,
    ctx: Context,
    challenger: Challenger,
    who: IntArray,
    bystanders: IntArray,
    rng: np.random.Generator,
) -> dict[str, Float32]:
    """One call per challenge; what is to be seen of it beside pixels, by group, float32 (T, width)."""
    found: dict[str, list[NDArray[Any]]] = {g: [] for g in GROUPS}
    for i, x in enumerate(who):
        members = np.r_[x, bystanders]
        seed = int(rng.integers(2**62))
        release = setting.encoder.encode(setting.images[members], setting.labels[members], seed=seed)
        for g, v in _describe(release, challenger, len(members)).items():
            found[g].append(v)
        if i % 100 == 99:
            ctx.progress("side-channel game", (i + 1) / len(who))
    out = {}
    for g, values in found.items():
        width = max(len(v) for v in values)
        out[g] = np.stack([np.pad(np.asarray(v, np.float32), (0, width - len(v))) for v in values])
    return out


def _describe(release: Release, challenger: Challenger, n: int) -> Arrays:
    m = len(release.encodings)
    try:
        mine = np.flatnonzero((challenger.sources(release, n) == 0).any(1))
    except NotApplicable:  # a changing number of rows, and no provenance: that number itself is what is to be seen
        mine = np.arange(min(m, 1))
    place = mine[:4] if len(mine) else np.zeros(1)
    e = release.encodings
    labels = np.zeros(0) if release.labels is None else np.asarray(release.labels, np.float64)
    own = labels[mine].mean(0)[:WIDTH] if labels.ndim == 2 and len(mine) else np.zeros(1)
    summary = np.array([labels.sum(), labels.std(), labels.max(), labels.min()]) if labels.size else np.zeros(1)
    extra = [np.zeros(1)]
    for name in sorted(release.extra):
        a = np.asarray(release.extra[name])
        if a.dtype.kind in "biuf" and a.size:
            flat = np.nan_to_num(a.astype(np.float64).ravel(), posinf=0, neginf=0)
            extra.append(np.r_[a.size, flat.mean(), flat.std(), np.pad(flat[:WIDTH], (0, max(0, WIDTH - flat.size)))])
    return {
        "rows": np.array([m, len(mine), 0 if release.labels is None else len(release.labels)], np.float64),
        "order": np.pad(place / max(1, m - 1), (0, 4 - len(place))),
        "dtype": np.array(
            [e.dtype.itemsize, ord(e.dtype.kind), e.flags.c_contiguous, *release.image_range], np.float64
        ),
        "labels": np.r_[own, summary],
        "extra": np.concatenate(extra),
    }


def _standardised(f: Float32, known: int) -> Float32:
    """Values, squares and products with the first few: a leak need not be linear.  Constant columns are dropped."""
    x = f.astype(np.float64)
    mean, std = x[:known].mean(0), x[:known].std(0)
    keep = std > 1e-7 * np.maximum(1.0, np.abs(mean))
    z = np.clip((x[:, keep] - mean[keep]) / std[keep], -6, 6)
    return np.concatenate([z, z * z, np.abs(z)], axis=1).astype(np.float32)

"""Training the adversary of the direct games: once for all games of an audit, within the profile's budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ihaudit.contracts.context import Context
from ihaudit.contracts.encoder import Encoder
from ihaudit.contracts.game import GameSetting
from ihaudit.contracts.learner import Learner
from ihaudit.games.adversary.invariants import IMAGES, learn
from ihaudit.games.adversary.scorer import Adversary
from ihaudit.games.challenger import Challenger, Pools, Rows, shared_seed, split
from ihaudit.games.trials import fingerprint
from ihaudit.release import IntArray


@dataclass(frozen=True)
class Budget:
    """Sizes by profile.  `rows_*` bound the encodings made (schemes with many epochs make many per image)."""

    train: int
    rows_train: int
    rows_select: int
    trials: int
    rows_trials: int


BUDGETS = {
    "quick": Budget(6000, 40_000, 15_000, 2000, 40_000),
    "standard": Budget(8000, 150_000, 75_000, 4000, 150_000),
    "full": Budget(40_000, 1_000_000, 200_000, 20_000, 1_000_000),
}
#: What a control is played with: enough to see identity and mixup, at a tenth of the cost.
CONTROL = Budget(1500, 15_000, 6_000, 800, 12_000)


@dataclass(eq=False)
class Trained:
    """What is shared by the games of an audit: the pools, the trained adversary, and how it was trained."""

    pools: Pools
    challenger: Challenger
    adversary: Adversary
    train_rows: int
    train_images: int


_SHARED: WeakKeyDictionary[Any, dict[tuple[object, ...], Trained]] = WeakKeyDictionary()


def forget(encoder: Encoder) -> None:
    """Give up what the games of an encoder shared (30 MB and more), which holds the encoder too and would stay."""
    _SHARED.pop(encoder, None)


def budget_of(ctx: Context) -> Budget:
    """The profile's budget; ``ctx.options["control"]`` asks for a control's."""
    return CONTROL if ctx.options.get("control") else BUDGETS[ctx.profile]


def trained(setting: GameSetting, ctx: Context, learner: Learner) -> Trained:
    """The adversary trained on the train pool, once for all games of the same encoder, population and learner."""
    cache = _SHARED.setdefault(setting.encoder, {})
    options = (ctx.options.get(name) for name in ("audit_seed", "train_rows", "control"))
    key = (fingerprint(setting), ctx.profile, ctx.device, learner, *options)
    if key not in cache:
        pools = split(setting, ctx)
        challenger = Challenger(setting, ctx, pools)
        rng = np.random.default_rng(shared_seed(setting, ctx, "train", ctx.profile))
        rows = training_rows(challenger, rng)
        ctx.progress("training the adversary", 0.9)
        scaled = challenger.scaled(setting.images)
        adversary = Adversary.fit(setting, scaled, rows, pools.train, learner, ctx.seed, rng)
        ctx.progress("learning what keys leave alone", 0.95)
        again = np.random.default_rng(shared_seed(setting, ctx, "invariants", ctx.profile))
        learned = learn(challenger, pools.train, again, int(np.clip(budget_of(ctx).train // 12, 60, IMAGES)))
        if learned is not None:
            adversary = adversary.with_invariants(setting, learned, again)
        cache[key] = Trained(pools, challenger, adversary, len(rows.pixels), len(np.unique(rows.images)))
    shared = cache[key]
    shared.challenger.ctx = ctx  # progress and checkpoints are the running game's
    return shared


def training_rows(challenger: Challenger, rng: np.random.Generator, labels: IntArray | None = None) -> Rows:
    """Encodings of the train pool, within the profile's budget: as many images as it allows, then rows per image."""
    budget = budget_of(challenger.ctx)
    pool, t = challenger.pools.train, challenger.rows_per_image
    wanted = int(challenger.ctx.options.get("train_rows") or budget.train)
    requests = int(np.clip(budget.rows_train // t, min(400, len(pool)), wanted))
    requests = challenger.affordable(requests, pool, share=0.3, what="encodings to train on").count
    repeat = min(t, 4, max(1, wanted // min(requests, len(pool)))) if requests <= len(pool) else 1
    laps = -(-requests // len(pool))
    who = np.concatenate([rng.permutation(pool) for _ in range(laps)])[:requests]
    return challenger.one_row_each(who, pool, rng, labels=labels, what="encoding to train on", repeat=repeat)

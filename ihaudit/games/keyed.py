"""Chosen-plaintext mode of the instance game, for schemes with one key per data set.

The proof of Theorem 4 trains on encodings that the adversary makes itself, so it needs the scheme *with the challenge's
key*.  Here every key is one call that holds the adversary's images, whose rows it learns from, and the challenges.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.context import Context
from ihaudit.contracts.game import GameSetting
from ihaudit.errors import NotApplicable
from ihaudit.games.adversary.scorer import Adversary
from ihaudit.games.adversary.training import Trained
from ihaudit.games.base import DEFINITION, OracleGame, percent, table
from ihaudit.games.challenger import CALL_ROWS, Rows, draw_pairs, pick_rows
from ihaudit.games.distinguisher import advantage, balanced_accuracy, curve
from ihaudit.games.learners.ridge import RidgeLearner
from ihaudit.games.trials import Trials, stored
from ihaudit.results import Finding

KEYS = {"quick": 3, "standard": 8, "full": 20}
PROPERTIES = 8  # that utility is measured by: the first principal components, fixed beforehand
TITLE = "Instance game with the challenge's key (chosen plaintext)"


def chosen_plaintext(item: OracleGame, setting: GameSetting, ctx: Context, shared: Trained) -> list[Finding]:
    """A fresh adversary per key, trained on its own rows of the very call that it is challenged on.

    Returns:
        The game's finding, and the utility under one key: what was learned from encodings, shown others of the call.
    """
    keys, challenger = KEYS[ctx.profile], shared.challenger
    room = max(200, CALL_ROWS // challenger.rows_per_image)
    known = min(1000, len(shared.pools.train), room * 4 // 5)
    asked = min(200, len(shared.pools.estimate), max(40, room - known))
    planned, share = keys * asked, 0.5
    while keys * setting.encoder.seconds(known + asked) > share * ctx.encoder_s and (keys > 1 or known > 100):
        # Fewer keys first: one of them shows what the adversary can do, and more images show it more sharply.
        keys, known, asked = (keys - 1, known, asked) if keys > 1 else (1, known // 2, max(40, asked // 2))
    each = setting.encoder.seconds(known + asked)

    def make() -> dict[str, NDArray[Any]]:
        rng = ctx.rng("keyed")
        margins, firsts, answers, truths = [], [], [], []
        for i in range(keys):
            x0, x1 = draw_pairs(shared.pools.estimate, setting.labels, 4 * asked, rng)
            bit = rng.integers(2, size=len(x0)).astype(bool)
            shown = np.where(bit, x1, x0)
            first = np.sort(rng.permutation(np.unique(shown, return_index=True)[1])[:asked])  # each image once per call
            x0, x1, bit, shown = x0[first], x1[first], bit[first], shown[first]
            mine = rng.permutation(shared.pools.train)[:known]
            who = np.r_[mine, shown]
            order = rng.permutation(len(who))
            seed = int(rng.integers(2**62))
            release = setting.encoder.encode(setting.images[who[order]], setting.labels[who[order]], seed=seed)
            rows, places = pick_rows(challenger.sources(release, len(who)), len(who), rng)
            pixels = np.empty((len(who), *challenger.row_shape), np.float32)
            pixels[order[places[:, 0]]] = release.encodings[rows]
            learner = RidgeLearner(side=0, penalties=(0.3, 3.0, 30.0))
            rows_known = Rows(pixels[:known], mine, None)
            scaled, pool = shared.adversary.scaled, shared.pools.train
            adversary = Adversary.fit(setting, scaled, rows_known, pool, learner, ctx.seed, rng)
            margins.append(adversary.margin(pixels[known:], x0, x1))
            firsts.append(~bit)
            answers.append(adversary.predict(pixels[known:])[0][:, :PROPERTIES])
            truths.append(adversary.bits[shown][:, :PROPERTIES])
            ctx.progress("instance game with the key", (i + 1) / keys)
        parts = {"margin": margins, "first": firsts, "answers": answers, "truth": truths}
        return {k: np.concatenate(v) for k, v in parts.items()}

    id_ = f"{item.id}-keyed"
    try:
        c = stored(ctx, setting, "instance-keyed", {"keys": keys, "known": known, "asked": asked}, make)
    except NotApplicable as why:
        return [item.finding(id=id_, title=TITLE, status="not run", reason=str(why))]
    e = advantage(c["margin"], c["first"], ctx.rng("keyed", "ties"))
    found = item.verdict(
        setting,
        {"advantage": e},
        f"With {known} known images in the same data set, so under the same key, an adversary tells which of two "
        f"same-class images an encoding hides in {percent(e)} of cases; guessing gives 50 %.",
        details={
            "known_images": known,
            "table": table(["keys", "known images per key", "challenges"], [[keys, known, len(c["first"])]]),
            "roc": curve(c["margin"], c["first"]),
            "notes": [DEFINITION, "the interval is for these keys: challenges under one key share it"],
        },
        id=id_,
        title=TITLE,
        trials=Trials(len(c["first"]), planned, each, share * ctx.encoder_s) if keys * asked < planned else None,
    )
    accuracy = balanced_accuracy(c["answers"], c["truth"])
    what = "A classifier of a property of the image, trained on encodings under one key and shown others under it,"
    rows = (("properties (those that vary most)", c["truth"].shape[1]), ("keys", keys))
    return [found, item.utility("Definition 3, under one key", what, accuracy, e, *rows)]

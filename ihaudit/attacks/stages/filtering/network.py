"""`filtering=network`: of the encodings of an image those that hold it moved alike (Luo et al., AAAI 2022)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ihaudit.attacks.numerics.neighbours import best_neighbourhood, prior_odds
from ihaudit.attacks.numerics.pair_odds import PairOdds, embed, facts_of, require_shape
from ihaudit.attacks.stages.filtering.none import dominated
from ihaudit.attacks.stages.state import Alike, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.nn.shipped import load_filter


@stage("filtering", "network")
def filtering_network(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """The encoding of each image that has most neighbours, and those: pairs of which a network says that they hold
    the image moved by less than eps = 0.2 against each other.

    The paper takes every pair above even odds; here the odds are those of the release, estimated from all its pairs, or
    else images that nobody moved would lose half of their encodings.

    Options: ``filter_weights``, a file of `ihaudit train filter` to use instead of the shipped one.
    """
    observed, given = state.observed, dominated(state)
    path = ctx.options.get("filter_weights")
    net = load_filter(Path(path) if path else None, ctx.device)
    require_shape(observed.shape, net)
    index = torch.from_numpy(given.rows).to(observed.values.device)
    z = embed(net, observed.values[index], progress=lambda f: ctx.progress("filtering", 0.7 * f))
    facts = facts_of(observed.slots, given.rows, given.columns, observed.values.device, moved=True)
    odds = {}
    for image in np.unique(given.of):
        at = np.nonzero(given.of == image)[0]
        odds[image] = at, PairOdds(net, z, None, at, facts[torch.from_numpy(at).to(index.device)]).complete()
    prior = prior_odds([s for _, s in odds.values()])
    keep = np.concatenate([at[best_neighbourhood(s + prior)] for at, s in odds.values()])
    found = Alike(*(getattr(given, name)[keep] for name in ("rows", "of", "columns", "weight")))
    return state.having(found), {
        "encodings_per_image": len(keep) / len(odds),
        "kept": len(keep) / len(given.rows),
        "prior_log_odds": prior,
    }

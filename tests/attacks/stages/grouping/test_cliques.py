"""Cliques of the network's graph, and of noise."""

from __future__ import annotations

import numpy as np

from ihaudit.attacks.stages.state import Grouped, State
from tests.attacks.releases import Sample, blobs
from tests.attacks.stages.begun import CTX, begin


def test_cliques_of_the_network_are_pure_and_noise_has_none(sample: Sample, grouped: State) -> None:
    def purity(state: State) -> float:
        cliques = state.require(Grouped).cliques
        assert cliques is not None
        held = [sample.members[c[c >= 0]] for c in cliques]
        return float(np.mean([max((m == v).any(1).mean() for v in np.unique(m)) for m in held]))

    noise = blobs(sample.encodings.shape)
    nothing = begin(noise, sample).run(CTX, "similarity", "network").run(CTX, "grouping", "cliques")
    assert purity(grouped) > 0.85 > 0.75 > purity(nothing)

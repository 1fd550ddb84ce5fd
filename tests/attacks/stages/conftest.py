from __future__ import annotations

import pytest

from ihaudit.attacks.stages.state import State
from tests.attacks.releases import Sample, instahide
from tests.attacks.stages.begun import CTX, begin


@pytest.fixture(scope="session")
def sample() -> Sample:
    """A release of 12 images."""
    return instahide(n=12, epochs=10, k=3, seed=2, size=32)


@pytest.fixture(scope="session")
def grouped(sample: Sample) -> State:
    """Its cliques, by the similarity network."""
    return begin(sample.encodings, sample).run(CTX, "similarity", "network").run(CTX, "grouping", "cliques")

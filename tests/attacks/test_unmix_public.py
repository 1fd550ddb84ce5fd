"""`unmix-public`: few encodings and the public set tell images exactly; a set that was not used tells nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ihaudit.attacks.stages.restoration.explained import EXPECTED
from ihaudit.attacks.unmix import Unmix
from ihaudit.attacks.unmix_public import UnmixPublic
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.scheme import Knowledge
from tests.attacks.releases import photographs
from tests.attacks.test_phase_public import Mixed, mixed
from tests.benchmarks.attacks import scores

CTX = Context(seed=1, profile="quick")


@pytest.fixture(scope="module")
def few() -> Mixed:
    """Twelve images, twelve encodings of each."""
    return mixed(epochs=6, size=32)


def view(m: Mixed, public: np.ndarray, labels: np.ndarray | None) -> View:
    return View(
        m.encodings,
        labels,
        image_range=(-1.0, 1.0),
        knows=frozenset({Knowledge.ENCODINGS, Knowledge.LABELS, Knowledge.PUBLIC_SET}),
        public_set=public,
        hints={"n_private": len(m.images)},
    )


def exact(out: AttackOutput) -> int:
    """Images that were made exact."""
    return int(out.stages[-1].diagnostics["exact_images"])


@pytest.mark.parametrize("labels", ["weighted", "classes"])
def test_images_are_exact_where_the_network_alone_guesses(few: Mixed, labels: str) -> None:
    told = few.labels if labels == "weighted" else (few.labels > 0).astype(np.float32)
    given = view(few, few.public, told)
    alone, out = Unmix().run(given, CTX), UnmixPublic().run(given, CTX)
    before, after = (scores(x.images, few.images) for x in (alone, out))
    assert after.mean() > before.mean() + 0.1
    assert exact(out) >= 10 and np.sort(after)[2:].min() > 0.9
    assert out.confidence is not None and (out.confidence == np.float32(EXPECTED)).sum() == exact(out)
    assert [r.name for r in out.stages][-2:] == ["public", "restoration"]


def test_a_set_that_was_not_used_leaves_the_answer_of_the_network(few: Mixed) -> None:
    other, _ = photographs(300, 4321, 32)
    other = np.random.default_rng(0).permuted(other.reshape(len(other), -1), axis=0).reshape(other.shape)
    alone, out = (attack.run(view(few, other, few.labels), CTX) for attack in (Unmix(), UnmixPublic()))
    assert exact(out) == 0 and out.diagnostics["encodings_explained"] < 0.05
    assert abs(scores(out.images, few.images).mean() - scores(alone.images, few.images).mean()) < 0.02
    assert out.confidence is not None and alone.confidence is not None
    assert abs(out.confidence.mean() - alone.confidence.mean()) < 0.05


def test_a_public_set_that_does_not_fit_is_refused_before_anything_is_solved(few: Mixed) -> None:
    with pytest.raises(NotApplicable, match="no public images"):
        UnmixPublic().run(view(few, few.public[:0], few.labels), CTX)
    with pytest.raises(NotApplicable, match="16 x 16 x 3"):
        UnmixPublic().run(replace(view(few, few.public, few.labels), public_set=few.public[:, ::2, ::2]), CTX)

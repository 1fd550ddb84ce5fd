"""The published attack as a whole on small releases, and how its stages are judged."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ihaudit.attacks.carlini import Carlini
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.configure import configure
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable, UsageError
from ihaudit.registry import load
from ihaudit.release import Provenance, Release, Truth
from ihaudit.scoring.reconstructions import ScoredAttack, score_attack
from tests.attacks.releases import Sample, blobs, instahide
from tests.attacks.states import correlation
from tests.attacks.states import view_of as view

CTX = Context(seed=3)


#: without the networks, which want 32 x 32 pixels
SMALL = {"similarity": "squares", "grouping": "anneal", "membership": "none", "restoration": "none"}


def scored(out: AttackOutput, sample: Sample) -> ScoredAttack:
    """The attack's scores."""
    truth = Truth(
        sample.images, np.zeros(len(sample.images), np.int64), Provenance(sample.members, sample.lambdas[:, :2])
    )
    return score_attack(out, truth, Release(sample.encodings, sample.labels, (-1.0, 1.0)))


def qualities(out: AttackOutput, sample: Sample) -> dict[str, dict[str, float]]:
    """The scores of every stage that has any."""
    records = scored(out, sample).stages(out.stages)
    return {r.name: {k: v for k, v in r.quality.items() if v is not None} for r in records}


@pytest.fixture(scope="module")
def attacked() -> tuple[Sample, AttackOutput]:
    torch.set_num_threads(1)
    sample = instahide(n=16, epochs=30, k=3)
    return sample, Carlini(**SMALL).run(view(sample), CTX)


def test_it_recovers_images_stage_by_stage(attacked: tuple[Sample, AttackOutput]) -> None:
    sample, out = attacked
    assert [r.name for r in out.stages] == [
        *("similarity", "grouping", "membership", "assignment", "coefficients", "recovery", "restoration")
    ]
    assert out.images.shape == sample.images.shape and out.images.dtype == np.float32
    assert correlation(out.images, sample.images) > 0.6
    assert out.members is not None and out.members.shape == sample.members.shape


def test_the_scorer_judges_every_stage(attacked: tuple[Sample, AttackOutput]) -> None:
    sample, out = attacked
    stages = qualities(out, sample)
    assert stages["grouping"]["clique_purity"] > 0.6
    assert stages["assignment"]["assignment_accuracy"] > 0.6
    assert stages["coefficients"]["lambda_error"] < 0.08
    assert "similarity" not in stages or "pair_auc" not in stages["similarity"]  # annealing compares no pairs


def test_pairs_are_judged_where_a_graph_was_built() -> None:
    sample = instahide(n=12, epochs=30, k=3)
    out = Carlini(**{**SMALL, "grouping": "cliques"}).run(view(sample, hints={"n_private": 12}), CTX)
    quality = qualities(out, sample)
    assert quality["similarity"]["pair_auc"] > 0.6
    assert 0.5 < quality["similarity"]["pair_accuracy"] <= 1
    assert 0 < quality["grouping"]["images_covered"] <= 1


def test_the_same_seed_gives_the_same_answer(attacked: tuple[Sample, AttackOutput]) -> None:
    sample, out = attacked
    again = Carlini(**SMALL).run(view(sample), CTX)
    np.testing.assert_array_equal(again.images, out.images)
    np.testing.assert_array_equal(again.members, out.members)


@pytest.mark.parametrize("option", ["recovery=em", "assignment=likelihood", "recovery=mean"])
def test_stages_can_be_swapped(option: str) -> None:
    sample = instahide(n=8, epochs=20, k=3)
    name, variant = option.split("=")
    spec = "carlini:" + ",".join(f"{k}={v}" for k, v in {**SMALL, name: variant}.items())
    out = configure(spec).run(view(sample), CTX)
    assert any(r.name == name and r.variant == variant for r in out.stages)
    assert np.isfinite(out.images).all()


def test_it_is_registered_with_the_papers_stages() -> None:
    assert load("attack")["carlini"] is Carlini
    assert Carlini() == Carlini("network", "cliques", "network", "flow", "labels", "gradient", "recolour73")
    assert Carlini.profiles == ("standard", "full")
    with pytest.raises(UsageError, match="recolour73"):
        configure("carlini:restoration=recolour72")


def test_a_shape_that_the_networks_do_not_know_is_not_attacked() -> None:
    with pytest.raises(NotApplicable, match=r"32 x 32 x 3.*16 x 16 x 3"):
        Carlini().run(view(instahide(n=8, epochs=10)), CTX)


@pytest.mark.parametrize("recovery", ["least-squares-eq1", "gradient"])
def test_without_masks_eq1_recovers(recovery: str) -> None:
    sample = instahide(n=16, epochs=30, k=3, mask=False)
    out = Carlini(**SMALL, recovery=recovery).run(view(sample), CTX)
    assert correlation(out.images, sample.images) > 0.8


def test_noise_gives_no_images() -> None:
    sample = instahide(n=16, epochs=30, k=3)
    noise = blobs(sample.encodings.shape) * sample.encodings.std()
    out = Carlini(**SMALL).run(view(sample, encodings=noise), CTX)
    assert correlation(out.images, sample.images) < 0.3
    stages = qualities(out, sample)
    # four images per class: a quarter and a little are right by chance
    assert stages["assignment"]["assignment_accuracy"] < 0.45
    assert stages["grouping"]["clique_purity"] < 0.45

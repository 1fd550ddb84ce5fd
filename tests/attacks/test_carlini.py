"""The published attack as a whole on small releases, its recolouring, and how its early stages are judged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ihaudit.attacks.carlini import Carlini
from ihaudit.attacks.numerics.mixing import Reconstruction
from ihaudit.attacks.stages.restoration.recolour73 import pixels_of
from ihaudit.attacks.stages.state import Recovered, Restored, State
from ihaudit.contracts.attack import AttackOutput, StageEvidence, get_stage
from ihaudit.contracts.configure import configure
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable, UsageError
from ihaudit.nn.fitting import TrainConfig
from ihaudit.nn.recolour import PixelNet, fit
from ihaudit.nn.weights import FOLDER
from ihaudit.registry import load
from ihaudit.release import Provenance, Release, Truth
from ihaudit.scoring.reconstructions import ScoredAttack, score_attack
from ihaudit.scoring.stages import evidence_quality
from tests.attacks.releases import Sample, instahide
from tests.attacks.states import correlation, true_state
from tests.attacks.states import view_of as view

CTX = Context(seed=3)
#: without the networks, which want 32 x 32 pixels
SMALL = {"similarity": "squares", "grouping": "anneal", "membership": "none", "restoration": "none"}
WITH_WEIGHTS = pytest.mark.skipif(
    not (FOLDER / "recolour.safetensors").exists(), reason="this checkout has no recolouring weights"
)


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
    rng = np.random.default_rng(0)
    noise = rng.normal(size=sample.encodings.shape).astype(np.float32) * sample.encodings.std()
    out = Carlini(**SMALL).run(view(sample, encodings=noise), CTX)
    assert correlation(out.images, sample.images) < 0.3
    stages = qualities(out, sample)
    # four images per class: a quarter and a little are right by chance
    assert stages["assignment"]["assignment_accuracy"] < 0.45
    assert stages["grouping"]["clique_purity"] < 0.45


def test_evidence_is_judged_as_defined() -> None:
    rng = np.random.default_rng(0)
    sources = rng.integers(-1, 5, (30, 2))
    first, second = rng.integers(0, 30, (2, 200))
    similarity = np.round(rng.normal(size=200), 1).astype(np.float32)  # ties
    sets = rng.integers(-1, 30, (6, 7))
    sets[5] = -1
    quality = evidence_quality(StageEvidence(first, second, similarity, sets), Provenance(sources))
    share = np.array([bool((set(sources[a]) & set(sources[b])) - {-1}) for a, b in zip(first, second, strict=True)])
    won = [(x > y) + (x == y) / 2 for x in similarity[share] for y in similarity[~share]]
    assert quality["similarity"]["pair_auc"] == pytest.approx(np.mean(won))
    right = (np.mean(similarity[share] > 0) + np.mean(similarity[~share] <= 0)) / 2
    assert quality["similarity"]["pair_accuracy"] == pytest.approx(right)
    purity = []
    for members in sets[:5]:
        rows = [set(sources[e]) - {-1} for e in members if e >= 0]
        purity.append(max(sum(x in r for r in rows) for x in range(5)) / len(rows))
    assert quality["grouping"]["clique_purity"] == pytest.approx(np.mean(purity))


def test_evidence_that_shows_nothing_is_left_out() -> None:
    one = np.zeros(3, np.int64)
    alike = StageEvidence(one, one, np.ones(3, np.float32))
    assert evidence_quality(alike, Provenance(np.array([[0, 1]]))) == {}
    assert evidence_quality(StageEvidence(), Provenance(np.array([[0, 1]]))) == {}


def test_the_network_has_73_parameters_and_learns_a_colour_curve() -> None:
    assert sum(p.numel() for p in PixelNet().parameters()) == 73
    g = torch.Generator().manual_seed(0)
    true = torch.rand(6_000, 3, generator=g) * 2 - 1
    faded = 0.3 * true + 0.2
    net, error = fit(faded, true, TrainConfig(steps=200, rate=2e-2))
    assert error < 0.02 < float((faded - true).square().mean())
    again, _ = fit(faded, true, TrainConfig(steps=200, rate=2e-2))
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))


def recovered(variant: str) -> tuple[Sample, State]:
    sample = instahide(n=8, epochs=10, k=3)
    state = true_state(sample, sample.members)
    images = torch.from_numpy(sample.images * 2 - 1).permute(0, 3, 1, 2).reshape(8, -1)
    images = torch.cat([images, images.mean(0, keepdim=True)])
    state = state.having(Recovered(Reconstruction(images, torch.ones(len(sample.encodings)))))
    return sample, state.recorded("recovery", variant, {})


@WITH_WEIGHTS
def test_recolouring_changes_what_it_was_fitted_for_and_nothing_else() -> None:
    sample, state = recovered("gradient")
    done, diagnostics = get_stage("restoration", "recolour73")(state, CTX)
    assert diagnostics["weights_for"] == "gradient" and diagnostics["moved"] > 0
    assert (
        done.require(Restored).images.shape == sample.images.shape
        and 0 <= done.require(Restored).images.min() <= done.require(Restored).images.max() <= 1
    )
    # the output of one pixel depends on that pixel alone
    state.require(Recovered).estimate.images[:, 5] += 0.3
    moved, _ = get_stage("restoration", "recolour73")(state, CTX)
    changed = np.abs(moved.require(Restored).images - done.require(Restored).images).max((0, 3)) > 1e-6
    assert changed.sum() == 1
    _, other = recovered("mean")
    left, diagnostics = get_stage("restoration", "recolour73")(other, CTX)
    assert diagnostics["weights_for"] is None
    plain, _ = pixels_of(other, "mean")
    np.testing.assert_allclose(left.require(Restored).images, ((plain + 1) / 2).clamp(0, 1).numpy(), atol=1e-6)


def test_the_published_start_is_stretched() -> None:
    _, state = recovered("gradient-zero")
    pixels, flipped = pixels_of(state, "gradient-zero")
    assert not flipped
    np.testing.assert_allclose(pixels.amin((1, 2, 3)), -1, atol=1e-5)
    np.testing.assert_allclose(pixels.amax((1, 2, 3)), 1, atol=1e-5)


def test_recolouring_leaves_other_channels_alone_and_says_so() -> None:
    _, state = recovered("gradient")
    state = replace(state, observed=replace(state.observed, shape=(1, 16, 48)))
    done, diagnostics = get_stage("restoration", "recolour73")(state, CTX)
    assert diagnostics["weights_for"] is None and "1 channel" in diagnostics["skipped"]
    plain, _ = pixels_of(state, "gradient")
    np.testing.assert_allclose(done.require(Restored).images, ((plain + 1) / 2).clamp(0, 1).numpy(), atol=1e-6)

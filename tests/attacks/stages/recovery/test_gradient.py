"""Eq. (3) as a stage: what each start recovers."""

from __future__ import annotations

import torch

from ihaudit.attacks.stages.state import Recovered, Restored
from ihaudit.contracts.attack import get_stage
from ihaudit.contracts.context import Context
from tests.attacks.releases import instahide
from tests.attacks.states import correlation, observing, true_state, view_of

CTX = Context(seed=3)


def test_gradient_recovers_images_and_the_published_start_does_not() -> None:
    sample = instahide(n=16, epochs=30, k=3)
    state = true_state(sample, sample.members)
    quality = {}
    for variant in ("gradient", "gradient-spectral", "gradient-zero"):
        found, diagnostics = get_stage("recovery", variant)(state, CTX)
        pictures, _ = get_stage("restoration", "none")(found, CTX)
        quality[variant] = correlation(pictures.require(Restored).images, sample.images)
        assert found.require(Recovered).estimate.images.shape == (17, 16 * 16 * 3)
        assert diagnostics["encodings_used"] == len(state.observed.values)
    assert quality["gradient"] > 0.85 > 0.75 > quality["gradient-zero"]
    assert quality["gradient-spectral"] > 0.85


def test_without_a_network_for_it_eq3_starts_spectrally() -> None:
    sample = instahide(n=8, epochs=10, k=3)
    state = observing(true_state(sample, sample.members), view=view_of(sample, image_range=(-1.0, 0.1)))
    _, diagnostics = get_stage("recovery", "gradient")(state, CTX)
    assert diagnostics["start"].startswith("spectral (the mask recovery network was trained on")
    assert (
        get_stage("recovery", "gradient")(true_state(sample, sample.members), CTX)[1]["start"] == "recolouring network"
    )


def test_the_same_seed_gives_the_same_images() -> None:
    sample = instahide(n=8, epochs=10, k=3)
    state = true_state(sample, sample.members)
    a, b = (get_stage("recovery", "gradient")(state, CTX)[0].require(Recovered).estimate.images for _ in range(2))
    assert torch.equal(a, b)

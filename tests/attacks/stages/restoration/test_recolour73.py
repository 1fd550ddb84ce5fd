"""The published recolouring as a stage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ihaudit.attacks.numerics.mixing import Reconstruction
from ihaudit.attacks.stages.restoration.recolour73 import pixels_of
from ihaudit.attacks.stages.state import Recovered, Restored, State
from ihaudit.contracts.attack import get_stage
from ihaudit.contracts.context import Context
from ihaudit.nn.weights import FOLDER
from tests.attacks.releases import Sample, instahide
from tests.attacks.states import true_state

CTX = Context(seed=3)


WITH_WEIGHTS = pytest.mark.skipif(
    not (FOLDER / "recolour.safetensors").exists(), reason="this checkout has no recolouring weights"
)


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

"""The published attack on augmented InstaHide: on a release of its own scheme, on nothing, and stage by stage."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from ihaudit import Release
from ihaudit.attacks.stages.filtering.none import dominated
from ihaudit.contracts.configure import configure
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable, UsageError
from ihaudit.metrics.ssim import ssim
from ihaudit.nn import weights
from ihaudit.nn.fusion import Fusion, FusionConfig
from ihaudit.registry import load
from ihaudit.schemes.instahide_fdn import InstaHideFdn
from tests.attacks.releases import instahide, photographs
from tests.attacks.states import correlation, true_state, view_of

CTX = Context(seed=3)


@pytest.fixture(autouse=True, scope="module")
def _one_thread(one_thread: None) -> None:
    """The networks here are small."""


@cache
def released() -> tuple[np.ndarray, Release]:
    """Eight photographs as the scheme releases them, every one dominant in 16 encodings."""
    images, labels = photographs(8, 0, 32)
    public, _ = photographs(120, 1000, 32)
    return images, InstaHideFdn(epochs=16).encode(images, labels, public, np.random.default_rng(0))


def view(release: Release, **changes: object) -> View:
    """What an attacker sees of it."""
    seen = View(release.encodings, release.labels, release.image_range, hints={"n_private": 8})
    return replace(seen, **changes)  # type: ignore[arg-type]


def test_it_makes_images_of_moved_copies_and_says_how_good_they_are() -> None:
    images, release = released()
    out = configure("fdn").run(view(release), CTX)
    assert out.images.shape == images.shape and correlation(out.images, images) > 0.55
    assert out.confidence is not None and 0.2 < out.confidence.mean() < 0.9
    assert out.evidence is not None and out.evidence.similarity is not None and out.evidence.sets is not None


def test_encodings_that_share_nothing_come_out_as_nothing_in_particular() -> None:
    images, release = released()
    rng = np.random.default_rng(1)
    others, _ = photographs(len(release.encodings), 77, 32)
    mixed = 0.4 * (2 * others - 1) + 0.6 * (2 * others[rng.permutation(len(others))] - 1)
    void = (mixed * rng.choice([-1.0, 1.0], mixed.shape)).astype(np.float32)
    out = configure("fdn").run(view(release, encodings=void), CTX)
    found = configure("fdn").run(view(release), CTX)
    assert abs(correlation(out.images, images)) < 0.45
    assert out.confidence is not None and found.confidence is not None
    assert out.confidence.mean() < found.confidence.mean()
    assert float(ssim(out.images, images).mean()) < 0.3


def test_any_stage_can_be_another() -> None:
    images, release = released()
    plain = configure("fdn:filtering=none,reweighting=none,fusion=mean").run(view(release), CTX)
    assert [f"{r.name}={r.variant}" for r in plain.stages] == [
        *("similarity=comparator", "grouping=cliques", "filtering=none", "coefficients=labels"),
        *("reweighting=none", "fusion=mean", "restoration=denoiser"),
    ]
    assert plain.stages[2].diagnostics["encodings_per_image"] == pytest.approx(16, abs=3)
    means = configure("fdn:restoration=stretch").run(view(release), CTX)
    assert means.images.shape == images.shape and not np.allclose(means.images, plain.images)
    for spec in ("fdn:fusion=median", "fdn:filtering=all", "fdn:sharpening=local"):
        with pytest.raises(UsageError):
            configure(spec).run(view(release), CTX)


def test_it_is_no_part_of_quick_or_standard_audits() -> None:
    assert load("attack")["fdn"].profiles == ("full",)


def test_weights_of_ones_own_are_used(tmp_path: Path) -> None:
    _, release = released()
    torch.manual_seed(0)
    shape, path = FusionConfig(relaxed=16, fused=8, before=0, features=16, groups=1, norm_groups=4), tmp_path / "f"
    weights.save(Fusion(shape), shape.as_dict(), path.with_suffix(".safetensors"), {})
    options = {"fusion_weights": str(path.with_suffix(".safetensors"))}
    mine = configure("fdn").run(view(release), replace(CTX, options=options))
    assert not np.allclose(mine.images, configure("fdn").run(view(release), CTX).images)
    for name in ("fusion", "filter", "comparator"):
        with pytest.raises(UsageError, match="no readable card"):
            configure("fdn").run(view(release), replace(CTX, options={f"{name}_weights": str(tmp_path / "none")}))


def test_releases_of_other_kinds_are_refused_with_the_reason() -> None:
    _, release = released()
    with pytest.raises(NotApplicable, match="trained on 32 x 32 x 3"):
        configure("fdn").run(view(release, encodings=release.encodings[:, :16, :16]), CTX)
    with pytest.raises(NotApplicable, match="no sign is hidden"):
        configure("fdn").run(view_of(instahide(n=8, epochs=8, k=3, size=32, mask=False)), CTX)


def test_every_encoding_serves_the_image_that_dominates_it() -> None:
    sample = instahide(n=8, epochs=12, k=3, size=16)
    state = true_state(sample, sample.members)
    found = dominated(state)
    slots = state.observed.slots
    assert len(np.unique(found.rows)) == len(found.rows) and (np.diff(found.of) >= 0).all()
    assert len(np.unique(found.of)) == 8
    assert (slots.mass[found.rows, found.columns] >= slots.mass[found.rows].max(1) - 1e-6).mean() > 0.95


def test_the_published_attack_takes_the_comparative_network() -> None:
    images, release = released()
    out = configure("carlini:similarity=comparator,recovery=mean,restoration=stretch").run(view(release), CTX)
    assert out.images.shape == images.shape
    assert out.stages[0].variant == "comparator"

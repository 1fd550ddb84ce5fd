"""`unmix` where the masks are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ihaudit.attacks import recipe
from ihaudit.attacks.numerics import features
from ihaudit.attacks.numerics.mixing import Reconstruction
from ihaudit.attacks.numerics.pictures import to_pictures
from ihaudit.attacks.numerics.sizes import GUESSED
from ihaudit.attacks.recipe import start
from ihaudit.attacks.stages.assignment import signed
from ihaudit.attacks.stages.recovery import unmask
from ihaudit.attacks.stages.sharpening import local
from ihaudit.attacks.stages.similarity import unmasked
from ihaudit.attacks.stages.state import Assigned, Grouped, Moving, Recovered, State
from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.nn.sources import load_split
from ihaudit.release import Truth
from ihaudit.results import StageRecord
from ihaudit.scheme import Augmentation
from ihaudit.schemes.instahide import InstaHide
from ihaudit.schemes.instahide_deployed import InstaHideDeployed
from ihaudit.scoring.reconstructions import score_attack
from tests.attacks.releases import instahide
from tests.attacks.states import correlation, true_state
from tests.benchmarks.attacks import reference, scores
from tests.benchmarks.scale import matched
from tests.data import DATA, load_images

CTX = Context(seed=3)


def test_known_masks_stay_as_they_are_and_need_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = instahide(n=8, epochs=12, k=4, size=32, mask=False)
    for module in (unmasked, unmask, local):
        monkeypatch.setattr(module, "Unmasker", lambda *_: pytest.fail("masks are known"))
    view = View(encodings=sample.encodings, labels=sample.labels, image_range=(-1.0, 1.0))
    state = start(view, CTX, signs=np.sign(sample.encodings))
    solved = Unmix().solve(state, replace(CTX, profile="standard")).require(Recovered)
    torch.testing.assert_close(solved.signs, state.observed.signs)
    images = to_pictures(solved.estimate.images[:-1], state.observed.shape, (-1.0, 1.0))
    assert solved.confidence is not None and solved.confidence.shape == (len(images),)
    assert correlation(images, sample.images) > 0.9


def test_a_large_release_is_held_in_half_precision_and_solved_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = instahide(n=8, epochs=12, k=4, size=32, mask=False)
    view = View(encodings=sample.encodings, labels=sample.labels, image_range=(-1.0, 1.0))
    monkeypatch.setattr(recipe, "MANY", 1000)
    monkeypatch.setattr(features, "MANY", 1000)
    state = start(view, CTX, signs=np.sign(sample.encodings), compact=True)
    assert state.observed.values.dtype == torch.float16
    assert Unmix().begin(view, CTX).observed.values.dtype == torch.float16
    solved = Unmix().solve(state, CTX).require(Recovered)
    assert solved.estimate.images.dtype == torch.float32
    images = to_pictures(solved.estimate.images[:-1], state.observed.shape, (-1.0, 1.0))
    assert correlation(images, sample.images) > 0.9


def test_motions_are_asked_for_once_and_when_coefficients_are_known() -> None:
    """Coefficients that class numbers left to be guessed made releases look stretched (strict SSIM 0.38 for 0.83)."""
    sample = instahide(n=4, epochs=4, k=4, size=16)

    def begun(labels: np.ndarray) -> State:
        return start(View(encodings=sample.encodings, labels=labels, image_range=(-1.0, 1.0)), CTX)

    assert signed.to_survey(begun(sample.labels))
    guessed = begun((sample.labels > 0).astype(np.float32))
    assert not signed.to_survey(guessed)
    slots = replace(guessed.observed.slots, estimated=True)
    told = replace(guessed, observed=replace(guessed.observed, slots=slots))
    assert signed.to_survey(told)
    record = StageRecord(name="assignment", variant="signed", diagnostics={signed.GAINS: {}})
    assert not signed.to_survey(replace(told, records=(record,)))


@pytest.mark.parametrize("more", [True, False])
def test_motions_wait_for_the_coefficients_of_single_images_beside_public_ones(
    monkeypatch: pytest.MonkeyPatch, more: bool
) -> None:
    """Their class numbers look like weights of 1 (50 images, T = 20, k = 4: pinned SSIM 0.684 as stretched, 0.929)."""
    sample = instahide(n=4, epochs=4, k=4, size=16, private=1)
    labels = (sample.labels > 0).astype(np.float32)
    monkeypatch.setattr(signed, "_more_inside", lambda state: more)
    view = View(encodings=sample.encodings, labels=labels, image_range=(-1.0, 1.0))
    assert signed.to_survey(start(view, CTX)) is not more


def test_images_that_no_encoding_bears_out_are_left_out_where_their_number_is_a_guess() -> None:
    """Two clusters too many: of one encoding, and of encodings that have nothing in common."""
    sample = instahide(n=6, epochs=20, k=3, size=16)
    state = true_state(sample, sample.members, exact=False)
    grouped, assigned = state.require(Grouped), state.require(Assigned)
    members, n = assigned.members.copy(), 6
    members[:1, 0], members[10:40, 0] = n, n + 1
    of_class = [*grouped.of_class[:-1], np.append(grouped.of_class[-1], [n, n + 1])]
    sizes = replace(grouped.sizes, per_class=np.array([len(ids) for ids in of_class]), source=GUESSED)
    mixtures = instahide(n=6, epochs=20, k=3, size=16, mask=False).encodings
    signs = torch.from_numpy(np.sign(mixtures).transpose(0, 3, 1, 2).reshape(len(members), -1).astype(np.float32))
    signs[10:40] *= torch.randint(0, 2, signs[10:40].shape, generator=torch.Generator().manual_seed(0)) * 2.0 - 1
    noise = torch.full((len(members),), 0.01)
    images = torch.zeros(n + 3, signs.shape[1])
    state = state.having(
        replace(grouped, of_class=of_class, sizes=sizes),
        replace(assigned, members=members),
        Recovered(Reconstruction(images, noise), signs),
    )
    record = StageRecord(name="assignment", variant="signed", diagnostics={})
    assert signed._without_idle(state, signs)[1] == 0  # not before they were assigned once
    once, left_out = signed._without_idle(replace(state, records=(record,)), signs)
    assert left_out == 1 and once.require(Grouped).unknowns == n + 1
    np.testing.assert_array_equal(once.require(Assigned).members, np.where(members == n, -1, np.minimum(members, n)))
    twice, left_out = signed._without_idle(replace(state, records=(record,) * 2), signs)
    assert left_out == 2 and twice.require(Grouped).unknowns == n
    assert len(twice.require(Recovered).estimate.images) == n + 1
    np.testing.assert_array_equal(twice.require(Assigned).members[40:], members[40:])
    told = state.having(replace(state.require(Grouped), sizes=replace(sizes, source="stated")))
    assert signed._without_idle(replace(told, records=(record,) * 2), signs)[1] == 0


def test_class_numbers_alone_are_not_taken_for_stretches() -> None:
    load_images("cifar10_eval")
    sample = reference(72, 30, 20, 5, public=load_split(DATA).held_patches)
    labels = (sample.labels > 0).astype(np.float32)
    view = View(encodings=sample.encodings, labels=labels, image_range=(-1.0, 1.0))
    state = Unmix().begin(view, CTX)
    state = Unmix().stages(Unmix().solve(state, CTX), CTX, "restoration")
    assert state.find(Moving) is None
    strict, _ = matched(recipe.answer(state).images, sample.images)
    assert len(strict) == 30 and strict.mean() > 0.8


@pytest.mark.slow
@pytest.mark.parametrize(("scaling", "least"), [("symmetric", 0.85), ("mean-std", 0.7)])
def test_crops_and_mirrors_are_found_and_undone(scaling: str, least: float) -> None:
    """The scheme as deployed; cropped, mirrored copies are one image each, and none is an average of two poses."""
    every, classes = load_images("cifar10_eval")
    public = load_images("imagenet_patches")[0][:2000]
    images, labels = every[:20], classes[:20]
    scheme = InstaHideDeployed(epochs=50, scaling=scaling)  # type: ignore[arg-type]
    release = scheme.encode(images, labels, public, np.random.default_rng(5))
    view = View(encodings=release.encodings, labels=release.labels, image_range=release.image_range)
    out = Unmix().run(view, CTX)
    assert out.augmentation == Augmentation(shift=4, mirror=True)
    assert "mirrored, shifted by up to 4 pixels" in out.sentence
    truth = Truth(images, labels, release.provenance)
    scored = score_attack(out, truth, release, decoys=every[100:120], augmentation=scheme.augmentation)
    aligned, chance = scored.metrics["ssim_aligned"].value, scored.metrics["ssim_chance"].value
    assert aligned is not None and chance is not None
    assert aligned > least and chance < 0.3
    # no more is said of the images than they are; with few encodings it may be less
    assert out.confidence is not None
    assert float(out.confidence.mean()) < aligned + 0.1


@pytest.mark.slow
def test_stretches_by_up_to_half_the_side_are_found_and_undone() -> None:
    """Two copies of an image then differ by up to twice the scale and half of the side."""
    every, classes = load_images("cifar10_eval")
    public = load_images("imagenet_patches")[0][:2000]
    images, labels = every[40:52], classes[40:52]
    scheme = InstaHide(epochs=50, augment=0.5)
    release = scheme.encode(images, labels, public, np.random.default_rng(4))
    view = View(encodings=release.encodings, labels=release.labels, image_range=release.image_range)
    out = Unmix().run(view, replace(CTX, profile="quick"))
    assert out.augmentation is not None and out.augmentation.stretch in (0.3, 0.5)
    truth = Truth(images, labels, release.provenance)
    scored = score_attack(out, truth, release, decoys=every[100:112], augmentation=scheme.augmentation)
    aligned, chance = scored.metrics["ssim_aligned"].value, scored.metrics["ssim_chance"].value
    assert aligned is not None and chance is not None
    assert aligned > 0.7 and chance < 0.35


def test_first_figures_are_told_long_before_the_end() -> None:
    told: list[str] = []
    sample = instahide(n=8, epochs=12)
    view = View(encodings=sample.encodings, labels=sample.labels, image_range=(-1.0, 1.0))

    def tell(message: str, fraction: float | None = None) -> None:
        told.append(message)

    ctx = Context(seed=1, device="cpu", profile="quick", progress=tell)
    output = Unmix().run(view, ctx)
    assert told[0] == "similarity"
    assert f"recovery ({len(output.images)} images grouped)" in told
    first = next(message for message in told if "expected SSIM" in message)
    later = told[told.index(first) + 1 :]
    assert later and all("images grouped, expected SSIM 0." in message for message in later)


@pytest.mark.parametrize(
    ("labels", "hints", "sure", "tried"),
    [
        (None, {}, (0.4, 0.8), [None, 1]),
        (None, {}, (0.4, 0.42), [None, 1]),
        (None, {}, (0.95, 0.0), [None]),
        (None, {"private_per_encoding": 2}, (0.4, 0.8), [2]),
        (np.eye(2)[[0, 1, 1]], {}, (0.4, 0.8), [None]),
    ],
)
def test_one_private_image_per_encoding_is_tried_where_nothing_tells_and_two_do_not_suit(
    monkeypatch: pytest.MonkeyPatch,
    labels: np.ndarray | None,
    hints: dict[str, int],
    sure: tuple[float, float],
    tried: list[int | None],
) -> None:
    seen: list[int | None] = []

    def run(_: Unmix, view: View, __: Context) -> AttackOutput:
        seen.append(view.hints.get("private_per_encoding"))
        said = np.full(2, sure[len(seen) - 1], np.float32)
        return AttackOutput(np.zeros((2, 8, 8, 3), np.float32), confidence=said)

    monkeypatch.setattr(recipe.Recipe, "run", run)
    view = View(encodings=np.zeros((3, 8, 8, 3), np.float32), labels=labels, hints=hints)
    out = Unmix().run(view, CTX)
    assert seen == tried
    better = len(tried) == 2 and sure[1] > 0.5
    assert out.confidence is not None and out.confidence[0] == np.float32(sure[1] if better else sure[0])
    assert out.diagnostics.get("private_per_encoding") == (1 if better else None)
    assert ("one suits them better than two" in out.sentence) == better


@pytest.mark.data
def test_one_private_image_per_encoding_is_found_without_labels() -> None:
    sample = reference(351, 10, 20, 4, 1, public=load_split(DATA).held_patches)
    view = View(encodings=sample.encodings, image_range=(-1.0, 1.0))
    out = Unmix().run(view, Context(seed=1, profile="quick"))
    assert out.diagnostics["private_per_encoding"] == 1 and len(out.images) == 10
    assert scores(out.images, sample.images).mean() > 0.6

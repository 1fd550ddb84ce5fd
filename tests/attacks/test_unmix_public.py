"""`unmix-public`: few encodings and the public set tell images exactly; a set that was not used tells nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ihaudit.attacks.stages.restoration.explained import EXPECTED, expected_ssim, known_share
from ihaudit.attacks.stages.state import Assigned, PublicFound
from ihaudit.attacks.unmix import Unmix
from ihaudit.attacks.unmix_public import UnmixPublic
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.metrics.ssim import ssim
from ihaudit.nn.sources import load_split
from ihaudit.scheme import Knowledge
from ihaudit.schemes.instahide import InstaHide
from ihaudit.schemes.instahide_deployed import InstaHideDeployed
from tests.attacks.releases import photographs
from tests.attacks.test_phase_public import Mixed, mixed
from tests.benchmarks.attacks import scores
from tests.data import DATA

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
    assert out.stages[-1].diagnostics["images_bettered"] == 0
    np.testing.assert_array_equal(out.images, alone.images)
    np.testing.assert_array_equal(out.confidence, alone.confidence)


def test_a_public_set_that_was_inverted_is_said_to_be_so_perhaps(few: Mixed) -> None:
    right, wrong = (UnmixPublic().run(view(few, x, few.labels), CTX) for x in (few.public, 1 - few.public))
    assert "inverted" not in right.sentence and "flags" not in right.diagnostics
    assert wrong.diagnostics["encodings_explained"] > 0.5 and "may have been handed over inverted" in wrong.sentence
    assert wrong.diagnostics["flags"][0] in wrong.sentence


def test_copies_in_the_public_set_are_counted_once(few: Mixed) -> None:
    out = UnmixPublic().run(view(few, np.concatenate([few.public, few.public]), few.labels), CTX)
    assert 1.5 < out.diagnostics["public_per_encoding"] < 2.3


def test_what_is_known_of_the_public_part_is_weighted_by_the_image() -> None:
    members, coefficients = np.array([[0, 1], [0, -1]]), np.array([[0.3, 0.1], [0.4, 0.2]], np.float32)
    found = PublicFound(
        np.array([[7, 8], [-1, -1]]),
        np.array([[0.2, 0.1], [0, 0]], np.float32),
        np.zeros(3, bool),
        np.zeros(3, bool),
        np.zeros(3, np.float32),
    )
    share = known_share(Assigned(members, coefficients), found, 3)
    np.testing.assert_allclose(share, [0.5 * 0.09 / 0.25, 0.5, 0], atol=1e-6)


def test_expected_ssim_is_that_of_images_with_white_noise(few: Mixed) -> None:
    rng = np.random.default_rng(0)
    error = np.linspace(0.01, 0.1, len(few.images)).astype(np.float32)
    noise = rng.standard_normal(few.images.shape).astype(np.float32) * error[:, None, None, None]
    noisy = np.clip(few.images + noise, 0, 1).astype(np.float32)
    told, true = expected_ssim(noisy, error), ssim(noisy, few.images)
    assert np.abs(told - true).max() < 0.1 and abs(float((told - true).mean())) < 0.03
    assert expected_ssim(few.images, 0 * error).min() > 0.999


def test_a_public_set_that_does_not_fit_is_refused_before_anything_is_solved(few: Mixed) -> None:
    with pytest.raises(NotApplicable, match="no public images"):
        UnmixPublic().run(view(few, few.public[:0], few.labels), CTX)
    with pytest.raises(NotApplicable, match="16 x 16 x 3"):
        UnmixPublic().run(replace(view(few, few.public, few.labels), public_set=few.public[:, ::2, ::2]), CTX)


def moved(scheme: InstaHide, seed: int) -> tuple[View, np.ndarray]:
    """A release of five images that were moved for every use, and the images; 2,000 public ones are known."""
    split = load_split(DATA)
    public = (split.held_patches[:2000] / np.float32(255)).astype(np.float32)
    images = (split.held_cifar[:5] / np.float32(255)).astype(np.float32)
    made = scheme.encode(images, split.held_labels[:5], public, np.random.default_rng(seed))
    assert isinstance(made.labels, np.ndarray)
    given = View(
        made.encodings,
        made.labels,
        image_range=made.image_range,
        knows=frozenset({Knowledge.ENCODINGS, Knowledge.LABELS, Knowledge.PUBLIC_SET}),
        public_set=public,
    )
    return given, images


@pytest.mark.data
@pytest.mark.parametrize(("scaling", "told"), [("symmetric", True), ("symmetric", False), ("mean-std", True)])
def test_images_that_were_cropped_and_mirrored_for_every_use_are_exact_too(scaling: Any, told: bool) -> None:
    given, images = moved(InstaHideDeployed(k=4, epochs=20, scaling=scaling), 3)
    if not told and given.labels is not None:
        given = replace(given, labels=(given.labels > 0).astype(np.float32))
    alone, out = Unmix().run(given, CTX), UnmixPublic().run(given, CTX)
    assert out.augmentation is not None and "parts of pixels" not in out.sentence
    assert exact(out) >= 4

    def reached(x: AttackOutput) -> np.ndarray:
        ways = [scores(x.images[:, :, ::way], images) for way in (1, -1)]
        return np.asarray(np.maximum(ways[0], ways[1]))

    before, after = reached(alone), reached(out)
    # normalised channels are shown by one range for all, which costs a little contrast
    assert after.mean() > before.mean() + 0.1 and np.sort(after)[1] > (0.9 if scaling == "symmetric" else 0.85)
    assert given.public_set is not None
    shape = given.public_set.shape
    other = np.random.default_rng(0).permuted(given.public_set.reshape(2000, -1), axis=0).reshape(shape)
    null = UnmixPublic().run(replace(given, public_set=other), CTX)
    np.testing.assert_array_equal(null.images, alone.images)
    np.testing.assert_array_equal(null.confidence, alone.confidence)


@pytest.mark.data
def test_images_that_moved_by_parts_of_pixels_are_answered_without_the_public_set() -> None:
    given, _ = moved(InstaHide(k=4, epochs=40, augment=0.15), 4)
    out = UnmixPublic().run(given, CTX)
    assert out.augmentation is not None and out.sentence.endswith("where images were moved by parts of pixels.")
    assert [(r.name, r.variant) for r in out.stages][-1] == ("restoration", "network") and len(out.images)

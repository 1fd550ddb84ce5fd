"""The whole attacks on small releases: they must break what is broken, find nothing in noise, and never crash."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.attacks.cluster_mean import ClusterMean
from ihaudit.attacks.least_squares import LeastSquares
from ihaudit.attacks.phase import Phase
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from tests.attacks.releases import Sample, instahide, photographs
from tests.data import load_images

CTX = Context(seed=3)


def view(sample: Sample, **changes: object) -> View:
    return View(**{"encodings": sample.encodings, "labels": sample.labels, "image_range": (-1.0, 1.0), **changes})  # type: ignore[arg-type]


def correlation(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean correlation of the true images with the candidates that fit them best, one to one."""
    from scipy.optimize import linear_sum_assignment

    a = found.reshape(len(found), -1).astype(np.float64)
    b = truth.reshape(len(truth), -1).astype(np.float64)
    a = (a - a.mean(1, keepdims=True)) / (a.std(1, keepdims=True) + 1e-9)
    b = (b - b.mean(1, keepdims=True)) / (b.std(1, keepdims=True) + 1e-9)
    c = a @ b.T / a.shape[1]
    rows, columns = linear_sum_assignment(-c)
    return float(c[rows, columns].mean())


def test_phase_recovers_instahide():
    sample = instahide(k=3)
    out = Phase().run(view(sample), CTX)
    assert out.images.shape == sample.images.shape and out.images.dtype == np.float32
    assert out.images.min() >= 0 and out.images.max() <= 1
    assert correlation(out.images, sample.images) > 0.7
    assert out.members is not None and out.members.shape == sample.members.shape
    assert {r.name for r in out.stages} >= {
        "similarity",
        "grouping",
        "coefficients",
        "assignment",
        "recovery",
        "restoration",
    }


def test_same_seed_same_answer():
    sample = instahide(epochs=15)
    first, second = (Phase().run(view(sample), CTX) for _ in range(2))
    np.testing.assert_array_equal(first.images, second.images)


def test_absolute_values_are_as_good_as_masked_ones():
    sample = instahide(epochs=10)
    out = Phase().run(view(sample, encodings=np.abs(sample.encodings)), CTX)
    np.testing.assert_allclose(out.images, Phase().run(view(sample), CTX).images, atol=1e-5)


def test_least_squares_solves_mixup_exactly():
    sample = instahide(k=2, epochs=20, mask=False)
    out = LeastSquares().run(view(sample), CTX)
    assert correlation(out.images, sample.images) > 0.98


def test_least_squares_leaves_masks_to_others():
    with pytest.raises(NotApplicable, match="sign mask"):
        LeastSquares().run(view(instahide(epochs=4)), CTX)


def test_identity_is_answered_with_the_images():
    images, _ = photographs(20)
    out = LeastSquares().run(View(encodings=np.repeat(images, 3, 0), labels=None, image_range=(0.0, 1.0)), CTX)
    assert out.images.shape == images.shape
    np.testing.assert_allclose(np.sort(out.images.mean((1, 2, 3))), np.sort(images.mean((1, 2, 3))), atol=1e-5)


def test_nothing_is_found_in_noise():
    rng = np.random.default_rng(0)
    images, _ = photographs(16)
    sample = instahide()
    out = Phase().run(view(sample, encodings=rng.normal(size=sample.encodings.shape).astype(np.float32)), CTX)
    assert correlation(out.images, images) < 0.4


@pytest.mark.parametrize("attack", [Phase(), ClusterMean()])
@pytest.mark.parametrize("fill", [0.0, 0.5])
def test_constant_encodings_do_not_crash(attack, fill):
    sample = instahide(epochs=6)
    out = attack.run(view(sample, encodings=np.full_like(sample.encodings, fill)), CTX)
    assert np.isfinite(out.images).all()


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": None},
        {"hints": {"n_private": 16}},
        {"image_range": (0.0, 1.0)},
    ],
    ids=["no-labels", "hint", "wrong-range"],
)
def test_odd_releases_do_not_crash(changes):
    sample = instahide(epochs=12)
    out = Phase().run(view(sample, **changes), CTX)
    assert np.isfinite(out.images).all() and len(out.images) >= 1


@pytest.mark.parametrize("private", [1, 3])
def test_other_numbers_of_private_images(private):
    sample = instahide(private=private, k=4, epochs=24)
    out = Phase().run(view(sample), CTX)
    assert np.isfinite(out.images).all()


def test_grey_and_oblong_images():
    sample = instahide(epochs=12, size=16)
    grey = sample.encodings[:, :12, :, :1]
    assert Phase().run(view(sample, encodings=grey), CTX).images.shape[1:] == (12, 16, 1)


@pytest.mark.parametrize("attack", [Phase(), ClusterMean(), LeastSquares()])
def test_what_is_not_an_image_is_refused(attack):
    with pytest.raises(NotApplicable, match="not images"):
        attack.run(View(encodings=np.zeros((10, 50), np.float32), image_range=(-1.0, 1.0)), CTX)


@pytest.mark.data
@pytest.mark.slow
def test_reference_benchmark():
    from tests.benchmarks.attacks import reference, scores

    load_images("cifar10_eval")
    load_images("imagenet_patches")
    sample = reference(seed=11)
    out = Phase().run(view(sample), CTX)
    assert float(scores(out.images, sample.images).mean()) > 0.60

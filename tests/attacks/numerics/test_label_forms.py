"""Every form of labels gives the weights that it was made from, or a refusal that names the forms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ihaudit.attacks.numerics.label_forms import Unread, read_forms

RNG = np.random.default_rng(0)
COUNT = 200
A, B = RNG.integers(0, 10, (2, COUNT))
LAM = RNG.uniform(0.05, 0.95, COUNT)
ONE_HOT = np.eye(10)
SOFT = LAM[:, None] * ONE_HOT[A] + (1 - LAM)[:, None] * ONE_HOT[B]
BITS = np.eye(2)[A % 2]

SOFT_FORMS: list[tuple[str, np.ndarray, str]] = [
    ("float32", SOFT.astype(np.float32), ""),
    ("float16", SOFT.astype(np.float16), ""),
    ("percent", SOFT * 100, "percent"),
    ("whole percent", np.round(SOFT * 100).astype(int), "sum to 100"),
    ("bytes", np.round(SOFT * 255).astype(np.uint8), "sum to 255"),
    ("pairs and lambda", np.c_[A, B, LAM], "class numbers and coefficients, the last"),
    ("pairs and both", np.c_[A, B, LAM, 1 - LAM], "class numbers and coefficients"),
    ("in turns", np.c_[A, LAM, B, 1 - LAM], "class numbers and coefficients"),
    ("lambda first", np.c_[LAM, A, B], "class numbers and coefficients"),
    ("pairs and percent", np.c_[A, B, np.round(LAM * 100)], "in percent"),
    (
        "pairs and both in percent",
        np.c_[A, B, np.round(LAM * 100), 100 - np.round(LAM * 100)].astype(int),
        "in percent",
    ),
    ("smoothed", 0.9 * SOFT + 0.01, "smoothed"),
    ("smoothed percent", 90 * SOFT + 1, "percent, smoothed"),
]


@pytest.mark.parametrize(("labels", "form"), [f[1:] for f in SOFT_FORMS], ids=[f[0] for f in SOFT_FORMS])
def test_forms_that_carry_coefficients(labels: np.ndarray, form: str) -> None:
    read = read_forms(labels)
    assert read.soft and form in read.form
    np.testing.assert_allclose(read.weights, SOFT, atol=0.02)
    assert int((read.weights > 1e-6).sum(1).max()) <= 2


def test_weights_that_leave_room_for_public_images() -> None:
    part = SOFT * RNG.uniform(0.3, 0.9, COUNT)[:, None]
    np.testing.assert_allclose(read_forms(part).weights, part, atol=1e-6)
    np.testing.assert_allclose(read_forms(part * 100).weights, part, atol=1e-6)
    np.testing.assert_allclose(read_forms(np.round(part * 100).astype(int)).weights, part, atol=0.006)


HARD_FORMS: list[tuple[str, np.ndarray, np.ndarray]] = [
    ("class numbers", A, ONE_HOT[A]),
    ("as floats", A.astype(float), ONE_HOT[A]),
    ("in a column", A[:, None], ONE_HOT[A]),
    ("of two images", np.c_[A, B], np.maximum(ONE_HOT[A], ONE_HOT[B])),
    ("of two images, as floats", np.c_[A, B].astype(float), np.maximum(ONE_HOT[A], ONE_HOT[B])),
    ("one-hot", ONE_HOT[A].astype(int), ONE_HOT[A]),
    ("one-hot of two classes", BITS.astype(int), BITS),
    ("of two images and classes", np.c_[A % 2, B % 2], np.maximum(np.eye(2)[A % 2], np.eye(2)[B % 2])),
    ("counts", (ONE_HOT[A] + ONE_HOT[B]).astype(int), (ONE_HOT[A] + ONE_HOT[B]) / 2),
    ("booleans", ONE_HOT[A].astype(bool), ONE_HOT[A]),
]


@pytest.mark.parametrize(("labels", "weights"), [f[1:] for f in HARD_FORMS], ids=[f[0] for f in HARD_FORMS])
def test_forms_that_name_classes_alone(labels: np.ndarray, weights: np.ndarray) -> None:
    read = read_forms(labels)
    assert not read.soft and read.form
    np.testing.assert_allclose(read.weights, weights)


def test_class_numbers_of_three_images_are_no_percent() -> None:
    read = read_forms(np.c_[A, B, RNG.permutation(A)])
    assert not read.soft and "of 3 images each" in read.form


def test_two_classes_with_their_numbers_and_coefficients() -> None:
    read = read_forms(np.c_[A % 2, B % 2, LAM])
    np.testing.assert_allclose(read.weights, LAM[:, None] * np.eye(2)[A % 2] + (1 - LAM)[:, None] * np.eye(2)[B % 2])


@pytest.mark.parametrize("public", [0.0, 0.5])
def test_several_attributes_of_each_image(public: float) -> None:
    """Sets of attributes become classes: images of one set share one, those of different sets do not."""
    kinds = (RNG.uniform(size=(12, 8)) < 0.35).astype(float)
    kinds[:, 0] = 1
    one, two = RNG.integers(0, 12, (2, 400))
    lam = RNG.uniform(0.05, 0.95, 400)[:, None]
    labels = (1 - public) * (lam * kinds[one] + (1 - lam) * kinds[two])
    read = read_forms(labels)
    assert read.doubtful and "several attributes" in read.form
    # the largest weight of a row is that of its heavier image: its class names that image's set of attributes
    heavy = np.where(lam[:, 0] > 0.5, one, two)
    kind = read.weights.argmax(1)
    names = {k: np.bincount(heavy[kind == k], minlength=12).argmax() for k in np.unique(kind)}
    same = np.array([(kinds[names[k]] == kinds[h]).all() for k, h in zip(kind, heavy, strict=True)])
    assert same.mean() > 0.9


REFUSED: list[tuple[Callable[[], np.ndarray], str]] = [
    (lambda: RNG.uniform(0, 7, (COUNT, 10)), "weights sum to"),
    (lambda: RNG.integers(0, 1000, (COUNT, 30)), "30 columns of whole numbers"),
    (lambda: RNG.uniform(size=COUNT), "one fraction per encoding"),
    (lambda: RNG.uniform(size=(COUNT, 1)), "single column"),
    (lambda: np.full(COUNT, 10**6), "below 100000"),
    (lambda: SOFT * 1e-300, "sum to 1e-300 at most"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_refusals_name_the_forms(make: Callable[[], np.ndarray], message: str) -> None:
    with pytest.raises(Unread, match=message):
        read_forms(make())


def test_dense_probabilities_stay_as_they_are() -> None:
    dense = RNG.dirichlet(np.ones(10), COUNT)
    read = read_forms(dense)
    assert not read.form
    np.testing.assert_allclose(read.weights, dense, atol=1e-6)

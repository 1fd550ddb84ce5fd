"""Sets of images under which SSIM says nothing are refused; what reading assumed is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ihaudit.audit.data import Data
from ihaudit.audit.images_check import check_images, likeness
from ihaudit.errors import ImageError
from ihaudit.images import ImageSet
from tests.attacks.releases import photographs
from tests.data import load_images


def data(images: np.ndarray, **about: object) -> Data:
    private = ImageSet(images.astype(np.float32), np.arange(len(images)) % 2, "mine", **about)  # type: ignore[arg-type]
    return Data(private, private.empty(images.shape[1:]), None, 0)


def test_photographs_are_fine_and_nothing_is_said() -> None:
    assert check_images(data(photographs(40)[0])) is None


def test_classes_that_were_made_up_are_said_once() -> None:
    found = check_images(data(photographs(40)[0], pseudo=True))
    assert (
        found is not None and "mine: no classes are stated" in found.sentence and "2 pseudo-classes" in found.sentence
    )
    again = check_images(data(photographs(40)[0], pseudo=True, notes=("images are dealt into pseudo-classes",)))
    assert again is not None and again.sentence.count("pseudo-classes") == 1


def test_near_constant_sets_are_refused() -> None:
    with pytest.raises(ImageError, match="with one scale"):
        check_images(data(photographs(40)[0] / 32))


def test_one_picture_and_blank_ones() -> None:
    images = photographs(40)[0].copy()
    for same in (np.repeat(images[:1], 20, 0), np.zeros((20, 32, 32, 3)), np.ones((20, 32, 32, 3))):
        with pytest.raises(ImageError, match="all 20 images of mine are the same picture"):
            check_images(data(same))
    images[:3] = 0.5
    found = check_images(data(images))
    assert found is not None and "3 of 40 images hold one value only" in found.sentence


def test_notes_are_said() -> None:
    found = check_images(data(photographs(40)[0], notes=("values were read as 12 bits",)))
    assert found is not None and "mine: values were read as 12 bits." in found.sentence
    dim = check_images(data(photographs(40)[0] * 0.45))
    assert dim is not None and "nearly all values lie in" in dim.sentence


def test_copies_are_not_different_images() -> None:
    images = photographs(2)[0]
    assert likeness(data(np.repeat(images, 20, 0)).private) < 0.6
    same = data(np.repeat(images[:1], 20, 0)).private
    assert likeness(replace(same)) == 0


@pytest.mark.data
def test_xrays_are_fine_in_their_own_depth_and_not_in_a_deeper_one() -> None:
    images, _ = load_images("chest_xray")
    assert check_images(data(images[:100])) is not None  # said: they are alike
    with pytest.raises(ImageError):
        check_images(data(images[:100] * 255 / 4095))

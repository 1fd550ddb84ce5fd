"""Releases without public images, whose labels tell nothing, and releases with them."""

from __future__ import annotations

from ihaudit.attacks.numerics.pictures import to_pictures
from ihaudit.attacks.recipe import start
from ihaudit.attacks.stages.recovery.private_alone import SOURCE, private_alone
from ihaudit.attacks.stages.state import Grouped, Recovered, State
from ihaudit.contracts.context import Context
from tests.attacks.releases import Sample, instahide
from tests.attacks.states import correlation, view_of

CTX = Context(seed=1, profile="quick")


def unmasked(sample: Sample, **changes: object) -> State:
    """After the first stage."""
    return start(view_of(sample, **changes), CTX).run(CTX, "similarity", "unmasked")


def test_images_that_are_all_there_is_are_found_without_labels() -> None:
    sample = instahide(n=12, epochs=25, k=3, seed=3, size=32, private=3)
    found = private_alone(unmasked(sample, labels=None), CTX)
    assert found is not None
    grouped, recovered = found.require(Grouped), found.require(Recovered)
    assert 11 <= grouped.unknowns <= 14 and grouped.sizes.source == SOURCE
    assert found.observed.slots.label.shape[1] >= 3
    images = to_pictures(recovered.estimate.images[:-1], found.observed.shape, (-1.0, 1.0))
    assert correlation(images, sample.images) > 0.9


def test_weights_that_leave_nothing_to_public_images_end_the_guessing_of_numbers() -> None:
    sample = instahide(n=12, epochs=25, k=3, seed=3, size=32, private=3)
    found = private_alone(unmasked(sample), CTX)
    assert found is not None
    # one answer for each image, where pairs of classes made several of it
    assert 11 <= found.require(Grouped).unknowns <= 14
    images = to_pictures(found.require(Recovered).estimate.images[:-1], found.observed.shape, (-1.0, 1.0))
    assert correlation(images, sample.images) > 0.9


def test_other_weights_are_left_to_the_grouping() -> None:
    sample = instahide(n=12, epochs=25, k=3, seed=3, size=32, private=3)
    # of the very same encodings, so that nothing but the labels says that something public is among them
    assert private_alone(unmasked(sample, labels=0.6 * sample.labels), CTX) is None
    # a class number is often all that is published of images that were mixed with public ones
    one = (sample.labels == sample.labels.max(1, keepdims=True)).astype("float32")
    assert private_alone(unmasked(sample, labels=one), CTX) is None


def test_public_images_among_them_are_not_taken_for_private_ones() -> None:
    sample = instahide(n=12, epochs=25, k=4, seed=3, size=32)
    assert private_alone(unmasked(sample, labels=None), CTX) is None
    assert private_alone(unmasked(sample), CTX) is None
    # nor where labels claim that there are none
    whole = sample.labels / sample.labels.sum(1, keepdims=True)
    assert private_alone(unmasked(sample, labels=whole), CTX) is None

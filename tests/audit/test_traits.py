"""What is measured of a scheme is what it does, whatever it declares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ihaudit.audit.traits import Measured, measure
from ihaudit.errors import SchemeError
from ihaudit.images import ImageSet
from ihaudit.images.embedded import embedded
from ihaudit.release import Release
from ihaudit.results import Finding
from ihaudit.scheme import KeyScope
from ihaudit.schemes.block_scramble import BlockScramble
from ihaudit.schemes.blur import Blur
from ihaudit.schemes.etc import EncryptionThenCompression
from ihaudit.schemes.identity import Identity
from ihaudit.schemes.instahide import InstaHide
from ihaudit.schemes.label_only import LabelOnly
from ihaudit.schemes.mixup import MixUp
from ihaudit.schemes.neuracrypt import NeuraCrypt
from ihaudit.schemes.one_time_pad import OneTimePad
from ihaudit.schemes.pixel_encryption import PixelEncryption
from ihaudit.schemes.pixel_permutation import PixelPermutation
from ihaudit.schemes.random_projection import RandomProjection
from ihaudit.schemes.reused_pad import ReusedPad
from ihaudit.schemes.smashed_data import SmashedData
from tests.games.inprocess import Custom, InProcess, noise, one_hot, own


def images(shape: tuple[int, int, int] = (32, 32, 3), count: int = 60) -> ImageSet:
    """Photographs cut to a shape."""
    similar = embedded("similar")
    height, width, channels = shape
    x = similar.images[:count, :height, :width, :channels]
    return ImageSet(np.ascontiguousarray(x), similar.labels[:count], "similar")


def measured(scheme: Any, declared: str = "", shape: tuple[int, int, int] = (32, 32, 3), seed: int = 1) -> Measured:
    encoder = InProcess(scheme, embedded("public").images[:50])
    found = measure(encoder, images(shape), declared or getattr(scheme, "key", "image"), seed)
    assert encoder.calls <= 4  # a scheme may take seconds for each
    return found


def check(found: Measured, name: str) -> Finding:
    return next(f for f in found.findings if f.id == f"checks-{name}")


@pytest.mark.parametrize("shape", [(32, 32, 3), (28, 28, 1)])
@pytest.mark.parametrize(
    ("scheme", "key", "form"),
    [
        (Identity(), "fixed", "image"),
        (Blur(), "fixed", "image"),
        (OneTimePad(), "image", "image"),
        (OneTimePad(form="vector"), "image", "vector"),
        (EncryptionThenCompression(block=4, fresh=True), "image", "image"),
        (PixelEncryption(fresh=True), "image", "image"),
        (EncryptionThenCompression(block=4), "release", "image"),
        (PixelPermutation(), "release", "image"),
        (BlockScramble(patch=4), "release", "image"),
        (ReusedPad(), "release", "image"),
        (RandomProjection(ratio=0.1), "release", "vector"),
        (RandomProjection(ratio=0.05, fresh=True), "image", "vector"),
        (NeuraCrypt(width=32), "release", "tokens"),
        (SmashedData(noise=0.3), "release", "map"),
    ],
)
def test_key_and_form_are_as_declared(scheme: Any, key: str, form: str, shape: tuple[int, int, int]) -> None:
    found = measured(scheme, shape=shape)
    assert (found.traits.key, found.traits.form, found.traits.mixing) == (key, form, False)
    assert found.traits.image == shape
    assert check(found, "key").reason == ""


@pytest.mark.parametrize(
    ("scheme", "declared", "measures"),
    [
        (PixelPermutation(), "image", "release"),
        (ReusedPad(), "fixed", "release"),
        (PixelEncryption(fresh=True), "release", "image"),
        (OneTimePad(), "fixed", "image"),
        (Blur(), "image", "fixed"),
    ],
)
def test_a_wrong_declaration_is_said_in_words_and_what_was_measured_is_used(
    scheme: Any, declared: str, measures: str
) -> None:
    found = measured(scheme, declared)
    finding = check(found, "key")
    assert found.traits.key == measures and found.traits.measured
    assert f'declares key = "{declared}"' in finding.reason and f'key = "{measures}"' in finding.reason
    assert finding.kind == "check" and finding.status == "measured"


def test_a_key_that_is_baked_in_is_fixed() -> None:
    def encode(x: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Release:
        flat = x.reshape(len(x), -1)[:, np.random.default_rng(7).permutation(x[0].size)]
        return Release(flat.reshape(x.shape), one_hot(labels), provenance=own(len(x)))

    assert measured(Custom(encode), "fixed").traits.key is KeyScope.FIXED
    assert measured(Custom(encode), "image").traits.key is KeyScope.FIXED

    def noisy(x: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Release:
        r = encode(x, labels, rng)
        return Release(r.encodings + 0.02 * noise(x, rng), r.labels, provenance=r.provenance)

    assert measured(Custom(noisy), "fixed").traits.key is KeyScope.FIXED
    found = measured(Custom(noisy), "image").traits
    assert found.key is KeyScope.IMAGE and found.steady
    assert measured(LabelOnly()).traits.steady
    for fresh in (OneTimePad(), EncryptionThenCompression(block=4, fresh=True), PixelEncryption(fresh=True)):
        assert not measured(fresh).traits.steady


@pytest.mark.parametrize("seed", range(20))
def test_noise_of_its_own_for_every_image_is_never_taken_for_a_key(seed: int) -> None:
    for scheme in (OneTimePad(), LabelOnly()):
        assert measured(scheme, seed=seed).traits.key is KeyScope.IMAGE


def test_an_encoding_that_depends_on_its_companions() -> None:
    assert "depends on the rest" in check(measured(NeuraCrypt(width=32)), "batch").sentence
    assert "does not depend on the rest" in check(measured(PixelPermutation()), "batch").sentence


@pytest.mark.parametrize("scheme", [MixUp(epochs=1), InstaHide(k=4, epochs=1)])
def test_rows_of_several_images_are_told_and_the_key_is_as_declared(scheme: Any) -> None:
    found = measured(scheme)
    assert found.traits.mixing and not found.traits.measured and found.traits.key == "image"
    assert found.traits.masked == isinstance(scheme, InstaHide)


def test_mixtures_without_provenance_are_told_by_their_companions() -> None:
    def encode(x: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Release:
        return Release((x + x[rng.permutation(len(x))]) / 2, one_hot(labels))

    assert measured(Custom(encode)).traits.mixing


def test_what_images_look_like() -> None:
    assert measured(Blur()).traits.resembles and not measured(Blur()).traits.rearranged
    assert measured(PixelPermutation()).traits.rearranged
    t = measured(ReusedPad()).traits
    assert not t.resembles and not t.rearranged and not t.masked


def test_hidden_randomness_and_determinism() -> None:
    state = np.random.default_rng(0)

    def hidden(x: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Release:
        return Release(noise(x, state), one_hot(labels), provenance=own(len(x)))

    assert "does not control" in check(measured(Custom(hidden)), "randomness").reason
    assert "deterministic" in check(measured(Identity()), "randomness").reason


def test_a_scheme_that_refuses_so_few_images_is_taken_as_declared() -> None:
    def encode(x: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Release:
        raise SchemeError("needs 1000 images")

    found = measured(Custom(encode), "release")
    assert found.traits.key == "release" and not found.traits.measured
    assert "needs 1000 images" in check(found, "key").reason


def test_too_few_images_measure_nothing() -> None:
    found = measure(InProcess(Identity(), np.zeros((0, 32, 32, 3))), images(count=3), "image", 1)
    assert not found.traits.measured and found.findings[0].id == "checks-key"

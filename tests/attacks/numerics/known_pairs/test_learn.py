"""Inverse maps from known pairs: every family finds its own kind from few pairs, and none finds what is not there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ihaudit.attacks.numerics.known_pairs.base import blocks_of, images_of
from ihaudit.attacks.numerics.known_pairs.learn import curve, learn, smoothness
from ihaudit.attacks.numerics.known_pairs.modular import fit_modular
from ihaudit.attacks.numerics.known_pairs.places import fit_places
from ihaudit.attacks.numerics.known_pairs.positions import match_positions
from ihaudit.attacks.numerics.known_pairs.symbols import fit_symbols
from ihaudit.attacks.numerics.known_pairs.tables import fit_tables
from ihaudit.metrics.ssim import ssim
from ihaudit.scheme import Scheme
from ihaudit.schemes.blur import Blur
from ihaudit.schemes.dct_signs import DCTSigns
from ihaudit.schemes.etc import EncryptionThenCompression
from ihaudit.schemes.learnable_encryption import LearnableEncryption
from ihaudit.schemes.neuracrypt import NeuraCrypt
from ihaudit.schemes.pixel_encryption import PixelEncryption
from ihaudit.schemes.pixel_permutation import PixelPermutation
from ihaudit.schemes.pixelation import Pixelation
from ihaudit.schemes.random_projection import RandomProjection
from ihaudit.schemes.reused_pad import ReusedPad
from ihaudit.schemes.smashed_data import SmashedData
from tests.pictures import pictures

IMAGES = (np.rint(pictures(180) * 245 + 5) / 255).astype(np.float32)  # bytes, as files hold them; none saturated
N = 40


def encoded(scheme: Scheme, n: int, images: NDArray[Any] = IMAGES) -> NDArray[np.float32]:
    used = images[: N + n]
    labels = np.arange(len(used)) % 3
    release = scheme.encode(used, labels, images[:0], np.random.default_rng(5))
    return np.asarray(release.encodings, np.float32)


def recovered(scheme: Scheme, n: int, images: NDArray[Any] = IMAGES) -> tuple[float, str, float]:
    """Mean SSIM on N other images, the words of the map, and what was expected, from n pairs."""
    y = encoded(scheme, n, images)
    found = learn(images[N : N + n], y[N:], y[:N], np.random.default_rng(1))
    assert found.inverse is not None, found.tried
    out = np.clip(found.inverse(y[:N]), 0, 1)
    assert out.shape == images[:N].shape
    return float(ssim(out, images[:N]).mean()), found.inverse.words, found.expected


@pytest.mark.parametrize(
    ("scheme", "n", "least", "words"),
    [
        (PixelPermutation(), 5, 0.99, "a permutation of all values"),
        (PixelPermutation(channels=True), 20, 0.999, "a permutation of all values"),
        (PixelEncryption(), 20, 0.99, "of them negated"),
        (EncryptionThenCompression(block=8), 20, 0.99, "of them negated"),
        (LearnableEncryption(), 5, 0.99, "4-bit halves"),
        (LearnableEncryption(per_block=True), 40, 0.97, "4-bit halves"),
        (ReusedPad(), 3, 0.97, "one pad added to all"),
        (DCTSigns(), 3, 0.999, "signs of the cosine coefficients of blocks of 8 x 8"),
        (DCTSigns(block=0), 3, 0.999, "signs of the cosine coefficients of the whole image"),
        (NeuraCrypt(depth=-1, shuffle=False), 20, 0.95, "every token"),
        (SmashedData(), 20, 0.7, "neighbourhoods"),
        (Blur(), 20, 0.75, ""),
        (Pixelation(), 20, 0.55, "neighbourhoods"),
        (RandomProjection(ratio=1.0), 100, 0.3, "map of the"),
    ],
    ids=lambda v: repr(v)[:40] if isinstance(v, Scheme) else "",
)
def test_a_scheme_falls_to_few_known_pairs(scheme: Scheme, n: int, least: float, words: str) -> None:
    score, found, expected = recovered(scheme, n)
    assert score >= least and words in found
    assert abs(score - expected) < 0.15  # what held-out pairs say is what other images get


@pytest.mark.parametrize("scheme", [ReusedPad(), DCTSigns()])
def test_one_pair_is_enough_where_it_gives_the_key(scheme: Scheme) -> None:
    score, _, expected = recovered(scheme, 1)
    assert score >= 0.95 and np.isnan(expected)  # nothing was held out, and nothing is said


@pytest.mark.parametrize("layout", ["feature maps", "tokens", "picture"])
def test_a_matrix_of_its_own_for_every_place_is_learned_at_every_place(layout: str) -> None:
    matrices = np.random.default_rng(4).standard_normal((16, 192, 192)).astype(np.float32) / 14
    y = np.einsum("npv,pvw->npw", blocks_of(IMAGES, 8), matrices)
    if layout == "feature maps":
        y = y.reshape(len(y), 4, 4, 192)
    elif layout == "picture":
        y = images_of(y, (32, 32, 3))
    found = learn(IMAGES[N : N + 120], y[N : N + 120], y[:N], np.random.default_rng(0))
    assert found.inverse is not None and found.shown and "by itself" in found.inverse.words
    assert ssim(np.clip(found.inverse(y[:N]), 0, 1), IMAGES[:N]).mean() > 0.9


@pytest.mark.parametrize("numbers", [1, 2])
def test_numbers_of_a_codebook_are_read_as_what_they_stand_for(numbers: int) -> None:
    """Of 4 x 4 patches the nearest of 64 in a book, then of what is left the nearest of another; numbers renamed."""
    rng = np.random.default_rng(2)
    left, tokens = blocks_of(IMAGES, 4), []
    for _ in range(numbers):
        flat = left.reshape(-1, left.shape[2])
        book = flat[rng.permutation(len(flat))[:64]]
        near = ((flat**2).sum(1)[:, None] - 2 * flat @ book.T + (book**2).sum(1)).argmin(1)
        tokens.append(rng.permutation(64)[near].reshape(left.shape[:2]))
        left = left - book[near].reshape(left.shape)
    y = np.stack(tokens, axis=2).astype(np.float32) if numbers > 1 else tokens[0].astype(np.float32)
    found = learn(IMAGES[N : N + 100], y[N : N + 100], y[:N], np.random.default_rng(0))
    assert found.inverse is not None and found.shown and "stands for" in found.inverse.words
    book_known = images_of(blocks_of(IMAGES, 4) - left, (32, 32, 3))[:N]
    reached = ssim(np.clip(found.inverse(y[:N]), 0, 1), IMAGES[:N]).mean()
    assert reached > 0.9 * ssim(np.clip(book_known, 0, 1), IMAGES[:N]).mean() > 0.4


def test_numbers_that_say_nothing_or_are_no_symbols() -> None:
    y = np.random.default_rng(0).integers(0, 64, (140, 64)).astype(np.float32)
    found = learn(IMAGES[:100], y[:100], y[100:], np.random.default_rng(0), families=("symbols",))
    assert not found.shown
    unseen = fit_symbols(IMAGES[:100], y[:100])[0](y[100:] + 1000)
    np.testing.assert_allclose(unseen, np.broadcast_to(IMAGES[:100].mean(0), unseen.shape), atol=1e-5)
    for other in (y + 0.5, y[:, :60], y * 0, np.arange(140 * 64).reshape(140, 64)):
        assert fit_symbols(IMAGES[:100], np.asarray(other[:100], np.float32)) == []


@pytest.mark.parametrize("kind", ["Hill", "Hill, streams", "blocks", "a matrix each", "bits", "vectors"])
def test_matrices_modulo_256_and_over_bits_are_solved_from_few_pairs(kind: str) -> None:
    rng = np.random.default_rng(3)
    grey = np.rint(IMAGES[..., :1] * 255).astype(np.uint8)
    edge, m = (2, 4) if kind == "blocks" else (0, 4)
    x = (blocks_of(grey.astype(np.float32), 2) if edge else grey.reshape(len(grey), -1, m)).astype(np.int64)
    matrices = np.tril(rng.integers(256, size=(x.shape[1] if kind == "a matrix each" else 1, m, m)))
    matrices[:, range(m), range(m)] |= 1  # odd diagonals: they have inverses
    y = np.matmul(x.swapaxes(0, 1), matrices).swapaxes(0, 1) % 256
    if kind == "Hill, streams":
        y = (y + rng.integers(256, size=x.shape[1:])) % 256
    if kind == "bits":  # linear over single bits, with carries under no modulus
        y = x ^ np.roll(x, 1, 2) >> 3 ^ 77
    released = y.reshape(len(y), -1, m).astype(np.float32)
    released = images_of(released, (32, 32, 1)) if edge else released.reshape(len(y), -1)
    if kind != "vectors":
        released = released.reshape(len(y), 32, 32, 1) / np.float32(255)
    for n in (30, 100) if kind == "a matrix each" else (2, 5, 100):
        known = grey[N : N + n] / np.float32(255)
        found = learn(known, released[N : N + n], released[:N], np.random.default_rng(1))
        assert found.inverse is not None and found.family == "modular", (n, found.tried)
        assert np.abs(found.inverse(released[:N]) - grey[:N] / 255).max() < 1e-6


def test_no_matrix_is_found_in_bytes_that_hold_none() -> None:
    rng, dark = np.random.default_rng(4), np.zeros((100, 16, 16, 1), np.float32)
    dark[:, 4:12, 4:12] = np.rint(rng.random((100, 8, 8, 1)) * 255) / 255
    for images in (IMAGES[:100], dark, dark * 0, dark[:2]):
        y = rng.integers(256, size=images.shape).astype(np.float32)
        assert fit_modular(images, y) == []
        assert fit_modular(images, y * 0) == []
        assert fit_modular(images, y[:, :-1]) == [] == fit_modular(images, y + 0.5) == fit_modular(images, y - 300)


def chained(x: NDArray[np.int64], xor: bool, rng: np.random.Generator) -> NDArray[np.int64]:
    """Bytes (n, P) beside a secret S-box of the byte released before and a key of every place."""
    box = rng.permutation(256)
    keys, out = rng.integers(256, size=(x.shape[1],)), np.empty_like(x)
    last = np.full(len(x), 17)
    for i in range(x.shape[1]):
        added = box[(last + keys[i]) % 256]
        last = out[:, i] = x[:, i] ^ added if xor else (x[:, i] + added) % 256
    return out


def two_rounds(x: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    left, right = np.split(x, 2, axis=1)
    box = rng.integers(256, size=256)
    for _ in range(2):
        left, right = right, left ^ (box[right ^ rng.integers(256, size=left.shape[1])])
    return np.concatenate([left, right], axis=1)


@pytest.mark.parametrize("kind", ["exclusive or", "sums", "Feistel"])
@pytest.mark.parametrize("scale", [1, 255])
def test_a_table_of_another_byte_is_filled_from_pairs(kind: str, scale: int) -> None:
    rng = np.random.default_rng(5)
    grey = np.rint(IMAGES[..., :1] * 255).astype(np.int64)
    x = grey.reshape(len(grey), -1)
    y = two_rounds(x, rng) if kind == "Feistel" else chained(x, kind == "exclusive or", rng)
    released = (y / scale).astype(np.float32).reshape(grey.shape)
    known = (grey[N : N + 100] / 255).astype(np.float32)
    found = learn(known, released[N : N + 100], released[:N], np.random.default_rng(1))
    assert found.inverse is not None and found.family == "tables", found.tried
    off = np.abs(found.inverse(released[:N]) - grey[:N] / 255) > 1e-6
    assert off.mean() < 0.01  # a place whose byte before lies outside, or bytes that no pair showed


def test_no_table_is_found_in_bytes_that_hold_none() -> None:
    rng, dark = np.random.default_rng(4), np.zeros((100, 16, 16, 1), np.float32)
    dark[:, 4:12, 4:12] = np.rint(rng.random((100, 8, 8, 1)) * 255) / 255
    for images in (IMAGES[:100], dark):
        y = rng.integers(256, size=images.shape).astype(np.float32)
        assert fit_tables(images, y) == []
        assert fit_tables(images, y * 0) == []
        assert fit_tables(images[:5], y[:5]) == [] == fit_tables(images, y[:, :-1]) == fit_tables(images, y + 0.5)


def test_places_that_say_nothing_are_answered_by_their_means() -> None:
    y = np.random.default_rng(0).standard_normal((120, 4, 4, 48)).astype(np.float32)
    (inverse,) = fit_places(IMAGES[:100], y[:100])
    np.testing.assert_allclose(inverse(y[100:]), np.broadcast_to(IMAGES[:100].mean(0), (20, 32, 32, 3)), atol=0.15)
    for few, odd in ((8, y), (100, y[:, :3]), (100, np.ones((120, 4, 4, 1), np.float32))):
        assert fit_places(IMAGES[:few], odd[:few]) == []
    (constant,) = fit_places(IMAGES[:100], np.ones((100, 4, 4, 2), np.float32))
    np.testing.assert_allclose(constant(np.ones((1, 4, 4, 2), np.float32))[0], IMAGES[:100].mean(0), atol=1e-4)


def test_a_cipher_gives_nothing_from_any_number_of_pairs() -> None:
    y = np.random.default_rng(0).random((180, 32, 32, 3), dtype=np.float32)
    for n in (1, 2, 3, 30, 120):
        found = learn(IMAGES[N : N + n], y[N : N + n], y[:N], np.random.default_rng(n))
        if found.inverse is None:
            continue
        out = np.clip(found.inverse(y[:N]), 0, 1)
        mean = np.broadcast_to(IMAGES[N : N + n].mean(0), out.shape)
        guess = float(ssim(mean, IMAGES[:N]).mean())
        assert n > 2 and float(ssim(out, IMAGES[:N]).mean()) <= guess + 0.03
        assert found.expected <= guess + 0.1


def test_a_fresh_key_for_every_image_is_not_found_in_pairs() -> None:
    y = encoded(EncryptionThenCompression(block=4, fresh=True), 60)
    found = learn(IMAGES[N : N + 60], y[N:], y[:N], np.random.default_rng(0))
    assert found.family not in ("positions", "pad", "spectrum")


@pytest.mark.parametrize("shape", [(28, 28, 1), (16, 16, 3), (48, 48, 3)])
def test_other_shapes(shape: tuple[int, int, int]) -> None:
    images = pictures(80, size=shape[0])[..., : shape[2]]
    score, words, _ = recovered(PixelPermutation(), 20, images)
    assert score > 0.99 and "permutation" in words


def test_positions_that_are_black_in_all_images_share_their_sources() -> None:
    images = IMAGES[:N].copy()
    images[:, :5] = 0
    y = PixelPermutation(channels=True).encode(images, np.zeros(N, int), images[:0], np.random.default_rng(0)).encodings
    plain, released = images.reshape(N, -1), np.asarray(y, np.float32).reshape(N, -1)
    for n in (1, 3, N):
        found = match_positions(plain[:n], released[:n])
        assert found.found == 1 and len(np.unique(found.source)) > (0.9 if n > 1 else 0.2) * plain.shape[1]
        np.testing.assert_array_equal(plain[:n, found.source], released[:n])


def test_images_under_trivial_maps() -> None:
    """Transposed, negated, scaled, turned, and as cosine coefficients: no key, and no obstacle."""
    for name, y in {
        "transposed": IMAGES.swapaxes(1, 2),
        "negated": 1 - IMAGES,
        "scaled": IMAGES * 1e6 - 3e5,
        "turned": IMAGES[:, ::-1, ::-1],
        "flat": IMAGES.reshape(len(IMAGES), -1),
    }.items():
        y = np.ascontiguousarray(y, np.float32)
        found = learn(IMAGES[N : N + 30], y[N : N + 30], y[:N], np.random.default_rng(0))
        assert found.inverse is not None, name
        assert ssim(np.clip(found.inverse(y[:N]), 0, 1), IMAGES[:N]).mean() > 0.99, name


def test_the_curve_rises_to_what_all_pairs_give() -> None:
    y = encoded(PixelPermutation(), 100)
    drawn = curve(IMAGES[N : N + 100], y[N:], "positions", (1, 3, 10, 50, 500), np.random.default_rng(0))
    assert np.isnan(drawn[-1]) and drawn[2] > 0.99 and drawn[3] > 0.99
    assert drawn[0] <= drawn[2] + 1e-6


def test_smoothness_tells_pictures_from_noise() -> None:
    assert smoothness(IMAGES) > 0.7
    assert abs(smoothness(np.random.default_rng(0).random((20, 32, 32, 3), dtype=np.float32))) < 0.1

"""What `everything` makes of parts of a release: unpacked, taken together, turned back; and nothing of noise."""

from __future__ import annotations

import base64
import io
import pickle
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ihaudit.attacks.numerics.released.channels import Channel
from ihaudit.attacks.numerics.released.made import made_of
from ihaudit.attacks.numerics.released.pairs import fit_pairs
from ihaudit.attacks.numerics.released.screen import Screen
from ihaudit.attacks.numerics.released.unpacked import unpacked

RNG = np.random.default_rng(1)
N, SHAPE = 180, (16, 16, 3)
BYTES: NDArray[np.uint8] = RNG.integers(0, 256, (N, 768), dtype=np.uint8)
IMAGES = (BYTES / 255).astype(np.float32).reshape(N, *SHAPE)
PAD: NDArray[np.uint8] = RNG.integers(0, 256, BYTES.shape, dtype=np.uint8)


# -- pairs of places ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("other", "words"), [(PAD ^ BYTES ^ 7, "exclusive or"), (BYTES - PAD + np.uint8(3), "sum")])
def test_two_shares_in_one_row_in_any_order(other: NDArray[np.uint8], words: str) -> None:
    rows = np.concatenate([PAD, other], 1)[:, RNG.permutation(2 * BYTES.shape[1])]
    found = fit_pairs(IMAGES[:130], rows[:130])
    assert found is not None and words in found.words
    assert np.allclose(found(rows[130:]), IMAGES[130:], atol=1e-6)


def test_noise_is_no_pair_of_shares() -> None:
    noise = RNG.integers(0, 256, BYTES.shape, dtype=np.uint8)
    assert fit_pairs(IMAGES, np.concatenate([PAD, noise], 1)) is None
    assert fit_pairs(IMAGES, PAD[:, :0]) is None


# -- made of parts ------------------------------------------------------------------------------------------------

Encoding = Callable[[NDArray[np.float64]], NDArray[np.generic]]
FLAT = IMAGES.reshape(N, -1).astype(np.float64)
WAVES = np.sin(np.linspace(0, 9, 16))[:, None] * RNG.uniform(-0.3, 0.3, (N, 1, 16)) + RNG.uniform(0.4, 0.6, (N, 1, 1))
SMOOTH = np.repeat(WAVES[..., None], 3, 3).astype(np.float32)


def _passing(rows: NDArray[np.generic], images: NDArray[np.float32]) -> list[str]:
    calls = [rows[:60], rows[60:120], rows[120:]]
    channel = Channel("encodings", "encodings", calls, rows[:8], True)
    screen = Screen(images, np.zeros(N, np.int64), np.arange(120, N), np.random.default_rng(0))
    return [m.name for m in made_of([channel], [channel], SHAPE) if screen.strength(m)]


A = RNG.random(SMOOTH.shape)
X = SMOOTH.astype(np.float64)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (np.concatenate([A, (X + A) % 1], 2), "difference modulo 1"),
        (np.concatenate([0.3 + A, X * (0.3 + A)], 1), "quotient"),
        (np.stack([A, A[::-1], X - A - A[::-1]], 1).reshape(N, 48, 16, 3), "sum of 3 parts"),
        (X + RNG.integers(0, 60, X.shape), "beyond multiples of 1 "),
        (X * np.exp(RNG.normal(0, 6, (N, 1, 1, 1))), "by its spread"),
        (np.ldexp(0.5 + 0.5 * A, (X * 60).astype(int)), "exponents"),
    ],
)
def test_numbers_that_hide_an_image_from_a_linear_map(rows: NDArray[np.generic], words: str) -> None:
    names = _passing(np.asarray(rows, np.float32), SMOOTH)
    assert any(words in n for n in names), names


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (np.diff(BYTES, axis=1, prepend=np.uint8(0)), "sums modulo 256 along all values"),
        (np.bitwise_xor.accumulate(BYTES, 1), "exclusive or of neighbours along all values"),
        (BYTES ^ np.concatenate([BYTES[:1] * 0, BYTES[:-1]]), "exclusive or from row to row"),
        (np.concatenate([PAD, PAD[::-1], BYTES ^ PAD ^ PAD[::-1]], 1), "exclusive or of 3 parts"),
    ],
)
def test_bytes_that_hide_an_image_from_a_lookup(rows: NDArray[np.generic], words: str) -> None:
    cut = np.r_[0:60, 60:120, 120:N]
    names = _passing(rows[cut] if "row to row" not in words else _restarted(rows), IMAGES)
    assert any(words in n for n in names), names


def _restarted(rows: NDArray[np.generic]) -> NDArray[np.generic]:
    """The same with every call starting anew."""
    out = rows.copy()
    out[[60, 120]] = BYTES[[60, 120]]
    return out


PLANE = BYTES.reshape(IMAGES.shape).astype(np.int64)
AROUND = np.pad(PLANE, ((0, 0), (1, 0), (1, 0), (0, 0)))
LEFT, ABOVE, CORNER = AROUND[:, 1:, :-1], AROUND[:, :-1, 1:], AROUND[:, :-1, :-1]
BOTH = LEFT + ABOVE - CORNER
STEPS = np.diff(BYTES.astype(np.int64), axis=1, prepend=0)


def _nearest() -> NDArray[np.int64]:
    a, b, c = (np.abs(BOTH - v) for v in (LEFT, ABOVE, CORNER))
    return np.where((a <= b) & (a <= c), LEFT, np.where(b <= c, ABOVE, CORNER))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ((PLANE - (LEFT + ABOVE) // 2) & 255, "Average"),
        ((PLANE - _nearest()) & 255, "Paeth"),
        ((PLANE - np.clip(BOTH, np.minimum(LEFT, ABOVE), np.maximum(LEFT, ABOVE))) & 255, "median"),
        ((PLANE - BOTH) & 255, "sums modulo 256 along both axes"),
        (PLANE.cumsum(1).cumsum(2) & 255, "differences modulo 256 along both axes"),
        (np.where(STEPS >= 0, 2 * STEPS, -2 * STEPS - 1), "signs in the lowest bit"),
        (RNG.permuted(np.arange(BYTES.shape[1]) * 256 + BYTES, axis=1), "ascending"),
    ],
)
def test_what_is_left_of_predictions_and_places_beside_values(rows: NDArray[np.generic], words: str) -> None:
    names = _passing(rows, IMAGES)
    assert any(words in n for n in names), names


def _passing_two(rows: NDArray[np.generic], beside: NDArray[np.generic]) -> list[str]:
    two = [
        Channel(name, name, [a[:60], a[60:120], a[120:]], a[:8], True)
        for name, a in (("encodings", rows), ("extra 1", beside))
    ]
    screen = Screen(IMAGES, np.zeros(N, np.int64), np.arange(120, N), np.random.default_rng(0))
    return [m.name for m in made_of(two, two, SHAPE) if screen.strength(m)]


KEY = RNG.integers(0, 256, (N, 16))
ODD = 2 * RNG.integers(0, 128, N) + 1
COLOURS = RNG.permuted(np.broadcast_to(np.arange(256), (N, 256)), axis=1)
AGAIN = BYTES.shape[1] // 16


@pytest.mark.parametrize(
    ("rows", "beside", "words"),
    [
        (BYTES ^ np.tile(KEY, (1, AGAIN)), KEY, "exclusive or of encodings and the few numbers, in turn,"),
        ((BYTES + np.repeat(KEY, AGAIN, 1)) & 255, KEY, "difference modulo 256 of encodings and the few numbers, one"),
        (BYTES * ODD[:, None] & 255, ODD, "quotient modulo 256"),
        (COLOURS.argsort(1)[np.arange(N)[:, None], BYTES], COLOURS, "looked up"),
        (BYTES[:, ::4] // 16, np.full((N, BYTES.shape[1] // 4), 4), "as often as the other says"),
    ],
)
def test_few_numbers_and_tables_beside_rows(rows: NDArray[np.generic], beside: NDArray[np.generic], words: str) -> None:
    if "often" in words:  # an image that consists of runs
        runs = np.repeat(BYTES[:, ::4], 4, axis=1)
        images = (runs.reshape(IMAGES.shape) / 255).astype(np.float32)
        two = [Channel(n, n, [a[:120], a[120:]], a[:8], True) for n, a in (("extra 1", runs[:, ::4]), ("e2", beside))]
        screen = Screen(images, np.zeros(N, np.int64), np.arange(120, N), np.random.default_rng(0))
        names = [m.name for m in made_of(two, two, SHAPE) if screen.strength(m)]
    else:
        names = _passing_two(rows, beside)
    assert any(words in n for n in names), names


def test_few_numbers_beside_noise_make_nothing() -> None:
    noise = RNG.integers(0, 256, BYTES.shape)
    assert _passing_two(noise, KEY) == [] and _passing_two(noise, COLOURS) == []


def test_digits_of_numbers_of_any_size() -> None:
    digits = BYTES[:, :384] / 2.0**40 + BYTES[:, 384:] / 2.0**30 + RNG.integers(0, 2, (N, 384)) * 0.5
    images = IMAGES
    assert any(n.startswith("digits") for n in _passing(digits, images))


def test_noise_makes_nothing() -> None:
    assert _passing(RNG.random((N, 32, 16, 3)).astype(np.float32), SMOOTH) == []
    assert _passing(np.concatenate([PAD, PAD[::-1]], 1), IMAGES) == []


def test_an_order_beside_what_it_orders() -> None:
    order = np.stack([RNG.permutation(BYTES.shape[1]) for _ in range(N)])
    rows = np.concatenate([np.take_along_axis(BYTES, order, 1), order], 1)
    assert any("put in the order" in n for n in _passing(rows.astype(np.int16), IMAGES))


# -- unpacked -----------------------------------------------------------------------------------------------------

SOME = BYTES[:12]
PACKED = zlib.compress(SOME.tobytes())


def _array(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


@pytest.mark.parametrize(
    "data",
    [
        PACKED,
        b"version 7" + PACKED,
        PACKED[2:],
        PACKED[::-1],
        zlib.compress(zlib.compress(SOME.tobytes())),
        base64.b64encode(SOME.tobytes()),
        base64.b85encode(PACKED),
        SOME.tobytes().hex().encode(),
        (_array(PACKED) ^ np.uint8(0x55)).tobytes(),
        (_array(PACKED) + np.uint8(9)).tobytes(),
    ],
)
def test_bytes_are_unpacked(data: bytes) -> None:
    assert any(np.array_equal(out.ravel(), SOME.ravel()) for _, out in unpacked(_array(data)))


def test_other_numbers_and_archives_are_unpacked() -> None:
    packed, plain = _array(PACKED), SOME.tobytes()
    archive = io.BytesIO()
    np.savez_compressed(archive, SOME)
    for a in (packed / 255, packed.astype(np.int64) * 3 + int(packed.min()) * 0, np.unpackbits(packed), packed / 256):
        assert any(plain in out.tobytes() for _, out in unpacked(a.astype(a.dtype if a.dtype != np.float64 else "f4")))
    for data in (archive.getvalue(), zlib.compress(pickle.dumps(SOME))):
        assert any(plain in out.tobytes() for _, out in unpacked(_array(data)))


def test_rows_are_unpacked_one_by_one() -> None:
    rows = np.zeros((len(SOME), 900), np.uint8)
    for row, image in zip(rows, SOME, strict=True):
        packed = _array(zlib.compress(image.tobytes()))
        row[: len(packed)] = packed
    assert any(np.array_equal(out, SOME) for _, out in unpacked(rows))
    runs = np.stack([SOME, np.full_like(SOME, 2)], 2).reshape(len(SOME), -1)
    assert any(np.array_equal(out, np.repeat(SOME, 2, 1)) for _, out in unpacked(runs))


@pytest.mark.parametrize("joined", [False, True])
def test_files_of_pictures_are_read(joined: bool) -> None:
    files = []
    for image in SOME.reshape(-1, *SHAPE):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        files.append(file.getvalue())
    if joined:
        a = _array(b"".join(struct.pack("<I", len(f)) + f for f in files))
    else:
        a = np.stack([_array(f.ljust(1200, b"\0")) for f in files])
    assert any(np.array_equal(out, SOME.reshape(-1, *SHAPE)) for _, out in unpacked(a))


@pytest.mark.parametrize("kind", ["WEBP", "TIFF", "GIF"])
@pytest.mark.parametrize("together", [False, True])
def test_other_files_and_files_of_several_pictures_are_read(kind: str, together: bool) -> None:
    pictures = [Image.fromarray(x) for x in SOME.reshape(-1, *SHAPE)]
    files = []
    for picture in pictures[:1] if together else pictures:
        file = io.BytesIO()
        more = {"append_images": pictures[1:], "save_all": True} if together else {}
        picture.save(file, kind, **more, **({"lossless": True} if kind == "WEBP" else {}))
        files.append(file.getvalue())
    wanted = SOME.reshape(-1, *SHAPE)
    shown = [out for words, out in unpacked(_array(b"".join(files))) if "pictures" in words]
    near = 90 if kind == "GIF" else 0  # 256 colours
    assert any(out.shape == wanted.shape and np.abs(out.astype(int) - wanted).mean() <= near for out in shown)


def test_noise_unpacks_into_nothing() -> None:
    for a in (PAD, RNG.random((40, 16, 16, 3)), RNG.random((40, 30)).astype(np.float32), np.zeros((40, 64))):
        assert [words for words, out in unpacked(a) if out.tobytes().strip(b"\0")] == []

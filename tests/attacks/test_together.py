"""Images that one linear map mixes with the others of their call are told from calls of the same size; noise is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.fft import dct

from ihaudit.attacks.numerics.released.mixed_rows import calls_needed, unmixed
from ihaudit.attacks.numerics.released.read import Known
from ihaudit.attacks.together import alone, mixed
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import Pairs, View
from ihaudit.release import Release

Images = NDArray[np.float32]
Map = Callable[[Images, np.random.Generator], NDArray[Any]]


def pictures(count: int, seed: int) -> Images:
    """Waves in two colours, float32 (count, 12, 12, 2) in [0, 1]."""
    rng = np.random.default_rng(seed)
    across, down = np.meshgrid(np.linspace(0, 1, 12), np.linspace(0, 1, 12))
    f = rng.uniform(2, 9, (4, count, 1, 1))
    waves = [np.sin(f[i] * across + f[i + 1] * down + rng.uniform(0, 6, (count, 1, 1))) for i in (0, 2)]
    out: Images = (0.5 + 0.45 * np.stack(waves, -1)).astype(np.float32)
    return out


def orthogonal(x: Images, rng: np.random.Generator) -> NDArray[Any]:
    matrix = np.linalg.qr(np.random.default_rng(len(x)).standard_normal((len(x), len(x))))[0]
    return np.tensordot(matrix, x, 1)


def spectrum(x: Images, rng: np.random.Generator) -> NDArray[Any]:
    f = np.fft.fft(x, axis=0)
    return np.concatenate([f.real, f.imag], axis=-1)


MAPS: dict[str, Map] = {
    "orthogonal": orthogonal,
    "cosines": lambda x, rng: dct(x, axis=0, norm="ortho"),
    "sums": lambda x, rng: np.cumsum(x, axis=0),
    "differences": lambda x, rng: np.diff(x, axis=0, prepend=0),
    "colours first": lambda x, rng: np.moveaxis(orthogonal(x, rng), -1, 1),
    "one byte each": lambda x, rng: np.clip(np.rint(127 + 60 * (orthogonal(x, rng) - 0.5)), 0, 255).astype(np.uint8),
    "spectrum": spectrum,
}
NULLS: dict[str, Map] = {
    "noise": lambda x, rng: rng.random(x.shape),
    "a map of each call": lambda x, rng: np.tensordot(np.linalg.qr(rng.standard_normal((len(x),) * 2))[0], x, 1),
    "signs": lambda x, rng: (2 * x - 1) * rng.choice([-1, 1], x.shape),
    "sums modulo 1 with noise": lambda x, rng: np.mod(x + rng.random(x.shape), 1),
    "nothing": lambda x, rng: np.zeros_like(x),
}


class Oracle:
    """Encodes with fresh noise."""

    def __init__(self, f: Map) -> None:
        self.f = f

    def seconds(self, count: int) -> float:
        return 0.0

    def encode_many(self, calls: Sequence[tuple[Images, NDArray[np.int64], int]]) -> list[Release]:
        return [Release(self.f(x, np.random.default_rng(seed))) for x, _, seed in calls]


def answered(f: Map, *, private: int = 14, known: int = 12) -> tuple[AttackOutput | None, Images]:
    """What is answered of a release of private images and known ones, and the private images."""
    encoder: Any = Oracle(f)
    call, similar = pictures(private + known, 1), pictures(200, 2)
    rows = encoder.encode_many([(call, np.zeros(len(call), np.int64), 99)])[0].encodings
    cut = len(rows) - known
    pairs = Pairs(call[private:], rows[cut:]) if known else None
    view = View(rows[:cut], similar=similar, encoder=encoder, pairs=pairs)
    images = [similar[i : i + n] for i, n in ((0, 30), (30, 30), (60, 30), (90, 25))]
    zeros = np.zeros(115, np.int64)
    calls = encoder.encode_many([(x, zeros[: len(x)], i) for i, x in enumerate(images)])
    oracle = Known(similar[:115], zeros, np.arange(90, 115), "", similar, np.random.default_rng(0))
    return mixed(view, oracle, images, calls, 0.0, Context(0)), call[:private]


@pytest.mark.parametrize("known", [0, 12])
@pytest.mark.parametrize("name", MAPS)
def test_a_constant_map_of_the_rows_of_a_call_is_undone(name: str, known: int) -> None:
    found, truth = answered(MAPS[name], known=known)
    assert found is not None and found.images is not None and found.images.shape == truth.shape
    assert np.abs(found.images - truth).mean() < (0.05 if name == "one byte each" else 0.01)


@pytest.mark.parametrize("name", NULLS)
def test_what_no_such_map_made_is_not_answered(name: str) -> None:
    assert answered(NULLS[name])[0] is None
    assert answered(NULLS[name], known=0)[0] is None


def test_too_few_pixels_tell_nothing() -> None:
    few = [pictures(40, i)[:, :3, :3] for i in range(3)]
    assert unmixed(few, [orthogonal(x, np.random.default_rng(0)) for x in few]) is None
    assert calls_needed(few[0], (3, 3, 2)) == 7
    assert calls_needed(np.zeros((5, 7)), (3, 3, 2)) == 0  # no images' values
    assert calls_needed(np.zeros((1, 18)), (3, 3, 2)) == 0  # one row mixes nothing


def test_images_that_are_encoded_alone_are_put_together() -> None:
    def shuffled(x: Images, rng: np.random.Generator) -> NDArray[Any]:
        return x[rng.permutation(len(x)), ::-1]

    similar = pictures(170, 3)
    encoder: Any = Oracle(shuffled)
    found = alone(View(np.zeros((5, 12, 12, 2)), similar=similar, encoder=encoder), Context(0), 3)
    assert found is not None
    images, labels, calls = found
    assert [len(x) for x in images] == [len(y) for y in labels] == [50, 50, 43]
    assert all(np.array_equal(r.encodings, x[:, ::-1]) for r, x in zip(calls, images, strict=True))
    assert alone(View(np.zeros((5, 12)), similar=similar[:20], encoder=encoder), Context(0), 3) is None

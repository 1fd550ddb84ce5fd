"""Arrays of a call that are images only together are put together, whatever they hold in other calls."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from ihaudit.attacks.numerics.released.of_call import of_call
from ihaudit.release import Release

Floats = NDArray[np.float32]
SHAPE = (8, 8, 3)
COUNTS = (40, 40, 33)


def _smooth(n: int, rng: np.random.Generator) -> Floats:
    """Slopes of a few greys each, with some noise."""
    across, down, grey = (rng.integers(0, top, (n, 1, 1, 3)) for top in (12, 12, 90))
    x = grey + across * np.arange(8)[:, None] + down * np.arange(8)[:, None, None] + rng.integers(0, 8, (n, *SHAPE))
    return np.asarray(x / 255, np.float32)


def _basis(x: Floats, rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    u, s, vt = np.linalg.svd(x.reshape(len(x), -1), full_matrices=False)
    return {"vt": vt * 1.0, "s": s, "u": u}


def _deviations(x: Floats, rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    mean = x.mean(0)
    spread = x.std(0)
    u, s, vt = np.linalg.svd(((x - mean) / spread).reshape(len(x), -1), full_matrices=False)
    return {"mean": mean, "scores": u * s, "v": vt.T.copy(), "spread": spread}


def _reordered(x: Floats, rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    flat = x.reshape(len(x), -1).astype(np.float64)
    u, s, vt = np.linalg.svd(flat, full_matrices=False)
    return {"scores": u * s, "basis": vt[rng.permutation(len(s))]}


def _codebook(x: Floats, rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    patches = x.reshape(len(x), 4, 2, 4, 2, 3).swapaxes(2, 3).reshape(-1, 2, 2, 3)
    order = rng.permutation(len(patches))
    return {"book": patches[order].transpose(0, 3, 1, 2), "at": np.argsort(order).astype(np.float32)}


def _by_channel(x: Floats, rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    patches = x.reshape(len(x), 4, 2, 4, 2, 3).transpose(0, 1, 3, 5, 2, 4).reshape(-1, 4)
    order = rng.permutation(len(patches))
    return {"at": np.argsort(order).reshape(len(x), 4, 4, 3), "book": patches[order]}


def _palette(x: Floats, rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    values, places = np.unique(x.reshape(-1, 3), axis=0, return_inverse=True)
    return {"at": places.reshape(len(x), 8, 8), "book": values}


def _exclusive(x: Floats, rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    b = np.rint(x * 255).astype(np.uint8)
    return {"first": b[:1], "steps": b[1:] ^ b[:-1]}


def _back(x: Floats, rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    return {"steps": (x[:-1] - x[1:]).astype(np.float64), "last": x[-1]}


def _release(x: Floats, rng: np.random.Generator, arrays: dict[str, NDArray[np.generic]]) -> Release:
    y = rng.random((len(x), *SHAPE), dtype=np.float32)
    return Release(y, np.eye(2, dtype=np.float32)[np.arange(len(x)) % 2], (0.0, 1.0), arrays)


@pytest.mark.parametrize(
    "made",
    [_basis, _deviations, _reordered, _codebook, _by_channel, _palette, _exclusive, _back],
    ids=lambda f: f.__name__[1:],
)
def test_images_are_made_of_arrays(
    made: Callable[[Floats, np.random.Generator], dict[str, NDArray[np.generic]]],
) -> None:
    rng = np.random.default_rng(5)
    images = [_smooth(n, rng) for n in (*COUNTS, 50)]
    calls = [_release(x, rng, made(x, rng)) for x in images]
    known = np.concatenate(images[:-1]).reshape(sum(COUNTS), -1)
    for found in of_call(calls[:-1], COUNTS, calls[-1], SHAPE, images[:-1], images[-1][-30:]):
        rows = np.concatenate(found.calls).reshape(len(known), -1).astype(np.float64)
        rows = rows / 255 if rows.shape == known.shape and rows.max() > 2 else rows
        if rows.shape == known.shape and np.abs(rows - known).max() < 1e-3:
            channel = found.channel()
            assert channel is not None
            target = channel.target.reshape(50, -1) / (255 if channel.target.max() > 2 else 1)
            assert np.abs(target - images[-1].reshape(50, -1)).max() < 1e-3
            return
    raise AssertionError("nothing that is made is the images")


def test_one_array_is_looked_at_alone_and_sums_of_it_only() -> None:
    rng = np.random.default_rng(6)
    calls = [_release(np.zeros((n, *SHAPE), np.float32), rng, {}) for n in (*COUNTS, 50)]
    names = [found.name for found in of_call(calls[:-1], COUNTS, calls[-1], SHAPE)]
    assert names and all(name.startswith("sums") and "encodings" in name for name in names)


def test_shapes_that_do_not_fit_and_numbers_that_are_none_are_passed_over() -> None:
    rng = np.random.default_rng(7)
    odd = {"a": np.full((3, 5), np.nan), "b": np.zeros((5, 0)), "c": np.array(3.0), "d": np.full((5, 192), np.inf)}
    calls = [_release(np.zeros((n, *SHAPE), np.float32), rng, dict(odd)) for n in (*COUNTS, 50)]
    for found in of_call(calls[:-1], COUNTS, calls[-1], SHAPE):
        found.channel()

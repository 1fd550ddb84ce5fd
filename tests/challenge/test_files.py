"""The challenge's metrics against their definition, and its file layouts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from ihaudit.challenge import as_images, load_npy, ranges, score
from ihaudit.errors import ImageError

Example = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]


@pytest.fixture
def example() -> Example:
    rng = np.random.default_rng(0)
    private = rng.uniform(-1, 1, (4, 32, 32, 3)).astype(np.float32)
    pairs = np.array([[0, 1], [2, 3], [1, 3]], dtype=np.int64)
    guess = np.clip(private[pairs[:, 0]] + rng.normal(0, 0.3, (3, 32, 32, 3)), -1, 1).astype(np.float32)
    return guess, private, pairs


def test_equals_the_definition(example: Example) -> None:
    guess, private, pairs = example
    s = np.array(
        [
            [structural_similarity(g, private[j], channel_axis=-1, data_range=2) for j in pair]
            for g, pair in zip(guess, pairs, strict=True)
        ]
    )
    e = np.array([[np.mean((g - private[j]) ** 2) for j in pair] for g, pair in zip(guess, pairs, strict=True)])
    got = score(guess, private, pairs)
    want = {"max_ssim": s.max(1), "mean_ssim": s.mean(1), "min_l2": e.min(1), "mean_l2": e.mean(1)}
    assert got == pytest.approx({k: v.mean() for k, v in want.items()}, abs=1e-5)


def test_flat_layout_scores_the_same(example: Example) -> None:
    guess, private, pairs = example
    assert score(guess.reshape(3, -1), private.reshape(4, -1), pairs) == score(guess, private, pairs)


def test_perfect_answer_scores_one(example: Example) -> None:
    _, private, pairs = example
    got = score(private[pairs[:, 0]], private, pairs)
    assert got["max_ssim"] == pytest.approx(1, abs=1e-6)
    assert got["min_l2"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g, p, q: (g[:2], p, q), "one row per decrypted image"),
        (lambda g, p, q: (g, p, q + 2), "private holds 0..3"),
        (lambda g, p, q: (g[:, :16, :16], p, q), "decryption holds images of shape"),
        (lambda g, p, q: (g * 2, p, q), "must lie in \\[-1, 1\\]"),
        (lambda g, p, q: (g * np.nan, p, q), "NaN"),
        (lambda g, p, q: (g, p, q * 1.0), "must be integers"),
        (lambda g, p, q: (g.astype(str), p, q), r"holds <U\d+; images are numbers"),
        (lambda g, p, q: (g + 0j, p, q), "holds complex"),
        (lambda g, p, q: (g, p.astype(object), q), "holds object"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    example: Example, change: Callable[..., tuple[Any, Any, Any]], message: str
) -> None:
    with pytest.raises(ImageError, match=message):
        score(*change(*example))


def test_layouts() -> None:
    assert as_images(np.zeros((2, 8, 8))).shape == (2, 8, 8, 1)
    assert as_images(np.zeros((2, 192))).shape == (2, 8, 8, 3)
    assert as_images(np.zeros((2, 64))).shape == (2, 8, 8, 1)
    with pytest.raises(ImageError, match="in no single way"):
        as_images(np.zeros((2, 65)))


def test_unreadable_files_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="there is no file"):
        load_npy(tmp_path / "x.npy")
    (tmp_path / "bad.npy").write_bytes(b"nonsense")
    with pytest.raises(ImageError, match="not a readable"):
        load_npy(tmp_path / "bad.npy")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ImageError, match="not a readable"):
        load_npy(tmp_path / "objects.npy")


@pytest.mark.parametrize("truth", ["[-1, 1]", "[0, 1]", "[0, 255]"])
@pytest.mark.parametrize("answer", ["[-1, 1]", "[0, 1]", "[0, 255]"])
def test_ranges_are_read_off_either_array(example: Example, answer: str, truth: str) -> None:
    guess, private, pairs = example
    ways = {"[-1, 1]": lambda x: x, "[0, 1]": lambda x: (x + 1) / 2, "[0, 255]": lambda x: (x + 1) * 127.5}
    given, known = ways[answer](guess), ways[truth](private)
    assert {k: e.words for k, e in ranges(given, known).items()} == {"decryption": answer, "private": truth}
    assert score(given, known, pairs) == pytest.approx(score(guess, private, pairs), abs=1e-4)


def test_a_plain_grey_guess_is_in_the_range_of_the_truth(example: Example) -> None:
    guess, private, pairs = example
    assert ranges(guess * 0, private)["decryption"].words == "[-1, 1]"
    assert score(guess * 0, private, pairs)["min_l2"] == pytest.approx(float((private**2).mean()), rel=0.1)

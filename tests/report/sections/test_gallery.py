"""What stands beside reconstructions: encodings as pictures or heat maps, and no picture where there is no answer."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.contracts.format import Source
from ihaudit.report.pictures import heat
from ihaudit.report.sections import gallery
from ihaudit.results import Finding, Results
from tests.report import synthetic

N = 40


def source(codes: np.ndarray, candidate: np.ndarray | None = None) -> Source:
    results: Results = synthetic.results(N)
    assert results.release is not None
    results.release.encodings = list(codes.shape)
    arrays = synthetic.arrays(N) | {"release/encodings": codes.astype(np.float32)}
    if candidate is not None:
        arrays["carlini/candidate"] = candidate
    return Source(results, arrays)


def finding(results: Results) -> Finding:
    found = results.finding("carlini")
    assert found is not None
    return found


@pytest.mark.parametrize("shape", [(64, 128), (768,), (16, 16, 16), (3, 4, 5, 6)], ids=str)
def test_encodings_that_are_no_pictures_are_drawn_as_heat_maps(shape: tuple[int, ...]) -> None:
    src = source(np.random.default_rng(0).standard_normal((N, *shape)))
    built = gallery.build(src)
    columns = built["main"].columns
    assert "An encoding of it, as a heat map" in columns and "|Encoding|" not in columns
    assert " × ".join(map(str, shape)) in built["heat"]
    assert all(p.startswith("data:image/png") for row in built["main"].rows for p in row.pictures)


@pytest.mark.parametrize("shape", [(32, 32, 3), (32, 32), (16, 16, 3), (16, 16, 1)], ids=str)
def test_encodings_like_images_are_shown_as_pictures(shape: tuple[int, ...]) -> None:
    built = gallery.build(source(np.random.default_rng(0).random((N, *shape))))
    assert built["main"].columns == ["Original", "An encoding of it", "Reconstruction"] and built["heat"] == ""


def test_an_image_without_an_answer_has_no_picture() -> None:
    candidate = np.where(np.arange(N) < 5, np.arange(N), -1)
    src = source(np.random.default_rng(0).random((N, 32, 32, 3)), candidate)
    shown = gallery.reconstructions(src, finding(src.results), 3, overview=True)
    assert shown is not None and shown.overview == ""
    best, worst = shown.rows[:3], shown.rows[-3:]
    assert all(row.index < 5 and row.pictures[-1] for row in best)
    assert all(row.index >= 5 and not row.pictures[-1] for row in worst)


def test_a_heat_map_is_white_at_zero_and_has_a_colour_for_each_sign() -> None:
    [[low, zero, high]] = heat(np.array([[-2.0, 0.0, 2.0]]))
    assert tuple(zero) == (255, 255, 255) and low[2] > low[0] and high[0] > high[2]
    assert heat(np.zeros((4, 6, 10))).shape[2] == 3 and np.isfinite(heat(np.full((5,), np.nan))).all()

"""Pictures of more than 8 bits: one scale for a whole set, whatever the file could hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ihaudit.errors import ImageError
from ihaudit.images import load
from ihaudit.images.depth import Extent, scale

GRADIENT = np.linspace(0, 1, 24 * 24).reshape(24, 24)


def folder(path: Path, *pictures: np.ndarray, kind: str = "png") -> str:
    for i, p in enumerate(pictures):
        Image.fromarray(p).save(path / f"{i}.{kind}")
    return str(path)


@pytest.mark.parametrize(("bits", "top"), [(8, 255), (10, 1023), (12, 4095), (14, 16383), (16, 65535)])
def test_bits_in_16_bit_files(tmp_path: Path, bits: int, top: int) -> None:
    deep = (GRADIENT * top).round().astype(np.uint16)
    s = load(folder(tmp_path, deep, deep // 2), role="similar", size=24)
    np.testing.assert_allclose(s.images[0, ..., 0], GRADIENT, atol=0.005)
    np.testing.assert_allclose(s.images[1, ..., 0], GRADIENT / 2, atol=0.005)
    assert f"read as {bits} bits" in " ".join(s.notes)


def test_one_scale_for_a_set_whose_peaks_straddle_a_byte(tmp_path: Path) -> None:
    dim, bright = (np.round(GRADIENT * top).astype(np.uint16) for top in (255, 256))
    s = load(folder(tmp_path, dim, bright), role="similar", size=24)
    np.testing.assert_allclose(s.images[0].max() / s.images[1].max(), 255 / 256, atol=0.01)
    assert s.images.max() == pytest.approx(256 / 1023, abs=1e-3)


def test_stated_bits(tmp_path: Path) -> None:
    spec = folder(tmp_path, *[(GRADIENT * 900).astype(np.uint16)] * 2)
    assert load(spec, role="similar", size=24, bits=12).images.max() == pytest.approx(900 / 4095, abs=1e-3)
    with pytest.raises(ImageError, match="beyond the 8 bits that --bits states"):
        load(spec, role="similar", size=24, bits=8)


def test_burnt_in_marks_do_not_darken_the_rest(tmp_path: Path) -> None:
    marked = (np.linspace(0, 1, 200 * 200).reshape(200, 200) * 4095).astype(np.uint16)
    marked[0, :5] = 65535
    s = load(folder(tmp_path, marked, marked), role="similar", size=24)
    assert s.images[0].max() > 0.95
    assert "were cut off" in " ".join(s.notes)


def test_hounsfield_values(tmp_path: Path) -> None:
    units = (GRADIENT * 3000 - 1000).round().astype(np.int32)
    s = load(folder(tmp_path, units, units, kind="tiff"), role="similar", size=24)
    np.testing.assert_allclose(s.images[0, ..., 0], GRADIENT, atol=0.01)
    units[:2] = -3024  # outside the scanner's circle
    np.savez(tmp_path / "a.npz", images=np.stack([units, units]).astype(np.int16))
    s = load(str(tmp_path / "a.npz"), role="similar")
    assert s.images[0, 0, 0, 0] == 0
    assert s.images.max() == 1
    assert s.images[0, 12, 12, 0] == pytest.approx((units[12, 12] + 1024) / 3024, abs=1e-3)


def test_whole_numbers_of_arrays(tmp_path: Path) -> None:
    for dtype in (np.uint16, np.int64):
        np.savez(tmp_path / "a.npz", images=(np.stack([GRADIENT] * 2) * 4095).astype(dtype))
        np.testing.assert_allclose(load(str(tmp_path / "a.npz"), role="similar").images[0, ..., 0], GRADIENT, atol=1e-3)


def test_floats_keep_one_scale(tmp_path: Path) -> None:
    s = load(
        folder(tmp_path, GRADIENT.astype(np.float32), (GRADIENT / 4).astype(np.float32), kind="tiff"),
        role="similar",
        size=24,
    )
    assert s.images[1].max() == pytest.approx(0.25, abs=0.01)
    for old in tmp_path.iterdir():
        old.unlink()
    s = load(
        folder(tmp_path, GRADIENT.astype(np.float32), (GRADIENT * 4).astype(np.float32), kind="tiff"),
        role="similar",
        size=24,
    )
    assert s.images[0].max() == pytest.approx(0.25, abs=0.01)


def test_scales() -> None:
    assert scale(Extent(0, 1, 1, 0, 1, False), None, "x").words == ""
    assert scale(Extent(-5, 5, 5, -5, 5, False), None, "x").low == -5
    assert scale(Extent(-100, 50, 50, -100, 50, True), 8, "x").high == 127


@pytest.mark.parametrize(("dtype", "missing"), [(np.int16, -9999), (np.int64, np.iinfo(np.int64).min)])
def test_a_value_for_nothing_measured_is_no_black(tmp_path: Path, dtype: type, missing: int) -> None:
    values: np.ndarray = np.round(np.stack([GRADIENT] * 2) * 4095).astype(dtype)
    values[:, 0, :5] = missing
    np.savez(tmp_path / "a.npz", images=values)
    s = load(str(tmp_path / "a.npz"), role="similar")
    np.testing.assert_allclose(s.images[0, 1:, :, 0], GRADIENT[1:], atol=1e-3)
    assert "as padding" in " ".join(s.notes)


def test_a_common_value_far_above_the_others_is_no_white(tmp_path: Path) -> None:
    """65535 in a tenth of the pixels of 12-bit pictures made the rest nearly black."""
    values = np.round(np.stack([GRADIENT] * 2) * 4095).astype(np.uint16)
    values[:, :, :3] = 65535
    np.savez(tmp_path / "a.npz", images=values)
    s = load(str(tmp_path / "a.npz"), role="similar")
    np.testing.assert_allclose(s.images[0, :, 3:, 0], GRADIENT[:, 3:], atol=1e-3)
    assert "65535, and were cut off" in " ".join(s.notes)


@pytest.mark.parametrize("missing", [-9999, -3.4e38, 1e20])
def test_fractions_with_a_value_for_nothing_measured_are_refused(tmp_path: Path, missing: float) -> None:
    """All that was measured became one white, or one black."""
    values = GRADIENT.astype(np.float32)
    values[:5] = missing
    with pytest.raises(ImageError, match=r"far from all others .*replace it by what is to be black"):
        load(folder(tmp_path, GRADIENT.astype(np.float32), values, kind="tiff"), role="similar")


def test_signed_numbers_that_are_no_hounsfield_units(tmp_path: Path) -> None:
    """All that lay below -1024 was taken for padding."""
    values = np.round(np.stack([GRADIENT] * 2) * 65535 - 32768).astype(np.int16)
    np.savez(tmp_path / "a.npz", images=values)
    np.testing.assert_allclose(load(str(tmp_path / "a.npz"), role="similar").images[0, ..., 0], GRADIENT, atol=1e-3)


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 1), (np.int64, 1), (np.uint64, 2**64 - 1)])
def test_whole_numbers_of_one_bit_and_of_all(tmp_path: Path, dtype: type, top: int) -> None:
    """0 and 1 as bytes became two blacks, and numbers beyond 32 bits an error of ours."""
    np.savez(tmp_path / "a.npz", images=np.stack([GRADIENT > 0.5] * 2).astype(dtype) * dtype(top))
    np.testing.assert_allclose(load(str(tmp_path / "a.npz"), role="similar").images[0, ..., 0], GRADIENT > 0.5)

"""The canonical release: what precision, signs and undeclared arrays could carry is not in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ihaudit.audit.canonical import canonical, capacity, rounded
from ihaudit.release import Release

RNG = np.random.default_rng(0)


def test_last_bits_are_gone_and_values_stay() -> None:
    x = RNG.standard_normal((4, 8, 8, 3)).astype(np.float32)
    hidden = (x.view(np.uint32) & ~np.uint32(0xFF) | np.uint32(0x5A)).view(np.float32)
    assert np.array_equal(rounded(x, "float16"), rounded(hidden, "float16"))
    assert np.allclose(rounded(x, "float16"), x, rtol=2**-10, atol=1e-6)
    assert np.array_equal(rounded(x, "float32"), x)


@pytest.mark.parametrize("scale", [1e6, 1e-6])
def test_large_and_small_numbers_keep_as_many_bits(scale: float) -> None:
    x = (RNG.random((4, 100)) * scale).astype(np.float32)
    assert np.allclose(rounded(x, "float16"), x, rtol=2**-11, atol=0)
    assert len(np.unique(np.frexp(rounded(x, "float16"))[0] * 2**11 % 1)) == 1


def test_signs_of_zeros_and_subnormals_are_gone() -> None:
    zeros = np.where(RNG.random((4, 50)) < 0.5, -0.0, 0.0).astype(np.float32)
    assert not np.signbit(rounded(zeros, "float32")).any()
    tiny = RNG.integers(0, 256, (4, 50)).astype(np.uint32).view(np.float32)
    assert not rounded(tiny, "float32").any()


def test_whole_numbers_stay_whole() -> None:
    assert rounded(np.arange(256, dtype=np.float32).reshape(2, -1), "float16").dtype == np.uint8


def test_only_declared_arrays_and_the_same_hash(tmp_path: Path) -> None:
    x = RNG.random((4, 8, 8, 3)).astype(np.float32)
    release = Release(x, np.eye(4, dtype=np.float32), extra={"nonces": np.arange(4), "state": np.arange(9)})
    made = canonical(release, "float16", ("nonces",), alone=True)
    assert set(made.arrays) == {"encodings", "labels", "image_range", "extra/nonces"}
    assert any("state" in words for words in made.dropped)
    first = made.write(tmp_path)
    assert first == canonical(release, "float16", ("nonces",), alone=True).write(tmp_path)
    with np.load(tmp_path / "release.npz") as z:
        assert z["encodings"].dtype == np.float16
    table = capacity(release, made, 4).details["table"]["rows"]
    assert [row[0] for row in table] == ["encodings", "labels", "extra/nonces", "extra/state", "all"]
    assert table[0][2:] == [192 * 32, 192 * 16]
    assert table[3][3] == 0


def test_arrays_of_the_whole_call_hold_known_images_too() -> None:
    release = Release(RNG.random((4, 10)), extra={"all": np.arange(50), "rows": np.zeros((4, 2))})
    assert "extra/all" not in canonical(release, "float16", ("all", "rows"), alone=False).arrays
    assert "extra/all" in canonical(release, "float16", ("all", "rows"), alone=True).arrays

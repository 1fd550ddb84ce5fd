"""What `everything` looks up, and that it finds nothing in noise."""

from __future__ import annotations

import numpy as np

from ihaudit.attacks.numerics.released.bits import fit_bits
from ihaudit.attacks.numerics.released.fields import parts, splits
from ihaudit.attacks.numerics.released.shuffled import pictures_among
from ihaudit.attacks.numerics.released.tables import fit_tables
from ihaudit.release import Release

RNG = np.random.default_rng(1)
IMAGES = (RNG.integers(0, 256, (120, 8, 8, 3)) / 255).astype(np.float32)
BYTES = np.rint(IMAGES * 255).astype(np.uint8).reshape(120, -1)


def test_bits_under_an_order_and_a_pad() -> None:
    order, pad = RNG.permutation(BYTES.shape[1]), RNG.integers(0, 256, BYTES.shape[1], dtype=np.uint8)
    released = BYTES[:, order] ^ pad
    (found, *_) = fit_bits(IMAGES[:100], released[:100])
    assert found.found == 1
    assert np.allclose(found(released[100:]), IMAGES[100:], atol=1e-6)


def test_values_under_a_table_and_an_order() -> None:
    table, order = RNG.permutation(256), RNG.permutation(BYTES.shape[1])
    released = table[BYTES][:, order].astype(np.uint64)
    found = fit_tables(IMAGES[:100], released[:100])
    assert found is not None and found.found > 0.9
    assert np.isclose(found(released[100:]), IMAGES[100:], atol=1e-6).mean() > 0.95  # the rest varies too little


def test_noise_holds_nothing() -> None:
    noise = RNG.integers(0, 256, BYTES.shape, dtype=np.uint8)
    assert fit_bits(IMAGES, noise) == []
    assert fit_tables(IMAGES, noise.astype(np.uint64)) is None
    assert pictures_among(RNG.random((60, 16, 16, 3)), 30) is None


def test_shares_in_any_order_make_pictures() -> None:
    waves = np.sin(np.linspace(0, 6, 16))[:, None, None] * np.ones((1, 16, 3)) * RNG.uniform(0.3, 1, (30, 1, 1, 1))
    share = RNG.standard_normal(waves.shape)
    rows = np.concatenate([share, waves - share])[RNG.permutation(60)]
    found = pictures_among(rows, 30)
    assert found is not None and len(found[0]) > 20


def test_arrays_are_dealt_out_by_what_grows_with_the_images() -> None:
    sizes = (10, 7)
    assert [s.count(np.zeros(3 * 12 + 1)) for s in splits([np.zeros(3 * n + 1) for n in sizes], sizes)] == [12, 12]
    assert [s.axis for s in splits([np.zeros((5, n)) for n in sizes], sizes)] == [1]
    assert splits([np.zeros(4) for _ in sizes], sizes) == []
    assert set(parts(Release(np.zeros((2, 3)), extra={"any": np.zeros(3)}))) == {"encodings", "extra 1"}

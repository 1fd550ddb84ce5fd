"""What `everything` looks up, and that it finds nothing in noise."""

from __future__ import annotations

import numpy as np

from ihaudit.attacks.numerics.released.bits import fit_bits
from ihaudit.attacks.numerics.released.channels import Channel, unchained
from ihaudit.attacks.numerics.released.fields import parts, splits
from ihaudit.attacks.numerics.released.read import Known, read
from ihaudit.attacks.numerics.released.shuffled import pictures_among
from ihaudit.attacks.numerics.released.tables import fit_tables, lowest_bits
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


def test_values_under_sums_and_a_shared_table_are_read_where_no_known_image_has_them() -> None:
    smooth = np.cumsum(RNG.normal(0, 6, (120, 192)), axis=1) + RNG.integers(0, 256, (120, 1))
    plain = np.abs(smooth).astype(np.int64) % 256
    images = (plain.reshape(120, 8, 8, 3) / 255).astype(np.float32)
    order, pad, table = RNG.permutation(192), RNG.integers(0, 256, 192), RNG.permutation(256)
    for released in ((plain[:, order] + pad) & 255, (pad - plain[:, order]) & 255, table[plain][:, order]):
        found = fit_tables(images[:75], released[:75].astype(np.uint64))
        assert found is not None and found.found > 0.99
        assert np.isclose(found(released[75:].astype(np.uint64)), images[75:], atol=1e-6).mean() > 0.98


def test_a_value_that_no_known_image_has_is_like_its_neighbours() -> None:
    steps = np.linspace(0, 200, 256).reshape(16, 16, 1) + RNG.integers(0, 56, (100, 1, 1, 1))
    plain = np.rint(steps).astype(np.int64).reshape(100, -1)
    images = (plain.reshape(100, 16, 16, 1) / 255).astype(np.float32)
    tables = RNG.random((256, 256)).argsort(axis=1)
    released = tables[np.arange(256), plain].astype(np.uint64)
    found = fit_tables(images[:75], released[:75])
    assert found is not None
    assert np.abs(found(released[75:]) - images[75:]).max() < 0.15


def test_bytes_chained_with_the_one_before() -> None:
    order, pad = RNG.permutation(192), RNG.integers(0, 256, 192, dtype=np.uint8)
    stream = BYTES[:, order] ^ pad
    planes = np.bitwise_xor.accumulate(stream, axis=1).reshape(120, 3, 8, 8)
    cases = {
        "exclusive or of neighbouring bytes of x": np.bitwise_xor.accumulate(stream, axis=1),
        "difference modulo 256 of neighbouring bytes of x": np.add.accumulate(stream, axis=1, dtype=np.uint8) / 255,
        "exclusive or of neighbouring bytes, channel by channel, of x": np.moveaxis(planes, 1, -1),
    }
    for name, released in cases.items():
        channel = Channel("x", "encodings", [released], released[100:], True, pairs=released[:100])
        undone = {c.name: c for c in unchained([channel], 3)}[name]
        assert np.array_equal(undone.stacked[:, 1:], stream[:, 1:])
        assert undone.made and undone.pairs is not None and len(undone.pairs) == 100
        assert lowest_bits(IMAGES, undone.stacked) > 0.95 and lowest_bits(IMAGES, BYTES[::-1]) < 0.05
    noise = Channel("x", "encodings", [RNG.random((9, 4))], RNG.random((9, 4)), True)
    assert not list(unchained([noise], 3))


def test_bytes_chained_forwards_and_then_backwards() -> None:
    stream = BYTES[:, RNG.permutation(192)]
    for words, f in (("exclusive or", np.bitwise_xor), ("difference modulo 256", np.add)):
        pads = RNG.integers(0, 256, (2, 192), dtype=np.uint8)
        forwards = f.accumulate(f(stream, pads[0]), axis=1, dtype=np.uint8)
        both = f.accumulate(f(forwards, pads[1])[:, ::-1], axis=1, dtype=np.uint8)[:, ::-1]
        channel = Channel("x", "encodings", [both], both[100:], True)
        undone = {c.name: c for c in unchained([channel], 3)}
        assert lowest_bits(IMAGES, undone[f"{words}, twice over, of neighbouring bytes of x"].stacked) > 0.95
        assert lowest_bits(IMAGES, undone[f"{words} of neighbouring bytes of x"].stacked) < 0.05


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


def known_of_classes(labels: np.ndarray, seed: int = 3) -> Known:
    """Images that are a pattern of their class and little else, of which the last third is held out."""
    rng = np.random.default_rng(seed)
    waves = np.sin(
        np.linspace(0, 7, 16)[:, None, None] * rng.uniform(0.5, 2, (6, 1, 1, 1))
        + rng.uniform(0, 6, 6)[:, None, None, None]
    )
    pictures = 0.5 + 0.4 * waves * np.ones((1, 1, 16, 1))
    images = np.clip(pictures[labels] + 0.15 * rng.standard_normal((len(labels), 16, 16, 1)), 0, 1).astype(np.float32)
    held = np.arange(len(labels) * 2 // 3, len(labels))
    return Known(images, labels, held, "images", images, np.random.default_rng(0), labels)


def test_labels_say_no_more_than_the_class() -> None:
    labels = np.random.default_rng(2).integers(6, size=96)
    one_hot = np.eye(6, dtype=np.float32)[labels]
    known = known_of_classes(labels)
    channel = Channel("labels", "labels", [one_hot], one_hot[:10], True, pairs=one_hot)
    assert read(channel, known, lambda c: c.stacked, values=True) is None
    flat = known.images.reshape(96, -1)
    channel = Channel("labels", "labels", [flat], flat[:10], True, pairs=flat)
    found = read(channel, known, lambda c: c.stacked, values=True)
    assert found is not None and found.expected > 0.95 and found.hidden


def test_lists_whose_order_says_nothing_are_put_in_order_and_counted() -> None:
    shown, order = RNG.integers(0, 256, 600), RNG.permutation(600)
    listed = parts(Release(np.zeros((6, 4)), extra={"at": order[:, None], "v": shown[order]}))
    assert np.array_equal(listed["extra 2, in the order of extra 1"], shown)
    one = parts(Release(np.zeros((6, 4)), extra={"v": order * 256 + shown[order]}))
    assert np.array_equal(one["extra 1, in ascending order"] & 255, shown)
    counts = RNG.integers(0, 4, 600)
    events = RNG.permutation(np.repeat(np.arange(600), counts))
    found = parts(Release(np.zeros((6, 4)), extra={"e": events}))["extra 1, counted"]
    assert np.array_equal(found, counts[: len(found)])
    three = [np.zeros(600 - 3), np.zeros(600), np.zeros(500 - 1)]
    (split,) = splits(three, [6, 6, 5], counted=True)
    assert split.each == 100 and split.count(np.zeros(701)) == 8 and split(np.ones(150)).sum() == 150
    assert splits(three, [6, 6, 5]) == []

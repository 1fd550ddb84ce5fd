"""Known records: encoded with the private images under one key, split off, never scored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ihaudit.audit.known import encode_with_known
from ihaudit.images import ImageSet
from ihaudit.release import Provenance, Release, rows_of
from ihaudit.schemes.mixup import MixUp
from ihaudit.schemes.pixel_permutation import PixelPermutation

RNG = np.random.default_rng(0)
PRIVATE = ImageSet(RNG.random((30, 8, 8, 3), dtype=np.float32), np.arange(30) % 4, "private")
KNOWN = ImageSet(RNG.random((10, 8, 8, 3), dtype=np.float32), np.arange(10) % 5, "similar")


class InProcess:
    """A scheme as the audit sees it."""

    def __init__(self, scheme: Any) -> None:
        self.scheme = scheme

    def encode(self, images: Any, labels: Any, *, seed: int) -> Release:
        released: Release = self.scheme.encode(images, labels, images[:0], np.random.default_rng(seed))
        return released

    def encode_many(self, calls: list[Any]) -> list[Release]:
        return [self.encode(i, y, seed=s) for i, y, s in calls]

    def seconds(self, images: int) -> float:
        return 0.0


def test_known_rows_are_split_off_under_the_same_key() -> None:
    release, pairs = encode_with_known(InProcess(PixelPermutation()), PRIVATE, KNOWN, 3)
    assert pairs is not None and len(release.encodings) == 30 and len(pairs.images) == 10
    np.testing.assert_array_equal(pairs.images, KNOWN.images)
    order = np.random.default_rng(3).permutation(64)
    np.testing.assert_array_equal(pairs.encodings.reshape(10, 64, 3), KNOWN.images.reshape(10, 64, 3)[:, order])
    np.testing.assert_array_equal(release.encodings.reshape(30, 64, 3), PRIVATE.images.reshape(30, 64, 3)[:, order])
    assert release.provenance is not None and release.provenance.sources.max() == 29
    assert release.labels is not None and release.labels.shape == (30, 4)  # a class of known images only is no hint


def test_mixed_rows_have_no_pairs_and_the_release_is_what_it_was() -> None:
    release, pairs = encode_with_known(InProcess(MixUp(epochs=2)), PRIVATE, KNOWN, 3)
    plain = InProcess(MixUp(epochs=2)).encode(PRIVATE.images, PRIVATE.labels, seed=3)
    assert pairs is None
    np.testing.assert_array_equal(release.encodings, plain.encodings)


def test_without_known_images_nothing_changes() -> None:
    plain = InProcess(PixelPermutation()).encode(PRIVATE.images, PRIVATE.labels, seed=3)
    for known in (None, KNOWN.subset(np.arange(0))):
        release, pairs = encode_with_known(InProcess(PixelPermutation()), PRIVATE, known, 3)
        assert pairs is None
        np.testing.assert_array_equal(release.encodings, plain.encodings)


@pytest.mark.parametrize(
    ("sources", "rows", "expected"),
    [
        (None, 5, [0, 1, 2, 3, 4]),
        (None, 6, None),
        ([[4], [3], [2], [1], [0]], 5, [4, 3, 2, 1, 0]),
        ([[0, -1], [1, 1], [-1, 2]], 3, [0, 1, 2]),
        ([[0, 1], [2, 3]], 2, None),
        ([[-1], [0]], 2, None),
    ],
)
def test_which_row_is_whose(sources: list[list[int]] | None, rows: int, expected: list[int] | None) -> None:
    provenance = None if sources is None else Provenance(np.array(sources))
    found = rows_of(Release(np.zeros((rows, 2, 2, 1), np.float32), provenance=provenance), 5)
    assert (found is None) == (expected is None)
    if expected is not None:
        assert found is not None
        np.testing.assert_array_equal(found, expected)

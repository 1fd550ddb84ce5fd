"""The scores that benchmarks print."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ihaudit.metrics.ssim import ssim_challenge
from tests.attacks.releases import Sample, photographs
from tests.benchmarks.attacks import reference, scores
from tests.benchmarks.floors import names, public_parts


def test_scores_helper_is_one_for_the_truth() -> None:
    images, _ = photographs(6, 1, 16)
    assert np.allclose(scores(images[::-1].copy(), images), 1, atol=1e-5)
    assert np.allclose(ssim_challenge(images, images), 1, atol=1e-6)


def test_what_floors_are_told_is_what_encodings_hold() -> None:
    rng = np.random.default_rng(1)
    patches = rng.integers(0, 256, (5, 4, 4, 3)).astype(np.uint8)
    members, drawn = np.array([[0, 1], [2, 2], [1, 0]]), np.array([[0, 3], [0, 0], [4, 1]])
    lambdas = np.array([[0.3, 0.2, 0.4, 0.1], [0.1, 0.3, 0.4, 0.2], [0.25] * 4], np.float32)
    sample = Sample(np.zeros((3, 4, 4, 3)), np.zeros((3, 1)), members, lambdas, np.zeros((3, 4, 4, 3)), drawn)
    told = names(sample)
    assert np.allclose(told, [[0.3, 0.2, 0], [0, 0, 0.4], [0.25, 0.25, 0]])
    level, shares = public_parts(sample, patches)
    assert shares.shape == (3, 1)  # only the first patch recurs
    assert np.allclose(shares.toarray()[1], 1)  # and is all there is in the second encoding
    assert 0 < shares.toarray()[0, 0] < 1 and shares.toarray()[2, 0] == 0
    assert level[1] > level[0]


def test_a_release_in_a_file_is_the_one_in_memory(tmp_path: Path) -> None:
    public = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3)).astype(np.uint8)
    inside = reference(1, 6, 2, public=public, classes=2)
    mapped = reference(1, 6, 2, public=public, classes=2, file=tmp_path / "encodings.npy")
    assert isinstance(mapped.encodings, np.memmap) and inside.labels.shape[1] <= 2
    np.testing.assert_array_equal(mapped.encodings, inside.encodings)
    np.testing.assert_array_equal(mapped.labels, inside.labels)

"""Attacks on our own releases, for training."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.metrics.ssim import ssim
from ihaudit.nn.sources import load_split
from ihaudit.training._attacked import AttackConfig, Setting, attack_release, release
from tests.data import DATA


@pytest.mark.data
def test_images_that_were_moved_are_beside_their_truth_in_its_pose() -> None:
    split = load_split(DATA)
    rng = np.random.default_rng(3)
    setting = Setting(40, 6, 4, moved=True)
    found = attack_release(rng, setting, split.held_cifar, split.held_labels, split.held_patches, 0)
    assert found is not None and found.assigned.all()
    shown, truth = (((v.astype(np.float32) + 1) / 2).transpose(0, 2, 3, 1) for v in (found.estimate, found.truth))
    assert (found.alike > 0.8).all()
    assert (ssim(shown.clip(0, 1), truth) > 0.75).all()


def test_a_moved_release_says_its_range_and_weighted_labels() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    view = release(rng, images, np.arange(6), images, Setting(2, 4, 6, moved=True))
    assert view.encodings.shape == (12, 32, 32, 3)
    assert view.image_range[0] < -1.5 and view.image_range[1] > 1.5  # normalised by mean and deviation
    assert view.labels is not None and (view.labels > 0).sum(1).max() <= 2


def test_settings_that_are_drawn_keep_within_their_bounds() -> None:
    rng = np.random.default_rng(1)
    drawn = [AttackConfig().setting(rng) for _ in range(300)]
    assert {s.labels for s in drawn} == {"soft", "hard", "none"}
    assert {s.epochs for s in drawn if s.labels == "none" and s.slots == 2} <= {10, 15, 20, 30}
    assert all(2 <= s.k <= 6 if s.slots == 1 else 4 <= s.k <= 10 for s in drawn)

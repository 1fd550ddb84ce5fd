"""The best pose of every pair is the one that trying all of them by themselves finds."""

from __future__ import annotations

import numpy as np

from ihaudit.metrics.matching import correlation
from ihaudit.metrics.poses import Poses
from ihaudit.scheme import Augmentation
from tests.attacks.releases import photographs


def test_what_poses_share_is_computed_once_and_changes_nothing() -> None:
    images = photographs(6)[0].astype(np.float32)
    poses = Poses(Augmentation(shift=1, mirror=True, rotation=6), images.shape[1:])
    moved = poses.move(images, len(poses) - 1)
    fitted = poses.fit(moved, images)
    each = np.stack([correlation(poses.move(moved, p), images) for p in range(len(poses))])
    np.testing.assert_array_equal(fitted.correlation, each.max(0))
    assert np.diag(fitted.similarity).min() > 0.7


def test_the_widest_group_is_bounded() -> None:
    assert len(Poses(Augmentation(shift=64, mirror=True, rotation=180, stretch=0.9), (32, 32, 3))) < 7000

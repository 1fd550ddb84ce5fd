"""Reconstructions up to the motions by which a scheme moves its images before it hides them.

From copies that were mirrored, cropped or turned anew each time nothing tells which way round an image was at first, or
where exactly it lay.  A reconstruction in another pose is a break all the same, so each image is compared in the pose
that suits it best, of the group that the scheme states (or that the attack saw).  Decoys are compared likewise: what
the choice gains by itself is part of the chance level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from ihaudit.metrics.matching import correlation, highpass
from ihaudit.metrics.ssim import ssim_of_pairs
from ihaudit.scheme import Augmentation

#: degrees between angles that are tried, and angles and pixels to either side at most
ANGLE_STEP, MOST_ANGLES, MOST_SHIFT = 3.0, 5, 8

Images = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Fitted:
    """Candidates beside images, each pair in its best pose.

    Attributes:
        similarity, correlation: float32 (R, M), pinned SSIM and high-pass correlation of that pose.
        pose: int64 (R, M).
    """

    similarity: NDArray[np.float32]
    correlation: NDArray[np.float32]
    pose: NDArray[np.int64]


class Poses:
    """The poses of a group; the first one is no motion."""

    def __init__(self, group: Augmentation, shape: tuple[int, ...]) -> None:
        """`shape`: (H, W, C)."""
        reach = min(MOST_SHIFT, math.ceil(group.pixels(min(shape[:2]))), min(shape[:2]) // 4)
        if group.stretch or group.rotation:
            reach = max(reach, 1)  # about which point is not known either
        turns = min(MOST_ANGLES, math.ceil(group.rotation / ANGLE_STEP)) if group.rotation else 0
        angles = [0.0] + [side * group.rotation * k / turns for k in range(1, turns + 1) for side in (1, -1)]
        shifts = sorted(
            ((y, x) for y in range(-reach, reach + 1) for x in range(-reach, reach + 1)),
            key=lambda s: s[0] ** 2 + s[1] ** 2,
        )
        self.all = [
            (mirror, angle, y, x)
            for mirror in ((False, True) if group.mirror else (False,))
            for angle in angles
            for y, x in shifts
        ]

    def __len__(self) -> int:
        return len(self.all)

    def move(self, images: Images, pose: int) -> Images:
        """Images (n, H, W, C) in a pose; what lies beyond the border is repeated from there."""
        mirror, angle, down, right = self.all[pose]
        return _shifted(_turned(images, mirror, angle), down, right)

    def each(self, images: Images, poses: NDArray[np.int64]) -> Images:
        """Each of images (n, H, W, C) in its own pose (n,)."""
        out = images.copy()
        for pose in np.unique(poses[poses > 0]):
            out[poses == pose] = self.move(images[poses == pose], int(pose))
        return out

    def fit(self, candidates: Images, pool: Images, *, device: str = "cpu") -> Fitted:
        """The best pose of every candidate (R, H, W, C) for every image (M, H, W, C), by high-pass correlation."""
        best = np.full((len(candidates), len(pool)), -np.inf, np.float32)
        pose = np.zeros(best.shape, np.int64)
        passed = highpass(pool)
        turned: dict[tuple[bool, float], Images] = {}  # of the few turns that many shifts share, the last
        for p, (mirror, angle, down, right) in enumerate(self.all):
            if (mirror, angle) not in turned:
                turned = {(mirror, angle): _turned(candidates, mirror, angle)}
            found = correlation(_shifted(turned[mirror, angle], down, right), pool, passed=passed)
            better = found > best + 1e-6
            best[better], pose[better] = found[better], p
        similarity = np.zeros_like(best)
        for p in np.unique(pose):
            rows, columns = np.nonzero(pose == p)
            similarity[rows, columns] = ssim_of_pairs(self.move(candidates, int(p)), pool, rows, columns, device=device)
        return Fitted(similarity, best, pose)


def _shifted(images: Images, down: int, right: int) -> Images:
    x = images
    if down or right:
        far = max(abs(down), abs(right))
        h, w = x.shape[1:3]
        padded = np.pad(x, ((0, 0), (far, far), (far, far), (0, 0)), mode="edge")
        x = padded[:, far - down : far - down + h, far - right : far - right + w]
    return np.ascontiguousarray(x)


def _turned(images: Images, mirror: bool, degrees: float) -> Images:
    images = images[:, :, ::-1] if mirror else images
    if not degrees:
        return images
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    middle = (np.array(images.shape[1:3]) - 1) / 2
    matrix = np.eye(4)
    matrix[1:3, 1:3] = turn
    offset = np.concatenate([[0], middle - turn @ middle, [0]])
    out: Images = affine_transform(images, matrix, offset, order=1, mode="nearest").astype(np.float32)
    return out

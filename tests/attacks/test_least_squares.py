"""`least-squares`: how many images there are, where every split of a cluster explains more."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.attacks.cluster_mean import ClusterMean
from ihaudit.attacks.least_squares import LeastSquares
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.scheme import Knowledge
from tests.attacks.releases import photographs

COUNT, EPOCHS, CLASSES = 32, 20, 4


def mixed_in_pairs(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Encodings (E, 16, 16, 3) and labels (E, 4) of MixUp, and its images (32, 16, 16, 3)."""
    images, _ = photographs(COUNT, seed)
    rng = np.random.default_rng(seed)
    first, second = (np.concatenate([rng.permutation(COUNT) for _ in range(EPOCHS)]) for _ in range(2))
    share = rng.beta(1, 1, len(first)).astype(np.float32)[:, None]
    classes = np.eye(CLASSES, dtype=np.float32)[np.arange(COUNT) % CLASSES]
    flat = images.reshape(COUNT, -1)
    mixed = share * flat[first] + (1 - share) * flat[second]
    return mixed.reshape(-1, *images.shape[1:]), share * classes[first] + (1 - share) * classes[second], images


@pytest.mark.parametrize("seed", [3, 4])  # grouping finds twice as many or more there
def test_as_many_images_as_explain_most_with_fewest(seed: int) -> None:
    encodings, labels, images = mixed_in_pairs(seed)
    view = View(encodings=encodings, labels=labels, image_range=(0.0, 1.0), knows=frozenset({Knowledge.ENCODINGS}))
    found = LeastSquares().run(view, Context(seed=seed, device="cpu", profile="quick"))
    assert len(found.images) == COUNT
    off = np.abs(found.images[:, None] - images[None]).mean((2, 3, 4))
    assert float(np.median(off.min(0))) < 0.02
    grouping = next(r for r in found.stages if r.name == "grouping")
    assert "label counts" in str(grouping.diagnostics["sizes_from"])


def noisy(copies: int, sigma: float) -> tuple[View, np.ndarray]:
    """Fourteen images of four classes under noise, so many encodings of each, and the images."""
    images, _ = photographs(14, 3)
    rng = np.random.default_rng(3)
    which = rng.permutation(np.repeat(np.arange(14), copies))
    encodings = images[which] + sigma * rng.standard_normal((len(which), *images.shape[1:])).astype(np.float32)
    labels = np.eye(CLASSES, dtype=np.float32)[which % CLASSES]
    return View(encodings=encodings, labels=labels, image_range=(0.0, 1.0), knows=frozenset(Knowledge)), images


@pytest.mark.parametrize("attack", [ClusterMean, LeastSquares])
def test_noisy_copies_of_a_few_images_are_averaged(attack: type[ClusterMean] | type[LeastSquares]) -> None:
    view, images = noisy(copies=40, sigma=0.2)
    found = attack().run(view, Context(seed=3, device="cpu", profile="quick"))
    off = np.abs(found.images[:, None] - images[None]).mean((2, 3, 4))
    assert len(found.images) == 14
    assert float(off.min(0).max()) < 0.05  # noise of 0.2 is 0.025 after forty, 0.16 in one


@pytest.mark.parametrize("attack", [ClusterMean, LeastSquares])
@pytest.mark.parametrize("sigma", [0.0, 0.2, 1.0])
def test_one_encoding_of_each_image_has_nothing_to_average(
    attack: type[ClusterMean] | type[LeastSquares], sigma: float
) -> None:
    view, _ = noisy(copies=1, sigma=sigma)
    with pytest.raises(NotApplicable, match="every encoding holds one image"):
        attack().run(view, Context(seed=3, device="cpu", profile="quick"))

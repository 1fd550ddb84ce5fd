"""Attacks on our own releases, up to restoration: what the restorer and the confidence are trained and judged on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ihaudit.attacks.numerics.mixing import Reconstruction
from ihaudit.attacks.numerics.pictures import to_arrays, to_pictures
from ihaudit.attacks.numerics.restoring import mean_certainty, restorer_inputs
from ihaudit.attacks.numerics.scratch import of_rows
from ihaudit.attacks.stages.restoration.network import evidence
from ihaudit.attacks.stages.state import Assigned, Grouped, Recovered, State
from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.metrics.poses import Poses
from ihaudit.nn.mixtures import Uints, mix_release
from ihaudit.scheme import Augmentation
from ihaudit.schemes.instahide_deployed import InstaHideDeployed

#: how images are moved where they are
MOVED = Augmentation(shift=4.0, mirror=True)


@dataclass(frozen=True)
class Setting:
    """One release: uses of each image and slot, images per mixture, private images, those in each mixture, labels
    ("soft", "hard" or "none"), and whether each use is cropped and mirrored anew (`instahide-deployed`: two, with
    weighted labels).

    With no private image in any mixture, as many classes under which mixtures of public images are numbered in turn;
    with no images per mixture (k = 0) noise as smooth as photographs in their place: what is found is nobody's.
    """

    epochs: int
    k: int
    images: int
    slots: int = 2
    labels: str = "soft"
    moved: bool = False


@dataclass(frozen=True)
class AttackConfig:
    """Releases that are attacked for training.

    Attributes:
        count: releases; share: of them in a batch.
        kinds: shares of weighted labels, classes only and none, with two private images per encoding, and of one
            private image per encoding.
        epochs: encodings per image and slot, with weighted labels; told: with less or other than that.
        k: fewest and most images per mixture; alone: with one private image.
        few, many: fewest and most private images, up to ten encodings per image and beyond.
        right: correlation from which a reconstruction is one of the image that is assigned to it.
    """

    count: int = 260
    share: float = 0.85
    kinds: tuple[float, float, float, float] = (0.74, 0.13, 0.06, 0.07)
    epochs: tuple[int, ...] = (4, 5, 5, 7, 7, 10, 10, 10, 15, 20, 20, 30, 50)
    told: tuple[int, ...] = (10, 15, 20, 30)
    k: tuple[int, int] = (4, 10)
    alone: tuple[int, int] = (2, 6)
    few: tuple[int, int] = (50, 100)
    many: tuple[int, int] = (40, 70)
    right: float = 0.5

    def setting(self, rng: np.random.Generator) -> Setting:
        """A random one."""
        kind = int(rng.choice(4, p=self.kinds))
        epochs = int(rng.choice(self.told if kind else self.epochs))
        low, high = self.alone if kind == 3 else self.k
        fewest, most = self.few if epochs <= 10 else self.many
        labels = ("soft", "hard", "none", str(rng.choice(["soft", "hard"])))[kind]
        k, images = int(rng.integers(low, high + 1)), int(rng.integers(fewest, most + 1))
        return Setting(epochs, k, images, 1 if kind == 3 else 2, labels)


@dataclass(frozen=True)
class Attacked:
    """Reconstructions before restoration, with the image that each is of.

    Attributes:
        truth, estimate, doubt: float16 (n, 3, 32, 32) on [-1, 1]; truth is of the image assigned to each, or the most
            alike where none is left; in its pose, where images were moved.
        error, certainty: float32 (n,), see `restorer_inputs` and `mean_certainty`.
        alike: float32 (n,), correlation with `truth`; assigned: bool (n,), whether an image was left for it.
        evidence: float32 (n, EVIDENCE), see `evidence`.
        release: int64 (n,), the number of the release.
    """

    truth: NDArray[np.float16]
    estimate: NDArray[np.float16]
    doubt: NDArray[np.float16]
    error: NDArray[np.float32]
    certainty: NDArray[np.float32]
    alike: NDArray[np.float32]
    assigned: NDArray[np.bool_]
    evidence: NDArray[np.float32]
    release: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.truth)

    @staticmethod
    def join(parts: Sequence[Attacked]) -> Attacked:
        """All in one."""
        return Attacked(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Attacked)))

    def save(self, path: Path) -> None:
        """As .npz, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez(part, **{f.name: getattr(self, f.name) for f in fields(Attacked)})
        part.replace(path)

    @staticmethod
    def load(path: Path) -> Attacked:
        """What `save` wrote."""
        with np.load(path) as z:
            return Attacked(*(z[f.name] for f in fields(Attacked)))


def release(
    rng: np.random.Generator,
    private: Uints,
    labels: NDArray[np.int64],
    public: Uints,
    setting: Setting,
) -> View:
    """A release of all `private` (N, 32, 32, 3) with secret masks."""
    if setting.moved:
        shown, others = ((pool / np.float32(255)).astype(np.float32) for pool in (private, public))
        anew = InstaHideDeployed(k=setting.k, epochs=setting.epochs).encode(shown, labels, others, rng)
        assert isinstance(anew.labels, np.ndarray)
        return View(encodings=anew.encodings, labels=anew.labels, image_range=anew.image_range)
    mixed = mix_release(rng, private, public, setting.epochs, setting.k or 6, slots=setting.slots)
    content = mixed.mixtures
    if not setting.k:
        noise = gaussian_filter(rng.standard_normal(content.shape), (0, *[rng.uniform(1, 3)] * 2, 0))
        content = (0.3 / noise.std() * noise).astype(np.float32)
    x = content * (rng.integers(0, 2, content.shape, dtype=np.int8) * 2 - 1)
    soft = np.zeros((len(x), int(labels.max()) + 1), np.float32)
    for j in range(setting.slots):
        np.add.at(soft, (np.arange(len(x)), labels[mixed.members[:, j]]), mixed.coefficients[:, j])
    if not setting.slots:
        soft = np.eye(setting.images, dtype=np.float32)[np.arange(len(x)) % setting.images]
    told = {"soft": soft, "hard": (soft > 0).astype(np.float32), "none": None}[setting.labels]
    return View(encodings=x, labels=told, image_range=(-1.0, 1.0))


def attacked(state: State, private: Uints, number: int, group: Augmentation | None = None) -> Attacked:
    """What a finished state but for its restoration holds; `private` uint8 (N, 32, 32, 3), moved by `group`."""
    observed, known, recovered = state.observed, state.require(Assigned), state.require(Recovered)
    rows, values, _ = state.decided_rows()
    assert recovered.signs is not None
    noise = recovered.estimate.noise[rows]
    scaled, doubt, error = restorer_inputs(
        values,
        of_rows(recovered.signs, rows),
        state.mixing().some(rows),
        Reconstruction(recovered.estimate.images, noise),
        observed.image_range,
    )
    certainty = mean_certainty(known.members, known.coefficients, known.certainty, state.require(Grouped).unknowns)
    shown = to_pictures(recovered.estimate.images[:-1], observed.shape, observed.image_range)
    truth = (private / np.float32(255)).astype(np.float32)
    poses = Poses(group or Augmentation(), truth.shape[1:])
    fitted = poses.fit(shown, truth)
    likeness = fitted.correlation
    found, columns = linear_sum_assignment(-likeness)
    of = likeness.argmax(1)
    of[found] = columns
    assigned = np.zeros(len(shown), bool)
    assigned[found] = True
    pose = fitted.pose[np.arange(len(shown)), of]

    def posed(rows: Tensor) -> NDArray[np.float16]:
        images = poses.each(to_arrays(rows, observed.shape), pose)
        return images.transpose(0, 3, 1, 2).astype(np.float16)

    return Attacked(
        (truth[of] * 2 - 1).transpose(0, 3, 1, 2).astype(np.float16),
        posed(scaled),
        posed(doubt),
        error.numpy(),
        certainty.numpy(),
        likeness[np.arange(len(shown)), of].astype(np.float32),
        assigned,
        evidence(state).numpy().astype(np.float32),
        np.full(len(shown), number, np.int64),
    )


def attack_release(
    rng: np.random.Generator,
    setting: Setting,
    private: Uints,
    labels: NDArray[np.int64],
    public: Uints,
    number: int,
    device: str = "cpu",
) -> Attacked | None:
    """One release of images drawn from `private`, attacked; None where the attack finds nothing."""
    chosen = rng.choice(len(private), setting.images, replace=False)
    view = release(rng, private[chosen], labels[chosen], public, setting)
    ctx = Context(seed=number, device=device, profile="quick")
    attack = Unmix()
    try:
        found = attacked(
            attack.solve(attack.begin(view, ctx), ctx), private[chosen], number, MOVED if setting.moved else None
        )
    except NotApplicable:
        return None
    return found if setting.slots and setting.k else replace(found, assigned=np.zeros_like(found.assigned))


def cached(folder: Path, number: int, make: Callable[[], Attacked | None]) -> Attacked | None:
    """The release of this number, kept in `folder` so that what was attacked once is not attacked again."""
    path = folder / f"{number:04d}.npz"
    if path.exists():
        return Attacked.load(path)
    found = make()
    if found is not None:
        found.save(path)
    return found

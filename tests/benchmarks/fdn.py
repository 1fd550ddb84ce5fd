"""Table 1 of Luo et al. (AAAI 2022), one Markdown row per cell and attack; reports/measurements/fdn.md comes of it.

``python -m tests.benchmarks.fdn --m 10 30 50 --eps 0.1 0.3 0.5 --seed 1 2 3 [--attack fdn carlini unmix] [--given]``

Cells with --m have eps = 0.1, cells with --eps have |M| = 50, as in the paper.  Private images: --private, drawn by the
seed; public ones: photographs of imagenet_patches that no network was trained on; releases: `instahide-fdn`, in which
every image dominates |M| encodings.  The number of images is stated, as it is to the paper's clustering; --given hands
over the true clusters as well.  `ssim_fdn` is the statistic of the paper's code, against the image as it is in the
least varied of its |M| encodings, as in that code; the next column has it against the image itself, the one after the
next in the pose that suits it best.  `unmix` answers images in the middle of their poses; the row "unmix, turned" has
each as it lies in the least varied of the encodings in which the attack saw it dominate.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ihaudit import Augmentation, Release
from ihaudit.attacks.carlini import Carlini
from ihaudit.attacks.fdn import Fdn
from ihaudit.attacks.numerics.sizes import Sizes
from ihaudit.attacks.recipe import answer
from ihaudit.attacks.stages.state import Assigned, Grouped, Moving, State
from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.attack import Attack, AttackOutput
from ihaudit.contracts.configure import configure
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.metrics.fdn import ssim_fdn
from ihaudit.metrics.matching import correlation
from ihaudit.metrics.poses import Poses
from ihaudit.metrics.ssim import ssim
from ihaudit.nn.sources import load_split
from ihaudit.schemes.instahide import Draws
from ihaudit.schemes.instahide_fdn import InstaHideFdn, nearest_turned
from tests.data import DATA, load_images

#: SSIM that the paper prints: data set -> attack -> by |M| (10 to 50), then by eps (0.1 to 0.5)
PUBLISHED = {
    "cifar10_eval": {
        "CA": ((0.3831, 0.4165, 0.4168, 0.4203, 0.4335), (0.4167, 0.3503, 0.3259, 0.3133, 0.2877)),
        "CA-CN": ((0.4677, 0.4941, 0.5106, 0.5206, 0.5277), (0.5073, 0.4515, 0.4219, 0.4087, 0.3674)),
        "FDN": ((0.5490, 0.5844, 0.6133, 0.6289, 0.6404), (0.6384, 0.6029, 0.5795, 0.5449, 0.5320)),
    },
    "cifar100_eval": {
        "CA": ((0.3433, 0.3776, 0.3824, 0.3951, 0.4051), (0.3917, 0.3304, 0.3150, 0.2986, 0.2781)),
        "CA-CN": ((0.4085, 0.4580, 0.4657, 0.4827, 0.4961), (0.5062, 0.4416, 0.4041, 0.3939, 0.3552)),
        "FDN": ((0.5565, 0.5936, 0.6229, 0.6327, 0.6458), (0.6618, 0.6208, 0.6009, 0.5507, 0.5487)),
    },
    "celeba_eval": {
        "CA": ((0.3775, 0.3872, 0.3897, 0.3980, 0.4039), (0.3981, 0.3290, 0.3111, 0.2997, 0.2793)),
        "CA-CN": ((0.4593, 0.4843, 0.4954, 0.5018, 0.5066), (0.5132, 0.4275, 0.4069, 0.3848, 0.3404)),
        "FDN": ((0.6302, 0.6613, 0.6777, 0.6895, 0.7166), (0.7166, 0.7032, 0.6832, 0.6671, 0.6264)),
    },
}
LEVELS = ((10, 20, 30, 40, 50), (0.1, 0.2, 0.3, 0.4, 0.5))
HEAD = (
    "| private | N | \\|M\\| | eps | seed | attack | clusters | ssim_fdn | against the image | SSIM (pinned) | aligned "
    "| decoys | images | confidence: said / off | CPU s |\n" + "|---" * 15 + "|"
)


@dataclass(frozen=True)
class Cell:
    """A release and what only its maker knows: images and targets float32 (N, H, W, C), labels int64 (N,), and by what
    they were moved."""

    release: Release
    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    targets: NDArray[np.float32]
    group: Augmentation


class Recording(InstaHideFdn):
    """The scheme, and by how much it turned every copy."""

    def encode(
        self,
        images: NDArray[np.float32],
        labels: NDArray[np.int64],
        public: NDArray[np.float32],
        rng: np.random.Generator,
    ) -> Release:
        """See `Scheme`."""
        self.turned: list[NDArray[np.float64]] = []
        return super().encode(images, labels, public, rng)

    def _angles(self, image: NDArray[np.float32], draws: Draws) -> NDArray[np.float64]:
        found = super()._angles(image, draws)
        self.turned.append(found)
        return found


def made(private: str, n: int, m: int, eps: float, seed: int) -> Cell:
    """The release of a cell."""
    rng = np.random.default_rng(seed)
    images, labels = load_images(private)
    if not labels.any():
        labels = np.arange(len(images)) % 10
    chosen = rng.choice(len(images), n, replace=False)
    images, labels = images[chosen], labels[chosen].astype(np.int64)
    scheme = Recording(epochs=m, eps=eps)
    public = (load_split(DATA).held_patches / np.float32(255)).astype(np.float32)
    release = scheme.encode(images, labels, public, rng)
    assert release.provenance is not None and release.provenance.coefficients is not None
    scaled = np.abs(release.encodings) / release.provenance.coefficients[:, :1, None, None]
    least = scaled.reshape(n, m, -1).var(2).argmin(1)
    degrees = np.array([scheme.turned[i][j] for i, j in enumerate(least)])
    group = scheme.augmentation or Augmentation()
    return Cell(release, images, labels, nearest_turned(images, degrees), group)


def attacked(spec: str, cell: Cell, seed: int, *, given: bool) -> AttackOutput:
    """The attack's answer, the number of images being stated or even the clusters given."""
    n = len(cell.images)
    view = View(
        encodings=cell.release.encodings,
        labels=cell.release.labels,
        image_range=(-1.0, 1.0),
        hints={"n_private": n},
    )
    attack: Attack = configure(spec)
    ctx = Context(seed=seed, profile="full")
    Kept.states.clear()
    if isinstance(attack, Unmix):
        attack = cast(Attack, Kept(**{field.name: getattr(attack, field.name) for field in fields(attack)}))
    if not given:
        found: AttackOutput = attack.run(view, ctx)
        return found
    assert isinstance(attack, Fdn | Carlini) and cell.release.provenance is not None
    state = attack.begin(view, ctx)
    classes = state.observed.slots.classes
    of_class = [np.nonzero(cell.labels == c)[0] for c in range(classes)]
    sizes = Sizes(np.array([len(ids) for ids in of_class]), 2 * len(view.encodings) / n, True, "the truth")
    # the image in the first slot has the largest coefficient, as the label has it
    members = np.asarray(cell.release.provenance.sources, np.int64)
    state = state.having(Grouped(of_class, sizes), Assigned(members, state.observed.slots.mass))
    if isinstance(attack, Fdn):
        state = attack.restorable(state, ctx)
    else:
        state = attack.stages(state, ctx, "coefficients", "recovery")
    return answer(attack.stages(state, ctx, "restoration"))


def turned(out: AttackOutput, state: State) -> AttackOutput:
    """Each image of a finished `Unmix` as it lies in the least varied of the encodings that it dominates."""
    moving = state.find(Moving)
    if moving is None or out.members is None:
        return out
    observed, images = state.observed, out.images.copy()
    largest = np.maximum(observed.slots.mass[:, 0], 1e-6)
    varied = (observed.values.float().numpy() / largest[:, None]).var(1)
    for image in range(len(images)):
        rows = np.nonzero(out.members[:, 0] == image)[0]
        if not len(rows):
            continue
        motion = moving.moved[rows[varied[rows].argmin()], 0][None]
        flat = torch.from_numpy(2 * images[image].transpose(2, 0, 1).reshape(1, -1) - 1)
        there = (moving.motions.move(flat, motion).view(observed.shape).permute(1, 2, 0) + 1) / 2
        images[image] = there.clamp(0, 1).numpy()
    return replace(out, images=images)


@dataclass(frozen=True)
class Kept(Unmix):
    """`unmix`, and its last state."""

    states: ClassVar[list[State]] = []

    def solve(self, state: State, ctx: Context) -> State:
        """See `Recipe.solve`."""
        solved = super().solve(state, ctx)
        self.states[:] = [solved]
        return solved


def rows(spec: str, cell: Cell, private: str, m: int, eps: float, seed: int, *, given: bool) -> Iterator[str]:
    """What an attack reaches."""
    cpu = time.process_time()
    out = attacked(spec, cell, seed, given=given)
    cpu = time.process_time() - cpu
    yield row(spec, out, cell, f"| {private} | {len(cell.images)} | {m} | {eps} | {seed}", cpu, given=given)
    if spec.startswith("unmix") and Kept.states:
        posed = turned(out, Kept.states[0])
        yield row(
            f"{spec}, turned", posed, cell, f"| {private} | {len(cell.images)} | {m} | {eps} | {seed}", cpu, given=given
        )


def row(spec: str, out: AttackOutput, cell: Cell, head: str, cpu: float, *, given: bool) -> str:
    """One answer's figures."""
    n = len(cell.images)
    if given:
        order = np.arange(n)
    else:
        order = np.full(n, -1)
        found_as, columns = linear_sum_assignment(-correlation(out.images, cell.images))
        order[columns] = found_as
    there = order >= 0
    found = out.images[order[there]]
    scores = {name: np.zeros(n) for name in ("target", "image", "pinned", "aligned")}
    scores["target"][there] = ssim_fdn(found, cell.targets[there])
    scores["image"][there] = ssim_fdn(found, cell.images[there])
    scores["pinned"][there] = ssim(found, cell.images[there])
    poses = Poses(cell.group, cell.images.shape[1:])
    fitted = [poses.fit(a[None], b[None]).similarity[0, 0] for a, b in zip(found, cell.images[there], strict=True)]
    scores["aligned"][there] = fitted
    decoys = ssim_fdn(found, np.roll(cell.targets[there], 1, 0))
    said = ""
    if out.confidence is not None:
        confidence = out.confidence[order[there]]
        said = f"{confidence.mean():.3f} / {np.abs(confidence - scores['aligned'][there]).mean():.3f}"
    cells = [f"{scores[k].mean():.3f}" for k in ("target", "image", "pinned", "aligned")]
    return " | ".join(
        [f"{head} | {spec}", "given" if given else "found", *cells]
        + [f"{decoys.mean():.3f} | {len(out.images)} | {said} | {cpu:.0f} |"]
    )


def published(private: str) -> None:
    """The paper's own rows."""
    print(f"| {private}: published | " + " | ".join([*(f"M={m}" for m in LEVELS[0]), *(f"eps={e}" for e in LEVELS[1])]))
    print("|---" * 11 + "|")
    for name, (by_m, by_eps) in PUBLISHED[private].items():
        print(f"| {name} | " + " | ".join(f"{v:.3f}" for v in (*by_m, *by_eps)) + " |")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--private", default="cifar10_eval", choices=sorted(PUBLISHED))
    parser.add_argument("--n", type=int, default=40)
    parser.add_argument("--m", type=int, nargs="*", default=[])
    parser.add_argument("--eps", type=float, nargs="*", default=[])
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--attack", nargs="+", default=["carlini", "carlini:similarity=comparator", "fdn", "unmix"])
    parser.add_argument("--given", action="store_true", help="hand over the true clusters (fdn and carlini)")
    parser.add_argument("--each", action="store_true", help="all pairs of --m and --eps, which the paper has not")
    a = parser.parse_args()
    torch.set_num_threads(1)
    published(a.private)
    print(f"\n{HEAD}")
    cells = list(product(a.m, a.eps)) if a.each else [(m, 0.1) for m in a.m] + [(50, e) for e in a.eps]
    for (m, eps), seed in product(cells, a.seed):
        cell = made(a.private, a.n, m, eps, seed)
        for spec in a.attack:
            for line in rows(spec, cell, a.private, m, eps, seed, given=a.given):
                print(line, flush=True)


if __name__ == "__main__":
    main()

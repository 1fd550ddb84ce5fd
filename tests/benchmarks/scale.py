"""How `unmix` grows with the number of images: ``python -m tests.benchmarks.scale [--n 100 400 2000] [--seed 21]``.

Prints one Markdown row per size: quality, CPU seconds by stage and peak memory.  Encodings lie in a file that is
mapped, so that the memory is what the attack takes.  The release is that of `tests.benchmarks.attacks`; private images
come from cifar10_eval, which has 5,000 of them, from what --private names, or from the 10,000 of cifar10_train20k that
are held out from the networks (`--private held_out`).  What decides is the number of images a
class, so that a few classes (`--classes`) show at a fraction of the cost what a larger release would come to; more
encodings hold two images of one class then, whose coefficients are unknown, which makes it harder.

`--grouping` looks at one class alone, all of whose encodings are made, and no others: images come from the 10,000 of
cifar10_train20k that are held out from the networks, so that it goes up to 1,000 a class.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from ihaudit.attacks.numerics.clusters import Statistic
from ihaudit.attacks.numerics.features import linear_features, square_features
from ihaudit.attacks.numerics.grouping import FEWEST, SPARING, ClassBlock, clustered
from ihaudit.attacks.numerics.labels import read_slots
from ihaudit.attacks.numerics.pictures import to_pictures
from ihaudit.attacks.numerics.transforms import low_frequencies
from ihaudit.attacks.numerics.unmasking import Unmasker
from ihaudit.attacks.recipe import answer, start
from ihaudit.attacks.stages.grouping.signed import MIXTURES, SQUARES
from ihaudit.attacks.stages.state import Grouped, Recovered, Restored, State
from ihaudit.attacks.unmix import Unmix
from ihaudit.audit.worker import peak_memory_mb, reset_peak_memory
from ihaudit.contracts.context import Context, ProfileName
from ihaudit.contracts.view import View
from ihaudit.metrics.matching import correlation
from ihaudit.metrics.ssim import ssim, ssim_challenge
from ihaudit.nn.sources import load_split
from tests.attacks.releases import Sample
from tests.benchmarks.attacks import reference
from tests.data import DATA

#: in the order in which they are printed
STAGES = ("similarity", "grouping", "assignment", "recovery", "sharpening", "restoration")
#: after which images are compared with the true ones
QUALITY = ("recovery", "sharpening")
HEAD = (
    "| private | N | a class | T | encodings | seed | SSIM (challenge) mean | median | above 0.6 | SSIM (pinned) mean "
    "| images | sizes from | CPU s | " + " | ".join(STAGES) + " | peak MB |\n" + "|---" * (14 + len(STAGES)) + "|"
)


class Timed(Unmix):
    """`unmix`, with the CPU seconds of every stage, and the peak of memory while it ran."""

    spent: ClassVar[defaultdict[str, float]] = defaultdict(float)
    #: CPU seconds that looking at the truth took, which no attack spends
    looking: ClassVar[float] = 0.0
    peak: ClassVar[defaultdict[str, float]] = defaultdict(float)
    truth: ClassVar[np.ndarray] = np.zeros(0)

    def stages(self, state: State, ctx: Context, *names: str) -> State:
        """See `Recipe.stages`."""
        for name in names:
            reset_peak_memory()
            began = time.process_time()
            state = super().stages(state, ctx, name)
            self.spent[name] += time.process_time() - began
            ended, peak = time.process_time(), peak_memory_mb()
            self.peak[name] = max(self.peak[name], peak)
            quality = self._quality(state) if name in QUALITY else ""
            Timed.looking += time.process_time() - ended
            told = f"{quality}{state.records[-1].diagnostics}"
            print(f"  {name}: {ended - began:.0f} CPU-s, {peak:.0f} MB {told}"[:400], flush=True)
        return state

    def _quality(self, state: State) -> str:
        """How good the images are so far, which no stage is told."""
        observed = state.observed
        images = to_pictures(state.require(Recovered).estimate.images[:-1], observed.shape, observed.image_range)
        strict, _ = matched(images, self.truth)
        return f"SSIM (challenge) {strict.mean():.3f}, {np.mean(strict > 0.6):.1%} above 0.6 "


def matched(images: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Challenge and pinned SSIM, each float64 (N,), of every true image with the answer that it is matched with."""
    rows, columns = matching(correlation(images, truth))
    strict, pinned = np.zeros(len(truth)), np.zeros(len(truth))
    strict[columns] = ssim_challenge(images[rows], truth[columns])
    pinned[columns] = ssim(images[rows], truth[columns])
    return strict, pinned


def matching(similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of pairs: those that are each other's best, and the best assignment of the rest.

    The best assignment of all takes ten minutes of 10,000 images.
    """
    column, best = similarity.argmax(1), similarity.argmax(0)
    sure = np.flatnonzero(best[column] == np.arange(len(similarity)))
    rows, columns = np.delete(np.arange(len(similarity)), sure), np.delete(np.arange(len(best)), column[sure])
    i, j = linear_sum_assignment(-similarity[np.ix_(rows, columns)])
    return np.concatenate([sure, rows[i]]), np.concatenate([column[sure], columns[j]])


def row(source: str, n: int, epochs: int, seed: int, sample: Sample, profile: ProfileName) -> str:
    """One row of the table."""
    view = View(encodings=sample.encodings, labels=sample.labels, image_range=(-1.0, 1.0))
    ctx = Context(seed=seed, device="cpu", profile=profile)
    attack = Timed()
    attack.spent.clear()
    attack.peak.clear()
    Timed.looking = 0.0
    Timed.truth = sample.images
    reset_peak_memory()
    began = time.process_time()
    state = attack.begin(view, ctx)
    begun = peak_memory_mb()
    if state.find(Restored) is None:
        state = attack.stages(attack.solve(state, ctx), ctx, "restoration")
    images = answer(state).images
    cpu, memory = time.process_time() - began - Timed.looking, max(begun, peak_memory_mb(), *attack.peak.values())
    strict, pinned = matched(images, sample.images)
    sizes = state.require(Grouped).sizes
    classes = int((sizes.per_class > 0).sum())
    cells = [
        *(source, f"{n:,}", f"{n / classes:.0f}", epochs, f"{len(sample.encodings):,}", seed),
        *(f"{strict.mean():.3f}", f"{np.median(strict):.3f}", f"{np.mean(strict > 0.6):.1%}", f"{pinned.mean():.3f}"),
        *(f"{len(images):,}", sizes.source, f"{cpu:.0f}"),
        *(f"{attack.spent[stage]:.0f}" for stage in STAGES),
        f"{memory:.0f}",
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


GROUPED = (
    "| N | a class | T | encodings of it | seed | found | encodings right | score | network | grouping | peak MB |\n"
    + "|---" * 11
    + "|"
)


def grouped(n: int, epochs: int, seed: int, sample: Sample, only: int) -> str:
    """One row on a single class: an image is found where a cluster of its own holds most of its encodings."""
    slots = read_slots(sample.labels, len(sample.encodings), per_encoding=2)
    reset_peak_memory()
    began = time.process_time()
    shape = (3, 32, 32)
    view = View(encodings=sample.encodings, labels=sample.labels, image_range=(-1.0, 1.0))
    values = start(view, Context(seed=seed), compact=True).observed.values
    signs = Unmasker(shape, (-1.0, 1.0), "cpu")(values)
    mass, keep = torch.from_numpy(slots.mass), low_frequencies(shape)
    squares = square_features(values, mass, shape, columns=keep)
    mixtures = linear_features(values, mass, shape, signs=signs, columns=keep)
    del values, signs
    network = time.process_time() - began
    rows, columns = np.nonzero(slots.label == only)
    assert sample.classes is not None
    truth = sample.members[rows, (sample.classes[sample.members[rows]] == only).argmax(1)]
    names, truth = np.unique(truth, return_inverse=True)
    own = torch.from_numpy(slots.mass[rows, columns])
    index = torch.from_numpy(rows)
    every = [
        Statistic(squares[0][index], squares[1][index], own**2, temper=SQUARES),
        Statistic(mixtures[0][index], mixtures[1][index], own, signed=True, temper=MIXTURES),
    ]
    del squares, mixtures
    strong = np.sort(np.argsort(-slots.mass[rows, columns], kind="stable")[: max(SPARING.strong * len(names), FEWEST)])
    restarts = 3 if len(strong) * len(names) < SPARING.many else 1
    began = time.process_time()
    found = clustered(ClassBlock(every, strong, len(names), seed * 1000 + only, restarts, exact=True))
    spent = time.process_time() - began
    table = np.zeros((len(names), len(names)), np.int64)
    np.add.at(table, (truth, found.posterior.argmax(1).numpy()), 1)
    own_cluster = (table.max(1) > table.sum(1) / 2) & (table[:, table.argmax(1)].argmax(0) == np.arange(len(names)))
    right = table[linear_sum_assignment(-table)].sum() / len(rows)
    cells = [
        *(f"{n:,}", len(names), epochs, f"{len(rows):,}", seed, int(own_cluster.sum()), f"{right:.3f}"),
        *(f"{found.score:,.0f}", f"{network:.0f}", f"{spent:.0f}", f"{peak_memory_mb():.0f}"),
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, nargs="+", default=[100, 400, 2000])
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--seed", type=int, nargs="+", default=[21])
    parser.add_argument("--private", default="cifar10_eval")
    parser.add_argument("--profile", default="quick", choices=["quick", "standard", "full"])
    parser.add_argument(
        "--grouping", action="store_true", help="only the grouping of one class, for larger N than memory holds"
    )
    parser.add_argument("--classes", type=int, help="private images of the first so many classes alone")
    a = parser.parse_args()
    split = load_split(DATA)
    public = split.held_patches
    print(GROUPED if a.grouping else HEAD, flush=True)
    for n in a.n:
        for seed in a.seed:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "encodings.npy"
                held_out = split.held_cifar, split.held_labels
                if a.grouping:
                    sample = reference(seed, n, a.epochs, public=public, file=file, only=0, pool=held_out)
                    print(grouped(n, a.epochs, seed, sample, 0), flush=True)
                    continue
                pool = held_out if a.private == "held_out" else None
                sample = reference(
                    seed, n, a.epochs, source=a.private, public=public, file=file, classes=a.classes, pool=pool
                )
                print(row(a.private, n, a.epochs, seed, sample, a.profile), flush=True)


if __name__ == "__main__":
    main()

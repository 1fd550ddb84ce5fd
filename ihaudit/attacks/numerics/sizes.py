"""How many private images there are: per class, from the label counts, a hint, or by comparing groupings.

If a scheme uses every image m times, each class fills a multiple of m slots, so m divides the greatest common divisor
of the classes' slot counts; which divisor is decided by the leave-one-out score of trial groupings.  Where the counts
share no divisor, m is searched on a geometric grid by the same score, and some clusters are made to spare.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.labels import Slots, multiplicities


@dataclass(frozen=True, eq=False)
class Sizes:
    """Images per class int64 (classes,), the slots per image assumed, whether sizes are exactly equal, and why."""

    per_class: NDArray[np.int64]
    multiplicity: float
    exact: bool
    source: str

    @property
    def facts(self) -> dict[str, Any]:
        """What a report says of them, JSON-able."""
        return {
            "images": int(self.per_class.sum()),
            "per_class": self.per_class.tolist(),
            "encodings_per_image": self.multiplicity,
            "sizes_from": self.source,
            "equal_sizes": self.exact,
        }


#: source of sizes that no label count bears out
GUESSED = "best grouping"
#: source of sizes that the label counts allow beside others
ONE_OF_SOME = "divisor of the label counts with the best grouping"
#: smaller numbers of images that are tried at most
SMALLER = 3
#: factor between two steps of the grid, and the share that a further cluster must bring where one class holds all
#: images: the last ones are the faintest.  The step behind the best one is taken: a cluster too few costs its image,
#: one too many finds one that annealing left with others (50 images as 50 and 56 clusters: strict SSIM 0.783 and
#: 0.836), and assignment leaves out those that end without encodings
STEP, LAST = 1.25, 0.15
#: nats for each slot (up to so many of a class) that are no chance: 240 mixtures of public images, in which there is
#: nothing, were explained by up to 0.4, images explain 6 (two of 50) to 115
CHANCE, TRIED = 3.0, 1500
#: steps of the grid that are always tried; beyond them it goes on while one of the last was the best
STEPS, GAINING = 27, 2
#: classes that numbers of images are tried on, and the share of the median one's slots that each of them has at least
PROBES, SCANT = 3, 0.25
#: trial(class, K, exact) -> leave-one-out score in nats
Trial = Callable[[int, int, bool], float]
#: a further cluster must bring this share of what the present ones bring on average.  A true image that was merged with
#: another brings as much as any; splitting one image in two brings a few per cent, from fitting noise
WORTH = 0.3
#: at least so many times as many clusters of the first class must bring this share of what they are asked for, or the
#: other classes are spared the trial, which costs most where clusters are many.  Too many clusters brought 0.02 to 0.5
#: of it on releases of known number; an image that was merged with another brings three times what it is asked for
HOPELESS, MANIFOLD = 0.5, 1.8
#: as many classes say so where images are not equally frequent, since one class may hold few of them then
UNEVEN = 2


def infer_sizes(slots: Slots, trial: Trial, *, n_private: int | None = None, most: int | None = None) -> Sizes:
    """Images per class.  `n_private` is a publicly stated number of images, `most` the largest number tried."""
    totals = slots.totals()
    if most is None:
        most = max(1000, int(totals.sum()) // 20)  # fewer than twenty slots per image are not worth the trials
    if n_private is not None and n_private > 0:
        m = totals.sum() / n_private
        per_class = _round_to_sum(totals / m, n_private)
        exact = bool(np.all(totals == per_class * round(m)))
        return Sizes(per_class, float(m), exact, "stated number of private images")
    divisors = [m for m in multiplicities(slots) if totals.sum() / m <= most]
    probes = _probe_classes(totals)
    if len(divisors) == 1:
        return Sizes(totals // divisors[0], float(divisors[0]), True, "common divisor of the label counts")
    exact = len(divisors) > 1
    grid = [float(m) for m in divisors[:12]] if exact else _grid(totals, probes, most)
    best = grid[0]
    of_best: dict[int, tuple[int, float]] = {}

    def counted(m: float) -> dict[int, int]:
        """Images of the classes that are tried, with m slots each."""
        return {c: max(1, round(totals[c] / m)) for c in probes}

    def try_with(m: float) -> None:
        """Makes m slots per image the best ones, where they are worth their clusters."""
        nonlocal best, of_best
        counts = counted(m)
        scores: dict[int, float] = {}
        for c, k in counts.items():
            scores[c] = trial(c, k, exact)
            if len(scores) >= (1 if exact else UNEVEN) and _hopeless(counts, scores, of_best):
                break
        if len(scores) < len(counts):
            return
        share = LAST if not exact and len(probes) == 1 else WORTH  # several classes average it out
        if not exact and of_best and sum(scores.values()) < CHANCE * sum(min(totals[c], TRIED) for c in probes):
            return
        if not of_best or _worth(sum(counts.values()), sum(scores.values()), of_best.values()) > share / WORTH:
            best, of_best = m, {c: (k, scores[c]) for c, k in counts.items()}

    before: dict[int, int] = {}
    for step, m in enumerate(grid):
        if not exact and step >= STEPS and best not in grid[step - GAINING : step]:
            break
        counts = counted(m)
        if counts != before:
            try_with(m)
        before = counts
    if not exact:
        best /= STEP
    per_class = np.where(totals > 0, np.maximum(1, np.round(totals / best)), 0).astype(np.int64)
    source = ONE_OF_SOME if exact else GUESSED
    return Sizes(per_class, best, exact, source)


def _worth(clusters: int, score: float, best: Collection[tuple[int, float]]) -> float:
    """What more clusters bring over what they are asked for; `best`: clusters and scores of the best numbers so far."""
    # a score below zero explains nothing, and must not make the next one look better than it is
    before, reached = sum(k for k, _ in best), max(sum(s for _, s in best), 0.0)
    gained, asked = score - reached, WORTH * reached / before * (clusters - before)
    return gained / asked if asked > 0 else math.inf if gained > asked else 0.0


def _hopeless(counts: dict[int, int], scores: dict[int, float], best: dict[int, tuple[int, float]]) -> bool:
    """Whether the classes tried so far say by themselves that clusters are far too many."""
    before = [best[c] for c in scores if c in best]
    clusters = sum(counts[c] for c in scores)
    if sum(s for _, s in before) <= 0 or clusters < MANIFOLD * sum(k for k, _ in before):
        return False
    return _worth(clusters, sum(scores.values()), before) < HOPELESS


def fewer_images(slots: Slots, sizes: Sizes) -> list[NDArray[np.int64]]:
    """Smaller numbers of images of each class that fit the label counts as well, falling."""
    # also after some images were made one, which leaves numbers that no longer fit
    if ONE_OF_SOME not in sizes.source:
        return []
    totals = slots.totals()[: len(sizes.per_class)]
    uses = [m for m in multiplicities(slots) if m > 1.1 * sizes.multiplicity]
    return [np.round(totals / m).astype(np.int64) for m in sorted(uses)][:SMALLER]


def _probe_classes(totals: NDArray[np.int64]) -> list[int]:
    """A few classes of moderate size to try sizes on: enough evidence, little work."""
    order = [int(c) for c in np.argsort(totals, kind="stable") if totals[c] > 0]
    # a class of hardly any slots, whose image was used once where others were a hundred times, says nothing of them
    telling = [c for c in order if totals[c] > SCANT * np.median(totals[order])]
    return telling[:PROBES]


def _grid(totals: NDArray[np.int64], probes: list[int], most: int) -> list[float]:
    """Slots per image, falling from those with which each class that is tried is one image."""
    largest = max(8.0, float(totals[probes].max())) if probes else 8.0
    fewest = max(4.0, totals.sum() / most)
    grid = [largest / STEP**i for i in range(math.ceil(math.log(max(largest / fewest, 1), STEP)) + 1)]
    return [m for m in grid if m >= fewest] or [fewest]


def _round_to_sum(values: NDArray[np.float64], total: int) -> NDArray[np.int64]:
    """Largest-remainder rounding: integers near `values` that sum to `total`, at least 1 where positive."""
    base = np.floor(values).astype(np.int64)
    base = np.where((values > 0) & (base == 0), 1, base)
    rest = total - int(base.sum())
    order = np.argsort(-(values - np.floor(values)), kind="stable")
    for c in order[: max(rest, 0)]:
        base[c] += 1
    return base

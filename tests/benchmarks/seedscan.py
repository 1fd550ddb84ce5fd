"""Scans for seeds by the first mask: ``python -m tests.benchmarks.seedscan detection|null|MODEL [--repeats N]``.

``detection``: how often the right seed is found, over simulated secrets on real images.  ``null``: hits under masks
from os.urandom.  A generator's name of `lanes.REACH`: all 2^32 seeds for every way to draw from it, in both layouts.
CPU seconds are of one thread.
"""

from __future__ import annotations

import argparse
import os
from itertools import product
from typing import Any

import numpy as np

from ihaudit.attacks.prng.generators import lanes
from ihaudit.attacks.prng.generators.conventions import NCHW, NHWC, Layout
from ihaudit.attacks.prng.generators.kinds import KINDS
from ihaudit.attacks.prng.scans import first_mask
from ihaudit.schemes.instahide import InstaHide
from tests.attacks.prng.draws import drawn
from tests.benchmarks.prng import clock, resized
from tests.data import load_images

SETS = ("cifar10_eval", "cifar100_eval", "celeba_eval", "chest_xray", "mednist")
SETTINGS: tuple[tuple[str, int, dict[str, Any]], ...] = (
    ("k = 2", 32, {"k": 2}),
    ("k = 4", 32, {"k": 4}),
    ("k = 6", 32, {"k": 6}),
    ("k = 4, cropped and flipped", 32, {"k": 4, "augment": 0.25, "flip": True}),
    ("k = 4, 16 pixels", 16, {"k": 4}),
    ("k = 4, 48 pixels", 48, {"k": 4}),
)
NEAR = 256  # seeds scanned on either side of the right one


def mixtures(name: str, side: int, count: int, options: dict[str, Any], rng: np.random.Generator) -> np.ndarray:
    """float32 (count, side, side, 3): InstaHide's mixtures of an image set before the mask."""
    images, _ = load_images(name)
    public, _ = load_images("imagenet_patches")
    pick, others = rng.choice(len(images), 100, replace=False), rng.choice(len(public), 1000, replace=False)
    scheme = InstaHide(epochs=-(-count // 100), **options)
    made = scheme.encode(resized(images[pick], side), np.zeros(100, np.int64), resized(public[others], side), rng)
    assert made.provenance is not None and made.provenance.masks is not None
    return (made.encodings * made.provenance.masks)[:count]


def masked(mixture: np.ndarray, bits: np.ndarray, layout: Layout) -> np.ndarray:
    """The release of one encoding: (1, H, W, C)."""
    return (mixture * (2 * bits.astype(np.int8) - 1)[layout.index(mixture.shape)])[None]


def detection(repeats: int) -> None:
    """One row per way to draw and one per image set and setting: secrets, missed, wrong seeds reported."""
    rng = np.random.default_rng(2028)
    by: dict[str, np.ndarray] = {}
    with clock() as c:
        for name, (setting, side, options) in product(SETS, SETTINGS):
            todo = mixtures(name, side, repeats * len(KINDS), options, rng)
            for mixture, (kind, _) in zip(todo, product(KINDS, range(repeats))):
                seed, layout = int(rng.integers(2**32)), (NHWC, NCHW)[int(rng.integers(2))]
                x = masked(mixture, drawn(kind, seed, mixture.size)[0], layout)
                target = first_mask.pair_target(x, kind, layout)
                first, last = max(0, seed - NEAR), min(2**32, seed + NEAR)
                hits = first_mask.scan([target], first=first, last=last, threads=1)
                right = (seed, 0) in hits
                counts = np.array([1, not right, len(hits) - right])
                for key in (f"{KINDS[kind].model}: {KINDS[kind].call}", f"{name}, {setting}", "all"):
                    by[key] = by.get(key, np.zeros(3, int)) + counts
    print("| way to draw, or images | secrets | missed | found | wrong seeds |\n|---|---|---|---|---|")
    for key, (n, missed, wrong) in by.items():
        print(f"| {key} | {n:,} | {missed} | {1 - missed / n:.3%} | {wrong} |")
    print(f"{c.cpu:.0f} CPU s")


def everything(x: np.ndarray, model: str) -> list[first_mask.PairTarget]:
    """Every way to draw from a generator, in both layouts."""
    kinds = [k for k, kind in KINDS.items() if kind.model == model]
    return [first_mask.pair_target(x, k, layout) for k in kinds for layout in (NHWC, NCHW)]


def null(repeats: int) -> None:
    """Masks from os.urandom: 2^24 seeds of every generator and way per release, and what is reported."""
    rng = np.random.default_rng(29)
    for number in range(repeats):
        name, (setting, side, options) = SETS[number % len(SETS)], SETTINGS[number % len(SETTINGS)]
        mixture = mixtures(name, side, 1, options, rng)[0]
        x = masked(mixture, np.unpackbits(np.frombuffer(os.urandom(mixture.size), np.uint8))[: mixture.size], NHWC)
        for model in lanes.REACH:
            targets = everything(x, model)
            first = int(rng.integers(2**32 - 2**24))
            hits = first_mask.scan(targets, first=first, last=first + 2**24, threads=1)
            print(f"{name}, {setting}; {model}: {2**24:,} seeds, {len(targets)} ways and layouts: {hits}", flush=True)


def complete(model: str, kind: int, seed: int) -> None:
    """All 2^32 seeds of a generator, on the first encoding of a reference release masked under `seed`."""
    mixture = mixtures("cifar10_eval", 32, 1, {"k": 6}, np.random.default_rng(1))[0]
    targets = everything(masked(mixture, drawn(kind, seed, mixture.size)[0], NHWC), model)
    with clock() as c:
        hits = first_mask.scan(targets, threads=1)
    found = [(s, KINDS[targets[n].kind].call, targets[n].layout.id) for s, n in hits]
    print(f"{model}, {len(targets)} ways and layouts, all 2^32 seeds: {found}; {c.cpu:.0f} s CPU, {c.wall:.0f} s wall")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["detection", "null", *lanes.REACH])
    parser.add_argument("--repeats", type=int, default=12, help="secrets per way, image set and setting; or releases")
    parser.add_argument("--seed", type=int, default=3_141_592_653, help="the secret of a complete scan")
    options = parser.parse_args()
    if options.what == "detection":
        detection(options.repeats)
    elif options.what == "null":
        null(options.repeats)
    else:
        complete(options.what, next(k for k, v in KINDS.items() if v.model == options.what), options.seed)


if __name__ == "__main__":
    main()

"""Scan rates and recovery on the reference benchmark: ``python -m tests.benchmarks.prng [--seeds N] [--full]``.

Prints one table of rates (million seeds per CPU-second, and what all 2^32 would take) and one of recoveries (CPU and
wall seconds, masks right, Max_SSIM).  ``--full`` runs the complete scan of 2^32 seeds from labels.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from rich.console import Console
from rich.table import Table

from ihaudit.attacks.base import View
from ihaudit.attacks.prng import Prng, labelscan, maskscan, seedscan
from ihaudit.attacks.prng._jit import cores
from ihaudit.attacks.prng.conventions import NCHW, NHWC, PLAIN
from ihaudit.attacks.prng.generators import KINDS
from ihaudit.context import Context
from ihaudit.metrics import ssim, ssim_challenge
from ihaudit.release import Release
from ihaudit.schemes.instahide import InstaHide
from tests.data import load_images


class Clock:
    """Wall and CPU seconds of a block."""

    wall = 0.0
    cpu = 0.0


@contextmanager
def clock() -> Iterator[Clock]:
    c = Clock()
    wall, cpu = time.perf_counter(), time.process_time()
    yield c
    c.wall, c.cpu = time.perf_counter() - wall, time.process_time() - cpu


def reference(seed: int, **options: object) -> tuple[np.ndarray, np.ndarray, Release]:
    """The reference benchmark: 100 private images of cifar10_eval, public images of imagenet_patches."""
    images, labels = load_images("cifar10_eval")
    public, _ = load_images("imagenet_patches")
    rng = np.random.default_rng(seed)
    pick = rng.choice(len(images), 100, replace=False)
    return images[pick], public, InstaHide(**options).encode(images[pick], labels[pick], public, rng)  # type: ignore[arg-type]


def rates(seeds: int) -> Table:
    table = Table("scan", "seeds", "wall s", "CPU s", "M seeds / CPU-s", "CPU-min for 2^32", "hits")
    _, _, made = reference(0, k=4, epochs=1, rng="numpy", rng_seed=seeds - 1000)
    _, _, torch_made = reference(0, k=4, epochs=1, rng="torch", rng_seed=seeds // 8 - 1000)
    x = torch_made.encodings

    def row(name: str, n: int, scan: Callable[[int], object]) -> None:
        scan(1)  # compile
        with clock() as c:
            hits = scan(n)
        rate = n / c.cpu / 1e6
        table.add_row(
            name, f"{n:,}", f"{c.wall:.1f}", f"{c.cpu:.1f}", f"{rate:.2f}", f"{2**32 / rate / 6e7:.1f}", str(hits)
        )

    target = labelscan.target_from_labels(made.labels, 4)
    row("labels, numpy.random.seed, k = 4", seeds, lambda n: labelscan.scan(target, last=n))
    one = [maskscan.target_from_masks(x, PLAIN[0], NHWC, 198)]
    row("masks, MT19937, 1 hypothesis", seeds // 8, lambda n: maskscan.scan(one, last=n))
    six = [maskscan.target_from_masks(x, c, layout, 198) for c in PLAIN[:3] for layout in (NHWC, NCHW)]
    row("masks, MT19937, 6 hypotheses", seeds // 8, lambda n: maskscan.scan(six, last=n))
    pair = seedscan.pair_target(x, NHWC)
    for kind, (generator, call) in KINDS.items():
        row(f"{generator}: {call}", seeds // 64, lambda n, kind=kind: seedscan.scan(pair, kind, last=n))  # type: ignore[misc]
    return table


def recoveries() -> Table:
    table = Table(
        "release", "public set", "encodings used", "state s", "wall s", "CPU s", "masks right", "Max_SSIM", "challenge"
    )
    cases = [("torch", None), ("torch", 12_345_678), ("numpy", None), ("numpy", 12_345_678)]
    for rng, seed in cases:
        images, public, made = reference(1, rng=rng, rng_seed=seed)
        for known in (None, public):
            view = View(made.encodings, made.labels, made.image_range, public_set=known)
            with clock() as c:
                out = Prng().run(view, Context(0))
            assert made.provenance is not None and out.unmasked is not None
            p = made.provenance
            right = float(((out.unmasked >= 0) == (made.encodings * p.masks >= 0)).mean())
            gap = ((out.images[:, None] - images[None]) ** 2).reshape(len(out.images), len(images), -1).mean(2)
            nearest = out.images[gap.argmin(0)]
            pinned, strict = (np.asarray(f(images, nearest))[p.sources].max(1).mean() for f in (ssim, ssim_challenge))
            state = next(s.seconds for s in out.stages if s.name == "state")
            table.add_row(
                f"{rng}, {'unseeded' if seed is None else 'seeded'}",
                "yes" if known is not None else "no",
                str(out.diagnostics["encodings_used"]),
                f"{state:.1f}",
                f"{c.wall:.1f}",
                f"{c.cpu:.1f}",
                f"{right:.6%}",
                f"{pinned:.4f}",
                f"{strict:.4f}",
            )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seeds", type=int, default=1 << 24, help="seeds of the label scan; others fewer in proportion"
    )
    parser.add_argument("--full", action="store_true", help="scan all 2^32 seeds from labels")
    parser.add_argument("--rates-only", action="store_true")
    options = parser.parse_args()
    console = Console(width=200)
    console.print(f"{cores()} cores")
    console.print(rates(options.seeds))
    if not options.rates_only:
        console.print(recoveries())
    if options.full:
        seed = 3_141_592_653
        _, _, made = reference(0, k=6, epochs=1, rng="numpy", rng_seed=seed)
        target = labelscan.target_from_labels(made.labels, 6)
        with clock() as c:
            hits = labelscan.scan(target)
        console.print(f"all 2^32 seeds from labels (k = 6): {hits}, {c.wall:.0f} s wall, {c.cpu:.0f} s CPU")


if __name__ == "__main__":
    main()

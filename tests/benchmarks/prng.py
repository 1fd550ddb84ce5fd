"""Scan rates and recovery on the reference benchmark: ``python -m tests.benchmarks.prng [--seeds N] [--full]``.

Prints one table of rates (million seeds per CPU-second, and what all 2^32 would take) and one of recoveries (CPU and
wall seconds, masks right, Max_SSIM).  ``--full`` runs the complete scan of 2^32 seeds from labels.
"""

from __future__ import annotations

import argparse
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.ndimage import zoom

from ihaudit.attacks.prng import Prng
from ihaudit.attacks.prng.generators import lanes
from ihaudit.attacks.prng.generators.conventions import NCHW, NHWC, PLAIN
from ihaudit.attacks.prng.generators.kinds import KINDS
from ihaudit.attacks.prng.scans import first_mask, labels, masks
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.environment import cores
from ihaudit.nn.sources import load_split
from ihaudit.release import Release, Truth
from ihaudit.schemes.instahide import InstaHide, SecureDraws
from ihaudit.scoring.reconstructions import score_attack
from tests.data import DATA, load_images


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


def reference(seed: int, held_out: bool = False, **options: object) -> tuple[np.ndarray, np.ndarray, Release]:
    """The reference benchmark: 100 private images of cifar10_eval, public images of imagenet_patches.

    `held_out`: only public images that no shipped network was trained on (10,017 of 14,312).
    """
    images, labels = load_images("cifar10_eval")
    public, _ = load_images("imagenet_patches")
    if held_out:
        public = load_split(DATA).held_patches.astype(np.float32) / 255
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

    assert made.labels is not None
    target = labels.target_from_labels(made.labels, 4)
    row("labels, numpy.random.seed, k = 4", seeds, lambda n: labels.scan(target, last=n))
    one = [masks.target_from_masks(x, PLAIN[0], NHWC, 198)]
    row("masks, MT19937, 1 hypothesis", seeds // 8, lambda n: masks.scan(one, last=n))
    six = [masks.target_from_masks(x, c, layout, 198) for c in PLAIN[:3] for layout in (NHWC, NCHW)]
    row("masks, MT19937, 6 hypotheses", seeds // 8, lambda n: masks.scan(six, last=n))
    for model in lanes.REACH:
        kinds = [k for k, kind in KINDS.items() if kind.model == model]
        targets = [first_mask.pair_target(x, k, layout) for k in kinds for layout in (NHWC, NCHW)]
        for name, part in (("one way", targets[:1]), (f"all {len(targets)} ways and layouts", targets)):
            row(f"{model}, {name}", seeds // 4, lambda n, part=part: first_mask.scan(part, last=n))  # type: ignore[misc]
    return table


def recoveries(data_seeds: list[int], blind: bool = False, held_out: bool = False) -> Table:
    """Every row of the issue's bars, scored by the audit's own scorer; one release per row and data seed.

    `blind`: only without the public set; `held_out`: see `reference`.
    """
    table = Table(
        *(
            "release",
            "public set",
            "seed",
            "encodings used",
            "state s",
            "wall s",
            "CPU s",
            "signs right",
            "unmask_ssim",
        ),
        *("SSIM, mean", "challenge, mean", "Max_SSIM, pinned", "Max_SSIM, challenge", "max_ssim as answered"),
    )
    cases = [("torch", None), ("torch", 12_345_678), ("numpy", None), ("numpy", 12_345_678)]
    for (rng, rng_seed), data_seed in product(cases, data_seeds):
        images, public, made = reference(data_seed, held_out, rng=rng, rng_seed=rng_seed)
        for known in (None,) if blind else (None, public):
            view = View(made.encodings, made.labels, made.image_range, public_set=known)
            with clock() as c:
                out = Prng().run(view, Context(0))
            assert made.labels is not None
            truth = Truth(images, made.labels.argmax(1)[: len(images)], made.provenance)
            scored = score_attack(out, truth, made.public_part())
            assert made.provenance is not None
            sources = made.provenance.sources
            # the challenge's figure if of an encoding's two images the better one were answered
            best = [scored.arrays[name][sources].max(1).mean() for name in ("ssim", "ssim_challenge")]
            state = next(s.seconds for s in out.stages if s.name == "state")
            found = scored.metrics
            row = (
                f"{rng}, {'unseeded' if rng_seed is None else 'seeded'}",
                "yes" if known is not None else "no",
                str(data_seed),
                str(out.diagnostics["encodings_used"]),
                f"{state:.1f}",
                f"{c.wall:.1f}",
                f"{c.cpu:.1f}",
                f"{found['unmask_sign_accuracy'].value:.6%}",
                f"{found['unmask_ssim'].value:.6f}",
                f"{scored.arrays['ssim'].mean():.4f}",
                f"{scored.arrays['ssim_challenge'].mean():.4f}",
                *(f"{v:.4f}" for v in best),
                f"{found['max_ssim'].value:.4f}",
            )
            print(" | ".join(row), flush=True)  # a run cut short has still measured something
            table.add_row(*row)
    return table


class Urandom(SecureDraws):
    """Every random bit straight from os.urandom."""

    def _bytes(self, n: int) -> bytes:
        return os.urandom(n)


class Secrets(SecureDraws):
    """Every random bit straight from the module secrets."""

    def _bytes(self, n: int) -> bytes:
        return secrets.token_bytes(n)


def null_control(releases: int, first: int = 0) -> None:
    """Releases of secure generators, of varied k, size and images, in the profile `quick`; one Markdown row each.

    Not repeatable to the bit, as it must be: the generators have no seed.
    """
    sets = ("cifar10_eval", "cifar100_eval", "celeba_eval", "chest_xray", "mednist")
    public, _ = load_images("imagenet_patches")
    print("| no. | generator | images | side | N | T | k | broke | systems and scans | CPU s |\n" + "|---" * 10 + "|")
    for number in range(first, releases):
        rng = np.random.default_rng([20, number])
        images, labels = load_images(sets[number % len(sets)])
        side, k = (32, 32, 16, 48)[number % 4], (2, 3, 4, 6)[number // 2 % 4]
        n, epochs = int(rng.integers(20, 101)), int(rng.integers(3, 11))
        pick = rng.choice(len(images), n, replace=False)
        scaled = [resized(x, side) for x in (images[pick], public[rng.choice(len(public), 2000, replace=False)])]
        scheme = InstaHide(k=k, epochs=epochs)
        source = (Urandom, Secrets)[number % 2]
        scheme._draws = lambda _, source=source: source(b"")  # type: ignore[method-assign, misc]
        classes = labels[pick] if labels.any() else np.arange(n) % 4
        made = scheme.encode(scaled[0], classes, scaled[1], rng)
        with clock() as c:
            out = Prng().run(View(made.encodings, made.labels, made.image_range), Context(number))
        row = (number, source.__name__, sets[number % len(sets)], side, n, epochs, k, out.broke)
        print("| " + " | ".join(map(str, row)) + f" | {len(out.diagnostics['scanned'])} | {c.cpu:.0f} |", flush=True)


def resized(images: np.ndarray, side: int) -> np.ndarray:
    if images.shape[1] == side:
        return images
    scale = side / images.shape[1]
    return np.asarray(zoom(images, (1, scale, scale, 1), order=1, grid_mode=True, mode="nearest").clip(0, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seeds", type=int, default=1 << 24, help="seeds of the label scan; others fewer in proportion"
    )
    parser.add_argument("--full", action="store_true", help="scan all 2^32 seeds from labels")
    parser.add_argument("--only", choices=["rates", "recoveries", "null"])
    parser.add_argument("--releases", type=int, default=20, help="releases of the null control")
    parser.add_argument("--first", type=int, default=0, help="first release of the null control, to go on from")
    parser.add_argument("--data-seeds", type=int, nargs="+", default=[1], help="releases of the table of recoveries")
    parser.add_argument("--blind", action="store_true", help="recoveries without the public set only")
    parser.add_argument(
        "--held-out", action="store_true", help="recoveries: public images that no network was trained on"
    )
    options = parser.parse_args()
    console = Console(width=240)
    console.print(f"{cores()} cores")
    if options.only == "null":
        null_control(options.releases, options.first)
        return
    if options.only != "recoveries":
        console.print(rates(options.seeds))
    if options.only != "rates":
        console.print(recoveries(options.data_seeds, options.blind, options.held_out))
    if options.full:
        seed = 3_141_592_653
        _, _, made = reference(0, k=6, epochs=1, rng="numpy", rng_seed=seed)
        assert made.labels is not None
        target = labels.target_from_labels(made.labels, 6)
        with clock() as c:
            hits = labels.scan(target)
        console.print(f"all 2^32 seeds from labels (k = 6): {hits}, {c.wall:.0f} s wall, {c.cpu:.0f} s CPU")


if __name__ == "__main__":
    main()

"""Measures attacks that know the public set: ``python -m tests.benchmarks.public [--k 6] [--epochs 50] [--seed 1]``.

The reference benchmark of `tests.benchmarks.attacks` with the public set handed to the attack; one Markdown row per
setting: both kinds of SSIM over private images, how many encodings were explained, seconds and memory.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy.optimize import linear_sum_assignment

from ihaudit.audit.worker import peak_memory_mb, reset_peak_memory
from ihaudit.contracts.configure import configure
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.metrics.matching import correlation
from ihaudit.metrics.ssim import ssim, ssim_challenge
from ihaudit.scheme import Knowledge
from tests.benchmarks.attacks import reference
from tests.data import load_images

HEAD = (
    "| private | T | k | seed | public set | `ssim` mean | worst | `ssim_challenge` mean | worst | explained "
    "| public part CPU s | all CPU s | wall s | peak MB |\n" + "|---" * 14 + "|"
)


def public_set(size: int) -> np.ndarray:
    """float32 (size, 32, 32, 3) in [0, 1]: the patches mixed in, then mirrored and turned ones as further strangers."""
    patches, _ = load_images("imagenet_patches")
    if size <= len(patches):
        return patches
    turned = [patches[:, :, ::-1], patches[:, ::-1], patches[:, ::-1, ::-1]]
    turned += [x.transpose(0, 2, 1, 3) for x in (patches, *turned)]
    return np.concatenate([patches, *turned])[:size]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--epochs", type=int, nargs="+", default=[50])
    parser.add_argument("--k", type=int, nargs="+", default=[6])
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--public", type=int, default=14312, help="size of the public set known to the attack")
    parser.add_argument("--attack", default="phase-public")
    parser.add_argument("--profile", default="quick", choices=["quick", "standard", "full"])
    a = parser.parse_args()
    public = public_set(a.public)
    print(HEAD)
    for epochs in a.epochs:
        for k in a.k:
            for seed in a.seed:
                _row(a, public, epochs, k, seed)


def _row(a: argparse.Namespace, public: np.ndarray, epochs: int, k: int, seed: int) -> None:
    sample = reference(seed, a.n, epochs, k)
    knows = frozenset({Knowledge.ENCODINGS, Knowledge.LABELS, Knowledge.PUBLIC_SET})
    view = View(sample.encodings, sample.labels, image_range=(-1.0, 1.0), knows=knows, public_set=public)
    reset_peak_memory()
    wall, cpu = time.perf_counter(), time.process_time()
    begun: dict[str, float] = {}  # CPU time when each stage was announced last

    def note(message: str, fraction: float | None = None) -> None:
        begun[message] = time.process_time()

    out = configure(a.attack).run(view, Context(seed=seed, profile=a.profile, progress=note))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    rows, columns = linear_sum_assignment(-correlation(out.images, sample.images))
    pinned, strict = np.zeros(a.n), np.zeros(a.n)
    pinned[columns] = ssim(out.images[rows], sample.images[columns])
    strict[columns] = ssim_challenge(out.images[rows], sample.images[columns])
    stage = next(s for s in out.stages if s.name == "public")
    print(
        f"| {a.n} | {epochs} | {k} | {seed} | {len(public):,} | {pinned.mean():.4f} | {pinned.min():.3f} "
        f"| {strict.mean():.4f} | {strict.min():.3f} | {stage.diagnostics['encodings_explained']:.3f} "
        f"| {begun['restoration'] - begun['public']:.0f} | {cpu:.0f} | {wall:.0f} | {peak_memory_mb():.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()

"""Measures the attacks: ``python -m tests.benchmarks.attacks [--n 50 100 200 400] [--seed 1 2 3] [--attack phase]``.

Prints time, peak memory and SSIM (``ssim_challenge``) against the number of private images, one Markdown row per
setting.  Private images: cifar10_eval, public images: imagenet_patches, everything else as the reference benchmark.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy.optimize import linear_sum_assignment

from ihaudit.attacks.base import View
from ihaudit.context import Context
from ihaudit.metrics.matching import correlation
from ihaudit.metrics.ssim import ssim_challenge
from ihaudit.worker import configure, peak_memory_mb, reset_peak_memory
from tests.attacks.releases import Sample
from tests.data import load_images

HEAD = (
    "| private | T | k | seed | attack | SSIM mean | median | worst | images found | wall s | CPU s | peak MB |\n"
    + "|---" * 12
    + "|"
)


def reference(
    seed: int, n: int = 100, epochs: int = 50, k: int = 6, private: int = 2, *, inside: bool = False
) -> Sample:
    """The reference benchmark: two fresh permutations per epoch, |N(0,1)| coefficients, a random sign per value."""
    rng = np.random.default_rng(seed)
    images, labels = load_images("cifar10_eval")
    patches, _ = load_images("imagenet_patches")
    chosen = rng.choice(len(images), n, replace=False)
    images, labels = images[chosen], labels[chosen]
    private = k if inside else private
    members = np.concatenate([np.stack([rng.permutation(n) for _ in range(private)], 1) for _ in range(epochs)])
    lambdas = np.empty((len(members), k), np.float32)
    for row in lambdas:
        while True:
            draw = np.abs(rng.standard_normal(k))
            draw /= draw.sum()
            if draw.max() <= 0.65 and (inside or draw[:private].sum() >= 0.3):
                break
        row[:] = draw
    x = np.zeros((len(members), *images.shape[1:]), np.float32)
    for j in range(k):
        source = images[members[:, j]] if j < private else patches[rng.integers(0, len(patches), len(x))]
        x += lambdas[:, j, None, None, None] * (source * 2 - 1)
    for part in np.array_split(np.arange(len(x)), max(1, len(x) // 1000)):
        x[part] *= rng.integers(0, 2, (len(part), *x.shape[1:]), dtype=np.int8) * 2 - 1
    soft = np.zeros((len(x), 10), np.float32)
    for j in range(private):
        np.add.at(soft, (np.arange(len(x)), labels[members[:, j]]), lambdas[:, j])
    return Sample(x, soft, members, lambdas, images)


def scores(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """``ssim_challenge`` of every true image with the candidate assigned to it, float64 (N,); 0 where there is none."""
    rows, columns = linear_sum_assignment(-correlation(found, truth))
    out = np.zeros(len(truth))
    out[columns] = ssim_challenge(found[rows], truth[columns])
    return out


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, nargs="+", default=[50, 100, 200, 400])
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--k", type=int, default=6)
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--attack", default="phase")
    parser.add_argument("--profile", default="quick", choices=["quick", "standard", "full"])
    parser.add_argument("--inside", action="store_true")
    parser.add_argument("--device", default="cpu")
    a = parser.parse_args()
    print(HEAD)
    for n in a.n:
        for seed in a.seed:
            sample = reference(seed, n, a.epochs, a.k, inside=a.inside)
            view = View(encodings=sample.encodings, labels=sample.labels, image_range=(-1.0, 1.0))
            reset_peak_memory()
            wall, cpu = time.perf_counter(), time.process_time()
            out = configure(a.attack).run(view, Context(seed=seed, device=a.device, profile=a.profile))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            s = scores(out.images, sample.images)
            print(
                f"| {n} | {a.epochs} | {a.k} | {seed} | {a.attack} | {s.mean():.3f} | {np.median(s):.3f} "
                f"| {s.min():.3f} | {len(out.images)} | {wall:.0f} | {cpu:.0f} | {peak_memory_mb():.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

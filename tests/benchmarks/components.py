"""Measures `components` beside `least-squares`: ``python -m tests.benchmarks.components cifar10_eval --seed 51``."""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from ihaudit.contracts.configure import configure
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.metrics.ssim import ssim
from ihaudit.schemes.dp_instahide import DPInstaHide
from ihaudit.schemes.mixup import MixUp
from tests.data import load_images

CASES: dict[str, Any] = {
    "DP-InstaHide": DPInstaHide(),
    "DP-InstaHide, k = 6": DPInstaHide(k=6),
    "DP-InstaHide, 4 epochs": DPInstaHide(epochs=4),
    "DP-InstaHide, noise 0.05": DPInstaHide(scale=0.05),
    "MixUp": MixUp(),
    "MixUp, k = 4": MixUp(k=4),
}


def main() -> None:
    """Print one row of a table per case, images and seed; images without an answer count as SSIM 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", nargs="+", help="names of .npz: cifar10_eval, celeba_eval, ...")
    parser.add_argument("--case", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--attacks", nargs="+", default=["components", "least-squares"])
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    print("| scheme | images | seed | attack | SSIM | 90 % quantile | expected | CPU s |\n" + "|---" * 8 + "|")
    for case in options.case:
        for name in options.images:
            for seed in options.seed:
                images, labels = load_images(name)
                rng = np.random.default_rng(seed)
                rows = rng.permutation(len(images))[: options.n]
                classes = np.zeros(options.n, np.int64) if labels is None else labels[rows].astype(np.int64)
                private = images[rows]
                release = CASES[case].encode(private, classes, private, rng)
                view = View(release.encodings, labels=release.labels, image_shape=private.shape[1:])
                for attack in options.attacks:
                    start, row = time.process_time(), f"| {case} | {name} | {seed} | {attack} |"
                    try:
                        out = configure(attack).run(view, Context(seed=seed))
                    except NotApplicable as reason:
                        print(f"{row} {reason} | | | {time.process_time() - start:.1f} |", flush=True)
                        continue
                    spent = time.process_time() - start
                    apart = np.stack([((image - private) ** 2).mean((1, 2, 3)) for image in out.images])
                    found, true = linear_sum_assignment(apart)
                    scores = np.zeros(len(private))
                    scores[true] = ssim(out.images[found], private[true])
                    expected = "" if out.confidence is None else f"{out.confidence.mean():.3f}"
                    print(
                        f"{row} {scores.mean():.3f} | {np.quantile(scores, 0.9):.3f} | {expected} | {spent:.1f} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()

"""Measures `unpaired`: ``python -m tests.benchmarks.unpaired cifar10_eval celeba_eval --seed 41``."""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from ihaudit.attacks.unpaired import Unpaired
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.metrics.ssim import ssim
from ihaudit.schemes.neuracrypt import NeuraCrypt
from ihaudit.schemes.random_projection import RandomProjection
from ihaudit.schemes.smashed_data import SmashedData
from tests.data import load_images

CASES: dict[str, Any] = {
    "patches of 4 x 4, linear": NeuraCrypt(depth=-1, shuffle=False),
    "patches of 2 x 2, linear": NeuraCrypt(patch=2, depth=-1, shuffle=False),
    "patches of 8 x 8, linear": NeuraCrypt(patch=8, width=192, depth=-1, shuffle=False),
    "patches of 4 x 4, linear, shuffled": NeuraCrypt(depth=-1),
    "patches of 4 x 4, deep": NeuraCrypt(shuffle=False),
    "smashed data of one layer": SmashedData(layers=1),
    "random projection": RandomProjection(),
}


def main() -> None:
    """Print one row of a table per case, images, number and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", nargs="+", help="names of .npz: cifar10_eval, celeba_eval, ...")
    parser.add_argument("--case", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--n", type=int, nargs="+", default=[100])
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    parser.add_argument("--profile", default="standard")
    parser.add_argument("--grey", action="store_true", help="one channel, 28 x 28 pixels from the middle")
    options = parser.parse_args()
    print("| encoder | images | seed | N | SSIM | 90 % quantile | expected | fit | CPU s |\n" + "|---" * 9 + "|")
    for case in options.case:
        for name in options.images:
            for n, seed in ((n, seed) for n in options.n for seed in options.seed):
                images = load_images(name)[0]
                if options.grey:
                    images = images[:, 2:30, 2:30, :1].copy()
                rng = np.random.default_rng(seed)
                order = rng.permutation(len(images))
                private, similar = images[order[:n]], images[order[n:]]
                encodings = CASES[case].encode(private, np.zeros(n, np.int64), private, rng).encodings
                start = time.process_time()
                row = f"| {case} | {name}{' 28 x 28 x 1' if options.grey else ''} | {seed} | {n} |"
                try:
                    out = Unpaired().run(View(encodings, similar=similar), Context(seed, profile=options.profile))
                except NotApplicable as reason:
                    print(f"{row} {reason} | | | | {time.process_time() - start:.1f} |", flush=True)
                    continue
                spent = time.process_time() - start
                reached = ssim(out.images, private[: len(out.images)])
                print(
                    f"{row} {reached.mean():.3f} | {np.quantile(reached, 0.9):.3f} "
                    f"| {out.diagnostics['expected_ssim']:.3f} | {out.diagnostics['fit']:.2f} | {spent:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()

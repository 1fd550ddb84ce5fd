"""Pictures in one secret order of pixels, from encodings alone: ``python -m tests.benchmarks.unscramble --help``."""

from __future__ import annotations

import argparse
import time

import numpy as np

from ihaudit.attacks.numerics.layout.solve import unscramble
from ihaudit.attacks.numerics.layout.symmetry import symmetric
from ihaudit.images.embedded import embedded
from ihaudit.metrics.ssim import ssim
from tests.data import load_images


def main() -> None:
    """Print one row of a table per seed and number of images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", help="embedded, or the name of an .npz: cifar10_eval, celeba_eval, ...")
    parser.add_argument("--n", type=int, nargs="+", default=[100])
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--grey", action="store_true", help="one channel, 28 x 28 pixels from the middle")
    options = parser.parse_args()
    print(
        "| images | seed | N | SSIM | SSIM but for a mirror image or turn | pixels right | excess | upright | CPU s |"
    )
    for seed in options.seed:
        for n in options.n:
            rng = np.random.default_rng(seed)
            if options.images == "embedded":
                private, similar = embedded("private").images, embedded("similar").images
                private = private[rng.permutation(len(private))[:n]]
            else:
                images = load_images(options.images)[0]
                order = rng.permutation(len(images))
                private, similar = images[order[:n]], images[order[500:3000]]
            if options.grey:
                private, similar = (v[:, 2:30, 2:30, :1].copy() for v in (private, similar))
            _, h, w, c = private.shape
            pixels = rng.permutation(h * w)
            released = private.reshape(n, h * w, c)[:, pixels]
            start = time.process_time()
            found = unscramble(released, similar, np.random.default_rng(0), starts=options.starts)
            spent = time.process_time() - start
            scores = []
            for layout in symmetric(found.pixel, h, w):
                out = np.empty_like(released)
                out[:, layout] = released
                scores.append(ssim(out.reshape(private.shape), private).mean())
            right = np.mean(found.pixel == pixels)
            print(
                f"| {options.images}{' 28 x 28 x 1' if options.grey else ''} | {seed} | {n} | {scores[0]:.3f} "
                f"| {max(scores):.3f} | {right:.3f} | {found.excess:.3f} | {found.upright:.2f} | {spent:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

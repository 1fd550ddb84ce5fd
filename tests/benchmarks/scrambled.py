"""Scrambles other than of pixels, from encodings alone: ``python -m tests.benchmarks.scrambled --help``."""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from ihaudit.attacks.jigsaw import Jigsaw
from ihaudit.attacks.numerics.jigsaw.solve import blocks_right
from ihaudit.attacks.unblur import Unblur
from ihaudit.attacks.unkey import Unkey
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.metrics.alignment import moves
from ihaudit.metrics.ssim import ssim
from ihaudit.schemes.block_scramble import BlockScramble
from ihaudit.schemes.blur import Blur
from ihaudit.schemes.dct_signs import DCTSigns
from ihaudit.schemes.etc import EncryptionThenCompression
from ihaudit.schemes.learnable_encryption import LearnableEncryption
from ihaudit.schemes.pixel_encryption import PixelEncryption
from ihaudit.schemes.reused_pad import ReusedPad
from tests.data import load_images

CASES: dict[str, tuple[Any, Any]] = {
    "LE": (Unkey(), LearnableEncryption()),
    "PE": (Unkey(), PixelEncryption()),
    "DCT signs": (Unkey(), DCTSigns()),
    "reused pad": (Unkey(), ReusedPad()),
    "EtC 8, one key": (Jigsaw(), EncryptionThenCompression(8)),
    "EtC 4, one key": (Jigsaw(), EncryptionThenCompression(4)),
    "block scramble 8 / 2": (Jigsaw(), BlockScramble(8, 2)),
    "block scramble 8 / 8": (Jigsaw(), BlockScramble(8, 8)),
    "blur": (Unblur(), Blur()),
    "blur, float": (Unblur(), Blur(rounded=False)),
    "blur, sigma 3": (Unblur(), Blur(3.0)),
    "EtC 8, fresh key": (Jigsaw(), EncryptionThenCompression(8, fresh=True)),
}


def main() -> None:
    """Print one row of a table per case, images and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", nargs="+", help="names of .npz: cifar10_eval, celeba_eval, ...")
    parser.add_argument("--case", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    parser.add_argument("--grey", action="store_true", help="one channel, 28 x 28 pixels from the middle")
    options = parser.parse_args()
    columns = ("scheme", "images", "seed", "SSIM", "SSIM, aligned", "90 % quantile", "best pose of each")
    print("| " + " | ".join((*columns, "blocks right (expected)", "confidence", "CPU s")) + " |")
    for case in options.case:
        attack, scheme = CASES[case]
        for name in options.images:
            for seed in options.seed:
                images = load_images(name)[0]
                if options.grey:
                    images = images[:, 2:30, 2:30, :1].copy()
                rng = np.random.default_rng(seed)
                order = rng.permutation(len(images))
                private, similar = images[order[: options.n]], images[order[500:4500]]
                encodings = scheme.encode(private, np.zeros(len(private), np.int64), private, rng).encodings
                start = time.process_time()
                try:
                    out = attack.run(View(encodings, similar=similar), Context(seed=seed))
                except NotApplicable as reason:
                    print(f"| {case} | {name} | {seed} | {reason} | | | | | {time.process_time() - start:.0f} |")
                    continue
                spent = time.process_time() - start
                count = len(out.images)
                exact = ssim(out.images, private[:count])
                ways = moves(out.ambiguity, private.shape[1:]).values()
                aligned = max((ssim(move(out.images), private[:count]) for move in ways), key=lambda v: float(v.mean()))
                poses = moves(("turn", "negative"), private.shape[1:]).values()
                block = out.diagnostics.get("block")
                right = ""
                if block:
                    shares = blocks_right(out.images - np.float32(0.5), private[:count] - np.float32(0.5), block)
                    right = f"{shares.mean():.2f} ({out.diagnostics.get('blocks_right', '')})"
                best = np.max([ssim(move(out.images), private[:count]) for move in poses], axis=0)
                print(
                    f"| {case} | {name}{' 28 x 28 x 1' if options.grey else ''} | {seed} | {exact.mean():.3f} "
                    f"| {aligned.mean():.3f} | {np.quantile(aligned, 0.9):.3f} | {best.mean():.3f} | {right} "
                    f"| {float(np.mean(out.confidence)):.2f} | {spent:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()

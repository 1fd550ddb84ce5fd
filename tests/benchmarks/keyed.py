"""Measures `linear` from known pairs: ``python -m tests.benchmarks.keyed [NAME ...] [--pairs 1 3 5 20 100]``.

Prints a row per scheme: mean pinned SSIM over private images of cifar10_eval, and the map found from most pairs.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from ihaudit.attacks.numerics.known_pairs.learn import learn
from ihaudit.metrics.ssim import ssim
from ihaudit.scheme import Scheme
from ihaudit.schemes.block_scramble import BlockScramble
from ihaudit.schemes.blur import Blur
from ihaudit.schemes.dct_signs import DCTSigns
from ihaudit.schemes.etc import EncryptionThenCompression
from ihaudit.schemes.learnable_encryption import LearnableEncryption
from ihaudit.schemes.neuracrypt import NeuraCrypt
from ihaudit.schemes.noise import Noise
from ihaudit.schemes.pixel_encryption import PixelEncryption
from ihaudit.schemes.pixel_permutation import PixelPermutation
from ihaudit.schemes.pixelation import Pixelation
from ihaudit.schemes.random_projection import RandomProjection
from ihaudit.schemes.reused_pad import ReusedPad
from ihaudit.schemes.smashed_data import SmashedData
from tests.data import load_images

SCHEMES: dict[str, Scheme] = {
    "pixel-permutation": PixelPermutation(),
    "pixel-permutation channels": PixelPermutation(channels=True),
    "pixel-encryption": PixelEncryption(),
    "learnable-encryption": LearnableEncryption(),
    "learnable-encryption per_block": LearnableEncryption(per_block=True),
    "etc block=8": EncryptionThenCompression(),
    "etc block=4": EncryptionThenCompression(block=4),
    "block-scramble": BlockScramble(),
    "dct-signs": DCTSigns(),
    "reused-pad": ReusedPad(),
    "random-projection": RandomProjection(),
    "neuracrypt depth=-1, no shuffle": NeuraCrypt(depth=-1, shuffle=False),
    "neuracrypt, no shuffle": NeuraCrypt(shuffle=False),
    "neuracrypt": NeuraCrypt(),
    "smashed-data": SmashedData(),
    "blur": Blur(),
    "pixelation": Pixelation(),
    "noise (null)": Noise(),
}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SCHEMES))
    parser.add_argument("--n", type=int, default=100, help="private images")
    parser.add_argument("--pairs", type=int, nargs="+", default=[1, 3, 5, 20, 100])
    parser.add_argument("--seed", type=int, default=7)
    a = parser.parse_args()
    images, labels = load_images("cifar10_eval")
    print(
        "| scheme | "
        + " | ".join(f"{n} pairs" for n in a.pairs)
        + " | map | CPU s |\n"
        + "|---" * (len(a.pairs) + 3)
        + "|"
    )
    for name in a.names:
        index = np.random.default_rng(a.seed).choice(len(images), a.n + max(a.pairs), replace=False)
        used = images[index]
        release = SCHEMES[name].encode(used, labels[index], images[:0], np.random.default_rng(a.seed))
        y = np.asarray(release.encodings, np.float32)
        cells, words, began = [], "none", time.process_time()
        for n in a.pairs:
            known = slice(a.n, a.n + n)
            found = learn(used[known], y[known], y[: a.n], np.random.default_rng(a.seed))
            if found.inverse is None:
                cells.append("none")
                continue
            words = found.inverse.words
            cells.append(f"{ssim(np.clip(found.inverse(y[: a.n]), 0, 1), used[: a.n]).mean():.3f}")
        spent = time.process_time() - began
        print(f"| {name} | " + " | ".join(cells) + f" | {words} | {spent:.0f} |", flush=True)


if __name__ == "__main__":
    main()

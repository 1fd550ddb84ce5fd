"""Measures `decoder` and `linear`: ``python -m tests.benchmarks.decoder [NAME ...] [--pairs 500] [--oracle]``.

Prints a row per scheme and number of known pairs: mean pinned SSIM over 100 private images of cifar10_eval by `linear`
and by `decoder`, what the decoder expected of itself, and CPU seconds.  With ``--oracle`` the adversary encodes similar
images afresh instead.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from ihaudit.contracts.configure import configure
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import Pairs, View
from ihaudit.errors import NotApplicable
from ihaudit.metrics.ssim import ssim
from ihaudit.release import Provenance, Release
from ihaudit.scheme import Scheme
from ihaudit.schemes.blur import Blur
from tests.benchmarks.keyed import SCHEMES as KEYED
from tests.data import load_images
from tests.games.inprocess import InProcess


class Mapped(Scheme):
    """A scheme that applies one function to the images."""

    def __init__(self, function: Callable[[np.ndarray], np.ndarray]) -> None:
        self.function = function

    def encode(self, images: Any, labels: Any, public: Any, rng: np.random.Generator) -> Release:
        return Release(self.function(images), provenance=Provenance(np.arange(len(images))[:, None]))


def jpeg(images: np.ndarray, quality: int = 5) -> np.ndarray:
    """Through a JPEG file and back."""
    out = []
    for picture in np.rint(images * 255).astype(np.uint8):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=quality)
        out.append(np.asarray(Image.open(file), np.float32) / 255)
    return np.stack(out)


def principal(count: int = 64) -> Callable[[np.ndarray], np.ndarray]:
    """Projection on so many principal components of other images."""
    images, _ = load_images("cifar10_train20k")
    flat = images[-4000:].reshape(4000, -1)
    mean = flat.mean(0)
    _, vectors = np.linalg.eigh(np.cov((flat - mean).T.astype(np.float64)))
    kept = vectors[:, -count:].astype(np.float32)
    return lambda x: (x.reshape(len(x), -1) - mean) @ kept


SCHEMES: dict[str, Callable[[], Scheme]] = {
    **{name: (lambda s=scheme: s) for name, scheme in KEYED.items()},  # type: ignore[misc]
    "blur, float": lambda: Blur(rounded=False),
    "pca 64": lambda: Mapped(principal()),
    "jpeg 5": lambda: Mapped(jpeg),
    "2 bits": lambda: Mapped(lambda x: (np.floor(np.minimum(x, 0.999) * 4) / 3).astype(np.float32)),
}


def view_of(scheme: Scheme, n: int, pairs: int, oracle: bool, seed: int, source: str) -> tuple[View, np.ndarray]:
    """A release of `n` images with known pairs, and the images."""
    images, labels = load_images(source)
    order = np.random.default_rng(seed).permutation(len(images))
    used, similar = order[: n + pairs], order[n + pairs :]
    release = scheme.encode(images[used], labels[used], images[:0], np.random.default_rng(seed))
    y = np.asarray(release.encodings)
    view = View(
        encodings=y[:n],
        similar=images[similar],
        similar_labels=labels[similar],
        pairs=Pairs(images[used[n:]], y[n:]) if pairs else None,
        encoder=InProcess(scheme, images[:0]) if oracle else None,
    )
    return view, images[used[:n]]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SCHEMES))
    parser.add_argument("--attacks", nargs="+", default=["linear", "decoder"])
    parser.add_argument("--n", type=int, default=100, help="private images")
    parser.add_argument("--pairs", type=int, nargs="+", default=[500])
    parser.add_argument("--oracle", action="store_true")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--data", default="cifar10_eval")
    parser.add_argument("--seed", type=int, default=7)
    a = parser.parse_args()
    print("| scheme | pairs | attack | SSIM | expected | CPU s | what it says |\n" + "|---" * 7 + "|", flush=True)
    for name in a.names:
        for pairs in a.pairs:
            view, truth = view_of(SCHEMES[name](), a.n, pairs, a.oracle, a.seed, a.data)
            for attack in a.attacks:
                began = time.process_time()
                try:
                    out = configure(attack).run(view, Context(seed=a.seed, profile=a.profile))
                except NotApplicable as error:
                    print(f"| {name} | {pairs} | {attack} | none | | | {error} |", flush=True)
                    continue
                reached = f"{ssim(out.images, truth).mean():.3f}" if len(out.images) else "none"
                expected = "" if out.confidence is None else f"{out.confidence.mean():.3f}"
                spent = time.process_time() - began
                print(
                    f"| {name} | {pairs} | {attack} | {reached} | {expected} | {spent:.0f} | {out.sentence} |",
                    flush=True,
                )
                table = out.diagnostics.get("tables", {})
                for rows in table.values():
                    print("    ", rows["rows"])


if __name__ == "__main__":
    main()

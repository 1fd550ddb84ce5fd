"""Releases of few private images: ``python -m tests.benchmarks.few [--n 2 3 4 5] [--seed 51] [--labels none]``.

Prints one Markdown row per release of the reference benchmark (public images: patches of photographs that no shipped
network was trained on); the attack's seed is always 1, so that rows differ by their releases.  With ``--empty`` the
releases hold public images alone, and the row says what the attack believes of its answers.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.nn.sources import load_split
from tests.benchmarks.attacks import judged, reference, released
from tests.data import DATA

HEAD = (
    "| private | N | T | k | seed | labels | SSIM (challenge) mean | median | worst | above 0.6 | SSIM (pinned) mean "
    "| Max_SSIM | Mean_SSIM | Min_L2 | Mean_L2 | images | confidence: said / off | CPU s |\n" + "|---" * 18 + "|"
)
EMPTY = "| encodings | k | seed | labels | images answered | confidence: highest | mean | CPU s |\n" + "|---" * 8 + "|"


def empty(encodings: int, k: int, seed: int, labels: str, patches: np.ndarray) -> View:
    """Encodings of k public images each; hard labels name two of four classes at random, weighted ones give them 0.2 to
    0.6 each."""
    rng = np.random.default_rng(seed)
    images = patches[rng.integers(0, len(patches), (encodings, k))] / 127.5 - 1
    x = np.einsum("ek,ekhwc->ehwc", rng.dirichlet(np.ones(k), encodings), images)
    named = np.zeros((encodings, 4), np.float32)
    for row in named:
        row[rng.choice(4, 2, replace=False)] = 1 if labels == "hard" else rng.uniform(0.2, 0.4, 2)
    masked = (x * rng.choice([-1, 1], x.shape)).astype(np.float32)
    return View(encodings=masked, labels=None if labels == "none" else named, image_range=(-1.0, 1.0))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, nargs="+", default=[2, 3, 4, 5])
    parser.add_argument("--epochs", type=int, nargs="+", default=[20])
    parser.add_argument("--k", type=int, nargs="+", default=[6])
    parser.add_argument("--seed", type=int, nargs="+", default=[51])
    parser.add_argument("--private", nargs="+", default=["cifar10_eval"])
    parser.add_argument("--labels", nargs="+", choices=["soft", "hard", "none"], default=["none"])
    parser.add_argument("--profile", default="quick", choices=["quick", "standard", "full"])
    parser.add_argument("--empty", action="store_true", help="N x T encodings of public images alone")
    a = parser.parse_args()
    patches = load_split(DATA).held_patches
    print(EMPTY if a.empty else HEAD)
    for source, k, epochs, n, seed, labels in (
        (source, k, epochs, n, seed, labels)
        for source in a.private
        for k in a.k
        for epochs in a.epochs
        for n in a.n
        for seed in a.seed
        for labels in a.labels
    ):
        sample = None if a.empty else reference(seed, n, epochs, k, source=source, public=patches)
        if sample is None:
            view, row = empty(n * epochs, k, seed, labels, patches), f"| {n * epochs} | {k} | {seed} | {labels} |"
        else:
            view = View(encodings=sample.encodings, labels=released(sample, labels), image_range=(-1.0, 1.0))
            row = f"| {source} | {n} | {epochs} | {k} | {seed} | {labels} |"
        began = time.process_time()
        try:
            out = Unmix().run(view, Context(seed=1, profile=a.profile))
        except NotApplicable as e:
            print(f"{row} refused: {e} |", flush=True)
            continue
        cpu = time.process_time() - began
        if sample is not None:
            said = judged(out, sample)[0]
        else:
            assert out.confidence is not None
            said = f"{len(out.images)} | {out.confidence.max():.2f} | {out.confidence.mean():.2f}"
        print(f"{row} {said} | {cpu:.0f} |", flush=True)


if __name__ == "__main__":
    main()

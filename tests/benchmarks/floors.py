"""Where `unmix` loses: ``python -m tests.benchmarks.floors [--n 50] [--epochs 20 10] [--labels soft hard] [--seed 1]``.

Prints the attack's row, and the rows that it reaches when it is told what it has to find out: (a) the images in each
encoding and their coefficients, (b) the sign masks, (c) both, (d) both and which public images, how strong, are in each
encoding.  What lies between two rows is lost for that reason, and nothing done about other reasons gets it back.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.sparse import csr_matrix, diags_array

from ihaudit.attacks.numerics.local_weights import local_least_squares, within_range
from ihaudit.attacks.numerics.mixing import Reconstruction
from ihaudit.attacks.numerics.pictures import to_arrays, to_rows
from ihaudit.attacks.recipe import start
from ihaudit.attacks.stages.state import Recovered, State
from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.nn.shipped import load_scales
from ihaudit.nn.sources import load_split
from tests.attacks.releases import Sample
from tests.benchmarks.attacks import judged, reference, released
from tests.data import DATA

HEAD = (
    "| private | N | T | k | labels | seed | told | SSIM (challenge) mean | median | worst | above 0.6 "
    "| SSIM (pinned) mean | Max_SSIM | Mean_SSIM | Min_L2 | Mean_L2 | images | confidence: said / off | CPU s |\n"
    + "|---" * 19
    + "|"
)
#: what rows are told, in their order
TOLD = {
    "attack": "nothing (the attack)",
    "pairing": "(a) images and coefficients",
    "masks": "(b) masks",
    "both": "(c) both",
    "public": "(d) both, public covariance",
}


@dataclass(frozen=True, eq=False)
class Told(Unmix):
    """`unmix` with known masks, and with what is in the public parts where that is told too.

    Attributes:
        signs: float (E, H, W, C) in {-1, 1}.
        level: float64 (E,), standard deviation of the values of each public part.
        shares: (E, G), how much of it each recurring public image is, so that rows of squares sum to at most one.
    """

    signs: np.ndarray | None = None
    level: np.ndarray | None = None
    shares: csr_matrix | None = None

    def begin(self, view: View, ctx: Context) -> State:
        """See `Recipe.begin`."""
        return start(view, ctx, signs=self.signs)

    def solve(self, state: State, ctx: Context) -> State:
        """See `Recipe.solve`; told of the public parts, sharpening once more with them."""
        state = super().solve(state, ctx)
        if self.level is None or self.shares is None:
            return state
        observed, recovered, mixing = state.observed, state.require(Recovered), state.mixing()
        assert recovered.signs is not None
        u = to_arrays(recovered.signs.float() * observed.values, observed.shape)
        dense, images = mixing.dense.double().numpy(), recovered.estimate.images
        first = to_arrays(images, observed.shape)
        found, _, frame = local_least_squares(dense, first, u, self.level, self.shares, load_scales())
        solved = frame.images(within_range(found.x[:-1], found.variance[:-1], frame))
        noise = torch.from_numpy(self.level.astype(np.float32) ** 2)
        plain = torch.linalg.inv(mixing.normal(1 / noise)).diagonal()[:-1].numpy()
        # so that standard errors are those of this solution
        ratio = float(np.median(found.variance[:-1].mean(1) / plain))
        rows = torch.cat([to_rows(solved, str(images.device)), images[-1:]])
        return state.having(Recovered(Reconstruction(rows, noise * ratio), recovered.signs))


def names(sample: Sample) -> np.ndarray:
    """Labels float32 (E, N) that name the very images, with their coefficients: pairing and coefficients are told."""
    out = np.zeros((len(sample.members), len(sample.images)), np.float32)
    for slot in range(sample.members.shape[1]):
        np.add.at(out, (np.arange(len(out)), sample.members[:, slot]), sample.lambdas[:, slot])
    return out


def public_parts(sample: Sample, patches: np.ndarray) -> tuple[np.ndarray, csr_matrix]:
    """`Told.level` and `Told.shares` of a sample whose public images are patches uint8 (M, H, W, C)."""
    assert sample.public is not None
    e, s = sample.members.shape
    flat = patches.reshape(len(patches), -1).astype(np.float32) / 127.5 - 1
    energy = ((flat - flat.mean(0)) ** 2).mean(1).astype(np.float64)
    drawn = (np.repeat(np.arange(e), sample.public.shape[1]), sample.public.ravel())
    weights = csr_matrix((sample.lambdas[:, s:].ravel(), drawn), shape=(e, len(patches)), dtype=np.float64)
    weights = csr_matrix(weights @ diags_array(np.sqrt(energy)))
    level = np.sqrt(np.asarray(weights.multiply(weights).sum(1)).ravel())
    often = np.flatnonzero(np.bincount(sample.public.ravel(), minlength=len(patches)) > 1)
    return level, csr_matrix(diags_array(1 / level) @ weights[:, often], dtype=np.float32)


def told(kind: str, sample: Sample, plain: Sample, view: View, patches: np.ndarray) -> tuple[Told, View]:
    """The attack of a row, and what it sees; `plain` is the same sample without masks."""
    if kind in ("pairing", "both", "public"):
        view = replace(view, labels=names(sample), hints={**view.hints, "n_private": len(sample.images)})
    signs = np.where(sample.encodings * plain.encodings < 0, -1, 1) * np.sign(sample.encodings)
    level, shares = public_parts(sample, patches) if kind == "public" else (None, None)
    masks = signs.astype(np.float32) if kind in ("masks", "both", "public") else None
    return Told(signs=masks, level=level, shares=shares), view


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, nargs="+", default=[50])
    parser.add_argument("--epochs", type=int, nargs="+", default=[20])
    parser.add_argument("--k", type=int, nargs="+", default=[6])
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--private", nargs="+", default=["cifar10_eval"])
    parser.add_argument("--slots", type=int, default=2, help="private images per encoding")
    parser.add_argument("--labels", nargs="+", choices=["soft", "hard", "none"], default=["soft"])
    parser.add_argument("--told", nargs="+", choices=list(TOLD), default=list(TOLD))
    parser.add_argument("--profile", default="quick", choices=["quick", "standard", "full"])
    a = parser.parse_args()
    patches = load_split(DATA).held_patches
    print(HEAD)
    for source in a.private:
        for k in a.k:
            for epochs in a.epochs:
                for n in a.n:
                    for seed in a.seed:
                        sample, plain = (
                            reference(seed, n, epochs, k, a.slots, source=source, public=patches, mask=mask)
                            for mask in (True, False)
                        )
                        for labels in a.labels:
                            view = View(
                                encodings=sample.encodings, labels=released(sample, labels), image_range=(-1.0, 1.0)
                            )
                            for kind in a.told:
                                attack, seen = told(kind, sample, plain, view, patches)
                                cpu = time.process_time()
                                out = attack.run(seen, Context(seed=seed, profile=a.profile))
                                cpu = time.process_time() - cpu
                                cells, _ = judged(out, sample)
                                print(
                                    f"| {source} | {n} | {epochs} | {k} | {labels} | {seed} | {TOLD[kind]} "
                                    f"| {cells} | {cpu:.0f} |",
                                    flush=True,
                                )


if __name__ == "__main__":
    main()

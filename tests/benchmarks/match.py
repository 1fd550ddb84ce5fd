"""Measures `match`: ``python -m tests.benchmarks.match [NAME ...] [--seeds 11 12] [--data cifar10_eval celeba_eval]``.

A row per scheme, data and seed: private images re-identified among as many decoys, what chance reaches, what the attack
expected on its own held-out calls, and CPU seconds.  The release, candidates and known pairs are those of an audit.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from ihaudit.attacks.match import Match
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import Pairs, View
from ihaudit.release import Provenance, Release, Truth, rows_of
from ihaudit.scheme import Knowledge, Scheme
from ihaudit.schemes.constant import Constant
from ihaudit.schemes.dp_instahide import DPInstaHide
from ihaudit.schemes.etc import EncryptionThenCompression
from ihaudit.schemes.hidden_mixing import HiddenMixing
from ihaudit.schemes.instahide import InstaHide
from ihaudit.schemes.label_only import LabelOnly
from ihaudit.schemes.mixup import MixUp
from ihaudit.schemes.neuracrypt import NeuraCrypt
from ihaudit.schemes.pixel_encryption import PixelEncryption
from ihaudit.schemes.shuffled_values import ShuffledValues
from ihaudit.scoring.matches import Candidates, score_matches
from tests.benchmarks.keyed import SCHEMES
from tests.data import load_images
from tests.games.inprocess import Custom, InProcess, own


def cipher(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Release:
    """A perfect cipher: a fresh pad for every image."""
    pad = rng.random(images.shape, dtype=np.float32)
    return Release(np.mod(images + pad, 1).astype(np.float32), provenance=own(len(images)))


ALL: dict[str, Scheme | Custom] = {
    **{k: v for k, v in SCHEMES.items() if "null" not in k},
    "neuracrypt depth=-1": NeuraCrypt(depth=-1),
    "etc block=8, fresh": EncryptionThenCompression(fresh=True),
    "pixel-encryption fresh": PixelEncryption(fresh=True),
    "shuffled-values": ShuffledValues(),
    "mixup k=2": MixUp(k=2),
    "mixup k=4": MixUp(k=4),
    "dp-instahide": DPInstaHide(),
    "hidden-mixing": HiddenMixing(),
    "instahide": InstaHide(k=4, epochs=10),
    "noise (null)": SCHEMES["noise (null)"],
    "constant (null)": Constant(),
    "label-only (null)": LabelOnly(),
    "fresh cipher (null)": Custom(cipher),
}


def case(scheme: Scheme | Custom, data: str, seed: int, n: int, pairs: int) -> tuple[View, Candidates, Truth, Release]:
    """A release of `n` images and what the default adversary has of it."""
    images, labels = load_images(data)
    rng = np.random.default_rng(seed)
    index = rng.permutation(len(images))
    private, decoys, rest = index[:n], index[n : 2 * n], index[2 * n :]
    encoder = InProcess(scheme, load_images("imagenet_patches")[0][:200])
    probe = encoder.encode(images[private[:16]], labels[private[:16]], seed=seed)
    mine = rest[:pairs] if pairs and rows_of(probe, 16) is not None else rest[:0]
    both = np.r_[private, mine]
    release = encoder.encode(images[both], labels[both], seed=seed)
    source = rows_of(release, len(both))
    known = None
    if source is not None and len(mine):
        ours = source < n
        known = Pairs(images[both[source[~ours]]], release.encodings[~ours])
        provenance = Provenance(source[ours][:, None])
        release = Release(release.encodings[ours], None, release.image_range, provenance=provenance)
    order = rng.permutation(2 * n)
    everything = np.r_[private, decoys][order]
    candidates = Candidates(images[everything], labels[everything], np.where(order < n, order, -1))
    view = View(
        release.encodings,
        image_range=release.image_range,
        knows=frozenset(Knowledge),
        similar=images[rest],
        similar_labels=labels[rest],
        pairs=known,
        candidates=candidates.images,
        candidate_labels=candidates.labels,
        encoder=encoder,
    )
    return view, candidates, Truth(images[private], labels[private], release.provenance), release


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(ALL))
    parser.add_argument("--data", nargs="+", default=["cifar10_eval"])
    parser.add_argument("--n", type=int, default=100, help="private images")
    parser.add_argument("--pairs", type=int, nargs="+", default=[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[11])
    parser.add_argument("--profile", default="quick")
    a = parser.parse_args()
    print("| scheme | data | known pairs | seed | re-identified | by chance | expected | CPU s |\n" + "|---" * 8 + "|")
    for name in a.names:
        for data in a.data:
            for pairs in a.pairs:
                for seed in a.seeds:
                    view, candidates, truth, release = case(ALL[name], data, seed, a.n, pairs)
                    began = time.process_time()
                    output = Match().run(view, Context(seed, profile=a.profile))
                    spent = time.process_time() - began
                    m = score_matches(output, candidates, truth, release).metrics
                    print(
                        f"| {name} | {data} | {0 if view.pairs is None else len(view.pairs.images)} | {seed} "
                        f"| {m['reid']} | {m['reid_chance'].value:.3f} | {output.diagnostics['expected_reid']:.3f} "
                        f"| {spent:.1f} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()

"""Measures the attacks: ``python -m tests.benchmarks.attacks [--n 50 100] [--seed 1 2 3] [--attack unmix phase]``.

Prints one Markdown row per setting: SSIM of the private images in both conventions, the challenge's four metrics, time
and peak memory.  Private images: cifar10_eval or what --private names; public images: patches of the photographs that
no shipped network was trained on (--all-patches: all of imagenet_patches); everything else as the reference benchmark.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from ihaudit.audit.worker import peak_memory_mb, reset_peak_memory
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.configure import configure
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.metrics.challenge import challenge_scores
from ihaudit.metrics.matching import correlation
from ihaudit.metrics.ssim import ssim, ssim_challenge
from ihaudit.nn.sources import load_split
from ihaudit.scheme import Knowledge
from ihaudit.scoring.answers import answers
from tests.attacks.releases import Sample
from tests.data import DATA, load_images

HEAD = (
    "| private | N | T | k | seed | attack | SSIM (challenge) mean | median | worst | above 0.6 | SSIM (pinned) mean "
    "| Max_SSIM | Mean_SSIM | Min_L2 | Mean_L2 | images | confidence: said / off | wall s | CPU s | peak MB |\n"
    + "|---" * 20
    + "|"
)


def reference(
    seed: int,
    n: int = 100,
    epochs: int = 50,
    k: int = 6,
    private: int = 2,
    *,
    inside: bool = False,
    source: str = "cifar10_eval",
    public: np.ndarray | None = None,
    uneven: bool = False,
    equal: bool = False,
    mask: bool = True,
    file: Path | None = None,
    classes: int | None = None,
    only: int | None = None,
    pool: tuple[np.ndarray, np.ndarray] | None = None,
) -> Sample:
    """The reference benchmark: two fresh permutations per epoch, |N(0,1)| coefficients, a random sign per value.

    Args:
        source: data set of the private images; those without labels are dealt into ten classes.
        public: (M, 32, 32, 3), from 0 to 255; all of imagenet_patches where None.
        uneven: private images are drawn independently, so that their numbers of encodings differ.
        equal: all coefficients are 1 / k.
        mask: False leaves the very same mixtures without their sign masks.
        file: where the encodings are written (.npy) and mapped from, for those that are too many for the memory.
        classes: private images are of the first so many classes alone.
        only: of the release those encodings alone one of whose images is of this class, and no other.
        pool: images from 0 to 255 and labels that private images are drawn from, in place of `source`.
    """
    rng = np.random.default_rng(seed)
    images, labels = load_images(source) if pool is None else (pool[0].astype(np.float32) / 255, pool[1])
    if not labels.any():
        labels = np.arange(len(images)) % 10
    patches = load_images("imagenet_patches")[0] if public is None else public.astype(np.float32) / 255
    if classes is not None:
        images, labels = images[labels < classes], labels[labels < classes]
    chosen = rng.choice(len(images), n, replace=False)
    images, labels = images[chosen], labels[chosen].astype(np.int64)
    private = k if inside else private
    if uneven:
        members = rng.integers(0, n, (n * epochs, private))
    else:
        members = np.concatenate([np.stack([rng.permutation(n) for _ in range(private)], 1) for _ in range(epochs)])
    lambdas = np.full((len(members), k), 1 / k, np.float32)
    todo = np.arange(0 if equal else len(members))
    while len(todo):
        draw = np.abs(rng.standard_normal((len(todo), k)))
        draw /= draw.sum(1, keepdims=True)
        fine = (draw.max(1) <= max(0.65, 1.05 / k)) & (inside | (draw[:, :private].sum(1) >= 0.3))
        lambdas[todo[fine]] = draw[fine]
        todo = todo[~fine]
    if only is not None:
        mine = (labels[members] == only).sum(1) == 1
        members, lambdas = members[mine], lambdas[mine]
    x: np.ndarray = np.zeros((len(members) if file is None else 0, *images.shape[1:]), np.float32)
    if file is not None:
        x = np.lib.format.open_memmap(file, "w+", np.float32, (len(members), *images.shape[1:]))
    drawn = np.zeros((len(members), k - private), np.int64)
    for part in np.array_split(np.arange(len(x)), max(1, len(x) // 2000)):
        for j in range(k):
            if j >= private:
                drawn[part, j - private] = rng.integers(0, len(patches), len(part))
            kind = images[members[part, j]] if j < private else patches[drawn[part, j - private]]
            x[part] += lambdas[part, j, None, None, None] * (kind * 2 - 1)
        signs = rng.integers(0, 2, (len(part), *x.shape[1:]), dtype=np.int8) * 2 - 1
        if mask:
            x[part] *= signs
    if file is not None:
        del x
        x = np.load(file, mmap_mode="r")
    soft = np.zeros((len(x), int(labels.max()) + 1), np.float32)
    for j in range(private):
        np.add.at(soft, (np.arange(len(x)), labels[members[:, j]]), lambdas[:, j])
    return Sample(x, soft, members, lambdas, images, drawn, labels)


def released(sample: Sample, kind: str) -> np.ndarray | None:
    """The labels as a release holds them: "soft" (weighted), "hard" (classes only) or "none"."""
    if kind == "none":
        return None
    return (sample.labels > 0).astype(np.float32) if kind == "hard" else sample.labels


def scores(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """``ssim_challenge`` of every true image with the candidate assigned to it, float64 (N,); 0 where there is none."""
    rows, columns = linear_sum_assignment(-correlation(found, truth))
    out = np.zeros(len(truth))
    out[columns] = ssim_challenge(found[rows], truth[columns])
    return out


def judged(out: AttackOutput, sample: Sample) -> tuple[str, np.ndarray]:
    """The middle columns of a row, and pinned SSIM float64 (R,) of every candidate (0 for the unassigned)."""
    truth = sample.images
    rows, columns = linear_sum_assignment(-correlation(out.images, truth))
    strict, pinned, own = np.zeros(len(truth)), np.zeros(len(truth)), np.zeros(len(out.images))
    strict[columns] = ssim_challenge(out.images[rows], truth[columns])
    pinned[columns] = own[rows] = ssim(out.images[rows], truth[columns])
    four = ["", "", "", ""]
    if out.members is not None:
        s = sample.members.shape[1]
        values = challenge_scores(out.images, answers(out), truth, sample.members[:, :s])
        four = [f"{values[name].value:.3f}" for name in ("max_ssim", "mean_ssim", "min_l2", "mean_l2")]
    said = ""
    if out.confidence is not None:
        said = f"{np.mean(out.confidence):.3f} / {np.abs(out.confidence - own).mean():.3f}"
    cells = [f"{strict.mean():.3f}", f"{np.median(strict):.3f}", f"{strict.min():.3f}", f"{np.mean(strict > 0.6):.0%}"]
    return " | ".join([*cells, f"{pinned.mean():.3f}", *four, str(len(out.images)), said]), own


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, nargs="+", default=[100])
    parser.add_argument("--epochs", type=int, nargs="+", default=[50])
    parser.add_argument("--k", type=int, nargs="+", default=[6])
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--attack", nargs="+", default=["unmix"])
    parser.add_argument("--profile", default="quick", choices=["quick", "standard", "full"])
    parser.add_argument("--private", nargs="+", default=["cifar10_eval"])
    parser.add_argument("--slots", type=int, default=2, help="private images per encoding")
    parser.add_argument("--inside", action="store_true", help="all k images are private")
    parser.add_argument("--uneven", action="store_true", help="images are used different numbers of times")
    parser.add_argument("--labels", choices=["soft", "hard", "none"], default="soft")
    parser.add_argument("--all-patches", action="store_true")
    parser.add_argument("--public-known", action="store_true", help="hand the public set to the attack")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--save", type=Path, help="append confidence and pinned SSIM of every candidate (CSV)")
    a = parser.parse_args()
    public = None if a.all_patches else load_split(DATA).held_patches
    print(HEAD)
    for source in a.private:
        for k in a.k:
            for epochs in a.epochs:
                for n in a.n:
                    for seed in a.seed:
                        sample = reference(
                            seed, n, epochs, k, a.slots, inside=a.inside, source=source, public=public, uneven=a.uneven
                        )
                        for attack in a.attack:
                            _row(a, source, n, epochs, k, seed, attack, sample, public)


def _row(
    a: argparse.Namespace,
    source: str,
    n: int,
    epochs: int,
    k: int,
    seed: int,
    attack: str,
    sample: Sample,
    public: np.ndarray | None,
) -> None:
    labels = released(sample, a.labels)
    known = None
    knows = {Knowledge.ENCODINGS}
    if a.public_known:
        known = (load_images("imagenet_patches")[0] if public is None else public.astype(np.float32) / 255)[:]
        knows.add(Knowledge.PUBLIC_SET)
    view = View(
        encodings=sample.encodings, labels=labels, image_range=(-1.0, 1.0), public_set=known, knows=frozenset(knows)
    )
    reset_peak_memory()
    wall, cpu = time.perf_counter(), time.process_time()
    out = configure(attack).run(view, Context(seed=seed, device=a.device, profile=a.profile))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    cells, own = judged(out, sample)
    print(
        f"| {source} | {n} | {epochs} | {k} | {seed} | {attack} | {cells} "
        f"| {wall:.0f} | {cpu:.0f} | {peak_memory_mb():.0f} |",
        flush=True,
    )
    if a.save and out.confidence is not None:
        with a.save.open("a") as file:
            np.savetxt(file, np.stack([out.confidence, own], 1), fmt="%.4f", delimiter=",")


if __name__ == "__main__":
    main()

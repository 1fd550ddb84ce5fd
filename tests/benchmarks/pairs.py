"""Measures the networks of the attack `carlini`: ``python -m tests.benchmarks.pairs [--seed 1 2 3] [--membership]``.

The reference benchmark with private images of cifar10_eval and public images that no network was trained on.  One
Markdown row per seed, similarity and grouping: seconds, pair AUC and accuracy on balanced pairs (pairs of one class),
purity of the cliques, images that have a clique, and members right (slots whose set is that of their image, sets
matched to images one to one); with ``--membership`` also AUC and accuracy of the membership scores.  ``--curve FILE``
prints the learning curve on a card instead.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from ihaudit.attacks.numerics.graph import edge_sample
from ihaudit.attacks.recipe import start
from ihaudit.attacks.stages.state import Assigned, Grouped, Pairs, Scores, State
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.nn.sources import load_split
from ihaudit.nn.weights import card
from ihaudit.stats import auc
from tests.benchmarks.attacks import reference
from tests.data import DATA, load_images

HEAD = (
    "| private | T | k | seed | similarity | grouping | wall s | CPU s | pair AUC | pair accuracy | clique purity "
    "| images with a clique | members right | membership AUC | membership accuracy |\n" + "|---" * 15 + "|"
)


@dataclass(frozen=True)
class Truth:
    """members int64 (E, 2), the images; labels int64 (N,), their classes."""

    members: np.ndarray
    labels: np.ndarray


def release(seed: int, n: int, epochs: int, k: int) -> tuple[View, Truth]:
    """A reference release whose public images are held-out photographs."""
    _, labels = load_images("cifar10_eval")
    chosen = np.random.default_rng(seed).choice(len(labels), n, replace=False)
    sample = reference(seed, n, epochs, k, public=load_split(DATA).held_patches)
    view = View(encodings=sample.encodings, labels=sample.labels, image_range=(-1.0, 1.0))
    return view, Truth(sample.members, labels[chosen])


def balanced(scores: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """AUC, and accuracy at even odds on as many true as false."""
    return auc(scores, truth).value or 0.0, float(((scores[truth] > 0).mean() + (scores[~truth] <= 0).mean()) / 2)


def pair_figures(state: State, truth: Truth) -> tuple[float, float]:
    """AUC and accuracy of the similarity of up to 500,000 pairs."""
    i, j, odds = edge_sample(state.require(Pairs).graph, 500_000, np.random.default_rng(0))
    m = truth.members
    return balanced(odds, (m[i][:, :, None] == m[j][:, None, :]).any((1, 2)))


def image_of_set(state: State, truth: Truth) -> np.ndarray:
    """int64 (R,), the image matched to each set, -1 for none: as many members right as possible."""
    members, unknowns = state.require(Assigned).members, state.require(Grouped).unknowns
    hits = np.zeros((unknowns, len(truth.labels)))
    for slot in range(members.shape[1]):
        for member in range(truth.members.shape[1]):
            image = truth.members[:, member]
            good = (members[:, slot] >= 0) & (truth.labels[image] == state.observed.slots.label[:, slot])
            np.add.at(hits, (members[good, slot], image[good]), 1)
    out = np.full(unknowns, -1)
    rows, columns = linear_sum_assignment(-hits)
    out[rows] = columns
    return out


def group_figures(state: State, truth: Truth) -> tuple[float, float, float]:
    """Purity of the cliques (or nan), share of images with a clique, share of members right."""
    image = image_of_set(state, truth)
    members, cliques = state.require(Assigned).members, state.require(Grouped).cliques
    got = np.where(members >= 0, image[members], -1)
    right = np.mean([(truth.members[:, m, None] == got).any(1) for m in range(truth.members.shape[1])])
    if cliques is None:
        return float("nan"), float("nan"), float(right)
    purity, owners = [], set()
    for clique in cliques:
        held = truth.members[clique[clique >= 0]]
        if len(held):
            shares = [(held == v).any(1).mean() for v in np.unique(held)]
            purity.append(max(shares))
            owners.add(int(np.unique(held)[int(np.argmax(shares))]))
    return float(np.mean(purity)), len(owners) / len(truth.labels), float(right)


def membership_figures(state: State, truth: Truth) -> tuple[float, float]:
    """AUC and accuracy of the scores of encodings and sets that labels allow."""
    scores = state.require(Scores).scores
    assert isinstance(scores, np.ndarray)
    image = image_of_set(state, truth)
    holds = (truth.members[:, :, None] == image[None, None]).any(1)
    allowed = np.isfinite(scores)
    return balanced(scores[allowed], holds[allowed])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--k", type=int, default=6)
    parser.add_argument("--seed", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--similarity", nargs="+", default=["squares", "network"])
    parser.add_argument("--grouping", default="cliques")
    parser.add_argument("--membership", action="store_true")
    parser.add_argument("--weights", type=Path, help="similarity weights to use instead of the shipped ones")
    parser.add_argument("--curve", type=Path)
    a = parser.parse_args()
    if a.curve:
        print("| step | training loss | held-out loss | accuracy | AUC |\n" + "|---" * 5 + "|")
        for h in card(a.curve)["learning_curve"]:
            print(
                f"| {h['step']:.0f} | {h['train_loss']:.3f} | {h['loss']:.3f} | {h['accuracy']:.3f} | {h['auc']:.3f} |"
            )
        return
    print(HEAD)
    for seed in a.seed:
        view, truth = release(seed, a.n, a.epochs, a.k)
        for similarity in a.similarity:
            options = {"similarity_weights": str(a.weights)} if a.weights else {}
            ctx = Context(seed=seed, options=options)
            wall, cpu = time.perf_counter(), time.process_time()
            state = start(view, ctx).run(ctx, "similarity", similarity).run(ctx, "grouping", a.grouping)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            pairs = pair_figures(state, truth) if state.find(Pairs) is not None else (float("nan"),) * 2
            groups = group_figures(state, truth)
            member = (float("nan"),) * 2
            if a.membership:
                state = state.run(ctx, "membership", "network")
                member = membership_figures(state, truth)
            figures = " | ".join(f"{v:.3f}" for v in (*pairs, *groups, *member))
            print(
                f"| {a.n} | {a.epochs} | {a.k} | {seed} | {similarity} | {a.grouping} | {wall:.0f} | {cpu:.0f} "
                f"| {figures} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""`ihaudit train confidence`: attacks on our own releases, and the curve from what the attack knows to its SSIM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression, linear_sum_assignment

from ihaudit.attacks.numerics.pictures import to_pictures
from ihaudit.attacks.stages.restoration.network import restored_state
from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.context import Context
from ihaudit.contracts.trainer import Job, trainer
from ihaudit.contracts.view import View
from ihaudit.metrics.matching import correlation
from ihaudit.metrics.ssim import ssim
from ihaudit.nn.confidence import FEATURES, KNOTS, Confidence
from ihaudit.nn.fitting import TrainConfig
from ihaudit.nn.mixtures import Uints, mix_release
from ihaudit.nn.shipped import load_restorer
from ihaudit.nn.sources import load_split
from ihaudit.training import start, write

#: (epochs, k, private images) of the releases that are attacked for calibration
SETTINGS = (
    (5, 6, 100),
    (8, 4, 60),
    (10, 6, 100),
    (10, 8, 80),
    (15, 6, 60),
    (20, 6, 100),
    (20, 3, 60),
    (30, 5, 40),
    (50, 6, 50),
)


@dataclass(frozen=True)
class Judged:
    """features float32 (n, FEATURES), reached float32 (n,): pinned SSIM with the true image assigned to each."""

    features: NDArray[np.float32]
    reached: NDArray[np.float32]


def release(
    rng: np.random.Generator,
    private: Uints,
    labels: NDArray[np.int64],
    public: Uints,
    epochs: int,
    k: int,
) -> View:
    """A release of all `private` (N, 32, 32, 3): two private and k - 2 public images per encoding, secret masks."""
    mixed = mix_release(rng, private, public, epochs, k)
    x = mixed.mixtures * (rng.integers(0, 2, mixed.mixtures.shape, dtype=np.int8) * 2 - 1)
    soft = np.zeros((len(x), int(labels.max()) + 1), np.float32)
    for j in range(2):
        np.add.at(soft, (np.arange(len(x)), labels[mixed.members[:, j]]), mixed.coefficients[:, j])
    return View(encodings=x, labels=soft, image_range=(-1.0, 1.0))


def judge(view: View, private: Uints, ctx: Context) -> Judged:
    """Attack a release and compare every candidate with the private image assigned to it, 0 where none is."""
    attack = Unmix()
    state = attack.solve(attack.begin(view, ctx), ctx)
    features, images = restored_state(state, load_restorer(device=ctx.device))
    shown = to_pictures(images, state.observed.shape, state.observed.image_range)
    truth = private.astype(np.float32) / 255
    rows, columns = linear_sum_assignment(-correlation(shown, truth))
    reached = np.zeros(len(shown), np.float32)
    reached[rows] = ssim(shown[rows], truth[columns])
    return Judged(features.cpu().numpy().astype(np.float32), reached)


def fit(judged: Judged) -> Confidence:
    """Ridge regression to a score, isotonic regression to its SSIM."""
    net = Confidence()
    x, y = judged.features, judged.reached
    centre, spread = x.mean(0), x.std(0) + 1e-6
    z = (x - centre) / spread
    design = np.concatenate([z, np.ones((len(z), 1))], 1)
    weight = np.linalg.solve(design.T @ design + 1e-2 * len(z) * np.eye(FEATURES + 1), design.T @ y)[:FEATURES]
    score = z @ weight
    order = np.argsort(score)
    curve = isotonic_regression(y[order]).x
    edges = np.linspace(0, len(score) - 1, KNOTS)
    values = np.interp(edges, np.arange(len(score)), curve)
    state = {
        "centre": centre,
        "spread": spread,
        "weight": weight,
        "scores": score[order][edges.round().astype(int)],
        "values": values,
    }
    net.load_state_dict({k: torch.from_numpy(np.asarray(v, np.float32)) for k, v in state.items()})
    return net.eval()


@trainer("confidence", "calibrates the confidence of restored images")
def train_confidence(job: Job) -> dict[str, Any]:
    """Attack our own releases, fit the confidence, measure it on others, write it with its card.

    Raises:
        ImageError: training images are missing.
        NotApplicable: the weights of `unmix` or `restorer` are not shipped.
    """
    config = start(job, TrainConfig())
    split = load_split(job.data)
    half = len(split.held_cifar) // 2

    def many(seed: int, settings: tuple[tuple[int, int, int], ...], private: Uints, public: Uints) -> Judged:
        found = []
        for i, (epochs, k, n) in enumerate(settings):
            rng = np.random.default_rng([config.seed, seed, i])
            chosen = private[rng.choice(len(private), n, replace=False)]
            view = release(rng, chosen, rng.integers(0, 10, n), public, epochs, k)
            ctx = Context(seed=config.seed, device=config.device, profile="quick")
            found.append(judge(view, chosen, ctx))
            job.log(f"T = {epochs}, k = {k}, N = {n}: mean SSIM {found[-1].reached.mean():.3f}")
        return Judged(*(np.concatenate([getattr(f, a) for f in found]) for a in ("features", "reached")))

    # images and photographs that no network was trained on: a restorer judges its own training images too kindly
    quarter = len(split.held_patches) // 2
    judged = many(8, SETTINGS, split.held_cifar[:half], split.held_patches[:quarter])
    other = many(9, SETTINGS[::3], split.held_cifar[half:], split.held_patches[quarter:])
    net = fit(judged)
    predicted = net(torch.from_numpy(other.features)).numpy()
    card = {
        "trained_on": "attacks on releases of held-out CIFAR-10 images and photographs (ihaudit.nn.sources)",
        "settings": [list(s) for s in SETTINGS],
        "held_out": {
            "mean_said": round(float(predicted.mean()), 4),
            "mean_reached": round(float(other.reached.mean()), 4),
            "off": round(float(np.abs(predicted - other.reached).mean()), 4),
            "correlation": round(float(np.corrcoef(predicted, other.reached)[0, 1]), 4),
        },
    }
    return write(job, net, {}, config, {"steps": len(judged.reached), "seconds": 0}, card)

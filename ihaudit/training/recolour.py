"""`ihaudit train recolour`: the 73-parameter networks, fitted as Carlini et al. 2021, 4.6, fit theirs.

The attack up to recovery runs on releases of our own images, and the reconstructed pixels are mapped onto the original
ones in one pass.  One network per way of recovery, since each distorts colours its way.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from ihaudit.attacks.carlini import Carlini
from ihaudit.attacks.stages.restoration.recolour73 import pixels_of
from ihaudit.attacks.stages.state import Assigned, Grouped
from ihaudit.contracts.context import Context
from ihaudit.contracts.trainer import Job, trainer
from ihaudit.contracts.view import View
from ihaudit.metrics.matching import votes
from ihaudit.nn.fitting import TrainConfig
from ihaudit.nn.mixtures import Uints
from ihaudit.nn.recolour import PixelNet, fit
from ihaudit.nn.sources import load_split
from ihaudit.schemes.instahide import InstaHide
from ihaudit.training import start, write

#: ways of recovery that weights are fitted for
RECOVERIES = ("gradient", "gradient-spectral", "gradient-zero", "em")
#: private images of a release, epochs T, and images per mixture k of each release that is attacked to fit on
PRIVATE, EPOCHS, MIXED = 60, 50, (6, 4)


@trainer("recolour", "repairs the colours of reconstructions; attack carlini")
def train_recolour(job: Job) -> dict[str, Any]:
    """Attack releases of training images, fit one network per way of recovery, measure, write weights and card.

    Raises:
        ImageError: training images are missing.
    """
    config = start(job, TrainConfig(steps=1000, rate=1e-2))
    began = time.monotonic()
    split = load_split(job.data)
    # the last release is not fitted on: it measures, with photographs that no network saw
    parts = [
        *[(split.train_private, split.train_public, k) for k in MIXED],
        (split.held_cifar, split.held_patches, 6),
    ]
    # without networks, so that these weights do not hang on those; colours depend on how images are recovered
    attack = Carlini(similarity="squares", grouping="anneal", membership="none", restoration="none")
    pixels: dict[str, list[tuple[Tensor, Tensor]]] = {r: [] for r in RECOVERIES}
    for i, (private, public, k) in enumerate(parts):
        job.log(f"attacking release {i + 1} of {len(parts)} (k = {k})")
        for name, pair in _attacked(attack, private, public, k, config, i).items():
            pixels[name].append(pair)
    nets, held = {}, {}
    for name in RECOVERIES:
        inputs, targets = (torch.cat(x) for x in zip(*pixels[name][:-1], strict=True))
        nets[name], error = fit(inputs, targets, config)
        held[name] = _held_out(nets[name], *pixels[name][-1]) | {"fitted_rmse": round(error**0.5, 4)}
        job.log(f"{name}: {held[name]}")
    card = {
        "trained_on": "releases of cifar10_train20k (first 10,000) and cifar100_train5k with public images from "
        "imagenet_patches, attacked; the split is ihaudit.nn.sources.load_split",
        "releases": {"private": PRIVATE, "epochs": EPOCHS, "k": MIXED},
        "attack": repr(attack),
        "held_out": held,
    }
    record = {"steps": config.steps, "seconds": round(time.monotonic() - began)}
    return write(job, nn.ModuleDict(nets), {"recoveries": list(RECOVERIES)}, config, record, card)


def _attacked(
    attack: Carlini, private: Uints, public: Uints, k: int, config: TrainConfig, number: int
) -> dict[str, tuple[Tensor, Tensor]]:
    """Recovery -> (reconstructed, original) pixels float32 (n, 3) on [-1, 1], from one attacked release."""
    rng = np.random.default_rng([config.seed, 73, number])
    images = (private[rng.choice(len(private), PRIVATE, replace=False)] / 255).astype(np.float32)
    others = (public / 255).astype(np.float32)
    # classes only cut the attack's problem into parts; the split holds no labels
    release = InstaHide(k=k, epochs=EPOCHS).encode(images, np.arange(PRIVATE) % 10, others, rng)
    view = View(encodings=release.encodings, labels=release.labels, image_range=release.image_range)
    ctx = Context(seed=config.seed + number, device=config.device, profile="standard")
    state = attack.assign(attack.begin(view, ctx), ctx)
    assigned = state.require(Assigned)
    truth = release.provenance
    assert truth is not None
    evidence = votes(
        PRIVATE,
        state.require(Grouped).unknowns,
        assigned.members,
        assigned.coefficients,
        np.asarray(truth.sources),
        truth.coefficients,
    )
    candidate, source = linear_sum_assignment(-evidence)
    original = torch.from_numpy(images[source] * 2 - 1).reshape(-1, 3)
    out = {}
    for name in RECOVERIES:
        found, _ = pixels_of(state.run(ctx, "recovery", name), name)
        out[name] = (found[torch.from_numpy(candidate)].reshape(-1, 3).cpu(), original)
    return out


@torch.no_grad()
def _held_out(net: PixelNet, inputs: Tensor, targets: Tensor) -> dict[str, float]:
    """Root mean squared error on [-1, 1] before and after, on a release of images never trained on."""
    before, after = ((x.clamp(-1, 1) - targets).square().mean().sqrt() for x in (inputs, net(inputs)))
    return {"rmse_before": round(float(before), 4), "rmse_after": round(float(after), 4)}

"""The 73-parameter network of Carlini et al. 2021, 4.6: one pixel of a reconstruction -> its colour, 3 -> 10 -> 3.

Fitted as the paper fits it: the attack up to recovery runs on releases of our own images, and the reconstructed pixels
are mapped onto the original ones in one pass.  One network per way of recovery, since each distorts colours its way.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ihaudit.nn import weights
from ihaudit.nn.training import Job, TrainConfig

if TYPE_CHECKING:
    from ihaudit.attacks.carlini import Carlini

#: ways of recovery that weights are fitted for
RECOVERIES = ("gradient", "gradient-spectral", "gradient-zero", "em")
#: private images of a release, epochs T, and images per mixture k of each release that is attacked to fit on
PRIVATE, EPOCHS, MIXED = 60, 50, (6, 4)
#: random starts, of which the best fit is kept: ten hidden units can die
STARTS = 4


class Pixel(nn.Sequential):
    """float32 (..., 3) on [-1, 1] -> (..., 3); 3 * 10 + 10 + 10 * 3 + 3 = 73 parameters."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(3, 10), nn.ReLU(), nn.Linear(10, 3))


def build(network: dict[str, Any]) -> nn.ModuleDict:
    """One `Pixel` per way of recovery."""
    return nn.ModuleDict({name: Pixel() for name in network["recoveries"]})


def load(path: Path | None = None, device: str = "cpu") -> nn.ModuleDict:
    """The networks by way of recovery; see `ihaudit.nn.weights.load`."""
    return weights.load("recolour", build, path=path, device=device, what="recolouring")


def fit(inputs: Tensor, targets: Tensor, config: TrainConfig) -> tuple[Pixel, float]:
    """One pass over pixels float32 (n, 3), both on [-1, 1], from several starts; the best and its mean squared error.

    Batches are as large as `config.steps` steps to a pass make them.
    """
    best: tuple[Pixel, float] | None = None
    for start in range(STARTS):
        generator = torch.Generator().manual_seed(config.seed * 1000 + start)
        net = Pixel()
        for p in net.parameters():
            p.data = torch.rand(p.shape, generator=generator) * 2 - 1
            p.data /= 3**0.5 if p.shape[-1] == 3 else 10**0.5
        optimiser = torch.optim.Adam(net.parameters(), config.rate)
        order = torch.randperm(len(inputs), generator=generator)
        batches = order.chunk(config.steps)
        for step, batch in enumerate(batches):
            for group in optimiser.param_groups:
                group["lr"] = config.rate * (1 - step / len(batches))
            optimiser.zero_grad()
            nn.functional.mse_loss(net(inputs[batch]), targets[batch]).backward()
            optimiser.step()
        with torch.no_grad():
            error = float(nn.functional.mse_loss(net(inputs), targets))
        if best is None or error < best[1]:
            best = (net, error)
    assert best is not None
    return best


def train_recolour(job: Job) -> dict[str, Any]:
    """`ihaudit train recolour`: attack releases of training images, fit one network per way of recovery.

    Raises:
        ImageError: training images are missing.
    """
    from ihaudit.attacks.carlini import Carlini
    from ihaudit.nn.sources import load_split

    config = job.start(TrainConfig(steps=1000, rate=1e-2))
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
    facts = {
        "trained_on": "releases of cifar10_train20k (first 10,000) and cifar100_train5k with public images from "
        "imagenet_patches, attacked; the split is ihaudit.nn.sources.load_split",
        "releases": {"private": PRIVATE, "epochs": EPOCHS, "k": MIXED},
        "attack": repr(attack),
        **job.facts(config, {"steps": config.steps, "seconds": round(time.monotonic() - began)}),
        "held_out": held,
    }
    weights.save(nn.ModuleDict(nets), {"recoveries": list(RECOVERIES)}, job.out, facts)
    return facts


def _attacked(
    attack: Carlini, private: np.ndarray, public: np.ndarray, k: int, config: TrainConfig, number: int
) -> dict[str, tuple[Tensor, Tensor]]:
    """Recovery -> (reconstructed, original) pixels float32 (n, 3) on [-1, 1], from one attacked release."""
    from scipy.optimize import linear_sum_assignment

    from ihaudit.attacks.stages.restoration.recolour73 import pixels_of
    from ihaudit.attacks.stages.state import run_stage
    from ihaudit.contracts.context import Context
    from ihaudit.contracts.view import View
    from ihaudit.metrics.matching import votes
    from ihaudit.schemes.instahide import InstaHide

    rng = np.random.default_rng([config.seed, 73, number])
    images = (private[rng.choice(len(private), PRIVATE, replace=False)] / 255).astype(np.float32)
    others = (public / 255).astype(np.float32)
    # classes only cut the attack's problem into parts; the split holds no labels
    release = InstaHide(k=k, epochs=EPOCHS).encode(images, np.arange(PRIVATE) % 10, others, rng)
    view = View(encodings=release.encodings, labels=release.labels, image_range=release.image_range)
    ctx = Context(seed=config.seed + number, device=config.device, profile="standard")
    state, _ = attack.assign(view, ctx)
    truth = release.provenance
    assert truth is not None and state.members is not None
    evidence = votes(
        PRIVATE, state.unknowns, state.members, state.coefficients, np.asarray(truth.sources), truth.coefficients
    )
    candidate, source = linear_sum_assignment(-evidence)
    original = torch.from_numpy(images[source] * 2 - 1).reshape(-1, 3)
    out = {}
    for name in RECOVERIES:
        found, _ = pixels_of(run_stage(replace(state, records=[]), ctx, "recovery", name), name)
        out[name] = (found[torch.from_numpy(candidate)].reshape(-1, 3).cpu(), original)
    return out


@torch.no_grad()
def _held_out(net: Pixel, inputs: Tensor, targets: Tensor) -> dict[str, float]:
    """Root mean squared error on [-1, 1] before and after, on a release of images never trained on."""
    before, after = ((x.clamp(-1, 1) - targets).square().mean().sqrt() for x in (inputs, net(inputs)))
    return {"rmse_before": round(float(before), 4), "rmse_after": round(float(after), 4)}

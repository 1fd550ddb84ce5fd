"""`ihaudit train unmask`: data, training, measurement, weights with their card."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ihaudit.metrics.ssim import ssim
from ihaudit.nn.losses import SignShare, sign_share
from ihaudit.nn.mixtures import Batch, MixtureConfig, Mixtures
from ihaudit.nn.recolour import Recolour
from ihaudit.nn.sources import Split, load_split
from ihaudit.nn.training import TrainConfig, train
from ihaudit.nn.weights import save_unmask

#: Mixtures in a held-out measurement.
_MEASURED = 512


def train_unmask(
    data: Path, out: Path, config: TrainConfig, checkpoint: Path | None, threads: int, log: Callable[[str], None]
) -> dict[str, Any]:
    """Train the mask recovery network, measure it on held-out photographs, write weights and card to `out`.

    Returns:
        The facts on the card.

    Raises:
        ImageError: training images are missing in `data`.
    """
    if threads:
        torch.set_num_threads(threads)
    split, mixing = load_split(data), MixtureConfig()
    log(
        f"training on {len(split.train_private)} private-like and {len(split.train_public)} public-like images; "
        f"{len(split.held_cifar)} and {len(split.held_patches)} held out"
    )
    net, record = train(
        Mixtures(split.train_private, split.train_public, mixing),
        Mixtures(split.held_cifar, split.held_patches, mixing),
        config,
        checkpoint or out.with_suffix(".checkpoint.pt"),
        log,
    )
    facts = {
        "trained_on": "cifar10_train20k (first 10,000), cifar100_train5k, imagenet_patches (4,295 patches, of "
        "photographs none of which is held out); the split is ihaudit.nn.sources.load_split",
        "command": " ".join(["ihaudit", *sys.argv[1:]]),
        "training": asdict(config),
        "mixtures": asdict(mixing),
        "steps": record["steps"],
        "seconds": record["seconds"],
        "threads": torch.get_num_threads(),
        "held_out": held_out_figures(net, split, config.device),
    }
    save_unmask(net, out, facts)
    return facts


def held_out_figures(net: Recolour, split: Split, device: str = "cpu") -> dict[str, dict[str, float]]:
    """Sign bits right and SSIM of recoloured mixtures, k = 4, on images that were never trained on.

    Returns:
        {"cifar": ..., "photographs": ...} by what the public images are (the first image of each mixture is CIFAR):
        ``signs`` (share right, weighted by |m|, up to the global sign), ``signs_with_global``, ``signs_part_known``,
        and ``ssim`` (pinned) of the recoloured mixture.
    """
    out, half = {}, len(split.held_cifar) // 2
    for name, pool in (("cifar", split.held_cifar), ("photographs", split.held_patches)):
        config = replace(MixtureConfig(), k=(4, 4), loose=0.0, private_share=0.0, shift=0.0)
        sampler = Mixtures(split.held_cifar[half:], pool[:half], config)
        batch = sampler.draw(np.random.default_rng(11), _MEASURED)
        logits = _logits(net, batch, device)
        share: SignShare = sign_share(logits, batch)
        recoloured = batch.mixture.abs() * torch.where(logits > 0, 1.0, -1.0)
        shown, true = (((x + 1) / 2).clamp(0, 1).permute(0, 2, 3, 1).numpy() for x in (recoloured, batch.mixture))
        blind = batch.blind.numpy()
        out[name] = {
            "signs": round(share.best, 4),
            "signs_with_global": round(share.guessed, 4),
            "signs_part_known": round(share.known, 4),
            "ssim": round(float(ssim(shown[blind], true[blind]).mean()), 4),
        }
    return out


@torch.inference_mode()
def _logits(net: Recolour, batch: Batch, device: str) -> torch.Tensor:
    parts = [
        net(m.abs().to(device), k.to(device)).cpu() for m, k in zip(batch.mixture.split(128), batch.known.split(128))
    ]
    return torch.cat(parts)

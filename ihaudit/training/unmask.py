"""`ihaudit train unmask`: data, training, measurement, weights with their card."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch

from ihaudit.contracts.trainer import Job, trainer
from ihaudit.metrics.ssim import ssim
from ihaudit.nn.fitting import TrainConfig, train
from ihaudit.nn.mixtures import MixtureConfig, Mixtures
from ihaudit.nn.sources import TRAINED_ON, Split, load_split
from ihaudit.nn.tasks.unmask import UnmaskTask, sign_share
from ihaudit.nn.unmask import UnmaskNet
from ihaudit.training import start, write

#: Mixtures in a held-out measurement.
MEASURED = 512

DEFAULTS = TrainConfig(steps=6500, every=250)


@trainer("unmask", "recovers sign masks; attack single", options=("gan",))
def train_unmask(job: Job) -> dict[str, Any]:
    """Train the mask recovery network, measure it on held-out photographs, write weights and card.

    Options: ``gan``, the weight of an adversarial loss.

    Raises:
        ImageError: training images are missing.
    """
    config = start(job, DEFAULTS)
    gan = float(job.options.get("gan", 0.0))
    split, mixing = load_split(job.data), MixtureConfig()
    job.log(
        f"training on {len(split.train_private)} private-like and {len(split.train_public)} public-like images; "
        f"{len(split.held_cifar)} and {len(split.held_patches)} held out"
    )
    task = UnmaskTask(
        Mixtures(split.train_private, split.train_public, mixing),
        Mixtures(split.held_cifar, split.held_patches, mixing),
        gan=gan,
    )
    net, record = train(task, config, job.checkpoint_path, job.log)
    card = {
        "trained_on": TRAINED_ON,
        "gan": gan,
        "mixtures": asdict(mixing),
        "held_out": held_out_figures(net, split, config.device),
    }
    return write(job, net, task.network, config, record, card)


def held_out_figures(net: UnmaskNet, split: Split, device: str = "cpu") -> dict[str, dict[str, float]]:
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
        batch = sampler.draw(np.random.default_rng(11), MEASURED)
        with torch.inference_mode():
            parts = zip(batch.mixture.split(128), batch.known.split(128), strict=True)
            logits = torch.cat([net(m.abs().to(device), k.to(device)).cpu() for m, k in parts])
        share = sign_share(logits, batch)
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

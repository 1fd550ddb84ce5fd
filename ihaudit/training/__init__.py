"""What `ihaudit train NAME` runs: one file per NAME, whose function registers by `ihaudit.contracts.trainer`."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import nn

from ihaudit.contracts.trainer import Job
from ihaudit.nn.fitting import TrainConfig
from ihaudit.nn.sources import LICENSE_NOTE
from ihaudit.nn.weights import save


def start(job: Job, defaults: TrainConfig) -> TrainConfig:
    """The network's own configuration with what the user set; sets the number of threads."""
    if job.threads:
        torch.set_num_threads(job.threads)
    return replace(defaults, **job.overrides)


def write(
    job: Job,
    net: nn.Module,
    network: dict[str, Any],
    config: TrainConfig,
    record: Mapping[str, Any],
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """Write weights and their card.

    Args:
        network: what rebuilds the network (see `ihaudit.nn.weights.load`).
        record: of `ihaudit.nn.fitting.train`: ``steps`` and ``seconds``.
        more: what only this network's card says, ``trained_on`` and ``held_out`` among it.

    Returns:
        The facts on the card.
    """
    card = {
        "trained_on": more["trained_on"],
        "license_note": LICENSE_NOTE,
        "command": job.command(sys.argv[1:]),
        "training": asdict(config),
        "steps": record["steps"],
        "seconds": record["seconds"],
        "threads": torch.get_num_threads(),
        **more,
    }
    save(net, network, job.out, card)
    return card


def today() -> str:
    """The day of a training, for its card."""
    return datetime.date.today().isoformat()

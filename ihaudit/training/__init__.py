"""What `ihaudit train NAME` runs: one file per NAME, whose function registers by `ihaudit.contracts.trainer`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import torch

from ihaudit.contracts.trainer import Job
from ihaudit.nn.fitting import TrainConfig


def start(job: Job, defaults: TrainConfig) -> TrainConfig:
    """The network's own configuration with what the user set; sets the number of threads."""
    if job.threads:
        torch.set_num_threads(job.threads)
    return replace(defaults, **job.overrides)


def facts(job: Job, config: TrainConfig, record: Mapping[str, Any]) -> dict[str, Any]:
    """What every card says of a training: command, configuration, steps, seconds, threads."""
    return {
        "command": job.command(sys.argv[1:]),
        "training": asdict(config),
        "steps": record["steps"],
        "seconds": record["seconds"],
        "threads": torch.get_num_threads(),
    }

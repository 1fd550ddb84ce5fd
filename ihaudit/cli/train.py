"""`ihaudit train`: train the networks that the package ships."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    network: Annotated[
        str, typer.Argument(help="Which network: 'unmask' (recovers sign masks; attacks single and recolour).")
    ],
    data: Annotated[
        Path,
        typer.Option(
            help="Folder with cifar10_train20k.npz, cifar100_train5k.npz and imagenet_patches.npz.",
            envvar="IHAUDIT_DATA",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Where the weights go; the card is written beside them, as .json.")] = Path(
        "unmask.safetensors"
    ),
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = 6500,
    batch: Annotated[int, typer.Option(min=1, help="Mixtures per step.")] = 64,
    rate: Annotated[float, typer.Option(min=1e-6, help="Peak learning rate.")] = 1e-3,
    gan: Annotated[
        float,
        typer.Option(min=0.0, help="Weight of an adversarial loss, as in Carlini et al. 2021; 0 for none."),
    ] = 0.0,
    every: Annotated[int, typer.Option(min=1, help="Steps between validations and checkpoints.")] = 250,
    patience: Annotated[int, typer.Option(min=1, help="Validations without a better one before stopping.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights and batches.")] = 0,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 for torch's default.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    bf16: Annotated[bool, typer.Option(help="Mixed precision; turn off where the processor lacks it.")] = True,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Checkpoint to write and to go on from; default: beside --out.")
    ] = None,
) -> None:
    """Train a network on mixtures made from photographs, and measure it on photographs it never saw."""
    from ihaudit.errors import UsageError
    from ihaudit.nn.training import TrainConfig
    from ihaudit.nn.unmask import train_unmask
    from ihaudit.registry import suggest

    if network != "unmask":
        raise UsageError(f"there is no network called {network!r}{suggest(network, ['unmask'])}")
    from ihaudit.environment import resolve_device

    config = TrainConfig(
        steps=steps,
        batch=batch,
        rate=rate,
        gan=gan,
        every=every,
        patience=patience,
        seed=seed,
        bf16=bf16,
        device=resolve_device(device),
    )
    facts = train_unmask(data, out, config, checkpoint, threads, log=lambda line: typer.echo(line, err=True))
    typer.echo(f"{out}: {facts['held_out']}")

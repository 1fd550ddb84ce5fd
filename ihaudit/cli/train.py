"""`ihaudit train`: train the networks that the package ships."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Any

import typer

#: Name -> ("module:function" of its trainer, called with an `ihaudit.nn.training.Job`; what it is for).
TRAINERS: dict[str, tuple[str, str]] = {
    "recolour": ("ihaudit.training.recolour:train_recolour", "repairs the colours of reconstructions; attack carlini"),
    "membership": (
        "ihaudit.training.membership:train_membership",
        "tells whether an encoding belongs with four others; attack carlini",
    ),
    "similarity": (
        "ihaudit.training.similarity:train_similarity",
        "tells whether two encodings share an image; attack carlini",
    ),
    "scales": (
        "ihaudit.training.scales:train_scales",
        "predicts how strong public images are, place by place; attacks prng, unmix",
    ),
    "confidence": ("ihaudit.training.confidence:train_confidence", "calibrates the confidence of restored images"),
    "restorer": ("ihaudit.training.restorer:train_restorer", "restores reconstructions, with confidence; attack unmix"),
    "unmix": ("ihaudit.training.unmix:train_unmix", "recovers sign masks, given reconstructions; attack unmix"),
    "unmask": ("ihaudit.training.unmask:train_unmask", "recovers sign masks; attack single"),
}


def trainer(name: str) -> Any:
    """The trainer called `name`, imported only now; a `UsageError` names the networks there are."""
    from ihaudit.errors import UsageError
    from ihaudit.registry import suggest

    if name not in TRAINERS:
        raise UsageError(f"there is no network called {name!r}{suggest(name, TRAINERS)}")
    module, function = TRAINERS[name][0].split(":")
    return getattr(importlib.import_module(module), function)


def command(
    name: Annotated[
        str,
        typer.Argument(help="Which network: " + "; ".join(f"'{k}' ({v[1]})" for k, v in TRAINERS.items()) + "."),
    ],
    data: Annotated[
        Path,
        typer.Option(
            help="Folder with cifar10_train20k.npz, cifar100_train5k.npz and imagenet_patches.npz.",
            envvar="IHAUDIT_DATA",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Where the weights go (default: NAME.safetensors); the card is written beside, as .json."),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps; default: the network's own.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Samples per step; default: the network's own.")] = None,
    rate: Annotated[float | None, typer.Option(min=1e-6, help="Peak learning rate; default: its own.")] = None,
    every: Annotated[int | None, typer.Option(min=1, help="Steps between validations and checkpoints.")] = None,
    patience: Annotated[int, typer.Option(min=1, help="Validations without a better one before stopping.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights and batches.")] = 0,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 for torch's default.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    bf16: Annotated[bool, typer.Option(help="Mixed precision; turn off where the processor lacks it.")] = True,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Checkpoint to write and to go on from; default: beside --out.")
    ] = None,
    gan: Annotated[
        float | None,
        typer.Option(min=0.0, help="unmask: weight of an adversarial loss, as in Carlini et al. 2021; 0 for none."),
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="similarity: 'encoder' (shipped) or 'wrn' (the paper's, for a GPU).")
    ] = None,
    encoder: Annotated[
        Path | None, typer.Option(help="membership: similarity weights to build on; default: the shipped ones.")
    ] = None,
) -> None:
    """Train a network on releases made from photographs, and measure it on photographs it never saw."""
    train_it = trainer(name)
    from ihaudit.environment import resolve_device
    from ihaudit.nn.training import Job

    given = {"steps": steps, "batch": batch, "rate": rate, "every": every}
    job = Job(
        data=data,
        out=out or Path(f"{name}.safetensors"),
        overrides={k: v for k, v in given.items() if v is not None}
        | {"patience": patience, "seed": seed, "bf16": bf16, "device": resolve_device(device)},
        checkpoint=checkpoint,
        threads=threads,
        options={k: v for k, v in {"gan": gan, "network": network, "encoder": encoder}.items() if v is not None},
        log=lambda line: typer.echo(line, err=True),
    )
    facts = train_it(job)
    typer.echo(f"{job.out}: {facts['held_out']}")

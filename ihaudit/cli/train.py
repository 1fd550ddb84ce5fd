"""`ihaudit train`: train the networks that the package ships."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ihaudit.cli._common import say
from ihaudit.cli._help import Command


class TrainCommand(Command):
    """Names the networks there are in its help, which is the only time that all of them are looked up."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The command's help."""
        from ihaudit import registry

        (name,) = (p for p in self.params if p.name == "name")
        networks = "; ".join(f"'{id_}' ({t.title})" for id_, t in registry.load("trainer").items())
        name.help = f"Which network: {networks}."  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)


def command(
    name: Annotated[str, typer.Argument(help="Which network.")],
    data: Annotated[
        Path,
        typer.Option(
            help="Folder with cifar10_train20k.npz, cifar100_train5k.npz and imagenet_patches.npz, each with arrays "
            "images (uint8, N x 32 x 32 x 3) and labels: the first 20,000 and 5,000 training images of CIFAR-10 and "
            "CIFAR-100, and crops of ImageNet photographs. They do not ship with the package; networks of one's own "
            "can be trained on any photographs of that shape.",
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
        str | None,
        typer.Option(
            help="similarity: 'encoder' (shipped) or 'wrn' (the paper's, for a GPU); comparator, filter, fusion: "
            "'small' (shipped) or 'paper', about the size of the paper's, for a GPU."
        ),
    ] = None,
    begin: Annotated[
        Path | None, typer.Option("--start", help="restorer: weights to begin with; default: random ones.")
    ] = None,
    encoder: Annotated[
        Path | None, typer.Option(help="membership: similarity weights to build on; default: the shipped ones.")
    ] = None,
) -> None:
    """Train a network on releases made from photographs, and measure it on photographs it never saw."""
    from ihaudit import registry
    from ihaudit.contracts.trainer import Job
    from ihaudit.environment import resolve_device
    from ihaudit.errors import UsageError

    trainers = registry.load("trainer")
    if name not in trainers:
        raise UsageError(f"there is no network called {name!r}{registry.suggest(name, trainers)}")
    trainer = trainers[name]
    given_options = {"gan": gan, "network": network, "encoder": encoder, "start": begin}
    options = {k: v for k, v in given_options.items() if v is not None}
    for option in options.keys() - set(trainer.options):
        raise UsageError(f"this network has no option --{option}; it takes {', '.join(trainer.options) or 'none'}")
    given = {"steps": steps, "batch": batch, "rate": rate, "every": every}
    job = Job(
        data=data,
        out=out or Path(f"{name}.safetensors"),
        overrides={k: v for k, v in given.items() if v is not None}
        | {"patience": patience, "seed": seed, "bf16": bf16, "device": resolve_device(device)},
        checkpoint=checkpoint,
        threads=threads,
        options=options,
        log=lambda line: typer.echo(line, err=True),
    )
    facts = trainer.train(job)
    say(f"{job.out}: {facts['held_out']}")

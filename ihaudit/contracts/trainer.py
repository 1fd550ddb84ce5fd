"""What `ihaudit train NAME` runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ihaudit.registry import register

Log = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """What `ihaudit train NAME` hands to the trainer of that network.

    Attributes:
        data: folder of the training images.
        out: the weight file to write (its card goes beside it).
        overrides: fields of the training configuration that the user set; the trainer's own defaults hold for others.
        checkpoint: file to write and to go on from; beside `out` where None.
        threads: CPU threads, 0 for torch's default.
        options: what only some networks take (``gan``, ``network``).
        log: called with each line of progress.
    """

    data: Path
    out: Path
    overrides: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: Path | None = None
    threads: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    log: Log = print

    @property
    def checkpoint_path(self) -> Path:
        """Where the checkpoint lies."""
        return self.checkpoint or self.out.with_suffix(".checkpoint.pt")

    def command(self, arguments: Sequence[str]) -> str:
        """The command line as others may repeat it: `$IHAUDIT_DATA` for the data folder, bare names for other paths."""
        shown = [
            "$IHAUDIT_DATA" if a in (str(self.data), f"{self.data}/") else Path(a).name if a.startswith("/") else a
            for a in arguments
        ]
        return " ".join(["ihaudit", *shown])


Train = Callable[[Job], Mapping[str, Any]]


@dataclass(frozen=True)
class Trainer:
    """A network that can be trained.

    Attributes:
        id: as `ihaudit train` calls it.
        title: what the network is for, and the attack that uses it, in a few words.
        train: trains, measures on photographs that were held out, writes weights and card; returns the card's facts,
            ``held_out`` among them.
        options: names of `Job.options` that it takes.
    """

    id: str
    title: str
    train: Train
    options: tuple[str, ...] = ()


def trainer(id_: str, title: str, *, options: tuple[str, ...] = ()) -> Callable[[Train], Train]:
    """Register a function as the trainer `id_`; the function itself is left as it is."""

    def add(train: Train) -> Train:
        register("trainer", id_)(Trainer(id_, title, train, options))
        return train

    return add

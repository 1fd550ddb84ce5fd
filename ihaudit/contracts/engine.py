"""Where calls that take minutes are run: on this machine, on a cluster, on a batch queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, TypeVar

from ihaudit.errors import UsageError
from ihaudit.registry import register

Item = TypeVar("Item")
T = TypeVar("T")


class Died(Exception):
    """A call whose process, or machine, ended before it answered; whether to try again is the caller's to say."""


@dataclass(frozen=True)
class EngineOptions:
    """What an engine is made from.

    Attributes:
        jobs: calls that run at the same time, at least 1; None leaves it to the engine.
        folder: where it may keep files of its own; seen by every machine that takes part.
        scheduler: address of a cluster that runs already; None where the engine is to start one, or needs none.
        settings: of the engine itself, by name, as text.
    """

    jobs: int | None
    folder: Path
    scheduler: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)

    def refuse_settings(self, id_: str) -> None:
        """For engines that have none.

        Raises:
            UsageError: there are some.
        """
        if self.settings:
            name, value = next(iter(self.settings.items()))
            raise UsageError(
                f"--slurm {name}={value} is nothing to the engine {id_}; give --engine slurm with it, or leave it away"
            )


class Engine(Protocol):
    """Runs calls elsewhere, each in a process of its own; a context manager, as `concurrent.futures.Executor` is.

    A call may be run twice where the engine loses sight of it, so calls must bear that.
    """

    def submit_each(self, function: Callable[[Item], T], items: Sequence[Item]) -> list[Future[T]]:
        """Begin ``function(item)`` for every item, and return at once: futures in the order of `items`.

        Args:
            function: importable by name in another process.
            items: picklable.

        A future raises what its call raised, or `Died`.
        """

    def __enter__(self) -> Engine:
        """The engine, ready."""

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        """Give back what was started; where the block failed, calls that have not ended are ended."""


EngineFactory = Callable[[EngineOptions], Engine]


@dataclass(frozen=True)
class EngineKind:
    """A kind of engine as it is registered: `ihaudit sweep --engine ID`."""

    id: str
    title: str
    start: EngineFactory


def engine(id_: str, title: str) -> Callable[[EngineFactory], EngineFactory]:
    """Register what makes an engine as `id_`; the function or class itself is left as it is."""

    def add(start: EngineFactory) -> EngineFactory:
        register("engine", id_)(EngineKind(id_, title, start))
        return start

    return add

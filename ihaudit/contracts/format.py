"""What a report is rendered from, and a format: a whole file made from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

from ihaudit.registry import register
from ihaudit.results import Finding, Results


@dataclass(frozen=True, eq=False)
class Source:
    """results.json and arrays.npz as read, and nothing else.

    Attributes:
        results: the audit.
        arrays: by ``<finding id>/<name>`` or ``private/<name>``; may be empty (rendering without images).
        samples: whether private images and reconstructions may be shown.
    """

    results: Results
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    samples: bool = True

    def __post_init__(self) -> None:
        # Titles come from many hands; a report begins each with a capital.
        titled = [f.model_copy(update={"title": f.title[:1].upper() + f.title[1:]}) for f in self.results.findings]
        object.__setattr__(self, "results", self.results.model_copy(update={"findings": titled}))

    def array(self, owner: str, name: str) -> NDArray[Any] | None:
        """The array ``owner/name``, or None; image-like arrays are withheld where samples are not to be shown."""
        a = self.arrays.get(f"{owner}/{name}")
        return None if a is None or a.size == 0 or (a.ndim >= 3 and not self.samples) else a

    def scores(self, finding: Finding, name: str = "ssim") -> NDArray[Any] | None:
        """Per-image scores of a finding, shape (N,), or None."""
        a = self.array(finding.id, name)
        return a if a is not None and a.ndim == 1 else None


class Format(Protocol):
    """One output format: a function of the source with the file name it is written to."""

    filename: str

    def __call__(self, source: Source) -> bytes | str:
        """The whole file."""


F = TypeVar("F", bound=Callable[[Source], bytes | str])


def report_format(id_: str, filename: str) -> Callable[[F], F]:
    """Register a rendering function as the format `id_`, written to `filename`."""

    def add(function: F) -> F:
        function.filename = filename  # type: ignore[attr-defined]
        return register("format", id_)(function)

    return add

"""What every format is rendered from, and the registry of formats: add a format = add one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from numpy.typing import NDArray

from ihaudit.errors import UsageError
from ihaudit.registry import get, register
from ihaudit.results import Finding, Results


@dataclass(frozen=True, eq=False)
class Source:
    """results.json and arrays.npz as read, and nothing else.

    Attributes:
        results: the audit.
        arrays: by ``<finding id>/<name>`` or ``truth/<name>``; may be empty (rendering without images).
        samples: whether private images and reconstructions may be shown.
    """

    results: Results
    arrays: Mapping[str, NDArray] = field(default_factory=dict)
    samples: bool = True

    def __post_init__(self) -> None:
        # Titles come from many hands; a report begins each with a capital.
        titled = [f.model_copy(update={"title": f.title[:1].upper() + f.title[1:]}) for f in self.results.findings]
        object.__setattr__(self, "results", self.results.model_copy(update={"findings": titled}))

    def array(self, owner: str, name: str) -> NDArray | None:
        """The array ``owner/name``, or None; image-like arrays are withheld where samples are not to be shown."""
        a = self.arrays.get(f"{owner}/{name}")
        return None if a is None or a.size == 0 or (a.ndim >= 3 and not self.samples) else a

    def scores(self, finding: Finding, name: str = "ssim") -> NDArray | None:
        """Per-image scores of a finding, shape (N,), or None."""
        a = self.array(finding.id, name)
        return a if a is not None and a.ndim == 1 else None

    @cached_property
    def view(self) -> dict[str, Any]:
        """The template's context, built once for HTML and PDF together."""
        from ihaudit.report.view import build

        return build(self)


class Format(Protocol):
    """One output format: a function of the source with the file name it is written to."""

    filename: str

    def __call__(self, source: Source) -> bytes | str:
        """The whole file."""


F = TypeVar("F", bound=Callable[[Source], "bytes | str"])


def report_format(id_: str, filename: str) -> Callable[[F], F]:
    """Register a rendering function as the format `id_`, written to `filename`."""

    def add(function: F) -> F:
        function.filename = filename  # type: ignore[attr-defined]
        return register("format", id_)(function)

    return add


def get_format(id_: str) -> Format:
    """The format called `id_`, or a `UsageError` that suggests the nearest one."""
    return cast(Format, get("format", id_))


def templates_folder() -> Path:
    """Where the templates lie: in the package when installed from a wheel, at the top level in a checkout.

    Raises:
        UsageError: in neither place (a broken installation).
    """
    import ihaudit

    package = Path(ihaudit.__file__).resolve().parent
    for folder in (package / "_templates", package.parent / "templates"):
        if (folder / "report.html.j2").exists():
            return folder
    raise UsageError(f"the report templates are missing from {package / '_templates'}; install ihaudit again")

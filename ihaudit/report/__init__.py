"""results.json -> HTML, PDF, JUnit, SARIF, Markdown.

Everything is rendered from results.json and arrays.npz alone: no GPU, no scheme, no torch.  A format is one file in
`formats`, a section of HTML and PDF one file in `sections` and its template.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from numpy.typing import NDArray

from ihaudit import registry
from ihaudit.contracts.format import Format, Source
from ihaudit.results import Results, atomic_write

__all__ = ["render"]


def render(
    results: Results,
    arrays: Mapping[str, NDArray[Any]],
    folder: Path,
    formats: Sequence[str] = ("html", "pdf"),
    *,
    samples: bool = True,
) -> list[Path]:
    """Render `results` into `folder`, each file atomically.

    Args:
        results: the audit, as `ihaudit.results.read_results` reads it.
        arrays: arrays.npz by name; may be empty, then the report says that it has no pictures.
        folder: written to; made where it does not exist.
        formats: ids of formats (``html``, ``pdf``, ``junit``, ``sarif``, ``markdown``, or a plug-in's).
        samples: False leaves private images and reconstructions out of every format.

    Returns:
        The files written, in the order of `formats`.

    Raises:
        UsageError: an unknown format, or the PDF libraries are missing (see `ihaudit.report.formats.pdf.check`).
    """
    source = Source(results, arrays, samples)
    chosen = [cast(Format, registry.get("format", f)) for f in dict.fromkeys(formats)]
    written = []
    for format_ in chosen:
        path = Path(folder) / format_.filename
        atomic_write(path, format_(source))
        written.append(path)
    return written

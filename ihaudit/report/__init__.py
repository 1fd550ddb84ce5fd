"""results.json -> HTML, PDF, JUnit, SARIF, Markdown.

Everything is rendered from results.json and arrays.npz alone: no GPU, no scheme, no torch.  A format is one file here
that registers a function with `ihaudit.report.base.report_format`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from numpy.typing import NDArray

from ihaudit.report.base import Source, get_format
from ihaudit.results import Results, atomic_write

__all__ = ["Source", "render"]


def render(
    results: Results,
    arrays: Mapping[str, NDArray],
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
        UsageError: an unknown format, or the PDF libraries are missing (see `ihaudit.report.pdf.check`).
    """
    source = Source(results, arrays, samples)
    chosen = [get_format(f) for f in dict.fromkeys(formats)]
    written = []
    for format_ in chosen:
        path = Path(folder) / format_.filename
        atomic_write(path, format_(source))
        written.append(path)
    return written

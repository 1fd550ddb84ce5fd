"""`ihaudit report`: render again from results.json."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ihaudit.cli._common import note, say
from ihaudit.cli._options import FORMATS_HELP


def command(
    results: Annotated[Path, typer.Argument(help="results.json, or the folder it lies in.")],
    format_: Annotated[
        list[str] | None,
        typer.Option("--format", help=FORMATS_HELP),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to; default: where results.json lies.")] = None,
    no_samples: Annotated[bool, typer.Option("--no-samples", help="Leave private images out.")] = False,
) -> None:
    """Render a report again from results.json and arrays.npz; needs neither the scheme nor a GPU.

    The verdict is decided again from the findings, by the bounds of the run: words that were edited are not repeated.
    """
    from ihaudit.audit.folder import check_writable
    from ihaudit.report import render
    from ihaudit.results import following, read_arrays, read_results
    from ihaudit.verdict.decide import regate
    from ihaudit.verdict.gates import GateOptions

    read, arrays = read_results(results), read_arrays(results)
    folder = out or (results if results.is_dir() else results.parent)
    check_writable(folder)
    with following(results):
        decided = regate(read, GateOptions.stored(read.options.get("gates", {})), arrays)
        written = render(decided, arrays, folder, formats=tuple(format_ or ("html", "pdf")), samples=not no_samples)
    if (decided.gate.status, decided.gate.exit_code) != (read.gate.status, read.gate.exit_code):
        note(
            f"{results} says that its gate is {read.gate.status}, which does not follow from its findings: by them it "
            f"is {decided.gate.status}, and so says the report"
        )
    for path in written:
        say(str(path))

"""`ihaudit report`: render again from results.json."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    results: Annotated[Path, typer.Argument(help="results.json, or the folder it lies in.")],
    format_: Annotated[
        list[str] | None,
        typer.Option("--format", help="html, pdf, junit, sarif, markdown; repeatable. Default: html and pdf."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to; default: where results.json lies.")] = None,
    no_samples: Annotated[bool, typer.Option("--no-samples", help="Leave private images out.")] = False,
) -> None:
    """Render a report again from results.json and arrays.npz; needs neither the scheme nor a GPU."""
    from ihaudit.report import render
    from ihaudit.results import read_arrays, read_results

    read = read_results(results)
    folder = out or (results if results.is_dir() else results.parent)
    for path in render(
        read, read_arrays(results), folder, formats=tuple(format_ or ("html", "pdf")), samples=not no_samples
    ):
        typer.echo(str(path))

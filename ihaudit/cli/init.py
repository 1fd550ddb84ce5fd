"""`ihaudit init`: a commented scheme file that runs as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("scheme.py"),
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a commented scheme file to start from."""
    from ihaudit.errors import UsageError
    from ihaudit.results import atomic_write
    from ihaudit.sandbox.loader import starter_text

    if path.is_dir():
        path = path / "scheme.py"
    if path.exists() and not force:
        raise UsageError(f"{path} exists already; choose another name or use --force")
    if not path.parent.is_dir():
        raise UsageError(f"the folder {path.parent} does not exist; create it first")
    atomic_write(path, starter_text())
    typer.echo(f"wrote {path}; audit it with: ihaudit run {path}")

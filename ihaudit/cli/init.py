"""`ihaudit init`: a commented scheme file that runs as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ihaudit.cli._common import say


def command(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("scheme.py"),
    like: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Start from a reference scheme of `ihaudit list schemes`: its code and claims, as a file of your own.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a commented scheme file to start from.

    Without --like it is a small InstaHide. A scheme is a class with typed parameters, claims that can be refuted, and
    one method: encode(images, labels, public, rng) -> Release. Change it, and audit it.

    Examples:

      ihaudit init scheme.py && ihaudit run scheme.py

      ihaudit init mine.py --like pixel-permutation

      ihaudit init mine.py --like neuracrypt && ihaudit run mine.py --set depth=-1
    """
    from ihaudit.errors import UsageError
    from ihaudit.results import atomic_write
    from ihaudit.sandbox.starter import like_text, starter_text

    if path.is_dir():
        path = path / "scheme.py"
    if path.exists() and not force:
        raise UsageError(f"{path} exists already; choose another name or use --force")
    if not path.parent.is_dir():
        raise UsageError(f"the folder {path.parent} does not exist; create it first")
    atomic_write(path, like_text(like, path.name) if like is not None else starter_text())
    say(f"wrote {path}; check it with: ihaudit check {path}, audit it with: ihaudit run {path}")

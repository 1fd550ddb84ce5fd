"""`ihaudit compare`: two results side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ihaudit.cli._common import say


def command(
    before: Annotated[Path, typer.Argument(help="results.json or folder to compare with.")],
    after: Annotated[Path, typer.Argument(help="results.json or folder that is new.")],
    slack: Annotated[
        float, typer.Option(min=0.0, help="How much any gated metric may rise before the exit code is 1.")
    ] = 0.02,
    json_: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Compare two audits metric by metric; exit code 1 when a gated metric rose by more than --slack.

    Refuses (exit code 2) where a comparison would mean nothing: other SSIM settings, profiles, or numbers of images.
    """
    import json

    from ihaudit.results import following, read_results
    from ihaudit.verdict.compare import compare

    old, new = read_results(before), read_results(after)
    with following(after):
        rows, worse = compare(old, new, slack)
    if json_:
        say(json.dumps({"rows": rows, "worse": worse}, indent=1))
    else:
        for row in rows:
            say(
                f"{row['finding']:24s} {row['metric']:16s} {row['before']:>24s} -> {row['after']:>24s}  {row['change']}"
            )
        say(f"worse by more than {slack:g}: {', '.join(worse) if worse else 'nothing'}")
    raise typer.Exit(1 if worse else 0)

"""`ihaudit demo`: the quickest way to see a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ihaudit.cli._common import say


def command(
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("reports/demo"),
    seed: Annotated[int, typer.Option(min=0, help="Seed.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Audit cross-dataset InstaHide (k = 6, T = 50) on embedded photographs and say where the report is.

    Exits with 0 when the audit ran to its end: that InstaHide is broken is the expected outcome. An earlier demo in the
    same folder is replaced.
    """
    from ihaudit.audit.options import AuditOptions
    from ihaudit.audit.pipeline import run_audit
    from ihaudit.cli._common import reporter, say_verdict

    options = AuditOptions(
        scheme="instahide",
        sets=("k=6", "epochs=50"),
        seed=seed,
        out=out,
        overwrite=True,
        command=f"ihaudit demo --out {out} --seed {seed}",
    )
    with reporter(quiet) as report:
        folder, results = run_audit(options, report)
    say_verdict(results.gate)
    say(f"HTML report: {(folder / 'report.html').resolve()}")
    say(f"PDF report:  {(folder / 'report.pdf').resolve()}")
    raise typer.Exit(0 if results.gate.exit_code in (0, 1) else results.gate.exit_code)

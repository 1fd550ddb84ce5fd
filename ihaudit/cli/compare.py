"""`ihaudit compare`: two results side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ihaudit.cli._common import say

if TYPE_CHECKING:
    from ihaudit.results import Results


def command(
    before: Annotated[Path, typer.Argument(help="The baseline: results.json, or the folder it lies in.")],
    after: Annotated[Path, typer.Argument(help="The new results.json, or its folder.")],
    slack: Annotated[
        float, typer.Option(min=0.0, help="How much a gated metric may rise (e.g. 0.02 of SSIM) and not be worse.")
    ] = 0.02,
    write_baseline: Annotated[
        bool,
        typer.Option(
            "--write-baseline",
            help="Make the new results the baseline, after what changed was printed; exit code 0. BEFORE need not "
            "exist yet, and must be of the same scheme.",
        ),
    ] = False,
    summary: Annotated[
        bool,
        typer.Option(
            "--summary", help="Write summary.md beside the new results, with the change against the baseline."
        ),
    ] = False,
    all_: Annotated[
        bool, typer.Option("--all", help="Print every metric, also those that moved by no more than --slack.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Compare two audits; exit code 1 where the new one is worse.

    Worse is: a gate that is missed or inconclusive and was not, a bound or claim that is looser, a claim newly
    refuted, a finding that came out broken and had not, a finding that only one side has measured (lost coverage is a
    regression), and a gated metric that rose by more than --slack. The interval rule: a rise counts where the 95 %
    interval of the new value lies wholly above the old value; one that does not is listed as "within its interval".

    Refuses (exit code 2) where a comparison would mean nothing: another scheme, seed, profile, adversary, other images
    or SSIM settings. Changed code and parameters of the same scheme are what is compared, and are named.

    Examples:

      ihaudit compare baseline.json audit

      ihaudit compare baseline.json audit --write-baseline
    """
    import json

    from ihaudit.errors import UsageError
    from ihaudit.results import following, read_results
    from ihaudit.verdict.compare import RULE, compare

    new = _decided(after)  # what a baseline says is its owner's word; what is held against it is decided again
    file = before / "results.json" if before.is_dir() else before
    if write_baseline and not file.exists():
        _write(file, new)
        raise typer.Exit(0)
    old = read_results(before)
    try:
        with following(after):
            found = compare(old, new, slack)
    except UsageError as e:
        if not write_baseline or old.scheme.name != new.scheme.name:
            raise
        say(f"{e}")
        _write(file, new)
        raise typer.Exit(0) from None
    if json_:
        say(json.dumps(found.as_json(), indent=1))
    else:
        shown = [row for row in found.rows if all_ or row.note or abs(row.change) > slack]
        for row in shown:
            say(
                f"{row.finding:24s} {row.metric:16s} {row.before!s:>24s} -> {row.after!s:>24s}  {row.change:+.3f}  "
                f"{row.note}".rstrip()
            )
        if len(shown) < len(found.rows):
            say(f"{len(found.rows) - len(shown)} metrics moved by {slack:g} or less (--all prints them)")
        for line in found.differences:
            say(f"changed: {line}")
        for line in found.worse:
            say(f"worse: {line}")
        say(f"{len(found.worse) or 'nothing'} worse (slack {slack:g}; {RULE})")
    if summary:
        from ihaudit.contracts.format import Source
        from ihaudit.report.formats.markdown import summarised
        from ihaudit.results import atomic_write

        folder = after if after.is_dir() else after.parent
        atomic_write(folder / "summary.md", summarised(Source(new, {}), found))
    if write_baseline:
        _write(file, new)
        raise typer.Exit(0)
    raise typer.Exit(1 if found.worse else 0)


def _decided(path: Path) -> Results:
    """Results with the verdict that follows from their findings, by the bounds of their run."""
    from ihaudit.results import following, read_arrays, read_results
    from ihaudit.verdict.decide import regate
    from ihaudit.verdict.gates import GateOptions

    read = read_results(path)
    arrays = read_arrays(path) if path.is_dir() or path.name == "results.json" else {}
    with following(path):
        return regate(read, GateOptions.stored(read.options.get("gates", {})), arrays)


def _write(file: Path, results: Results) -> None:
    from ihaudit.audit.folder import check_writable
    from ihaudit.cli._common import note
    from ihaudit.results import atomic_write

    check_writable(file.parent)
    atomic_write(file, results.to_json())
    note(f"{file} is the baseline now: {results.gate.status}, exit code {results.gate.exit_code}")

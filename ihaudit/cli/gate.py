"""`ihaudit gate`: decide again from results.json."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ihaudit.cli import _options as o
from ihaudit.cli._common import say


def command(
    results: Annotated[Path, typer.Argument(help="results.json, or the folder it lies in.")],
    max_ssim: Annotated[
        float | None, o.bound("Bound on the quantile of per-image SSIM; default: as in the run.")
    ] = None,
    quantile: Annotated[float | None, o.bound("Quantile over private images; default: as in the run.")] = None,
    max_reid: Annotated[
        float | None, o.bound("Bound on re-identification above chance; default: as in the run.")
    ] = None,
    max_advantage: Annotated[float | None, o.bound("Bound on every game's advantage; default: as in the run.")] = None,
    strict: Annotated[
        bool | None,
        typer.Option(
            "--strict/--no-strict",
            help="Whether games, checks and observations that came out broken miss the gate; default: as in the run.",
            show_default=False,
        ),
    ] = None,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Return 0 for 1 and 3 (report only).")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the gate as JSON.")] = False,
) -> None:
    """Decide again with other bounds; runs nothing and changes no file.

    Bounds that are not given are those of the run. Exit codes as for `ihaudit run`.
    """
    given = locals()
    from ihaudit.cli._common import say_verdict
    from ihaudit.figures import estimate, scaled
    from ihaudit.results import read_arrays, read_results
    from ihaudit.verdict.decide import regate
    from ihaudit.verdict.gates import EVENTS, GateOptions, gate_unit
    from ihaudit.verdict.headline import outcome

    read = read_results(results)
    stored = GateOptions.stored(read.options.get("gates", {}))
    options = o.chosen(GateOptions, asdict(stored) | {k: v for k, v in given.items() if v is not None})
    decided = regate(read, options, read_arrays(results))
    gate = decided.gate
    if json_:
        say(gate.model_dump_json(indent=1))
    else:
        for check in gate.checks:
            word = "not decided" if check.met is None else "met" if check.met else "missed"
            by, unit = f" ({check.by})" if check.by else "", gate_unit(check.name)
            figure = f": {estimate(check.measured, unit)} against {scaled(check.bound, unit)}"
            say(f"{word:12s} {check.statistic}{'' if check.name in EVENTS else figure}{by}")
        for claim in decided.claims:
            by, unit = f" ({claim.by})" if claim.by else "", gate_unit(claim.quantity)
            figure = f"{estimate(claim.measured, unit)} against {scaled(claim.bound, unit)}"
            say(f"{claim.status:12s} claim: {claim.text}: {figure}{by}")
        for reason in gate.reasons:
            say(f"note         {reason}")
        say_verdict(gate)
        say(outcome(gate))
    raise typer.Exit(0 if exit_zero and gate.exit_code in (1, 3) else gate.exit_code)

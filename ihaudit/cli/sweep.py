"""`ihaudit sweep`: the same audit over a grid of a scheme's parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ihaudit.cli import _options as o
from ihaudit.cli._common import say


def command(
    scheme: o.SchemeName,
    grid: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=V,V,...", help="A parameter and its values; repeatable: all combinations are run."),
    ] = None,
    sets: o.Sets = None,
    private: o.Private = "embedded",
    public: o.Public = None,
    n_private: o.NPrivate = None,
    profile: o.Profile = "quick",
    attacks: o.Attacks = None,
    games: o.Games = None,
    knows: o.Knows = None,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    max_ssim: o.MaxSsim = 0.5,
    quantile: o.Quantile = 0.9,
    exit_zero: o.ExitZero = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write to; default: reports/sweep-<scheme>.", rich_help_panel=o.OUTPUT, show_default=False
        ),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help="Reports of every audit; repeatable. Default: html.", rich_help_panel=o.OUTPUT),
    ] = None,
    resume: o.Resume = False,
    price_per_hour: o.PricePerHour = None,
    overwrite: o.Overwrite = False,
    quiet: o.Quiet = False,
) -> None:
    """Audit a scheme at every point of a grid, and say whether its security parameter makes the attack harder.

    Every point is an audit of its own, in OUT/NAME=VALUE,.../; OUT/sweep.html shows the curves and what
    decided at each point; OUT/sweep.json and OUT/sweep.md hold the table.

    Exit codes: 1 where any point misses its gate, else 3 where any is inconclusive, else 0.

    Examples:

      ihaudit sweep instahide --grid k=2,4,6 --set epochs=10

      ihaudit sweep scheme.py --grid noise=0.1,0.2,0.4 --attack phase --game none
    """
    given = locals()
    from ihaudit.sandbox.loader import locate

    located = locate(scheme)  # a typo is said before anything is loaded
    from ihaudit.audit.options import AuditOptions
    from ihaudit.audit.sweep import exit_code, markdown, parse_grid, run_sweep
    from ihaudit.cli._common import reporter
    from ihaudit.verdict.gates import GateOptions

    points = parse_grid(grid or ())
    folder = out or Path("reports") / f"sweep-{located.path.stem}"
    given |= {"formats": formats or ["html"]}
    options = o.chosen(AuditOptions, given, gates=o.chosen(GateOptions, given), command=o.shell_line())
    with reporter(quiet) as report:
        done = run_sweep(options, points, folder, report)
    say(markdown(done))
    say(str(folder / "sweep.json"))
    say(str(folder / "sweep.html"))
    code = exit_code(done)
    raise typer.Exit(0 if exit_zero else code)

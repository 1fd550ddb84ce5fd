"""`ihaudit sweep`: the same audit over a grid of a scheme's parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    scheme: Annotated[
        str, typer.Argument(help="A scheme file, FILE.py:ClassName, or a reference scheme's name.", show_default=False)
    ],
    grid: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=V,V,...", help="A parameter and its values; repeatable: all combinations are run."),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter that stays; repeatable.")
    ] = None,
    private: Annotated[str, typer.Option(help="As for run.", envvar="IHAUDIT_PRIVATE")] = "embedded",
    public: Annotated[str | None, typer.Option(help="As for run.", envvar="IHAUDIT_PUBLIC")] = None,
    n_private: Annotated[int | None, typer.Option("--n-private", min=2, help="As for run.")] = None,
    profile: Annotated[str, typer.Option(help="quick, standard or full.", envvar="IHAUDIT_PROFILE")] = "quick",
    attack: Annotated[list[str] | None, typer.Option(help="As for run.", envvar="IHAUDIT_ATTACK")] = None,
    game: Annotated[list[str] | None, typer.Option(help="As for run.", envvar="IHAUDIT_GAME")] = None,
    knows: Annotated[list[str] | None, typer.Option(help="As for run.", envvar="IHAUDIT_KNOWS")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of every audit.", envvar="IHAUDIT_SEED")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.", envvar="IHAUDIT_DEVICE")] = "auto",
    max_ssim: Annotated[float, typer.Option(min=0.0, max=1.0, help="Gate, as for run.")] = 0.5,
    quantile: Annotated[float, typer.Option(min=0.0, max=1.0, help="Gate, as for run.")] = 0.9,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; default: reports/sweep-<scheme>.", show_default=False)
    ] = None,
    format_: Annotated[
        list[str] | None, typer.Option("--format", help="Reports of every audit; default: html.", show_default=False)
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Keep finished points, go on with a stopped one.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier sweep.")] = False,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Return 0 for 1 and 3 (report only).")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.", envvar="IHAUDIT_QUIET")] = False,
) -> None:
    """Audit a scheme at every point of a grid, and say whether its security parameter makes the attack harder.

    Every point is an audit of its own, in OUT/NAME=VALUE,.../; OUT/sweep.json and OUT/sweep.md hold the table.

    Exit codes: 1 where any point misses its gate, else 3 where any is inconclusive, else 0.

    Examples:

      ihaudit sweep instahide --grid k=2,4,6 --set epochs=10

      ihaudit sweep scheme.py --grid noise=0.1,0.2,0.4 --attack phase --game none
    """
    from ihaudit.audit.pipeline import AuditOptions
    from ihaudit.audit.sweep import exit_code, markdown, parse_grid, run_sweep
    from ihaudit.cli._common import reporter
    from ihaudit.cli.run import _shell_line
    from ihaudit.sandbox.loader import locate
    from ihaudit.verdict.decide import GateOptions

    points = parse_grid(grid or ())
    folder = out or Path("reports") / f"sweep-{locate(scheme).path.stem}"
    options = AuditOptions(
        scheme=scheme,
        sets=tuple(set_ or ()),
        private=private,
        public=public,
        n_private=n_private,
        profile=profile,
        attacks=tuple(attack) if attack else None,
        games=tuple(game) if game else None,
        knows=tuple(knows) if knows else None,
        seed=seed,
        device=device,
        gates=GateOptions(max_ssim=max_ssim, quantile=quantile),
        formats=tuple(format_ or ("html",)),
        resume=resume,
        overwrite=overwrite,
        command=_shell_line(),
    )
    with reporter(quiet) as report:
        done = run_sweep(options, points, folder, report)
    typer.echo(markdown(done))
    typer.echo(str(folder / "sweep.json"))
    code = exit_code(done)
    raise typer.Exit(0 if exit_zero else code)

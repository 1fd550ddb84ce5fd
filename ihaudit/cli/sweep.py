"""`ihaudit sweep`: the same audit over a grid of a scheme's parameters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ihaudit.cli import _options as o
from ihaudit.cli._common import say

if TYPE_CHECKING:
    from ihaudit.audit.sweep.collect import Collected

WHERE = "Where points are audited"
#: What a single point's command line leaves away.
ELSEWHERE = ("print_jobs", "jobs", "engine", "scheduler", "slurm", "overwrite")


def command(
    context: typer.Context,
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
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Points that are audited at the same time; default: one; dask: one for each core; slurm: all.",
            rich_help_panel=WHERE,
        ),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(help="What runs the points: see `ihaudit list engines`.", rich_help_panel=WHERE),
    ] = "local",
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Of the Dask scheduler for --engine dask, such as tcp://host:8786; default: workers started here.",
            rich_help_panel=WHERE,
        ),
    ] = None,
    slurm: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="An option of sbatch for --engine slurm, such as partition=cpu, time=60 (minutes) or cpus_per_task=2; "
            "repeatable.",
            rich_help_panel=WHERE,
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Audit only every N-th point, from the I-th on: one machine's share. --collect makes the table.",
            rich_help_panel=WHERE,
        ),
    ] = None,
    print_jobs: Annotated[
        bool,
        typer.Option(
            "--print-jobs",
            help="Audit nothing: print a command line for each point, for GNU parallel, a job array or a CI matrix.",
            rich_help_panel=WHERE,
        ),
    ] = False,
    collect_: Annotated[
        bool,
        typer.Option(
            "--collect",
            help="Audit nothing: make the table of the points that lie in OUT; exit code 3 while any is missing.",
            rich_help_panel=WHERE,
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write to; default: reports/sweep-<scheme>.", rich_help_panel=o.OUTPUT, show_default=False
        ),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="Reports of every audit: html, pdf, dpia, junit, sarif, markdown; repeatable. Default: html.",
            rich_help_panel=o.OUTPUT,
        ),
    ] = None,
    resume: o.Resume = False,
    price_per_hour: o.PricePerHour = None,
    overwrite: o.Overwrite = False,
    quiet: o.Quiet = False,
) -> None:
    """Audit a scheme at every point of a grid, and say whether its security parameter makes the attack harder.

    Every point is an audit of its own, in OUT/NAME=VALUE,.../; OUT/sweep.html shows the curves and what
    decided at each point; OUT/sweep.json and OUT/sweep.md hold the table. A point that fails stops no other;
    --resume tries it again. Several sweeps, or shards of one, may work in one folder at a time: each point is
    locked while it is audited.

    Exit codes: that of the error where a point cannot be audited; 3 while points are missing; else 1 where any point
    misses its gate, else 3 where any is inconclusive, else 0.

    Examples:

      ihaudit sweep instahide --grid k=2,4,6 --set epochs=10

      ihaudit sweep scheme.py --grid noise=0.1,0.2,0.4 --attack phase --game none --jobs 2

      ihaudit sweep instahide --grid k=2,4,6 --shard 1/3 --resume

      ihaudit sweep instahide --grid k=2,4,6 --collect
    """
    given = locals()
    from ihaudit.sandbox.loader import locate

    located = locate(scheme)  # a typo is said before anything is loaded
    from ihaudit.audit.options import AuditOptions
    from ihaudit.audit.sweep.collect import collect
    from ihaudit.audit.sweep.grid import parse_grid, parse_shard, share
    from ihaudit.audit.sweep.run import run_sweep, started
    from ihaudit.cli._common import reporter
    from ihaudit.cli._values import check_words
    from ihaudit.contracts.engine import EngineOptions
    from ihaudit.verdict.gates import GateOptions

    points = parse_grid(grid or ())
    folder = out or Path("reports") / f"sweep-{located.path.stem}"
    given |= {"formats": formats or ["html"]}
    audit = {k: v for k, v in given.items() if k not in ("jobs", "scheduler")}  # here they are of points
    options = o.chosen(AuditOptions, audit, gates=o.chosen(GateOptions, given), command=o.shell_line())
    _check_together(context)
    check_words({p: context.params.get(p.name) for p in context.command.params})
    if print_jobs:
        from ihaudit.audit.sweep.values import check_values

        check_values(located, options.sets, points)
        for i in range(len(points)):
            more = {"out": folder, "shard": f"{i + 1}/{len(points)}", "resume": True, "exit_zero": True, "quiet": True}
            say(o.repeated(context, more, without=ELSEWHERE))
        raise typer.Exit(0)
    if collect_:
        found = collect(points, folder, options)
    else:
        points = share(points, parse_shard(shard)) if shard else points
        if not points:
            say(f"--shard {shard} holds no point of this grid")
            raise typer.Exit(0)
        asked = EngineOptions(jobs, folder, scheduler, _settings(slurm or ()))
        with reporter(quiet) as report, started(engine, asked) as machine:
            found = run_sweep(options, points, folder, report, machine)
    if shard:
        say(
            f"{len(found.rows)} of the {len(points)} points of shard {shard} are done; --collect makes the table of all"
        )
    else:
        _show(found, folder, collecting=collect_)
    if not collect_ and (error := found.error()):
        raise error
    code = found.exit_code()
    raise typer.Exit(0 if exit_zero else code)


def _settings(given: Sequence[str]) -> dict[str, str]:
    """Of ``["partition=cpu"]``."""
    from ihaudit.errors import UsageError

    for item in given:
        name, _, value = item.partition("=")
        if not name or not value:
            raise UsageError(f"--slurm {item!r} is not of the form NAME=VALUE, such as partition=cpu")
    return dict(item.split("=", 1) for item in given)


def _check_together(context: typer.Context) -> None:
    """Refuse options that contradict each other."""
    from ihaudit.errors import UsageError

    given = context.params
    for one, others in (
        ("collect_", ("print_jobs", "shard", "jobs", "overwrite")),
        ("print_jobs", ("shard", "jobs", "overwrite")),
    ):
        for other in others:
            if given[one] and given[other]:
                first, second = (f"--{name.strip('_').replace('_', '-')}" for name in (one, other))
                raise UsageError(f"{first} audits nothing, so that {second} says nothing to it; give one of them")


def _show(found: Collected, folder: Path, *, collecting: bool) -> None:
    """Write and print the table, and what is missing; where that is everything --collect says why, or what to do."""
    from ihaudit.audit.sweep.collect import write

    written = write(found, folder)
    if written:
        say((folder / "sweep.md").read_text(encoding="utf-8"))
    elif found.missing:
        why = found.error() or "audit some without --collect, or name their folder with --out"
        say(f"no point of this grid is done in {folder}{f'; {why}' if collecting else ''}")
    for path in written:
        say(str(path))

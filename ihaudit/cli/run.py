"""`ihaudit run`: audit one scheme."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ihaudit.cli import _options as o
from ihaudit.cli._common import say

if TYPE_CHECKING:
    from ihaudit.audit.options import AuditOptions


def command(
    scheme: o.SchemeName,
    sets: o.Sets = None,
    private: o.Private = "embedded",
    public: o.Public = None,
    similar: Annotated[
        str | None,
        typer.Option(
            help="Images like the private ones that the adversary may know; default: the rest of --private.",
            envvar="IHAUDIT_SIMILAR",
            rich_help_panel=o.DATA,
        ),
    ] = None,
    n_private: o.NPrivate = None,
    size: o.Size = 32,
    bits: o.Bits = None,
    profile: o.Profile = "quick",
    attacks: o.Attacks = None,
    games: o.Games = None,
    knows: o.Knows = None,
    known_pairs: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Images of the release that the adversary knows, encoded with the private ones and never scored; "
            "default: by profile. They are known only where every row is made of one image.",
            envvar="IHAUDIT_KNOWN_PAIRS",
            rich_help_panel=o.WHAT,
        ),
    ] = None,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    scheme_timeout_s: o.SchemeTimeout = 300.0,
    scheme_memory_mb: o.SchemeMemory = 8192,
    attack_timeout_s: o.AttackTimeout = 7200.0,
    jobs: o.Jobs = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Of a Dask scheduler (ihaudit[dask]) whose workers group the classes of a large release for unmix, "
            "with the same results; default: here.",
            rich_help_panel=o.WHAT,
        ),
    ] = None,
    train: o.Train = False,
    train_steps: o.TrainSteps = 800,
    max_ssim: o.MaxSsim = 0.5,
    quantile: o.Quantile = 0.9,
    max_reid: Annotated[float, o.bound("Bound on re-identification accuracy above chance.", "IHAUDIT_MAX_REID")] = 0.05,
    max_advantage: Annotated[
        float | None,
        o.bound(
            "Bound on the advantage (2 Pr(correct) - 1) of every game's pre-declared statistic; default: not gated.",
            "IHAUDIT_MAX_ADVANTAGE",
        ),
    ] = None,
    strict: o.Strict = False,
    exit_zero: o.ExitZero = False,
    out: o.Out = None,
    formats: o.Formats = None,
    price_per_hour: o.PricePerHour = None,
    no_samples: o.NoSamples = False,
    no_release: o.NoRelease = False,
    release: o.Published = None,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    fresh: o.Fresh = False,
    quiet: o.Quiet = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Audit again, over the earlier results, whenever the scheme's file is saved, after the same check as "
            "`ihaudit check`; until interrupted. With --attack NAME a run is short.",
            rich_help_panel=o.WHAT,
        ),
    ] = False,
) -> None:
    """Audit a scheme: encode, attack, play, report, gate.

    The scheme's code runs in its own process with limits. The verdict is one of: gate met, gate missed, inconclusive;
    the words for findings are broken, no break found, inconclusive, not run.

    Exit code 0 needs at least one attack and one game that ran on the scheme, of kinds that broke a positive control.
    So --attack NAME alone ends with 3 (inconclusive) where NAME does not break the scheme's nearest relative that is
    known to break, and --game none always does, unless something broke: this is deliberate.

    Examples:

      ihaudit run scheme.py

      ihaudit run instahide --set k=4 --set epochs=20 --profile standard --seed 7

      ihaudit run scheme.py --private photos/ --public npz/patches.npz --max-ssim 0.3 --quantile 1.0
    """
    given = locals()
    from ihaudit.cli._common import nothing_kept

    with nothing_kept():
        from ihaudit.sandbox.loader import locate

        if not watch:
            locate(scheme)  # a typo is said before anything is loaded
        from ihaudit.audit.options import AuditOptions
        from ihaudit.verdict.gates import GateOptions

        gates = o.chosen(GateOptions, given)
        options = o.chosen(
            AuditOptions, given, gates=gates, samples=not no_samples, publish=not no_release, command=o.shell_line()
        )
    if watch:
        from ihaudit.cli._watch import watched

        watched(options, quiet=quiet)
    execute(options, quiet=quiet, exit_zero=exit_zero)


def execute(options: AuditOptions, *, quiet: bool, exit_zero: bool) -> None:
    """Run an audit and end the process with its exit code."""
    from ihaudit.audit.nursery import prepare
    from ihaudit.cli._common import NothingKept, reporter, say_verdict
    from ihaudit.environment import uncollected

    try:
        prepare()  # imports, as this process does
        with uncollected():
            from ihaudit.audit.pipeline import run_audit
            from ihaudit.verdict.headline import outcome
        with reporter(quiet) as report:
            folder, results = run_audit(options, report)
    except KeyboardInterrupt as e:
        from ihaudit.audit.checkpoint import resumable

        raise e if resumable() else NothingKept(*e.args) from None
    for name in ("report.html", "report.pdf", "results.json"):
        if (folder / name).exists():
            say(f"{name:13s} {folder / name}")
    say_verdict(results.gate)
    say(outcome(results.gate))
    code = results.gate.exit_code
    raise typer.Exit(0 if exit_zero and code in (1, 3) else code)

"""`ihaudit run`: audit one scheme."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

GATES = "Gates (exit code 1 when missed)"
DATA = "Images"
WHAT = "What is run"
OUTPUT = "Output"


def command(
    scheme: Annotated[
        str,
        typer.Argument(
            help="A scheme file, FILE.py:ClassName where it holds several, or a reference scheme's name "
            "(see `ihaudit list`).",
            show_default=False,
        ),
    ],
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Set a parameter of the scheme; repeatable.", envvar="IHAUDIT_SET"
        ),
    ] = None,
    private: Annotated[
        str,
        typer.Option(
            help="Private images: an .npz (images, labels), a folder of image files (classes by subfolder), a CIFAR "
            "'python' folder, or 'embedded'. Those not drawn as private serve as similar images.",
            envvar="IHAUDIT_PRIVATE",
            rich_help_panel=DATA,
        ),
    ] = "embedded",
    public: Annotated[
        str | None,
        typer.Option(
            help="Public images the scheme may mix in (same kinds of source); default: embedded photographs.",
            envvar="IHAUDIT_PUBLIC",
            rich_help_panel=DATA,
        ),
    ] = None,
    similar: Annotated[
        str | None,
        typer.Option(
            help="Images like the private ones that the adversary may know; default: the rest of --private.",
            envvar="IHAUDIT_SIMILAR",
            rich_help_panel=DATA,
        ),
    ] = None,
    n_private: Annotated[
        int | None,
        typer.Option(
            "--n-private",
            min=2,
            help="How many private images to encode (drawn by --seed); default: by profile.",
            envvar="IHAUDIT_N_PRIVATE",
            rich_help_panel=DATA,
        ),
    ] = None,
    size: Annotated[
        int,
        typer.Option(
            min=8,
            max=512,
            help="Edge in pixels that image files are resized to.",
            envvar="IHAUDIT_SIZE",
            rich_help_panel=DATA,
        ),
    ] = 32,
    profile: Annotated[
        str,
        typer.Option(
            help="Cost preset: quick (pull request, under 3 minutes on 2 cores), standard (under 20), full (a GPU, or "
            "patience).",
            envvar="IHAUDIT_PROFILE",
            rich_help_panel=WHAT,
        ),
    ] = "quick",
    attack: Annotated[
        list[str] | None,
        typer.Option(
            help="Run only this attack (id, or id:stage=variant,...); repeatable. Default: all that the profile and "
            "the claim's adversary allow. 'none' runs no attack.",
            envvar="IHAUDIT_ATTACK",
            rich_help_panel=WHAT,
        ),
    ] = None,
    game: Annotated[
        list[str] | None,
        typer.Option(
            help="Play only this game; repeatable. 'none' plays no game.",
            envvar="IHAUDIT_GAME",
            rich_help_panel=WHAT,
        ),
    ] = None,
    knows: Annotated[
        list[str] | None,
        typer.Option(
            help="What the adversary has, instead of what the scheme's claims say: encodings, labels, distribution, "
            "code, public_set, oracle; repeatable.",
            envvar="IHAUDIT_KNOWS",
            rich_help_panel=WHAT,
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(min=0, help="Seed of everything the audit draws.", envvar="IHAUDIT_SEED", rich_help_panel=WHAT),
    ] = 0,
    device: Annotated[
        str, typer.Option(help="auto, cpu or cuda.", envvar="IHAUDIT_DEVICE", rich_help_panel=WHAT)
    ] = "auto",
    scheme_timeout: Annotated[
        float,
        typer.Option(
            min=0.1,
            help="Seconds that one call of the scheme may take.",
            envvar="IHAUDIT_SCHEME_TIMEOUT",
            rich_help_panel=WHAT,
        ),
    ] = 300.0,
    scheme_memory: Annotated[
        int,
        typer.Option(
            min=64, help="MB of memory the scheme may use.", envvar="IHAUDIT_SCHEME_MEMORY", rich_help_panel=WHAT
        ),
    ] = 8192,
    attack_timeout: Annotated[
        float,
        typer.Option(
            min=1.0,
            help="Seconds that one attack may take.",
            envvar="IHAUDIT_ATTACK_TIMEOUT",
            rich_help_panel=WHAT,
        ),
    ] = 7200.0,
    train: Annotated[
        bool,
        typer.Option(
            "--train",
            help="Encodings of a shape that no networks ship for (not 32 x 32 x 3): let the attack carlini train its "
            "own first, on the images that the adversary knows (--similar), and keep them in --out.",
            envvar="IHAUDIT_TRAIN",
            rich_help_panel=WHAT,
        ),
    ] = False,
    train_steps: Annotated[
        int,
        typer.Option(
            min=1,
            help="Steps of such a training; the default takes 10 to 20 minutes on two cores for 32 x 32 pixels.",
            envvar="IHAUDIT_TRAIN_STEPS",
            rich_help_panel=WHAT,
        ),
    ] = 800,
    max_ssim: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Bound on the --quantile of per-image SSIM of the strongest attack.",
            envvar="IHAUDIT_MAX_SSIM",
            rich_help_panel=GATES,
        ),
    ] = 0.5,
    quantile: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Which quantile over private images --max-ssim bounds.",
            envvar="IHAUDIT_QUANTILE",
            rich_help_panel=GATES,
        ),
    ] = 0.9,
    max_reid: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Bound on re-identification accuracy above chance.",
            envvar="IHAUDIT_MAX_REID",
            rich_help_panel=GATES,
        ),
    ] = 0.05,
    max_advantage: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Bound on the advantage (2 Pr[correct] - 1) of every game's pre-declared statistic; default: not "
            "gated.",
            envvar="IHAUDIT_MAX_ADVANTAGE",
            rich_help_panel=GATES,
            show_default=False,
        ),
    ] = None,
    exit_zero: Annotated[
        bool,
        typer.Option(
            "--exit-zero",
            help="Return 0 for 1 and 3 (report only); errors stay errors.",
            envvar="IHAUDIT_EXIT_ZERO",
            rich_help_panel=GATES,
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for results.json, arrays.npz, report.html and report.pdf; default: reports/<scheme>.",
            envvar="IHAUDIT_OUT",
            rich_help_panel=OUTPUT,
            show_default=False,
        ),
    ] = None,
    format_: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="html, pdf, junit, sarif, markdown; repeatable. Default: html and pdf.",
            envvar="IHAUDIT_FORMAT",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    no_samples: Annotated[
        bool,
        typer.Option(
            "--no-samples",
            help="Keep private images and reconstructions out of arrays.npz and the report.",
            envvar="IHAUDIT_NO_SAMPLES",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a stopped audit in --out.", rich_help_panel=OUTPUT)
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the results in --out.", rich_help_panel=OUTPUT)
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress.", envvar="IHAUDIT_QUIET", rich_help_panel=OUTPUT)
    ] = False,
) -> None:
    """Audit a scheme: encode, attack, play, report, gate.

    The scheme's code runs in its own process with limits. The verdict is one of: gate met, gate missed, inconclusive;
    the words for findings are broken, no break found, inconclusive, not run.

    Examples:

      ihaudit run scheme.py

      ihaudit run instahide --set k=4 --set epochs=20 --profile standard --seed 7

      ihaudit run scheme.py --private photos/ --public npz/patches.npz --max-ssim 0.3 --quantile 1.0
    """
    from ihaudit.audit.pipeline import AuditOptions
    from ihaudit.verdict.decide import GateOptions

    options = AuditOptions(
        scheme=scheme,
        sets=tuple(set_ or ()),
        private=private,
        public=public,
        similar=similar,
        n_private=n_private,
        size=size,
        profile=profile,
        attacks=tuple(attack) if attack else None,
        games=tuple(game) if game else None,
        knows=tuple(knows) if knows else None,
        seed=seed,
        device=device,
        scheme_timeout_s=scheme_timeout,
        scheme_memory_mb=scheme_memory,
        attack_timeout_s=attack_timeout,
        train=train,
        train_steps=train_steps,
        gates=GateOptions(max_ssim=max_ssim, quantile=quantile, max_reid=max_reid, max_advantage=max_advantage),
        out=out,
        formats=tuple(format_ or ("html", "pdf")),
        samples=not no_samples,
        resume=resume,
        overwrite=overwrite,
        command=_shell_line(),
    )
    execute(options, quiet=quiet, exit_zero=exit_zero)


def execute(options: Any, *, quiet: bool, exit_zero: bool) -> None:
    """Run an audit and end the process with its exit code."""
    from ihaudit.audit.pipeline import run_audit
    from ihaudit.cli._common import reporter

    with reporter(quiet) as report:
        folder, results = run_audit(options, report)
    for name in ("report.html", "report.pdf", "results.json"):
        if (folder / name).exists():
            typer.echo(f"{name:13s} {folder / name}")
    typer.echo(f"verdict: {results.gate.sentence}")
    typer.echo(f"gate {results.gate.status} (exit code {results.gate.exit_code})")
    code = results.gate.exit_code
    raise typer.Exit(0 if exit_zero and code in (1, 3) else code)


def _shell_line() -> str:
    import shlex

    return shlex.join(["ihaudit", *sys.argv[1:]])

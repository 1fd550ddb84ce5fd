"""`ihaudit challenge`: attack a release that comes without a scheme."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

WHAT = "What is known about the release"
HOW = "How it is attacked"
OUTPUT = "Output"


def command(
    encryption: Annotated[
        Path,
        typer.Argument(
            help="encryption.npy: floats, one encoding per row: N x H x W x C, N x C x H x W, N x H x W or flat. "
            "It is mapped, not read whole.",
            show_default=False,
        ),
    ],
    label: Annotated[
        Path | None,
        typer.Argument(
            help="label.npy: soft labels (N x classes; they carry the mixing coefficients), or class numbers (N,) or "
            "(N, 2). Without it far less is recovered.",
            show_default=False,
        ),
    ] = None,
    n_private: Annotated[
        int | None,
        typer.Option(
            "--n-private",
            help="How many private images there are, where it was announced; estimated otherwise.",
            rich_help_panel=WHAT,
            show_default=False,
        ),
    ] = None,
    private_per_encoding: Annotated[
        int | None,
        typer.Option(
            help="Private images in each encoding (2 in the challenge); default: as many as the labels show.",
            envvar="IHAUDIT_PRIVATE_PER_ENCODING",
            rich_help_panel=WHAT,
            show_default=False,
        ),
    ] = None,
    public_set: Annotated[
        str | None,
        typer.Option(
            help="The very public images that were mixed in, where they are known: .npz, folder, or CIFAR folder.",
            envvar="IHAUDIT_PUBLIC_SET",
            rich_help_panel=WHAT,
            show_default=False,
        ),
    ] = None,
    similar: Annotated[
        str | None,
        typer.Option(
            help="Images like the private ones, where some are known (.npz, folder, or CIFAR folder): attacks may "
            "train on them and orient their answers by them.",
            envvar="IHAUDIT_SIMILAR",
            rich_help_panel=WHAT,
            show_default=False,
        ),
    ] = None,
    scheme: Annotated[
        str | None,
        typer.Option(
            help="The scheme's code, where it is known (Kerckhoffs): a scheme file, FILE.py:ClassName, or a reference "
            "scheme's name. It is run again, confined, to see whether a seed that people choose gives these masks.",
            envvar="IHAUDIT_SCHEME",
            rich_help_panel=WHAT,
            show_default=False,
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A parameter that --scheme was run with; repeatable.",
            envvar="IHAUDIT_SET",
            rich_help_panel=WHAT,
        ),
    ] = None,
    n_public: Annotated[
        int | None,
        typer.Option(
            "--n-public",
            min=0,
            help="How many public images --scheme drew from, where they themselves are not known.",
            rich_help_panel=WHAT,
            show_default=False,
        ),
    ] = None,
    image_range: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="LOW HIGH",
            help="Range of the images when they were mixed; default: -1 1, as in the challenge. The answer is written "
            "in the same range.",
            rich_help_panel=WHAT,
            show_default=False,
        ),
    ] = None,
    shape: Annotated[
        tuple[int, int, int] | None,
        typer.Option(
            metavar="H W C",
            help="Height, width and channels, where the file's shape does not say (e.g. flat and not square).",
            rich_help_panel=WHAT,
            show_default=False,
        ),
    ] = None,
    profile: Annotated[
        str,
        typer.Option(help="Cost preset: quick, standard, full.", envvar="IHAUDIT_PROFILE", rich_help_panel=HOW),
    ] = "quick",
    attack: Annotated[
        list[str] | None,
        typer.Option(
            help="Run only this attack (id, or id:stage=variant,...); repeatable. Default: all that the profile and "
            "these files allow; the answer is that of the one that agrees best with the release.",
            envvar="IHAUDIT_ATTACK",
            rich_help_panel=HOW,
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of everything drawn.", envvar="IHAUDIT_SEED", rich_help_panel=HOW)
    ] = 0,
    device: Annotated[
        str, typer.Option(help="auto, cpu or cuda.", envvar="IHAUDIT_DEVICE", rich_help_panel=HOW)
    ] = "auto",
    attack_timeout: Annotated[
        float,
        typer.Option(
            min=1.0, help="Seconds that one attack may take.", envvar="IHAUDIT_ATTACK_TIMEOUT", rich_help_panel=HOW
        ),
    ] = 7200.0,
    train: Annotated[
        bool,
        typer.Option(
            "--train",
            help="Encodings of a shape that no networks ship for (not 32 x 32 x 3): let the attack carlini train its "
            "own first, on the images that the adversary knows (--similar), and keep them in --out.",
            envvar="IHAUDIT_TRAIN",
            rich_help_panel=HOW,
        ),
    ] = False,
    train_steps: Annotated[
        int,
        typer.Option(
            min=1,
            help="Steps of such a training; the default takes 10 to 20 minutes on two cores for 32 x 32 pixels.",
            envvar="IHAUDIT_TRAIN_STEPS",
            rich_help_panel=HOW,
        ),
    ] = 800,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write to; default: reports/challenge-<file>, with -2, -3, ... where that is taken.",
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
            show_default=False,
        ),
    ] = None,
    no_samples: Annotated[
        bool,
        typer.Option(
            "--no-samples",
            help="Keep recovered images out of arrays.npz and the report (decryption.npy and private.npy hold them).",
            envvar="IHAUDIT_NO_SAMPLES",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace an earlier run's results in --out.", rich_help_panel=OUTPUT),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress.", envvar="IHAUDIT_QUIET", rich_help_panel=OUTPUT)
    ] = False,
) -> None:
    """Attack a release that comes without a scheme, as the InstaHide Challenge publishes one.

    Writes, in the layout, type and range of the input: decryption.npy (one recovered image per encoding), private.npy
    (the recovered private images); and pairs.npy (which of these are in each encoding, -1 for none), coefficients.npy
    (how much of each), confidence.npy (per recovered image), results.json and the report.

    There is no truth to compare with, so nothing is scored and no gate is decided: the report shows the attack's own
    confidence, how well its answer agrees with the release, and the images, most confident first. Who has the truth
    scores the answer with `ihaudit score`.

    Exit codes: 0 the files were written; 2 files or options that do not fit; 3 no attack could answer.

    Examples:

      ihaudit challenge encryption.npy label.npy --n-private 100

      ihaudit challenge encryption.npy --private-per-encoding 2 --attack phase

      ihaudit challenge encryption.npy label.npy --scheme scheme.py --set epochs=50 --n-public 5000 --attack prng

      ihaudit challenge encryption.npy label.npy --public-set public.npz --out answer && ihaudit score
      answer/decryption.npy --private truth/private.npy --pairs truth/pairs.npy
    """
    from ihaudit.challenge.options import ChallengeOptions
    from ihaudit.challenge.run import run_challenge
    from ihaudit.cli._common import reporter
    from ihaudit.cli.run import _shell_line

    options = ChallengeOptions(
        encryption=encryption,
        label=label,
        out=out,
        n_private=n_private,
        private_per_encoding=private_per_encoding,
        attacks=tuple(attack) if attack else None,
        profile=profile,
        public_set=public_set,
        similar=similar,
        scheme=scheme,
        sets=tuple(set_ or ()),
        n_public=n_public,
        image_range=image_range,
        shape=shape,
        seed=seed,
        device=device,
        attack_timeout_s=attack_timeout,
        train=train,
        train_steps=train_steps,
        formats=tuple(format_ or ("html", "pdf")),
        samples=not no_samples,
        overwrite=overwrite,
        command=_shell_line(),
    )
    with reporter(quiet) as report:
        outcome = run_challenge(options, report)
    for path in (*outcome.written, outcome.folder / "report.html", outcome.folder / "report.pdf"):
        if path.exists():
            typer.echo(f"{path.name:15s} {path}")
    if outcome.answer is None:
        typer.echo("no attack could answer; results.json says why")
        raise typer.Exit(3)
    answer = outcome.answer
    typer.echo(
        f"{len(answer.output.images)} images recovered by {outcome.by} for {len(answer.pick):,} encodings; nothing was "
        "scored, because there is no truth to compare with"
    )

"""`ihaudit challenge`: attack a release that comes without a scheme."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ihaudit.cli import _options as o
from ihaudit.cli._common import say

known = partial(typer.Option, rich_help_panel="What is known about the release", show_default=False)


def command(
    encryption: Annotated[
        Path,
        typer.Argument(
            help="encryption.npy: floats, one encoding per row: N x H x W x C, N x C x H x W, N x H x W or flat. "
            "It is mapped, not read whole. Or the release.npz of an audit.",
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
        known("--n-private", help="How many private images there are, where it was announced; estimated otherwise."),
    ] = None,
    private_per_encoding: Annotated[
        int | None,
        known(
            help="Private images in each encoding (2 in the challenge); default: as many as the labels show.",
            envvar="IHAUDIT_PRIVATE_PER_ENCODING",
        ),
    ] = None,
    public_set: Annotated[
        str | None,
        known(
            help="The very public images that were mixed in, where they are known: .npz, folder, or CIFAR folder.",
            envvar="IHAUDIT_PUBLIC_SET",
        ),
    ] = None,
    similar: Annotated[
        str | None,
        known(
            help="Images like the private ones, where some are known (.npz, folder, or CIFAR folder): attacks may "
            "train on them and orient their answers by them.",
            envvar="IHAUDIT_SIMILAR",
        ),
    ] = None,
    scheme: Annotated[
        str | None,
        known(
            help="The scheme's code, where it is known (Kerckhoffs): a scheme file, FILE.py:ClassName, or a reference "
            "scheme's name. It is run again, confined, to see whether a seed that people choose gives these masks.",
            envvar="IHAUDIT_SCHEME",
        ),
    ] = None,
    sets: o.Sets = None,
    n_public: Annotated[
        int | None,
        known(
            "--n-public", min=0, help="How many public images --scheme drew from, where they themselves are not known."
        ),
    ] = None,
    image_range: Annotated[
        tuple[float, float] | None,
        known(
            metavar="LOW HIGH",
            help="Range of the images when they were mixed; default: found from the release, -1 1 as in the challenge "
            "where it fits. The answer is written on [0, 1] where images were mixed on that, else on [-1, 1].",
        ),
    ] = None,
    shape: Annotated[
        tuple[int, int, int] | None,
        known(
            metavar="H W C",
            help="Height, width and channels, where the file's shape does not say (e.g. flat and not square).",
        ),
    ] = None,
    profile: o.Profile = "quick",
    attacks: o.Attacks = None,
    strict: o.Strict = False,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    attack_timeout_s: o.AttackTimeout = 7200.0,
    train: o.Train = False,
    train_steps: o.TrainSteps = 800,
    out: o.Out = None,
    formats: o.Formats = None,
    price_per_hour: o.PricePerHour = None,
    no_samples: o.NoSamples = False,
    overwrite: o.Overwrite = False,
    quiet: o.Quiet = False,
) -> None:
    """Attack a release that comes without a scheme, as the InstaHide Challenge publishes one.

    Writes, in the layout, type and range of the input: decryption.npy (one recovered image per encoding), private.npy
    (the recovered private images); and pairs.npy (which of these are in each encoding, -1 for none), coefficients.npy
    (how much of each), confidence.npy (per recovered image), results.json and the report.

    There is no truth to compare with, so nothing is scored and no gate is decided: the report shows the attack's own
    confidence, how well its answer agrees with the release, and the images, most confident first. Of several attacks'
    answers, the one that agrees best is written. Who has the truth scores it with `ihaudit score`.

    Exit codes: 0 the files were written; 1 with --strict, where a secret of the scheme was recovered; 2 files or
    options that do not fit; 3 no attack could answer.

    Examples:

      ihaudit challenge encryption.npy label.npy --n-private 100

      ihaudit challenge encryption.npy --private-per-encoding 2 --attack phase

      ihaudit challenge encryption.npy label.npy --scheme scheme.py --set epochs=50 --n-public 5000 --attack prng

      ihaudit challenge release.npz --similar photographs.npz

      ihaudit challenge encryption.npy label.npy --public-set public.npz --out answer && ihaudit score
      answer/decryption.npy --private truth/private.npy --pairs truth/pairs.npy
    """
    given = locals()
    from ihaudit.challenge.options import ChallengeOptions
    from ihaudit.challenge.run import run_challenge
    from ihaudit.cli._common import reporter

    options = o.chosen(ChallengeOptions, given, samples=not no_samples, command=o.shell_line())
    with reporter(quiet) as report:
        outcome = run_challenge(options, report)
    for path in (*outcome.written, outcome.folder / "report.html", outcome.folder / "report.pdf"):
        if path.exists():
            say(f"{path.name:15s} {path}")
    recovered = outcome.results.gate.exit_code == 1  # a secret of the scheme, which shows without the truth
    if recovered:
        say(f"verdict: {outcome.results.gate.sentence}")
    if outcome.answer is None:
        say("no attack could answer; results.json says why")
        raise typer.Exit(1 if strict and recovered else 3)
    answer = outcome.answer
    say(
        f"{len(answer.output.images)} images recovered by {outcome.by} for {len(answer.pick):,} encodings; nothing was "
        "scored, because there is no truth to compare with"
    )
    raise typer.Exit(1 if strict and recovered else 0)

"""Options that several commands share, and how a command's arguments become one of the package's option classes."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

DATA = "Images"
WHAT = "What is run"
GATES = "Gates (exit code 1 when missed)"
OUTPUT = "Output"

Options = TypeVar("Options")


def chosen(kind: type[Options], given: Mapping[str, object], **more: object) -> Options:
    """`kind`, a dataclass, from those of a command's arguments that have the name of a field; None leaves its default.

    Args:
        kind: e.g. `AuditOptions`; repeatable options (lists) become tuples.
        given: the command's ``locals()``.
        more: fields that no argument is named after.
    """
    names = {f.name for f in fields(kind)}  # type: ignore[arg-type]  # mypy has no bound for dataclasses
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items() if k in names and v is not None}
    return kind(**values, **more)


def shell_line() -> str:
    """The command line of this process, as a shell would read it."""
    return shlex.join(["ihaudit", *sys.argv[1:]])


def repeated(context: typer.Context, more: Mapping[str, object], without: Collection[str]) -> str:
    """The command line again, as a shell would read it, with what variables and files said spelt out.

    Args:
        context: of the command that runs.
        more: parameters to set, by name; True for a flag.
        without: parameters to leave out.
    """
    words = []
    for p in context.command.params:
        source = getattr(context.get_parameter_source(str(p.name)), "name", "DEFAULT")
        value = more.get(str(p.name), None if source == "DEFAULT" else context.params.get(str(p.name)))
        if value is None or value is False or p.name in without:
            continue
        values = value if isinstance(value, (list, tuple)) else [value]
        if p.param_type_name == "argument":
            words += [str(v) for v in values]
        elif value is True:
            words.append(max(p.opts, key=len))
        else:
            words += [x for v in values for x in (max(p.opts, key=len), str(v))]
    return shlex.join(["ihaudit", str(context.info_name), *words])


def bound(help_: str, envvar: str | None = None) -> Any:
    """An option for a bound of the gate, in [0, 1]."""
    return typer.Option(
        min=0.0, max=1.0, help=help_, envvar=envvar, rich_help_panel=GATES, show_default=envvar is not None
    )


SchemeName = Annotated[
    str,
    typer.Argument(
        help="A scheme file, FILE.py:ClassName where it holds several, or a reference scheme's name "
        "(see `ihaudit list`).",
        show_default=False,
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="Set a parameter of the scheme; repeatable.", envvar="IHAUDIT_SET"
    ),
]

# Images.

Private = Annotated[
    str,
    typer.Option(
        help="Private images: an .npz (images, labels), a folder of image files (classes by subfolder), a CIFAR "
        "'python' folder, or 'embedded'. Those not drawn as private serve as similar images.",
        envvar="IHAUDIT_PRIVATE",
        rich_help_panel=DATA,
    ),
]
Public = Annotated[
    str | None,
    typer.Option(
        help="Public images the scheme may mix in (same kinds of source); default: embedded photographs.",
        envvar="IHAUDIT_PUBLIC",
        rich_help_panel=DATA,
    ),
]
NPrivate = Annotated[
    int | None,
    typer.Option(
        "--n-private",
        min=2,
        help="How many private images to encode (drawn by --seed); default: by profile.",
        envvar="IHAUDIT_N_PRIVATE",
        rich_help_panel=DATA,
    ),
]

Size = Annotated[
    int,
    typer.Option(
        min=8,
        max=512,
        help="Edge in pixels that image files are resized to.",
        envvar="IHAUDIT_SIZE",
        rich_help_panel=DATA,
    ),
]
Bits = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=16,
        help="Bits of images that hold more than 8 (12 for most X-rays); default: the fewest that hold the set.",
        envvar="IHAUDIT_BITS",
        rich_help_panel=DATA,
    ),
]

# What is run.

SchemeTimeout = Annotated[
    float,
    typer.Option(
        "--scheme-timeout",
        min=0.1,
        help="Seconds that one call of the scheme may take.",
        envvar="IHAUDIT_SCHEME_TIMEOUT",
        rich_help_panel=WHAT,
    ),
]
SchemeMemory = Annotated[
    int,
    typer.Option(
        "--scheme-memory",
        min=64,
        help="MB of memory the scheme may use.",
        envvar="IHAUDIT_SCHEME_MEMORY",
        rich_help_panel=WHAT,
    ),
]

Profile = Annotated[
    str,
    typer.Option(
        help="Cost profile: quick (pull request, under 3 minutes on 2 cores), standard (under 20), full (a GPU, or "
        "patience).",
        envvar="IHAUDIT_PROFILE",
        rich_help_panel=WHAT,
    ),
]
Attacks = Annotated[
    list[str] | None,
    typer.Option(
        "--attack",
        help="Run only this attack (id, or id:stage=variant,...); repeatable. Default: all that the profile and "
        "the adversary's knowledge allow. 'none' runs no attack.",
        envvar="IHAUDIT_ATTACK",
        rich_help_panel=WHAT,
    ),
]
Games = Annotated[
    list[str] | None,
    typer.Option(
        "--game",
        help="Play only this game (id, or id:option=value such as instance:learner=convolutional); repeatable. "
        "'none' plays no game.",
        envvar="IHAUDIT_GAME",
        rich_help_panel=WHAT,
    ),
]
Knows = Annotated[
    list[str] | None,
    typer.Option(
        help="What the adversary has, instead of what the scheme's claims say: encodings, labels, distribution, "
        "code, public_set, oracle, pairs, candidates; repeatable.",
        envvar="IHAUDIT_KNOWS",
        rich_help_panel=WHAT,
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, help="Seed of everything that is drawn.", envvar="IHAUDIT_SEED", rich_help_panel=WHAT)
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.", envvar="IHAUDIT_DEVICE", rich_help_panel=WHAT)]
AttackTimeout = Annotated[
    float,
    typer.Option(
        "--attack-timeout",
        min=1.0,
        help="Seconds that one attack may take.",
        envvar="IHAUDIT_ATTACK_TIMEOUT",
        rich_help_panel=WHAT,
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=1024,
        help="Attacks, games and controls that are run at once, as far as memory allows; default: one per core, or as "
        "many as OMP_NUM_THREADS says. Results are the same.",
        envvar="IHAUDIT_JOBS",
        rich_help_panel=WHAT,
    ),
]
Train = Annotated[
    bool,
    typer.Option(
        "--train",
        help="Encodings of a shape that no networks ship for (not 32 x 32 x 3): let the attack carlini train its "
        "own first, on the images that the adversary knows (--similar), and keep them in --out.",
        envvar="IHAUDIT_TRAIN",
        rich_help_panel=WHAT,
    ),
]
TrainSteps = Annotated[
    int,
    typer.Option(
        min=1,
        help="Steps of such a training; the default takes 10 to 20 minutes on two cores for 32 x 32 pixels.",
        envvar="IHAUDIT_TRAIN_STEPS",
        rich_help_panel=WHAT,
    ),
]

# Gates.

MaxSsim = Annotated[
    float, bound("Bound on the --quantile of per-image SSIM of the strongest attack.", "IHAUDIT_MAX_SSIM")
]
Quantile = Annotated[float, bound("Which quantile over private images --max-ssim bounds.", "IHAUDIT_QUANTILE")]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Exit code 1 also where a game, check or observation came out broken although the other gates are met; "
        "for a challenge, where a secret of the scheme was recovered.",
        envvar="IHAUDIT_STRICT",
        rich_help_panel=GATES,
    ),
]
ExitZero = Annotated[
    bool,
    typer.Option(
        "--exit-zero",
        help="Return 0 for 1 and 3 (report only); errors stay errors.",
        envvar="IHAUDIT_EXIT_ZERO",
        rich_help_panel=GATES,
    ),
]

# Output.

Out = Annotated[
    Path | None,
    typer.Option(
        help="Folder to write to; default: reports/<scheme>; for a challenge reports/challenge-<file>, with -2, -3, "
        "... where that is taken.",
        envvar="IHAUDIT_OUT",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
FORMATS_HELP = "html, pdf, dpia, junit, sarif, markdown; repeatable. Default: html and pdf."
Formats = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        help=FORMATS_HELP,
        envvar="IHAUDIT_FORMAT",
        rich_help_panel=OUTPUT,
    ),
]
NoSamples = Annotated[
    bool,
    typer.Option(
        "--no-samples",
        help="Keep private images and reconstructions out of arrays.npz and the report; a challenge's decryption.npy "
        "and private.npy hold them all the same.",
        envvar="IHAUDIT_NO_SAMPLES",
        rich_help_panel=OUTPUT,
    ),
]
Published = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Audit this release.npz, which was published, in place of one made now; --private are the "
        "images that it was made of, and the report says whether the code could have made it.",
        envvar="IHAUDIT_RELEASE",
        rich_help_panel=DATA,
    ),
]
NoRelease = Annotated[
    bool,
    typer.Option(
        "--no-release",
        help="Write no release.npz: the release at its declared precision, with the arrays that the scheme declares.",
        envvar="IHAUDIT_NO_RELEASE",
        rich_help_panel=OUTPUT,
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on with what was stopped in --out; what is finished there is handed back where it is the same audit, "
        "and refused (exit code 2) where it is another.",
        rich_help_panel=OUTPUT,
    ),
]
Fresh = Annotated[
    bool,
    typer.Option(
        "--fresh",
        help="Run everything, also what an earlier audit in the same folder (or in those of the default name) found "
        "and nothing has changed for: scheme, parameters, images, seed, profile, release, program and libraries.",
        rich_help_panel=OUTPUT,
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace earlier results in --out.", rich_help_panel=OUTPUT)
]
PricePerHour = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=PRICE",
        help="What an hour costs, cpu=PRICE or gpu=PRICE (and currency=NAME), so that results state the cost in money; "
        "repeatable.",
        envvar="IHAUDIT_PRICE_PER_HOUR",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress.", envvar="IHAUDIT_QUIET", rich_help_panel=OUTPUT)
]

"""The command line: one thin file per command; nothing heavy is imported before a command needs it."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import typer

from ihaudit import __version__
from ihaudit.cli import (
    _common,
    challenge,
    check,
    compare,
    config_,
    demo,
    doctor,
    gate,
    init,
    list_,
    report,
    run,
    score,
    sweep,
    train,
)
from ihaudit.cli._help import Command, Group

app = typer.Typer(
    name="ihaudit",
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help=(
        "Audits a claim that images were made private by encoding them.\n\n"
        "Start with `ihaudit init` (writes a commented scheme.py), then `ihaudit run scheme.py`: "
        "it encodes images with your scheme in a process of its own, plays distinguishing games and runs "
        "reconstruction attacks, writes report.html and report.pdf, and returns an exit code for CI.\n\n"
        "Exit codes: 0 gate met; 1 gate missed or claim refuted; 2 usage, configuration, or a scheme that cannot be "
        "loaded; 3 inconclusive; 4 internal error. An audit can refute a claim; it can never prove privacy."
    ),
    epilog="Try: ihaudit demo | ihaudit list | ihaudit run instahide --set k=6 --profile quick",
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"ihaudit {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Options of the program itself."""


for _name, _module in (
    ("run", run),
    ("check", check),
    ("challenge", challenge),
    ("gate", gate),
    ("report", report),
    ("compare", compare),
    ("score", score),
    ("sweep", sweep),
    ("train", train),
    ("list", list_),
    ("init", init),
    ("doctor", doctor),
    ("demo", demo),
):
    app.command(_name, cls=train.TrainCommand if _module is train else Command)(_common.handled(_module.command))
app.add_typer(config_.app, name="config")


def main() -> None:
    """Entry point: read the configuration file, hand over to typer, and turn whatever ends it into an exit code.

    Usage errors are one line like all others: a box around them would break, or cut, the value that they name.
    """
    import traceback

    from typer._click.exceptions import ClickException, NoArgsIsHelpError

    from ihaudit.cli._source import usage_error
    from ihaudit.errors import IhauditError

    _common.end_on_signals()
    _common.outlast_readers()
    code: object = 0
    file: Path | None = None
    try:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        command = typer.main.get_command(app)
        config_.check_environment(command)
        file, values = config_.defaults(command)
        code = command.main(default_map=values, standalone_mode=False, prog_name="ihaudit")
    except NoArgsIsHelpError as e:
        e.show()
        code = e.exit_code
    except ClickException as e:
        _common.fail(f"{usage_error(e, file)} (see `{_path(e)} --help`)")
        code = e.exit_code
    except IhauditError as e:
        _common.fail(str(e))
        code = e.exit_code
    except (typer.Abort, KeyboardInterrupt):
        _common.fail("interrupted")
        code = 130
    except Exception as e:
        traceback.print_exc()
        _common.fail(f"internal error ({type(e).__name__}: {e}); this is a defect of ihaudit, please report it")
        code = 4
    raise SystemExit(code if isinstance(code, int) else 0)


def _path(error: Any) -> str:
    """The command that was called: ``ihaudit run``."""
    context = getattr(error, "ctx", None)
    return "ihaudit" if context is None else str(context.command_path)

"""`ihaudit config show`: the options in effect, and where each value comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ihaudit.cli import _common

app = typer.Typer(no_args_is_help=True, help="The configuration in effect.")


@app.callback()
def _group() -> None:
    """The configuration in effect (precedence: command line, environment, file, default)."""


def defaults(group: Any) -> tuple[Path | None, dict[str, Any]]:
    """The configuration file that holds here, and click's default map for the commands of `group` by what it says.

    A file names options as the command line does: ``max-ssim`` or ``max_ssim``, ``no-samples``, ``format``.

    Raises:
        UsageError: unknown options.
    """
    from ihaudit.audit import config

    found = config.find(Path.cwd())
    if found is None:
        return None, {}
    names = {
        command: {_flag(p).replace("-", "_"): p.name for p in c.params if p.name != "help"}
        for command, c in group.commands.items()
    }
    values = config.as_default_map(*found, names)
    return found[0], {c: {names[c][flag]: value for flag, value in of.items()} for c, of in values.items()}


def _flag(parameter: Any) -> str:
    """What the command line calls it: ``no-samples``."""
    return str(max(parameter.opts, key=len)).lstrip("-")


def show(
    context: typer.Context,
    command: Annotated[
        str | None, typer.Argument(help="Only this command's options, e.g. run.", show_default=False)
    ] = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only what differs from the defaults.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the effective value of every option, and where it comes from: default, a file, or the environment.

    A file is the nearest ihaudit.toml, or the table tool.ihaudit in pyproject.toml, at or above this folder. What is
    given on a command line comes before all of these and is not known here.

    Examples:

      ihaudit config show run

      IHAUDIT_PROFILE=full ihaudit config show --changed
    """
    import json

    from ihaudit.errors import UsageError
    from ihaudit.registry import suggest

    group: Any = context.find_root().command
    file, values = defaults(group)
    commands = {name: c for name, c in group.commands.items() if not hasattr(c, "commands")}
    if command is not None and command not in commands:
        raise UsageError(f"there is no command {command!r}{suggest(command, commands)}")
    rows = [
        (name, *row)
        for name, c in commands.items()
        if command in (None, name)
        for row in effective(c, values.get(name, {}), str(file))
    ]
    if changed:
        rows = [r for r in rows if r[3] != "default"]
    if json_:
        keys = ("command", "option", "value", "source")
        typer.echo(json.dumps([dict(zip(keys, r)) for r in rows], indent=1, default=str))
        return
    typer.echo(f"file: {file or 'none (no ihaudit.toml, no [tool.ihaudit] in pyproject.toml)'}")
    last = ""
    for name, option, value, source in rows:
        if name != last:
            typer.echo(f"\n[{name}]")
            last = name
        typer.echo(f"{option} = {_text(value):30s} # {source}")


def effective(command: Any, defaults: dict[str, Any], file: str) -> list[tuple[str, Any, str]]:
    """(option, value, source) of every option of a click command, without anything from a command line.

    Args:
        command: a click command.
        defaults: its part of the default map that a configuration file gave.
        file: that file's name, for the third column.
    """
    import os

    rows: list[tuple[str, Any, str]] = []
    for p in command.params:
        if p.param_type_name != "option" or p.name == "help":
            continue
        names = [p.envvar] if isinstance(p.envvar, str) else list(p.envvar or ())
        env = next((n for n in names if os.environ.get(n)), None)
        option = _flag(p)
        if env is not None:
            rows.append((option, os.environ[env], f"environment, {env}"))
        elif p.name in defaults:
            rows.append((option, defaults[p.name], file))
        else:
            default = p.default
            rows.append((option, default() if callable(default) else default, "default"))
    return rows


def _text(value: Any) -> str:
    import json

    return "(not set)" if value is None else json.dumps(value, default=str)


app.command("show")(_common.handled(show))

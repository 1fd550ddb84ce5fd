"""`ihaudit config show`: the options in effect, and where each value comes from."""

from __future__ import annotations

import reprlib
from pathlib import Path
from typing import Annotated, Any

import typer

from ihaudit.cli import _common
from ihaudit.cli._common import say
from ihaudit.cli._help import Command, Group

app = typer.Typer(cls=Group, no_args_is_help=True, help="The configuration in effect.")


@app.callback()
def _group() -> None:
    """The configuration in effect (precedence: command line, environment, file, default)."""


def defaults(group: Any) -> tuple[Path | None, dict[str, Any]]:
    """The configuration file that holds here, and click's default map for the commands of `group` by what it says.

    A file names options as the command line does: ``max-ssim`` or ``max_ssim``, ``no-samples``, ``format``.

    Raises:
        UsageError: a file that cannot be read, unknown options, values of another kind.
    """
    from ihaudit.audit import config
    from ihaudit.errors import UsageError

    try:
        here = Path.cwd()
    except OSError:
        raise UsageError("the folder that this was started in is gone; start it in another one") from None
    found = config.find(here)
    if found is None:
        return None, {}
    names = {
        command: {_flag(p).replace("-", "_"): p for p in c.params if p.name != "help"}
        for command, c in group.commands.items()
    }
    values = config.as_default_map(*found, names)
    return found[0], {
        command: {names[command][flag].name: _typed(found[0], names[command][flag], x) for flag, x in of.items()}
        for command, of in values.items()
    }


def _typed(path: Path, parameter: Any, value: Any) -> Any:
    """A value of a file as click takes it; numbers and words are checked by click itself.

    Raises:
        UsageError: true or false where a number or a word is wanted, or the reverse; a list for what is given once.
    """
    from ihaudit.errors import UsageError

    def refused(what: str) -> UsageError:
        return UsageError(f"{path}: {_flag(parameter)} is {reprlib.repr(value)}, expected {what}")

    if getattr(parameter, "is_flag", False):
        if not isinstance(value, bool):
            raise refused("true or false")
        return value
    described = getattr(parameter, "type_descriptor", None)  # typer before 0.29 has click's types
    kind = parameter.type.name if described is None else str(described.annotation)
    word = "a number" if "int" in kind or "float" in kind else "text"
    if parameter.multiple or parameter.nargs != 1:
        word = "a list" if parameter.multiple else f"a list of {parameter.nargs} numbers"
        value = [value] if parameter.multiple and not isinstance(value, list) else value
        if not isinstance(value, list) or (not parameter.multiple and len(value) != parameter.nargs):
            raise refused(word)
    for item in value if isinstance(value, list) and word.startswith("a list") else [value]:
        if isinstance(item, bool) or not isinstance(item, (int, float, str)):
            raise refused(word)
    return value


def check_environment(group: Any) -> None:
    """Refuse variables that look like options and are none: a misspelt bound is a gate that is silently open.

    Raises:
        UsageError: names the nearest right one.
    """
    import os

    from ihaudit.errors import UsageError
    from ihaudit.registry import suggest

    known = {name for c in group.commands.values() for p in c.params for name in _variables(p)}
    for name in os.environ:
        if name.upper().startswith("IHAUDIT_") and name not in known:
            raise UsageError(f"there is no option for the variable {name}{suggest(name.upper(), sorted(known))}")


def _variables(parameter: Any) -> list[str]:
    return [parameter.envvar] if isinstance(parameter.envvar, str) else list(parameter.envvar or ())


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

    A file is the nearest ihaudit.toml, or the table [tool.ihaudit] in pyproject.toml, at or above this folder. What is
    given on a command line comes before all of these and is not known here. What is printed is itself such a file:
    options that are not set stand in it as comments.

    Exit code 2 where a value is one that the command would refuse; all values are printed even so.

    Examples:

      ihaudit config show run

      IHAUDIT_PROFILE=full ihaudit config show --changed
    """
    import json

    from ihaudit.cli._values import refusals
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
        say(json.dumps([dict(zip(keys, r)) for r in rows], indent=1, default=str))
    else:
        _print(rows, file)
    shown = {name: c for name, c in commands.items() if command in (None, name)}
    refused = [sentence for name, c in shown.items() for sentence in refusals(c, name, values.get(name, {}), file)]
    if found := list(dict.fromkeys(refused)):
        more = {1: "", 2: ", and 1 more value is refused"}.get(
            len(found), f", and {len(found) - 1} more values are refused"
        )
        raise UsageError(found[0] + more)


def _print(rows: list[tuple[str, str, Any, str]], file: Path | None) -> None:
    """The table as a configuration file."""
    say(f"# file: {file or 'none (no ihaudit.toml, no [tool.ihaudit] in pyproject.toml)'}")
    last = ""
    for name, option, value, source in rows:
        if name != last:
            say(f"\n[{name}]")
            last = name
        line = f"# {option} is not set" if value is None else f"{option} = {_text(value)}"
        say(f"{line:38s} # {source}")


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
        env = next((n for n in _variables(p) if os.environ.get(n)), None)
        option = _flag(p)
        if env is not None:
            rows.append((option, _as_file(p, os.environ[env]), f"environment, {env}"))
        elif p.name in defaults:
            rows.append((option, defaults[p.name], file))
        else:
            default = p.default
            rows.append((option, default() if callable(default) else default, "default"))
    return rows


def _as_file(parameter: Any, text: str) -> Any:
    """The text of a variable as a file would state it: flags as true or false, lists as lists."""
    if getattr(parameter, "is_flag", False):
        return text.strip().lower() in ("1", "true", "t", "yes", "y", "on")
    return text.split() if parameter.multiple else text


def _text(value: Any) -> str:
    import json

    return json.dumps(list(value) if isinstance(value, tuple) else value, default=str, ensure_ascii=False)


app.command("show", cls=Command)(_common.handled(show))

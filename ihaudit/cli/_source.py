"""Where a value came from that a command refuses: its option, a variable, or a file, so that an error names it."""

from __future__ import annotations

import re
from typing import Any


def usage_error(error: Any, file: object) -> str:
    """What a usage error says, by the name that the value was given under.

    Args:
        error: click's exception.
        file: the configuration file that holds here, or None.
    """
    message, what = str(error.format_message()).rstrip("."), str(error.message).rstrip(".")
    context, parameter = getattr(error, "ctx", None), getattr(error, "param", None)
    if context is None or parameter is None or not what or what == message:
        return message + _given(error)
    where = _source(context, parameter, file) or f"Invalid value for '{max(parameter.opts, key=len)}'"
    return f"{where}: {what}{_given(error)}"


def blamed(message: str, context: Any, file: object) -> str:
    """A sentence of the package, with the variable or file that the value in it comes from, where it is one.

    Args:
        message: names an option (``--profile``) or quotes its value (``'quik'``).
        context: click's, of the command that runs; None where there is none.
        file: the configuration file that holds here, or None.
    """
    for parameter in context.command.params if context is not None else ():
        from_ = _source(context, parameter, file)
        if not from_ or not parameter.name:
            continue
        value = context.params.get(parameter.name)
        values = value if isinstance(value, (list, tuple)) else [value]
        flag = max(parameter.opts, key=len)
        named = any(f"{flag}{end}" in message + " " for end in (" ", ":", ","))
        if named or any(isinstance(v, str) and _quoted(v, message) for v in values):
            return _from(message, parameter, from_)
    return message


def from_parameter(message: str, context: Any, parameter: Any, file: object) -> str:
    """A sentence about the value of `parameter`, with the variable or file that it comes from, where it is one."""
    from_ = _source(context, parameter, file)
    return _from(message, parameter, from_) if from_ else message


def _from(message: str, parameter: Any, from_: str) -> str:
    return f"{message} ({max(parameter.opts, key=len)} comes from {from_})"


def _quoted(value: str, message: str) -> bool:
    """Whether a sentence is about `value`: a word or path, or the name of ``NAME=VALUE``."""
    names = {value, value.partition("=")[0]}
    if any(repr(n) in message for n in names if n):
        return True
    return len(value) > 2 and re.search(rf"(?<![\w./-]){re.escape(value)}(?![\w/-])", message) is not None


def _source(context: Any, parameter: Any, file: object) -> str:
    """``the variable IHAUDIT_SEED`` or a file's name; empty where it was given on the command line, or nowhere."""
    source = getattr(context.get_parameter_source(parameter.name), "name", "")
    if source == "ENVIRONMENT":
        import os

        names = [parameter.envvar] if isinstance(parameter.envvar, str) else list(parameter.envvar or ())
        return f"the variable {next((n for n in names if os.environ.get(n)), names[0])}"
    if source == "DEFAULT_MAP":
        return f"{file}, {max(parameter.opts, key=len).lstrip('-')}"
    return ""


def _given(error: Any) -> str:
    """What was given, where the message leaves it away."""
    errors = getattr(error.__cause__, "errors", None)
    found = errors() if callable(errors) else []
    return f", not {found[0]['input']!r}" if found and "input" in found[0] else ""

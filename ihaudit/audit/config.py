"""Options from a file: ``[tool.ihaudit]`` in pyproject.toml, or ihaudit.toml.

Precedence: command line, then environment (``IHAUDIT_*``), then file, then default.  Unknown keys are errors with the
nearest right name, because a misspelt bound that is silently ignored is a gate that is silently open.
"""

from __future__ import annotations

import reprlib
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ihaudit.errors import UsageError
from ihaudit.registry import suggest


def find(start: Path) -> tuple[Path, dict[str, Any]] | None:
    """The nearest configuration at or above `start`: ihaudit.toml wins over pyproject.toml in the same folder.

    A pyproject.toml that is damaged is passed over only where it does not speak of ihaudit: a bound in it would be
    silently ignored.

    Raises:
        UsageError: the file cannot be read, is not valid TOML, or its table is none.
    """
    for folder in (start, *start.parents):
        for name in ("ihaudit.toml", "pyproject.toml"):
            path = folder / name
            try:
                if not path.is_file():
                    continue
                raw = path.read_bytes()
            except OSError as e:
                raise UsageError(
                    f"{path} cannot be read ({e.strerror}), and it may hold bounds of the gate; make it readable, or "
                    "move it away"
                ) from None
            try:
                data = tomllib.loads(raw.decode("utf-8-sig"))  # editors of Windows begin a file with a mark
            except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as e:
                if name == "pyproject.toml" and b"ihaudit" not in raw.replace(b"\0", b""):
                    continue  # not ours to complain about
                what = "UTF-8 text" if isinstance(e, UnicodeDecodeError) else "valid TOML"
                raise UsageError(f"{path} is not {what} ({e}), so that no option can be read from it") from None
            if name == "ihaudit.toml":
                return path, data
            tool = data.get("tool", {})
            section = tool.get("ihaudit") if isinstance(tool, dict) else tool
            if section is None:
                continue
            if not isinstance(section, dict):
                where = "tool.ihaudit" if isinstance(tool, dict) else "tool"
                raise UsageError(f"{path}: {where} is {reprlib.repr(section)}, expected a table: [tool.ihaudit]")
            return path, section
        if (folder / ".git").exists():
            break
    return None


def as_default_map(path: Path, values: dict[str, Any], commands: Mapping[str, Collection[str]]) -> dict[str, Any]:
    """Turn a flat table (options of every command) with optional per-command tables into click's default map.

    Args:
        path: named in errors.
        values: the table, e.g. ``{"profile": "standard", "run": {"max-ssim": 0.4}}``; ``-`` and ``_`` are the same.
        commands: option names (with underscores) of every command.

    Raises:
        UsageError: an unknown key.
    """
    every = {option for options in commands.values() for option in options}
    result: dict[str, dict[str, Any]] = {name: {} for name in commands}
    for raw, value in values.items():
        key = raw.replace("-", "_")
        if isinstance(value, dict):
            if raw not in commands:
                raise UsageError(f"{path}: unknown table [{raw}]{suggest(raw, commands)}")
            for sub, x in value.items():
                name = sub.replace("-", "_")
                if name not in commands[raw]:
                    raise UsageError(f"{path}: {raw} has no option {sub!r}{suggest(name, commands[raw])}")
                result[raw][name] = x
        elif key not in every:
            raise UsageError(f"{path}: unknown key {raw!r}{suggest(key, sorted(every))}")
        else:
            for name, options in commands.items():
                if key in options:
                    result[name].setdefault(key, value)
    return {name: options for name, options in result.items() if options}

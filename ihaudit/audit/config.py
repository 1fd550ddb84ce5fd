"""Options from a file: ``[tool.ihaudit]`` in pyproject.toml, or ihaudit.toml.

Precedence: command line, then environment (``IHAUDIT_*``), then file, then default.  Unknown keys are errors with the
nearest right name, because a misspelt bound that is silently ignored is a gate that is silently open.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ihaudit.errors import UsageError
from ihaudit.registry import suggest


def find(start: Path) -> tuple[Path, dict[str, Any]] | None:
    """The nearest configuration at or above `start`: ihaudit.toml wins over pyproject.toml in the same folder.

    Raises:
        UsageError: the file is not valid TOML.
    """
    for folder in (start, *start.parents):
        for name in ("ihaudit.toml", "pyproject.toml"):
            path = folder / name
            if not path.is_file():
                continue
            try:
                data = tomllib.loads(path.read_text(encoding="utf-8"))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
                if name == "pyproject.toml":
                    continue  # not ours to complain about
                raise UsageError(f"{path} is not valid TOML: {e}") from None
            if name == "ihaudit.toml":
                return path, data
            section = data.get("tool", {}).get("ihaudit")
            if section is not None:
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
        UsageError: an unknown key, or a value that is not of the option's kind.
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

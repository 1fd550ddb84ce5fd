"""Help as it was written: brackets stay, paragraphs are filled.

Help is printed by rich, which takes ``[tool.ihaudit]`` or ``[0, 1]`` for markup and leaves it away, and keeps a
docstring's line ends, so that a narrow terminal breaks each line twice.
"""

from __future__ import annotations

import inspect
from typing import Any

from typer.core import TyperCommand, TyperGroup


def readable(text: str) -> str:
    """`text` for rich: without markup, one line per paragraph."""
    from rich.markup import escape

    paragraphs = inspect.cleandoc(text).split("\n\n")
    lines = [" " * (len(p) - len(p.lstrip())) + " ".join(p.split()) for p in paragraphs if p.strip()]
    return escape("\n\n".join(lines))


def _make_readable(command: Any) -> None:
    for thing in (command, *command.params):
        for name in ("help", "epilog", "short_help"):
            text = getattr(thing, name, None)
            if isinstance(text, str) and text:
                setattr(thing, name, readable(text))


class Command(TyperCommand):
    """A command whose help reads as it was written."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _make_readable(self)


class Group(TyperGroup):
    """A group of commands whose help reads as it was written."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _make_readable(self)

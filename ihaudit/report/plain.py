"""Other people's text made fit to print: no control characters, no invisible reordering of what one reads."""

from __future__ import annotations

import re

from ihaudit.errors import printable

__all__ = ["printable", "reflow"]

_ITEM = re.compile(r"\s*([-*•]|[\w.]+:|\d+[.)])\s")
#: A line at least this long was wrapped by its author's editor; a shorter one was meant to end there.
WRAPPED = 60


def reflow(text: str) -> str:
    """A docstring with the line breaks that its author's editor made undone, so that it fills the page's width.

    Paragraphs, short lines, and lists of parameters keep their breaks.
    """
    lines: list[str] = []
    long = False
    for line in text.expandtabs().splitlines():
        indent = len(line) - len(line.lstrip())
        if lines and long and line.strip() and not _ITEM.match(line) and indent >= _indent(lines[-1]):
            lines[-1] += " " + line.strip()
        else:
            lines.append(line.rstrip())
        long = len(line.rstrip()) >= WRAPPED
    return "\n".join(lines)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())

"""Other people's text made fit to print: no control characters, no invisible reordering of what one reads."""

from __future__ import annotations

import re

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
#: C0 and C1 controls but tab and line feed, bidirectional overrides ("Trojan Source"), lone surrogates, non-characters.
_BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def printable(text: str) -> str:
    """`text` without terminal colours, and a replacement character for other control characters.

    The result can be written as UTF-8 and as XML 1.0.

    >>> printable("a\\x1b[31mred\\x1b[0m\\r\\nb\\x07")
    'ared\\nb\\ufffd'
    """
    return _BAD.sub("\ufffd", _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n"))


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

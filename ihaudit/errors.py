"""The errors a user can meet, each tied to an exit code.

Every error that a user can cause is one sentence that names the value and the remedy; the command line prints it
without a traceback.  Anything else is an internal error (exit code 4).
"""

from __future__ import annotations

import re

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
#: C0 and C1 controls but tab and line feed, bidirectional overrides ("Trojan Source"), lone surrogates, non-characters.
_BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def printable(text: str, *, lines: bool = True) -> str:
    """`text` without terminal colours, and a replacement character for other control characters.

    The result can be shown on a terminal and written as UTF-8 and as XML 1.0.  Without `lines` it is one line.

    >>> printable("a\\x1b[31mred\\x1b[0m\\r\\nb\\x07")
    'ared\\nb\\ufffd'
    """
    text = _BAD.sub("\ufffd", _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n"))
    return text if lines else text.replace("\n", " ").replace("\t", " ")


class IhauditError(Exception):
    """Base of all expected errors; ``exit_code`` is what the process returns (design: 2 usage, 3 inconclusive).

    The message is printable whatever it quotes: names of files, values from configurations and other people's files.
    """

    exit_code = 2

    def __init__(self, message: object = "") -> None:
        text = printable(str(message), lines=False)
        super().__init__(text if len(text) <= 2000 else f"{text[:1000]} [...] {text[-900:]}")


class UsageError(IhauditError):
    """A command, option or configuration value that cannot be used."""


class ImageError(IhauditError):
    """An image source that is empty, damaged, of mixed shapes, of one class, or too small."""


class SchemeError(IhauditError):
    """The scheme cannot be loaded, failed while encoding, exceeded a limit, or broke its contract."""


class ResultsError(IhauditError):
    """A results file that is missing, damaged, or of an unknown version."""


class NotApplicable(IhauditError):
    """An attack or game cannot run on this release; the message is the reason printed beside ``not run``."""

    exit_code = 3

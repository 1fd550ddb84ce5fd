"""The errors a user can meet, each tied to an exit code.

Every error that a user can cause is one sentence that names the value and the remedy; the command line prints it
without a traceback.  Anything else is an internal error (exit code 4).
"""

from __future__ import annotations


class IhauditError(Exception):
    """Base of all expected errors; ``exit_code`` is what the process returns (design: 2 usage, 3 inconclusive)."""

    exit_code = 2


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

"""`ihaudit run --watch`: the same audit again whenever the scheme's file is saved."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from ihaudit.audit.options import AuditOptions
from ihaudit.cli._common import fail, say, say_verdict
from ihaudit.errors import IhauditError, UsageError
from ihaudit.sandbox.loader import locate

#: Seconds between two looks at the file.
PAUSE_S = 0.5


def watched(options: AuditOptions, *, quiet: bool) -> NoReturn:
    """Audit, wait for the file to change, audit again; what fails is said, and waited for.

    Ends by the interrupt that ends any command.

    Raises:
        UsageError: the scheme is no file of the user's.
    """
    if locate_file(options.scheme) is None:
        raise UsageError(f"--watch waits for a file to be saved, and {options.scheme!r} names none; give a scheme file")
    while True:
        path = locate_file(options.scheme)
        seen = _stamp(path)
        try:
            options = replace(options, out=_once(options, quiet), overwrite=True, resume=False)
        except IhauditError as e:
            fail(str(e))
        say(f"waiting for {path} to be saved; end with Ctrl-C")
        while _stamp(path) == seen:
            time.sleep(PAUSE_S)


def locate_file(scheme: str) -> Path | None:
    """The user's file that `scheme` names, whether or not it is Python at the moment; None for other schemes."""
    for text in (scheme, scheme.rpartition(":")[0]):
        if text and Path(text).is_file():
            return Path(text)
    return None


def _once(options: AuditOptions, quiet: bool) -> Path:
    """One audit; the folder that it wrote."""
    locate(options.scheme)  # a typo is said before anything is loaded
    from ihaudit.audit.pipeline import run_audit
    from ihaudit.cli._common import reporter
    from ihaudit.verdict.headline import outcome

    with reporter(quiet) as report:
        folder, results = run_audit(options, report)
    say_verdict(results.gate)
    say(f"{folder}: {outcome(results.gate)}")
    return folder


def _stamp(path: Path | None) -> tuple[int, int] | None:
    """Changes whenever the file is saved; None where it is missing, as editors leave it for a moment."""
    try:
        stat = path.stat() if path is not None else None
    except OSError:
        return None
    return None if stat is None else (stat.st_mtime_ns, stat.st_size)

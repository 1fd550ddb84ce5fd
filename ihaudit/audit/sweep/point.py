"""One point of a sweep: an audit in a folder of its own, under a lock, which can be asked for any number of times.

What was finished there is handed back, what was stopped is gone on with, and what another process audits now is left
to it.  The folder is the whole result: results.json, or failed.json with the reason, each written atomically.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import traceback
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from ihaudit import errors
from ihaudit.audit.checkpoint import let_go
from ihaudit.audit.folder import check_writable
from ihaudit.audit.lock import locked
from ihaudit.audit.options import AuditOptions
from ihaudit.audit.pipeline import run_audit
from ihaudit.audit.progress import Reporter
from ihaudit.errors import IhauditError, ResultsError, UsageError
from ihaudit.results import atomic_write, read_results

FAILED = "failed.json"
LOCK = "point.lock"


@dataclass(frozen=True)
class Failure:
    """Why a point has no results: one sentence, the name of the error's class, and the exit code it stands for."""

    sentence: str
    error: str = "IhauditError"
    exit_code: int = 2
    trace: str = ""

    def exception(self, at: str = "") -> IhauditError:
        """As an error of its own class, where it is one of `ihaudit.errors`; `at` names the point."""
        kind = getattr(errors, self.error, IhauditError)
        known = isinstance(kind, type) and issubclass(kind, IhauditError)
        raised: IhauditError = (kind if known else IhauditError)(f"at {at}: {self.sentence}" if at else self.sentence)
        raised.exit_code = self.exit_code
        return raised


@dataclass(frozen=True)
class Job:
    """What is to be audited.

    Attributes:
        options: with the point's parameters among ``sets``, and its folder as ``out``.
        wait: where another process audits the point now, wait for it.
    """

    options: AuditOptions
    wait: bool = False

    @property
    def folder(self) -> Path:
        """Of the point."""
        assert self.options.out is not None
        return self.options.out


@dataclass(frozen=True)
class Outcome:
    """What came of a point: ``done`` here or before, ``failed``, or ``elsewhere``: another process audits it."""

    word: Literal["done", "failed", "elsewhere"]
    said: str = ""
    failure: Failure | None = None


def begun(folder: Path) -> bool:
    """Whether an audit was finished, or stopped, in a point's folder."""
    return (folder / "results.json").exists() or (folder / ".work" / "plan.json").exists()


def read_failure(folder: Path) -> Failure | None:
    """Why the point failed when it was last tried; None where it did not, or nothing can be read."""
    try:
        found = json.loads((folder / FAILED).read_text(encoding="utf-8"))
        return Failure(str(found["sentence"]), str(found["error"]), int(found["exit_code"]), str(found["trace"]))
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None


def audit_point(job: Job, reporter: Reporter | None = None) -> Outcome:
    """Audit a point, unless it is done or another process is at it.

    Raises:
        UsageError: its folder cannot be made or written.
    """
    folder = job.folder
    check_writable(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / LOCK, wait=job.wait) as mine:
        if not mine:
            return Outcome("elsewhere")
        try:
            (folder / FAILED).unlink(missing_ok=True)
            came = _tried(job, reporter or Reporter())
            if isinstance(came, Failure):
                if not (folder / "results.json").exists():  # what lies there did not fail, but is of something else
                    fail(folder, came)
                return Outcome("failed", came.sentence, came)
            return Outcome("done", came)
        finally:
            let_go(folder)


def _tried(job: Job, reporter: Reporter) -> str | Failure:
    """The word of the gate, or why there is none; only interruptions go through."""
    folder = job.folder
    try:
        if (folder / "results.json").exists():
            try:
                read_results(folder)
            except ResultsError:  # the disk was full, or somebody edited it: it counts as none
                (folder / "results.json").unlink()
        options = replace(job.options, overwrite=False, resume=begun(folder))
        return run_audit(options, reporter)[1].gate.status
    except IhauditError as e:
        return Failure(str(e), type(e).__name__, e.exit_code)
    except MemoryError:
        return Failure("this machine has too little memory for it; audit fewer or smaller images, or run fewer jobs")
    except OSError as e:
        return Failure(f"{e.filename or folder}: {e.strerror or e}; see to that, and go on with --resume")
    except Exception as e:
        said = f"internal error ({type(e).__name__}: {e}); this is a defect of ihaudit, please report it with {FAILED}"
        return Failure(said, exit_code=4, trace=traceback.format_exc())


def fail(folder: Path, failure: Failure) -> None:
    """Write why a point has no results."""
    with contextlib.suppress(OSError):  # where the disk is full the point counts as one that never ran
        atomic_write(folder / FAILED, json.dumps(asdict(failure), indent=1, ensure_ascii=False) + "\n")


def begin_afresh(folder: Path) -> None:
    """Remove what an earlier sweep left of a point.

    Raises:
        UsageError: another process audits it now.
    """
    if not folder.exists():
        return
    with locked(folder / LOCK, wait=False) as mine:
        if not mine:
            raise UsageError(f"another run audits {folder} now; wait for it, or name another folder with --out")
        for name in ("results.json", FAILED):
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / ".work", ignore_errors=True)


def check_fresh(folders: list[Path], sweep: Path, options: AuditOptions) -> None:
    """Refuse to write into an earlier sweep unasked.

    Raises:
        UsageError: one of the points was begun, and neither --resume nor --overwrite was given.
    """
    if options.resume and options.overwrite:
        raise UsageError("--resume and --overwrite contradict each other; give one of them")
    if not options.resume and not options.overwrite and any(begun(f) for f in folders):
        raise UsageError(f"{sweep} holds a sweep already; go on with --resume, or start afresh with --overwrite")

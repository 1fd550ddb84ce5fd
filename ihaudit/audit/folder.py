"""Where an audit writes, so that no run overwrites another's results unasked."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from ihaudit.audit.checkpoint import refuse_held
from ihaudit.audit.options import RunOptions
from ihaudit.errors import UsageError

#: Bytes of a path that leave room for what is written beneath it.
_LONGEST = 3500


def output_folder(options: RunOptions, name: str) -> tuple[Path, bool]:
    """The folder to write to, and whether it already holds a complete audit that --resume asks to go on with.

    Without --out it is reports/<name>, or reports/<name>-2, -3, ... where that one is taken.

    Raises:
        UsageError: another run writes there now; or --out holds results, or a stopped audit, and neither --overwrite
            nor --resume was given.
    """
    if options.resume and options.overwrite:
        raise UsageError("--resume and --overwrite contradict each other; give one of them")
    out = options.out or _default(Path("reports") / _slug(name), options)
    check_writable(out)
    begun, complete = _begun(out), (out / "results.json").exists()
    if begun:
        refuse_held(out)  # an audit that goes on there now is no stopped one
    if options.resume:
        if not begun and not complete:
            raise UsageError(f"there is nothing to resume in {out}; leave --resume away to start")
        return out, not begun
    if begun and not options.overwrite:
        raise UsageError(f"{out} holds a stopped audit; go on with --resume, or start afresh with --overwrite")
    if complete and not options.overwrite:
        raise UsageError(f"{out} holds results already; name another --out, or replace them with --overwrite")
    return out, False


def _begun(folder: Path) -> bool:
    return (folder / ".work" / "plan.json").exists()


def check_writable(folder: Path) -> None:
    """Refuse, before anything costly runs, a folder that cannot be made, or written to.

    Raises:
        UsageError: one sentence that names it.
    """
    try:
        if "\0" in str(folder):
            raise UsageError(f"--out {str(folder)!r} holds a null character; name another folder")
        full = Path(os.path.abspath(folder))
        if len(os.fsencode(full)) > _LONGEST:
            raise UsageError(f"--out {str(folder)[:80]}... is too long for a path; name another folder")
        if any(len(os.fsencode(part)) > os.pathconf("/", "PC_NAME_MAX") for part in full.parts):
            raise UsageError(f"--out {str(folder)[:80]}... has a name that is too long for a folder; name another one")
        there = next(p for p in (full, *full.parents) if os.path.lexists(p))
        if there.is_symlink() and not there.exists():
            raise UsageError(f"{there} is a link to nothing; remove it, or name another folder with --out")
        if not there.is_dir():
            what = f"--out {folder} is a file" if there == full else f"{there} is a file, so {folder} cannot be made"
            raise UsageError(f"{what}; name another folder with --out")
        if not os.access(there, os.W_OK | os.X_OK):
            raise UsageError(f"{there} cannot be written; name another folder with --out")
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as e:
        raise UsageError(f"{folder} cannot be written ({e.strerror}); name another folder with --out") from None


def _default(base: Path, options: RunOptions) -> Path:
    """`base`, or the next free name; the audit that was stopped last where it is to be gone on with."""
    if options.overwrite:
        return base
    if options.resume:
        begun = [p for p in base.parent.glob(f"{base.name}*") if _begun(p)]
        return max(begun, key=lambda p: (p / ".work" / "plan.json").stat().st_mtime, default=base)
    for path in (base, *(base.with_name(f"{base.name}-{i}") for i in range(2, 10_000))):
        if not os.path.lexists(path) or (path.is_dir() and not any(path.iterdir())):
            return path
    raise UsageError(f"{base} and thousands of its successors exist; name a folder with --out")


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "audit"

"""Where an audit writes, so that no run overwrites another's results unasked."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from ihaudit.audit.options import RunOptions
from ihaudit.errors import UsageError


def output_folder(options: RunOptions, name: str) -> tuple[Path, bool]:
    """The folder to write to, and whether it already holds a complete audit that --resume asks to go on with.

    Without --out it is reports/<name>, or reports/<name>-2, -3, ... where that one is taken.

    Raises:
        UsageError: --out holds results, or a stopped audit, and neither --overwrite nor --resume was given.
    """
    if options.resume and options.overwrite:
        raise UsageError("--resume and --overwrite contradict each other; give one of them")
    out = options.out or _default(Path("reports") / _slug(name), options)
    _writable(out)
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file; name a folder")
    begun, complete = _begun(out), (out / "results.json").exists()
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


def _writable(folder: Path) -> None:
    """Refuse, before anything costly runs, a folder that cannot be written."""
    there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    if not there.is_dir() and there != folder.absolute():
        raise UsageError(f"{there} is a file, so {folder} cannot be made; name another folder with --out")
    if there.is_dir() and not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(f"{there} cannot be written; name another folder with --out")
    try:
        if there.is_dir():
            with tempfile.TemporaryFile(dir=there):
                pass
    except OSError as e:
        raise UsageError(f"{there} cannot be written ({e.strerror}); name another folder with --out") from None


def _default(base: Path, options: RunOptions) -> Path:
    """`base`, or the next free name; the audit that was stopped last where it is to be gone on with."""
    if options.overwrite:
        return base
    if options.resume:
        begun = [p for p in base.parent.glob(f"{base.name}*") if _begun(p)]
        return max(begun, key=lambda p: (p / ".work" / "plan.json").stat().st_mtime, default=base)
    for path in (base, *(base.with_name(f"{base.name}-{i}") for i in range(2, 10_000))):
        if not path.exists() or not any(path.iterdir()):
            return path
    raise UsageError(f"{base} and thousands of its successors exist; name a folder with --out")


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "audit"

"""Locks between processes that no process can leave behind."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ihaudit.errors import UsageError


@contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[bool]:
    """Hold the lock of `path` within the block; the system takes it back however the process ends.

    The file stays, empty: removing it would let two processes hold the same lock.  It is opened for writing, because
    network file systems lock nothing else; on those that know no locks at all nothing is held.

    Args:
        path: a file, made where it is not there.
        wait: until whoever holds it lets go.

    Yields:
        Whether it is held: False where another process has it.

    Raises:
        UsageError: the file cannot be made or opened.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)  # less what the umask says: groups share folders
    except OSError as e:
        raise UsageError(
            f"{path} cannot be opened for writing ({e.strerror}), so that nobody can tell who works there; see to "
            "its owner, or name another folder with --out"
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        except OSError:  # a file system that knows no locks
            pass
        yield True
    finally:
        os.close(descriptor)

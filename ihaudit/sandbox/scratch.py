"""Removes a scheme's working folder, whatever the scheme made of it.

Standard library only: `guard` runs it in a bare interpreter, where the auditor is no longer there to do it.
"""

from __future__ import annotations

import contextlib
import os
import shutil

_OWNER = 0o700


def remove(folder: str) -> None:
    """Remove a folder with everything in it; nothing is followed, nothing is raised.

    Folders nested deeper than Python's recursion, or than a path may be long, are taken apart from the top: the
    children of every folder are moved up into `folder` until there are no more folders in it.
    """
    with contextlib.suppress(OSError, RecursionError):
        shutil.rmtree(folder)
    if not os.path.lexists(folder):
        return
    number = 0
    _open(folder)
    while names := _names(folder):
        before = number, len(names)
        for name in names:
            path = os.path.join(folder, name)
            if os.path.islink(path) or not os.path.isdir(path):
                with contextlib.suppress(OSError):
                    os.unlink(path)
                continue
            _open(path)
            for child in _names(path):
                number += 1
                with contextlib.suppress(OSError):
                    os.rename(os.path.join(path, child), os.path.join(folder, f".{number}"))
            with contextlib.suppress(OSError):
                os.rmdir(path)
        if before == (number, len(_names(folder))):
            break  # what is left does not belong to this user
    with contextlib.suppress(OSError):
        os.rmdir(folder)


def _open(folder: str) -> None:
    with contextlib.suppress(OSError):
        os.chmod(folder, _OWNER)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []

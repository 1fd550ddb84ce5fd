"""The process that workers are forked from: it imports what attacks need once, while the auditor does other things.

Starting a worker afresh costs seconds of imports; a fork of one that has imported shares its pages too.  It holds
nothing of an audit: what is forked receives its input through a pipe, as a process started afresh would.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
import threading
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import BaseContext

from ihaudit.environment import interrupts_held

#: Imported by the process that others are forked from.
PRELOAD = "ihaudit.audit.preloaded"
#: Processes are started one after the other: what they inherit is changed for it.
STARTING = threading.RLock()


#: Set where that process could not be started: its socket's path is too long in some temporary folders.
_REFUSED = threading.Event()


def _forks() -> bool:
    return "forkserver" in multiprocessing.get_all_start_methods() and not _REFUSED.is_set()


def context() -> BaseContext:
    """What starts processes: by forking the one that `prepare` starts, or afresh where there is no such thing."""
    return multiprocessing.get_context("forkserver" if _forks() else "spawn")


def leave_nothing() -> None:
    """Remove the folder of this process's socket, in the process that others are forked from, as it ends.

    The audit that made the folder removes it; where the audit was killed, nobody else does.
    """
    own = vars(forkserver._forkserver)  # the standard library says its address nowhere else
    address = own.get("_forkserver_address")
    if own.get("_forkserver_pid") is None and isinstance(address, str):
        folder = os.path.dirname(address)
        if os.path.basename(folder).startswith("pymp-"):
            shutil.rmtree(folder, ignore_errors=True)


def prepare() -> None:
    """Start the process that others are forked from, unless it runs; it imports, and this returns at once."""
    resource_tracker.ensure_running()  # it would let interrupts through again as it starts
    if not _forks():
        return
    # It imports from where this process does, and not from the folder that it happens to run in.
    path = os.pathsep.join(os.path.abspath(p) for p in sys.path)
    with STARTING, interrupts_held():
        kept = {name: os.environ.get(name) for name in ("PYTHONPATH", "PYTHONSAFEPATH")}
        os.environ.update(PYTHONPATH=path, PYTHONSAFEPATH="1")
        try:
            multiprocessing.get_context("forkserver").set_forkserver_preload([PRELOAD])
            forkserver.ensure_running()
        except OSError:
            _REFUSED.set()
        finally:
            for name, value in kept.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value

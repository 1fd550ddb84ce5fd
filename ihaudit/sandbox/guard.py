"""The process between the auditor and a scheme: it starts the confined worker and leaves nothing behind.

Run as a script by `ihaudit.sandbox.process` in a bare interpreter; never imports what it guards.  ::

    auditor -- guard -- init (PID 1 of a PID namespace, where permitted) -- worker (runs the scheme)

The guard ends, and takes every descendant with it, when the worker ends, when the auditor closes the control socket,
and when the auditor is gone.  In a PID namespace the kernel kills all that is left with PID 1; without one the guard
is the subreaper of everything that detaches itself, and kills its own descendants until there are none.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import contextlib

import confine
import scratch

sys.path.pop(0)
TYPE_CHECKING = False  # typing takes longer to import than all else here
if TYPE_CHECKING:
    from typing import Any


def main() -> None:
    """``guard.py CONTROL_FD MESSAGE_FD``: the first line on the control socket is the JSON configuration."""
    control = socket.socket(fileno=int(sys.argv[1]))
    message = int(sys.argv[2])
    parent = os.getppid()
    config = json.loads(_line(control))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # Ctrl-C is the auditor's to handle; it closes the control socket
    confine.prctl(confine.PR_SET_CHILD_SUBREAPER, 1)
    inside = config["namespaces"] and confine.namespaces()
    # Not dumpable: without Landlock, other processes of this user can neither trace nor read the guard.
    child = os.fork()
    if child == 0:
        control.close()
        if inside:
            _init(config, message)
        _worker(config, message)
    os.close(message)
    confine.prctl(confine.PR_SET_DUMPABLE, 0)
    status = _watch(control, child, parent)
    _kill(child, bool(inside))
    scratch.remove(config["scratch"])  # the auditor may have been killed meanwhile, or be interrupted before it does
    with contextlib.suppress(OSError):
        control.sendall(json.dumps({"status": status}).encode() + b"\n")
    os._exit(0)


def _line(sock: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        part = sock.recv(65536)
        if not part:  # the auditor ended before it said anything
            scratch.remove(os.getcwd())
            os._exit(0)
        data += part
    return data


def _watch(control: socket.socket, child: int, parent: int) -> int:
    """Wait until the child ends (its wait status), or the auditor says stop or is gone (-1)."""
    readers: list[socket.socket | int] = [control]
    with contextlib.suppress(AttributeError, OSError):
        readers.append(os.pidfd_open(child))
    while True:
        ready, _, _ = select.select(readers, [], [], 0.5 if len(readers) > 1 else 0.05)
        if control in ready and not control.recv(1):
            return -1
        if os.getppid() != parent:
            return -1
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)  # adopted orphans are reaped here as well
            except ChildProcessError:
                return -1
            if pid == child:
                return status
            if pid == 0:
                break


def _init(config: dict[str, Any], message: int) -> None:
    """PID 1 of the namespace: starts the worker, reaps orphans, and reports the worker's status by its own exit."""
    confine.prctl(confine.PR_SET_PDEATHSIG, signal.SIGKILL)
    worker = os.fork()
    if worker == 0:
        _worker(config, message)
    confine.prctl(confine.PR_SET_DUMPABLE, 0)
    os.closerange(0, 1024)
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == worker:
            if os.WIFSIGNALED(status):
                os._exit(128 + os.WTERMSIG(status))
            os._exit(os.WEXITSTATUS(status))


def _worker(config: dict[str, Any], message: int) -> None:
    """Confine this process for good, then hand over to `ihaudit.sandbox.worker`."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.chdir(config["scratch"])
    applied = {"landlock": False, "seccomp": False, "capabilities": False}
    try:
        confine.limit_resources(config["data_mb"], config["file_mb"], config["processes"])
        applied["landlock"] = config["landlock"] and confine.landlock(
            [config["scratch"]], config["hidden"], config["listed"]
        )
        applied["capabilities"] = confine.drop_capabilities()
        applied["seccomp"] = config["seccomp"] and confine.seccomp()
        sys.path[:] = config["path"]
        from ihaudit.sandbox import worker

        worker.main(message, applied)
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    os._exit(70)


def _kill(child: int, inside: bool) -> None:
    """End every descendant; returns when none is left or after five seconds."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        for pid in [child] if inside else _descendants(os.getpid()):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.002)


def _descendants(root: int) -> list[int]:
    """All processes below `root`, by the parent numbers in /proc."""
    parents = {}
    try:
        names = os.listdir("/proc")
    except OSError:
        return []
    for name in names:
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as f:
                    parents[int(name)] = int(f.read().rsplit(b")", 1)[1].split()[1])
            except (OSError, IndexError, ValueError):
                continue
    found, frontier = [], {root}
    while frontier:
        frontier = {pid for pid, parent in parents.items() if parent in frontier and pid not in found}
        found += sorted(frontier)
    return found


if __name__ == "__main__":
    main()

"""Runs attacks in a process of their own, which is never given the truth.

The worker receives the `View` and nothing else of the audit: no truth, no output folder.  What an attack knows is what
its arguments hold, so "the truth is not reachable" is a property of the process, not a convention.  A crash, a memory
fault or a time-out ends the worker and becomes the reason of one finding; the audit goes on with a fresh worker.
"""

from __future__ import annotations

import contextlib
import os
import resource
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

from ihaudit.audit.handover import receive, send
from ihaudit.audit.nursery import STARTING, context, prepare
from ihaudit.audit.remote import METHODS, RemoteEncoder, RemoteReplayer, RemoteStore, answer
from ihaudit.audit.watched import watched
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.configure import configure
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.environment import ignore_interrupts, interrupts_held, return_memory
from ihaudit.errors import IhauditError, NotApplicable
from ihaudit.metrics.threads import limit_threads
from ihaudit.registry import load
from ihaudit.results import Cost
from ihaudit.scheme import Knowledge


@dataclass(eq=False)
class AttackRun:
    """What came back from the worker: an output, or the reason why there is none."""

    output: AttackOutput | None
    cost: Cost
    not_applicable: str = ""
    failure: str = ""
    trace: str = ""


def reset_peak_memory() -> None:
    """Forget this process's peak resident memory (Linux); elsewhere the peak of the whole process is reported."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as f:
        f.write("5")


def peak_memory_mb() -> float:
    """Peak resident memory of this process in MB since `reset_peak_memory`."""
    with contextlib.suppress(OSError), open("/proc/self/status") as f:
        for line in f:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _serve(conn: Connection, niceness: int, threads: int | None, environment: dict[str, str]) -> None:
    """The worker's loop: "ready", then one (spec, view, ctx, replays) at a time until the pipe closes."""
    ignore_interrupts()  # Ctrl-C is the auditor's to handle; it then ends this process
    os.environ.clear()  # that of the process from which it was forked may be an older one
    os.environ.update(environment)
    os.chdir(tempfile.gettempdir())
    if niceness:
        os.nice(niceness)
    load("attack")
    if threads is not None:
        limit_threads(threads)
    # large arrays are mapped from a file, and attacks change none
    warnings.filterwarnings("ignore", "The given NumPy array is not writ", UserWarning)
    conn.send("ready")
    while True:
        try:
            message = receive(conn)
        except (EOFError, OSError):
            return
        spec, view, ctx, replays = message
        last = [0.0]

        def progress(text: str, fraction: float | None = None, last: list[float] = last) -> None:
            now = time.monotonic()
            if now - last[0] > 0.1 or fraction in (0.0, 1.0):
                last[0] = now
                conn.send(("progress", (text, fraction)))

        reset_peak_memory()
        wall, cpu = time.perf_counter(), time.process_time()
        reply: tuple[str, Any]
        try:
            seen = {Knowledge.ENCODINGS}
            if Knowledge.ORACLE in view.knows:
                view = replace(view, encoder=RemoteEncoder(conn, seen))
            if replays:
                view = replace(view, replayer=RemoteReplayer(conn, seen))
            output = configure(spec).run(watched(view, seen), replace(ctx, progress=progress, store=RemoteStore(conn)))
            output.used = tuple(sorted(k.value for k in seen))
            reply = ("done", output)
        except NotApplicable as e:
            reply = ("not applicable", str(e))
        except IhauditError as e:
            reply = ("failed", (str(e), ""))
        except MemoryError:
            reply = ("failed", ("it ran out of memory", ""))
        except Exception as e:
            reply = ("failed", (f"{type(e).__name__}: {e}", traceback.format_exc()))
        cost = Cost(
            wall_s=time.perf_counter() - wall, cpu_s=time.process_time() - cpu, gpu_s=0.0, peak_mb=peak_memory_mb()
        )
        if ctx.device == "cuda":
            cost.gpu_s = cost.wall_s
        conn.send((reply[0], (reply[1], cost)))
        message = view = ctx = output = reply = None  # type: ignore[assignment]  # it may wait long for the next one
        return_memory()


#: Seconds that the worker may take to start: it imports every attack.
START_S = 300


class AttackWorker:
    """A process that runs attacks one after the other; restarted when it dies.

    Use as a context manager.  ``timeout_s`` bounds each attack's wall time; ``threads`` those that it computes with, by
    default as many as libraries take.
    """

    def __init__(self, timeout_s: float = 3600.0, niceness: int = 0, threads: int | None = None) -> None:
        self.timeout_s = timeout_s
        self._niceness, self._threads = niceness, threads
        self._process: Any = None
        self._conn: Connection | None = None

    def __enter__(self) -> AttackWorker:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _start(self) -> Connection:
        if self._process is not None and self._process.is_alive() and self._conn is not None:
            return self._conn
        self.close()
        prepare()
        start: Any = context()
        ours: Connection
        theirs: Connection
        ours, theirs = start.Pipe()
        given = theirs, self._niceness, self._threads, dict(os.environ)
        self._process = start.Process(target=_serve, args=given, daemon=True)
        with _without_main(), interrupts_held():
            self._process.start()
        theirs.close()
        self._conn = ours
        if not ours.poll(START_S):  # on the auditor's time, not the attack's
            raise OSError("it does not start")
        ours.recv()
        return ours

    def end(self) -> None:
        """Let the worker die, from another thread than that which waits for its answer and then hears of it."""
        process = self._process
        if process is not None:
            with contextlib.suppress(AttributeError, ValueError):  # it is being started, or closed, just now
                process.terminate()

    def close(self) -> None:
        """End the worker, whatever it is doing."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None
        if self._process is not None:
            if self._process.is_alive():
                self._process.terminate()
                self._process.join(2)
                if self._process.is_alive():
                    self._process.kill()
                    self._process.join()
            self._process = None

    def run(self, spec: str, view: View, ctx: Context) -> AttackRun:
        """Run one attack.  Never raises for what the attack does; the reason is in the `AttackRun`.

        The view's encoder and replayer, and the context's store and progress, stay here and answer the worker.
        """
        try:
            conn = self._start()
        except (EOFError, OSError):
            return AttackRun(None, Cost(), failure=f"its process died ({self._exit_code()}) before it began")
        owners: dict[str, Any] = {"encode_many": view.encoder, "seconds": view.encoder}
        owners |= {"entries": view.replayer, "replay": view.replayer, "read": ctx.store, "write": ctx.store}
        start = time.monotonic()
        bare = replace(view, encoder=None, replayer=None)
        send(conn, (spec, bare, replace(ctx, progress=_quiet, store=None), view.replayer is not None))
        while True:
            left = self.timeout_s - (time.monotonic() - start)
            spent = Cost(wall_s=time.monotonic() - start)
            try:
                if left <= 0 or not conn.poll(left):
                    self.close()
                    return AttackRun(None, spent, failure=f"it did not finish within {self.timeout_s:.0f} s")
                kind, payload = conn.recv()
            except (EOFError, OSError):
                code = self._exit_code()
                self.close()
                return AttackRun(None, spent, failure=f"its process died ({code}), probably out of memory")
            if kind == "progress":
                ctx.progress(*payload)
            elif kind in METHODS:
                conn.send(answer(kind, payload, owners[kind]))
            else:
                value, cost = payload
                if kind == "done":
                    return AttackRun(value, cost)
                if kind == "not applicable":
                    return AttackRun(None, cost, not_applicable=value)
                return AttackRun(None, cost, failure=value[0], trace=value[1])

    def _exit_code(self) -> str:
        self._process.join(5)
        code = self._process.exitcode
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def _quiet(message: str, fraction: float | None = None) -> None:
    """A picklable progress callback that does nothing."""


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Keep spawn from importing the parent's ``__main__`` in the worker: it may be a user's script without a guard."""
    with STARTING, _hidden_main():
        yield


@contextlib.contextmanager
def _hidden_main() -> Iterator[None]:
    import sys

    main = sys.modules["__main__"]
    saved_file, saved_spec = getattr(main, "__file__", None), getattr(main, "__spec__", None)
    had_file = hasattr(main, "__file__")
    try:
        if had_file:
            del main.__file__
        main.__spec__ = None
        yield
    finally:
        if had_file:
            main.__file__ = saved_file
        main.__spec__ = saved_spec

"""A call in a process of its own, which ends with whoever asked for it, in whatever way that ends.

Every engine runs its calls so: an audit starts processes of its own and handles signals, and neither is allowed in the
threads and daemons that clusters run tasks in.  Parent and child are the same program on the same machine.  A process
that is kept takes one call after the other: a third of what a small audit costs is loading libraries.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from ihaudit.contracts.engine import Died
from ihaudit.environment import ignore_interrupts, interrupts_held, return_memory
from ihaudit.errors import UsageError

Item = TypeVar("Item")
T = TypeVar("T")

#: Numbers of threads that libraries read once, when they are loaded.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from ihaudit.engines.apart import main; main()"
#: Seconds that a call has to put its things in order before it is ended.
GRACE_S = 10.0
#: Seconds that a process is kept for without being asked for anything.
IDLE_S = 60.0

Child = subprocess.Popen[bytes]
_RUNNING: set[Child] = set()
#: Processes that are kept, by what must be the same for another call.
_KEPT: dict[tuple[str, int], list[Child]] = {}


@dataclass(frozen=True)
class Apart(Generic[Item, T]):
    """``function(item)`` in a process of its own; picklable, so that another machine can be asked for it.

    Attributes:
        function: importable by name.
        threads: of numerical libraries, where the environment does not say; 0 leaves it to them.
        folder: the process works in it: paths on the command line mean the same there.
        keep: the process takes the next call too; it ends with whoever keeps it, or when it is not asked for long.
    """

    function: Callable[[Item], T]
    threads: int = 0
    folder: str = field(default_factory=os.getcwd)
    keep: bool = False

    def __call__(self, item: Item) -> T:
        """What the call returns.

        Raises:
            Died: the process ended before it answered.
            Exception: what the call raised.
        """
        if not Path(self.folder).is_dir():
            raise UsageError(f"this machine has no folder {self.folder}; start in one that all machines share")
        kept = self._kept()
        child = kept or self._started()
        assert child.stdin is not None and child.stdout is not None
        _RUNNING.add(child)
        good = False
        try:
            with contextlib.suppress(BrokenPipeError):  # it died at once: the end of its answer says so
                child.stdin.write(pickle.dumps((self.function, item)))
                child.stdin.flush()
            answered, value = pickle.load(child.stdout)
            good = True
        except (EOFError, pickle.UnpicklingError):
            end(child)
            if kept and child.returncode == 0:  # it had just given up waiting for a call
                return self(item)
            code = child.returncode
            raise Died(f"its process died ({f'signal {-code}' if code < 0 else f'exit code {code}'})") from None
        finally:
            _RUNNING.discard(child)
            if good and self.keep:
                _KEPT.setdefault((self.folder, self.threads), []).append(child)
            else:
                end(child)
        if not answered:
            raise value
        result: T = value
        return result

    def _kept(self) -> Child | None:
        """A process that is kept and still there."""
        kept = _KEPT.get((self.folder, self.threads), [])
        while self.keep and kept:
            child = kept.pop()  # of a list, so that two threads never have the same
            if child.poll() is None:
                return child
            end(child)
        return None

    def _started(self) -> Child:
        env = {name: str(self.threads) for name in _THREADS} if self.threads else {}
        with interrupts_held():
            return subprocess.Popen(
                [sys.executable, "-c", _START, json.dumps([p or os.getcwd() for p in sys.path])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=self.folder,
                env={**env, **os.environ},
            )


def end(child: Child) -> None:
    """Close the pipe that keeps the process alive, and wait until it has ended; it is killed where it does not."""
    assert child.stdin is not None and child.stdout is not None
    with contextlib.suppress(OSError):
        child.stdin.close()
    try:
        child.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    child.stdout.close()


def end_all() -> None:
    """End every call that this process waits for; those who wait are told `Died`."""
    for child in tuple(_RUNNING):
        with contextlib.suppress(OSError):
            child.terminate()


def main() -> None:
    """The child: reads calls from standard input, writes their answers to standard output, until nobody asks."""
    asked, answer = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # What is called may print and read as it likes.
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    ignore_interrupts()  # Ctrl-C is for whoever asked, who then ends this process
    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_end_with, args=(asked.fileno(),), daemon=True).start()
    try:
        while select.select([asked], [], [], IDLE_S)[0]:
            function, item = pickle.load(asked)
            try:
                reply = pickle.dumps((True, function(item)))
            except Exception as e:
                reply = _raised(e)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            answer.write(reply)
            answer.flush()
            del function, item, reply
            return_memory()
            signal.signal(signal.SIGTERM, _interrupt)
    except (EOFError, BrokenPipeError):
        return
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it would be heard of while libraries put themselves in order


def _interrupt(number: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt(number)


def _end_with(asked: int) -> None:
    """Wait until whoever asks is gone (the pipe ends), then end this process as SIGTERM does."""
    poll = select.poll()
    poll.register(asked, 0)  # hanging up is told without being asked for, and nothing is read
    poll.poll()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(128 + signal.SIGTERM)


def _raised(error: Exception) -> bytes:
    """The answer of a call that raised; what cannot be sent becomes its text."""
    answer: tuple[bool, Any] = (False, error)
    try:
        sent = pickle.dumps(answer)
        pickle.loads(sent)
        return sent
    except Exception:
        return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))

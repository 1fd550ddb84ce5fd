"""`SchemeProcess`: the auditor's side of a scheme that runs in its own, confined process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from ihaudit.errors import SchemeError, UsageError
from ihaudit.release import FloatArray, IntArray, Release
from ihaudit.sandbox import declaration, validate, wire
from ihaudit.sandbox.limits import Limits
from ihaudit.sandbox.loader import SchemeSource
from ihaudit.sandbox.monitor import Log, Monitor, descendants
from ihaudit.sandbox.scratch import remove
from ihaudit.sandbox.timings import Timings
from ihaudit.sandbox.worker import child_seed

GUARD = Path(__file__).with_name("guard.py")
#: Calls of `encode_many` travel in messages of about this size, so that neither side holds many copies.
_BATCH_BYTES = 16 << 20
_BATCH_CALLS = 4096
#: Private memory that numpy, torch and threads map beyond what they ever touch.
_DATA_SLACK_MB = 2048
#: How often an audit holds a release: as sent and as floats, in an attack's process, and what is computed from it.
_COPIES = 5
#: Passed on to the scheme's process; everything else of the environment is withheld.
_ENVIRONMENT = (
    "PATH",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "OPENBLAS_THREAD_TIMEOUT",
    "SYSTEMROOT",
)


class SchemeProcess:
    """Runs one scheme, with fixed parameters, in a process of its own.  A context manager; satisfies
    `attacks.base.Encoder`.

    Args:
        source: which scheme, from `ihaudit.sandbox.loader.locate`.
        parameters: texts as given with ``--set name=value``; converted and checked against the scheme's fields.
        public: float32 (M, H, W, C) in [0, 1], handed to every call of encode; None for none.
        limits: time, memory and output.
        scratch: an existing folder under which the scheme's private working folder is made (default: the system's
        temporary folder).
        hidden: files and folders that the scheme may not read: the audit's output, configuration with its seed.
        confine: turn single mechanisms off, for tests of the fallbacks: any of namespaces, landlock, seccomp.

    Attributes:
        log: captured stdout and stderr of the scheme, truncated with a note.
        peak_mb: largest resident memory of the scheme's processes together, MB, sampled ten times a second.
        applied: which confinements took effect for this process.

    Raises (from `start`, `card`, `encode`, `encode_many`):
        UsageError: a parameter that the scheme does not have, or a value of the wrong type.
        SchemeError: the scheme cannot be loaded, raised, broke its contract, died, or exceeded a limit.
    """

    def __init__(
        self,
        source: SchemeSource,
        parameters: dict[str, str] | None = None,
        *,
        public: FloatArray | None = None,
        limits: Limits | None = None,
        scratch: Path | None = None,
        hidden: Sequence[Path] = (),
        confine: dict[str, bool] | None = None,
    ) -> None:
        self._source = source
        self._parameters = dict(parameters or {})
        self._public = None if public is None else np.ascontiguousarray(public, np.float32)
        self._limits = limits or Limits()
        self._parent_scratch = scratch
        self._hidden = [str(Path(p).absolute()) for p in hidden]
        self._confine = {"namespaces": True, "landlock": True, "seccomp": True} | (confine or {})
        self._log = Log(self._limits.log_bytes)
        self._notes = ""
        self._peak = 0.0
        self._card: declaration.Declaration | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._n = 0
        self._timings = Timings()
        self._turn = threading.Lock()
        self.applied: dict[str, bool] = {}

    # --- life ---

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the process and load the scheme, unless it is running."""
        if self._guard is not None:
            return
        self._folder = Path(tempfile.mkdtemp(prefix="ihaudit-scheme-", dir=self._parent_scratch))
        control, far_control = socket.socketpair()
        self._sock, far = socket.socketpair()
        log_r, log_w = os.pipe()
        for end in (self._sock, far):
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                end.setsockopt(socket.SOL_SOCKET, option, 4 << 20)
        home = str(self._folder)
        environment = {k: os.environ[k] for k in _ENVIRONMENT if k in os.environ}
        environment |= {
            "HOME": home,
            "TMPDIR": home,
            "LANG": "C.UTF-8",
            "PYTHONHASHSEED": "0",
            "PYTHONUNBUFFERED": "1",
            "MPLCONFIGDIR": home,
        }
        environment |= {
            "NUMBA_CACHE_DIR": home,
            "XDG_CACHE_HOME": home,
            "TORCH_HOME": os.path.expanduser("~/.cache/torch"),
        }
        try:
            self._guard = subprocess.Popen(
                [sys.executable, "-s", "-S", "-P", "-B", str(GUARD), str(far_control.fileno()), str(far.fileno())],
                stdin=subprocess.DEVNULL, stdout=log_w, stderr=log_w, pass_fds=(far_control.fileno(), far.fileno()),
                env=environment, cwd=home, start_new_session=True,
            )  # fmt: skip
        except OSError as e:
            os.close(log_r)
            self._sock.close()
            control.close()
            remove(str(self._folder))
            raise SchemeError(f"the scheme's process cannot be started: {e}") from None
        except BaseException:
            remove(str(self._folder))
            raise
        finally:
            os.close(log_w)
            far_control.close()
            far.close()
        self._control = control
        self._monitor = Monitor(self._guard.pid, log_r, self._log, self._limits, self._end_tree)
        self._monitor.start()
        try:
            self._load()
        except BaseException:
            self._stop()
            raise

    def _load(self) -> None:
        limits = self._limits
        config = {
            "scratch": str(self._folder),
            "listed": [str(self._source.path.parent), *_search_path()], "hidden": self._hidden,
            "data_mb": limits.memory_mb + _DATA_SLACK_MB,
            "file_mb": limits.file_mb, "processes": _own_processes() + limits.processes + 64, "path": _search_path(),
            **self._confine,
        }  # fmt: skip
        hello = self._hello()
        deadline = time.monotonic() + limits.time_s + 10  # the interpreter and numpy start on our time
        try:
            self._control.sendall(json.dumps(config).encode() + b"\n")
            wire.send(self._sock, hello, [] if self._public is None else [("public", self._public)], deadline=deadline)
            answer, _ = wire.receive(self._sock, limit=0, deadline=deadline)
        except (wire.WireError, OSError, TimeoutError) as e:
            raise self._failed(e, "loading") from None
        if answer.get("kind") == "error":
            raise self._error(answer)
        applied = answer.get("applied")
        self.applied = {str(k): v is True for k, v in applied.items()} if isinstance(applied, dict) else {}
        self._card = declaration.parse(answer.get("card"), self._source)

    def _hello(self) -> dict[str, Any]:
        """What the scheme's process is told first."""
        return {
            "path": str(self._source.path), "text": self._source.text, "class_name": self._source.class_name,
            "parameters": self._parameters, "memory_mb": self._limits.memory_mb,
        }  # fmt: skip

    def _heard(self, answer: dict[str, Any]) -> None:
        """What came with an answer, beside the release."""

    def close(self) -> None:
        """End the scheme's process and all its descendants, and remove its working folder."""
        self._stop()

    def _stop(self) -> None:
        if self._guard is None:
            return
        self._end_tree()
        self._sock.close()
        self._control.close()
        self._monitor.stop()
        self._peak = max(self._peak, self._monitor.peak_mb)
        self._guard = None
        remove(str(self._folder))

    def _end_tree(self) -> None:
        """Have the guard kill everything below it; kill the guard too where it does not answer."""
        guard = self._guard
        if guard is None:
            return
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)
        try:
            guard.wait(timeout=6)
        except subprocess.TimeoutExpired:
            below = descendants(guard.pid)
            for pid in [guard.pid, *below]:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            guard.wait()

    # --- what it says ---

    @property
    def card(self) -> declaration.Declaration:
        """Plain data about the scheme: name, parameters, claims (rebuilt and checked)."""
        if self._card is None:
            self.start()
        assert self._card is not None
        return self._card

    @property
    def log(self) -> str:
        """Captured stdout and stderr, and tracebacks of errors."""
        return self._log.text + self._notes

    @property
    def peak_mb(self) -> float:
        """Largest resident memory seen, MB."""
        return max(self._peak, self._monitor.peak_mb if self._guard is not None else 0.0)

    # --- encoding ---

    def encode(self, images: FloatArray, labels: IntArray, *, seed: int) -> Release:
        """Encode float32 (N, H, W, C) in [0, 1] with int64 (N,) labels; the release carries its provenance."""
        return self.encode_many([(images, labels, seed)])[0]

    def encode_many(self, calls: list[tuple[FloatArray, IntArray, int]]) -> list[Release]:
        """Independent calls (images, labels, seed), in order; a process that died before is started again.

        An array object that several calls share is sent once per message.  Threads wait for each other.
        """
        with self._turn:
            self.start()
            done: list[Release] = []
            while len(done) < len(calls):
                done += self._exchange(calls[len(done) :])
            return done

    @property
    def spent_s(self) -> float:
        """Wall seconds of all calls so far."""
        return self._timings.total

    def seconds(self, images: int) -> float:
        """See `Encoder.seconds`; what travels to the process and back is in it."""
        return self._timings.expected(images)

    def _exchange(self, calls: list[tuple[FloatArray, IntArray, int]]) -> list[Release]:
        """Send as many calls as fit one message, and read their releases."""
        index: dict[int, str] = {}
        arrays: list[tuple[str, np.ndarray]] = []
        requests: list[list[Any]] = []
        size = 0

        def put(a: np.ndarray, dtype: type) -> str:
            nonlocal size
            key = index.get(id(a))
            if key is None:
                key = index[id(a)] = str(len(arrays))
                made: np.ndarray = np.ascontiguousarray(a, dtype)
                arrays.append((key, made))
                size += made.nbytes
            return key

        for images, labels, seed in calls:
            if len(requests) >= _BATCH_CALLS or size > _BATCH_BYTES or len(arrays) > wire.MAX_ARRAYS - 2:
                break
            if len(images) != len(labels) or images.ndim != 4:
                raise ValueError(
                    f"encode takes (N, H, W, C) images and (N,) labels, got {images.shape} and {np.shape(labels)}"
                )
            self._n += 1
            requests.append([self._n, put(images, np.float32), put(labels, np.int64), child_seed(seed)])
        budget = self._limits.time_s
        began = time.monotonic()
        try:
            wire.send(self._sock, {"calls": requests}, arrays, deadline=time.monotonic() + budget)
            found = []
            for request, (images, _, _) in zip(requests, calls):
                answer, fields = wire.receive(
                    self._sock, limit=self._limits.output_bytes, deadline=time.monotonic() + budget
                )
                if answer.get("number") != request[0]:
                    raise wire.WireError("answered another call than the one it was asked")
                if answer.get("kind") == "error":
                    raise self._error(answer)
                self._heard(answer)
                validate.check_size(fields, min(self._limits.output_bytes, _room()))
                found.append(
                    validate.release(fields, answer.get("image_range"), n_images=len(images), n_public=self._n_public)
                )
                self._timings.add(len(images), time.monotonic() - began)
                began = time.monotonic()
        except (wire.WireError, OSError, TimeoutError) as e:
            raise self._failed(e, "encode") from None
        except MemoryError:
            self._stop()
            raise SchemeError(
                "the scheme returned more than this machine has memory for; release less, or audit fewer images"
            ) from None
        except BaseException:
            self._stop()  # whatever of the batch is still under way is of no use
            raise
        return found

    @property
    def _n_public(self) -> int:
        return 0 if self._public is None else len(self._public)

    # --- errors ---

    def _error(self, answer: dict[str, Any]) -> SchemeError | UsageError:
        """The error that the scheme's process reports, as ours; the traceback goes to the log and a note."""
        message = _clean(answer.get("message"), 2000) or "the scheme failed without saying why"
        trace = _clean(answer.get("traceback"), 6000)
        if answer.get("error") == "parameter":
            return UsageError(message)
        error = SchemeError(message)
        if trace:
            self._notes += ("\n" if self._log.text and not self._log.text.endswith("\n") else "") + trace
            error.add_note("\n".join(trace.strip().splitlines()[-8:]))
        return error

    def _failed(self, e: BaseException, doing: str) -> SchemeError:
        """Kill the process after a break of the channel or a limit, and say why in one sentence."""
        assert self._guard is not None
        breach = self._monitor.breach
        status = None
        if isinstance(e, wire.Disconnected) and not breach:
            status = self._status()
            breach = self._monitor.breach
        self._stop()
        if breach:
            text = f"the scheme {breach}"
        elif isinstance(e, TimeoutError):
            text = (
                f"the scheme took longer than {self._limits.time_s:g} s in {doing} and was ended; give it more by "
                "--scheme-timeout"
            )
        elif isinstance(e, wire.Disconnected):
            text = f"the scheme's process ended {_ending(status)} in {doing} before it answered"
            if status == 128 + signal.SIGKILL or status == -signal.SIGKILL:
                text += " (the system may have run out of memory)"
        else:
            text = f"the scheme's process {e}"
        error = SchemeError(text)
        tail = self._log.text.strip().splitlines()[-4:]
        if tail:
            error.add_note("\n".join(tail))
        return error

    def _status(self) -> int | None:
        """How the worker ended, as the guard reports it: an exit status, or minus a signal; None if it still runs."""
        self._control.settimeout(1.0)
        try:
            data = self._control.recv(4096)
            raw = int(json.loads(data)["status"])
            return os.waitstatus_to_exitcode(raw)
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _ending(status: int | None) -> str:
    if status is None:
        return "its connection"
    if status < 0 or status > 128:
        number = -status if status < 0 else status - 128
        with contextlib.suppress(ValueError):
            return f"by signal {signal.Signals(number).name}"
    return f"with exit code {status}"


def _clean(text: Any, limit: int, *, lines: bool = False) -> str:
    if not isinstance(text, str):
        return ""
    keep = "\n\t" if lines else "\t"
    return "".join(c if c.isprintable() or c in keep else " " for c in text[-limit:]).strip(" ")


def _room() -> int:
    """Bytes that one release may take as floats on this machine: attacks and scores hold it several times over."""
    import resource

    import psutil

    free = psutil.virtual_memory().available
    for which in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        soft = resource.getrlimit(which)[0]
        if soft != resource.RLIM_INFINITY:
            free = min(free, soft)
    return int(free) // _COPIES


def _own_processes() -> int:
    """Processes and threads of this user now; RLIMIT_NPROC counts them all."""
    import psutil

    uid, total = os.getuid(), 0
    for p in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if p.uids().real == uid:
                total += p.num_threads()
    return total


def _search_path() -> list[str]:
    """The auditor's import path, without the entries that depend on where it was started."""
    package = str(Path(__file__).resolve().parents[2])
    paths = [p for p in sys.path if p and os.path.isabs(p) and os.path.exists(p)]
    return [*paths, package] if package not in paths else paths

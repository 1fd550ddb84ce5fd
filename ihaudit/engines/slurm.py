"""Jobs of Slurm, through submitit (the extra ``ihaudit[slurm]``): arrays of jobs, which outlive a lost connection."""

from __future__ import annotations

import logging
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, TypeVar

from ihaudit.contracts.engine import Died, EngineOptions, engine
from ihaudit.engines.apart import Apart
from ihaudit.errors import UsageError

Item = TypeVar("Item")
T = TypeVar("T")

#: Jobs of one array: Slurm refuses more than its MaxArraySize, 1001 unless it was told otherwise.
ARRAY = 1000
#: Minutes that a job may take unless the settings say so; submitit's own default, 5, is shorter than most audits.
MINUTES = 240
#: Seconds between two looks at the queue, and for which the result of a job that left it may be on its way.
LOOK_S, LATE_S = 2.0, 20.0


@dataclass(frozen=True)
class Answered(Generic[Item, T]):
    """A call that answers with what it raised too: submitit tells of errors as text alone."""

    call: Apart[Item, T]

    def __call__(self, item: Item) -> tuple[bool, Any]:
        """Whether it returned, and what it returned or raised."""
        try:
            return True, self.call(item)
        except Exception as e:
            return False, e


@engine("slurm", "jobs of Slurm, through submitit; --slurm NAME=VALUE is an option of sbatch")
class Slurm:
    """An array of jobs; at most `jobs` of them run at a time."""

    def __init__(self, options: EngineOptions) -> None:
        submitit = _library()
        if options.scheduler is not None:
            raise UsageError("--scheduler is the address of a Dask scheduler; leave it away with --engine slurm")
        missing = [c for c in ("sbatch", "srun", "squeue") if shutil.which(c) is None]
        if missing:
            raise UsageError(
                f"--engine slurm needs the command {missing[0]} on this machine; run it where Slurm is, or use "
                "--print-jobs for another queue"
            )
        logging.getLogger("submitit").setLevel(logging.ERROR)
        # Logs and answers lie beside the points, which every node must see in any case.
        self._executor = submitit.SlurmExecutor(folder=options.folder.absolute() / ".slurm")
        self._executor.update_parameters(**_parameters(options.settings, options.jobs))
        self._waiting: dict[Any, Future[Any]] = {}
        self._closing = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True, name="squeue")
        self._watch.start()

    def submit_each(self, function: Callable[[Item], T], items: Sequence[Item]) -> list[Future[T]]:
        """See `Engine.submit_each`."""
        call, found = Answered(Apart(function)), []
        for i in range(0, len(items), ARRAY):
            try:
                jobs = self._executor.map_array(call, items[i : i + ARRAY])
            except Exception as e:  # sbatch and submitit refuse in many ways
                said = [line for line in str(e).splitlines() if line.strip()] or [type(e).__name__]
                raise UsageError(f"Slurm refuses the jobs: {said[-1]}; see --slurm, and `sinfo`") from None
            for job in jobs:
                future: Future[T] = Future()
                self._waiting[job] = future
                found.append(future)
        return found

    def __enter__(self) -> Slurm:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._closing.set()
        self._watch.join()
        for job, future in self._waiting.items():
            if exc is not None and not future.done():
                job.cancel(check=False)
                future.cancel()

    def _look(self) -> None:
        """Until the end: jobs that have answered, and those that left the queue without an answer.

        Slurm's accounting, which submitit asks for states, is not set up on every cluster; the queue is.
        """
        left: dict[Any, float] = {}
        while not self._closing.wait(LOOK_S):
            open_ = {job: f for job, f in tuple(self._waiting.items()) if not f.done()}
            queued = _queued() if open_ else set()
            for job, future in open_.items():
                if job.paths.result_pickle.exists():
                    _settle(job, future)
                elif queued is None or job.job_id in queued:
                    left.pop(job, None)
                elif time.monotonic() - left.setdefault(job, time.monotonic()) > LATE_S:
                    future.set_exception(Died(f"its job {job.job_id} ended without an answer (see {job.paths.stderr})"))


def _library() -> Any:
    """The package submitit.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import submitit
    except ImportError:
        raise UsageError(
            "--engine slurm needs the package submitit; pip install 'ihaudit[slurm]', or use --print-jobs"
        ) from None
    return submitit


def _parameters(settings: Mapping[str, str], jobs: int | None) -> dict[str, Any]:
    """What submitit is told: names that it knows by themselves, other options of sbatch as they are."""
    import submitit

    known = submitit.SlurmExecutor._valid_parameters()
    found: dict[str, Any] = {"time": MINUTES, "job_name": "ihaudit", "array_parallelism": jobs or ARRAY}
    more: dict[str, str] = {}
    for name, value in settings.items():
        plain = name.replace("-", "_")
        if plain in ("array", "output", "error", "open_mode", "wrap"):
            raise UsageError(f"--slurm {name}={value}: the engine sets {name} itself; leave it away")
        if plain in known:
            found[plain] = int(value) if value.isdecimal() else value
        else:
            more[name.replace("_", "-")] = value
    return found | ({"additional_parameters": more} if more else {})


def _queued() -> set[str] | None:
    """Jobs of this user that wait or run, as ``17_3`` where they are of an array; None where Slurm does not answer."""
    done = subprocess.run(
        ["squeue", "--me", "--array", "--noheader", "--format=%i"], capture_output=True, text=True, check=False
    )
    return set(done.stdout.split()) if done.returncode == 0 else None


def _settle(job: Any, future: Future[Any]) -> None:
    """Hand the answer of a job to whoever waits for it."""
    try:
        returned, value = job.result()
    except Exception as e:  # a call that could not be loaded, an answer that cannot be read
        last = [line for line in str(e).splitlines() if line.strip(" -")] or [""]
        future.set_exception(Died(f"its job {job.job_id} failed ({last[-1].strip()}; see {job.paths.stderr})"))
        return
    if returned:
        future.set_result(value)
    else:
        future.set_exception(value)

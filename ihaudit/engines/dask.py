"""Workers of Dask distributed (the extra ``ihaudit[dask]``): a cluster that runs already, or one on this machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from types import TracebackType
from typing import Any, TypeVar

from ihaudit.contracts.engine import Died, EngineOptions, engine
from ihaudit.engines.apart import Apart
from ihaudit.environment import cores
from ihaudit.errors import IhauditError, UsageError

Item = TypeVar("Item")
T = TypeVar("T")

#: Seconds to wait for a scheduler to answer, and for its first worker.
CONNECT_S, WORKERS_S = 15, 300


@engine("dask", "workers of Dask distributed: those of --scheduler ADDRESS, else --jobs workers on this machine")
class Dask:
    """Points go to the workers of a cluster; a worker that dies is not waited for, another one takes its points."""

    def __init__(self, options: EngineOptions) -> None:
        distributed = _library()
        options.refuse_settings("dask")
        self._cluster: Any = None
        address = options.scheduler
        if address is None:
            self._cluster = distributed.LocalCluster(
                n_workers=options.jobs or cores(),
                threads_per_worker=1,
                memory_limit=None,  # calls run in processes of their own, which workers do not count
                dashboard_address=None,
                silence_logs=50,  # a worker that dies is this engine's to tell of
            )
        try:
            self._client = distributed.Client(self._cluster or address, timeout=CONNECT_S)
        except (OSError, ValueError, TypeError) as e:
            raise UsageError(
                f"no Dask scheduler answers at {address} ({type(e).__name__}: {e}); start one with `dask scheduler`, "
                "or leave --scheduler away"
            ) from None
        self._executor: Any = None

    def submit_each(self, function: Callable[[Item], T], items: Sequence[Item]) -> list[Future[T]]:
        """See `Engine.submit_each`."""
        try:
            self._client.wait_for_workers(1, timeout=WORKERS_S)
        except TimeoutError:
            raise UsageError(
                f"the Dask scheduler has no worker after {WORKERS_S} s; start one with `dask worker ADDRESS`"
            ) from None
        workers = self._client.scheduler_info()["workers"].values()
        crowd = Counter(str(w["host"]) for w in workers for _ in range(int(w["nthreads"])))
        # Dask takes calls with equal arguments for one call unless it is told that they are not pure.
        self._executor = self._executor or self._client.get_executor(pure=False)
        call = Apart(function, keep=True)
        return [_told(self._executor.submit(_on_worker, call, dict(crowd), item)) for item in items]

    def __enter__(self) -> Dask:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=exc is None)
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


def _library() -> Any:
    """The package distributed.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import distributed
    except ImportError:
        raise UsageError(
            "Dask needs the package distributed; pip install 'ihaudit[dask]', or do without a cluster (neither "
            "--engine dask nor --scheduler)"
        ) from None
    return distributed


def _on_worker(call: Apart[Item, T], crowd: dict[str, int], item: Item) -> T:
    """`call`, with this worker's share of the cores: `crowd` counts the threads of workers by host."""
    from distributed import get_worker
    from distributed.comm.addressing import get_address_host

    host = get_address_host(get_worker().address)
    return replace(call, threads=max(1, cores() // crowd.get(host, 1)))(item)


def _told(theirs: Future[T]) -> Future[T]:
    """A future that raises `Died` where a worker did."""
    ours: Future[T] = Future()

    def pass_on(done: Future[T]) -> None:
        if done.cancelled():
            ours.cancel()
            return
        error = done.exception()
        if error is None:
            ours.set_result(done.result())
        elif isinstance(error, (Died, IhauditError)):
            ours.set_exception(error)
        elif type(error).__name__ == "KilledWorker":
            ours.set_exception(Died(f"the workers that had it died ({error})".splitlines()[0]))
        elif isinstance(error, ModuleNotFoundError):
            ours.set_exception(UsageError(f"a Dask worker lacks a package ({error}); install the same there as here"))
        else:
            ours.set_exception(error)

    theirs.add_done_callback(pass_on)
    return ours

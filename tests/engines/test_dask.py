"""A Dask cluster of real worker processes on loopback: answers, a killed worker, a scheduler that runs already."""

from __future__ import annotations

import os
import signal
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from ihaudit.contracts.engine import Died, EngineOptions
from ihaudit.engines import dask
from ihaudit.engines.local import Local
from ihaudit.engines.parts import cluster
from ihaudit.errors import UsageError
from tests.engines import calls

needs_dask = pytest.mark.skipif(find_spec("distributed") is None, reason="needs ihaudit[dask]")


@needs_dask
def test_a_killed_worker_costs_no_answer(tmp_path: Path) -> None:
    items = [(tmp_path, x) for x in range(3)]
    with dask.Dask(EngineOptions(jobs=2, folder=tmp_path)) as engine:
        futures = engine.submit_each(calls.slow_square, items)
        for _ in range(300):
            if notes := sorted(tmp_path.glob("*-*")):
                break
            time.sleep(0.1)
        worker = int(notes[0].read_text())
        assert worker != os.getpid()
        os.kill(worker, signal.SIGKILL)
        found = [f.result(60) for f in futures]
        (died,) = engine.submit_each(calls.die, [0])
        with pytest.raises(Died, match="signal 9"):
            died.result(60)
    with Local(EngineOptions(jobs=2, folder=tmp_path)) as engine_here:
        assert found == [f.result() for f in engine_here.submit_each(calls.square, range(3))]
    assert len(list(tmp_path.glob("*-*"))) > len(items)  # what the worker had was done again


@needs_dask
def test_a_scheduler_that_runs_already_stays(tmp_path: Path) -> None:
    from distributed import LocalCluster

    quiet = {"dashboard_address": None, "silence_logs": 50, "memory_limit": None}
    with LocalCluster(n_workers=1, threads_per_worker=2, **quiet) as cluster:
        options = EngineOptions(jobs=None, folder=tmp_path, scheduler=cluster.scheduler_address)
        for _ in range(2):
            with dask.Dask(options) as engine:
                futures = [*engine.submit_each(calls.square, [3, 3, 4]), *engine.submit_each(calls.refuse, [7])]
                assert [f.result(60) for f in futures[:3]] == [9, 9, 16]
                with pytest.raises(LookupError, match="no 7"):
                    futures[3].result(60)


@needs_dask
def test_a_scheduler_that_does_not_answer_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "CONNECT_S", 0.5)
    for address in ("tcp://127.0.0.1:9", "nowhere", "ftp://127.0.0.1:9"):
        with pytest.raises(UsageError, match=f"no Dask scheduler answers at {address}"):
            dask.Dask(EngineOptions(jobs=None, folder=tmp_path, scheduler=address))


def test_a_missing_package_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'ihaudit\[dask\]'"):
        dask.Dask(EngineOptions(jobs=2, folder=tmp_path))
    with pytest.raises(UsageError, match="nor --scheduler"):  # `run --scheduler` asks for it too, and has no --engine
        cluster("tcp://127.0.0.1:9")


def test_settings_of_other_engines_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--engine dask"):
        Local(EngineOptions(jobs=2, folder=tmp_path, scheduler="tcp://127.0.0.1:9"))
    with pytest.raises(UsageError, match=r"--slurm partition=cpu .* --engine slurm"):
        Local(EngineOptions(jobs=2, folder=tmp_path, settings={"partition": "cpu"}))

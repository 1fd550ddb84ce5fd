"""Calls in processes of their own: what they return, what they raise, and that none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from ihaudit.contracts.engine import Died, EngineOptions
from ihaudit.engines.apart import Apart
from ihaudit.engines.local import Local
from ihaudit.environment import cores
from tests.engines import calls
from tests.validators import ROOT


@pytest.fixture
def options(tmp_path: Path) -> EngineOptions:
    return EngineOptions(jobs=2, folder=tmp_path)


def test_answers_come_in_the_order_of_the_items(options: EngineOptions) -> None:
    with Local(options) as engine:
        assert [f.result() for f in engine.submit_each(calls.square, range(4))] == [0, 1, 4, 9]


def test_each_call_has_its_process_and_its_share_of_the_cores(
    options: EngineOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with Local(options) as engine:
        found = [f.result() for f in engine.submit_each(calls.surroundings, range(3))]
    assert len({pid for pid, _, _ in found} | {os.getpid()}) == 4
    assert {(folder, threads) for _, folder, threads in found} == {(os.getcwd(), str(max(1, cores() // 2)))}


def test_an_error_is_raised_and_a_death_is_told_apart(options: EngineOptions) -> None:
    with Local(options) as engine:
        (raised,) = engine.submit_each(calls.refuse, [7])
        (died,) = engine.submit_each(calls.die, [7])
        (after,) = engine.submit_each(calls.square, [3])
        with pytest.raises(LookupError, match="no 7"):
            raised.result()
        with pytest.raises(Died, match="signal 9"):
            died.result()
        assert after.result() == 9  # one death takes no other call with it


def test_a_kept_process_takes_the_next_call_and_dies_alone() -> None:
    def asked() -> int:
        return Apart(calls.surroundings, keep=True)(0)[0]

    first = asked()
    with pytest.raises(LookupError, match="no 7"):
        Apart(calls.refuse, keep=True)(7)
    assert asked() == first != Apart(calls.surroundings)(0)[0]
    with pytest.raises(Died, match="signal 9"):
        Apart(calls.die, keep=True)(0)
    second = asked()
    assert second != first and not _alive(first)
    os.kill(second, signal.SIGKILL)  # while nobody asks
    for _ in range(100):
        if not _alive(second):
            break
        time.sleep(0.1)
    third = asked()
    assert third != second
    os.kill(third, signal.SIGTERM)


def test_what_is_stopped_leaves_no_process(options: EngineOptions, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    engine = Local(options)
    first, *_, last = engine.submit_each(calls.linger, [note, tmp_path / "b", tmp_path / "c", tmp_path / "d"])
    pid = _written(note)
    engine.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert not _alive(pid)
    with pytest.raises(Died):
        first.result(0)
    with pytest.raises(CancelledError):
        last.result(0)


@pytest.mark.parametrize("keep", [False, True])
def test_who_is_killed_takes_its_calls_along(tmp_path: Path, keep: bool) -> None:
    note = tmp_path / "pid"
    text = (
        "from pathlib import Path\nfrom ihaudit.engines.apart import Apart\nfrom tests.engines import calls\n"
        f"Apart(calls.linger, keep={keep})(Path({str(note)!r}))\n"
    )
    asker = subprocess.Popen([sys.executable, "-c", text], cwd=ROOT)
    pid = _written(note)
    asker.kill()
    asker.wait()
    for _ in range(100):
        if not _alive(pid):
            return
        time.sleep(0.1)
    raise AssertionError("the call outlived whoever asked for it")


def _written(note: Path) -> int:
    for _ in range(600):
        if note.exists() and note.read_text():
            return int(note.read_text())
        time.sleep(0.1)
    raise AssertionError("it never began")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

"""A sweep over processes that are killed, beside one in a single process: the same results."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.audit.sweep.comparing import CHEAP, shown
from tests.cli.command import ihaudit


def _workers(parent: int) -> list[int]:
    """Processes that audit points for `parent`."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            ours = f"PPid:\t{parent}\n" in status.read_text()
            if ours and b"engines" in (status.parent / "cmdline").read_bytes():
                found.append(int(status.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
def test_a_killed_worker_and_two_sweeps_in_one_folder_change_nothing(tmp_path: Path) -> None:
    grid = ("--grid", "epsilon=1,500")
    alone = ihaudit(*CHEAP, *grid, "--out", "alone", cwd=tmp_path)
    assert alone.returncode in (1, 3), alone.stderr
    command = [sys.executable, "-m", "ihaudit", *CHEAP, *grid, "--out", "many", "--jobs", "2"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, env={**os.environ, "CI": "1"}) as first:
        for _ in range(600):
            if workers := _workers(first.pid):
                break
            time.sleep(0.1)
        time.sleep(3)
        os.kill(workers[0], signal.SIGKILL)
        second = ihaudit(*CHEAP, *grid, "--out", "many", "--resume", cwd=tmp_path)
        first.communicate(timeout=300)
    assert first.returncode == second.returncode == alone.returncode, second.stderr
    for point in ("epsilon=1", "epsilon=500"):
        assert shown(tmp_path / "many" / point) == shown(tmp_path / "alone" / point)

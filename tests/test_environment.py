"""How threads wait is settled before torch and BLAS are loaded, and the user's own choice stands."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ihaudit.environment import allowed_cores, cores

READ = "import ihaudit, os; print(os.environ['OMP_WAIT_POLICY'], os.environ['OPENBLAS_THREAD_TIMEOUT'])"


@pytest.mark.parametrize(("given", "seen"), [({}, "PASSIVE 4"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE 4")])
def test_threads_wait_asleep_unless_the_user_says_otherwise(given: dict[str, str], seen: str) -> None:
    own = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "OPENBLAS_THREAD_TIMEOUT")}
    done = subprocess.run([sys.executable, "-c", READ], env=own | given, capture_output=True, text=True, check=True)
    assert done.stdout.split() == seen.split()


@pytest.mark.parametrize(("said", "allowed"), [("1", 1), ("1,2", 1), ("0", None), ("many", None), ("100000", None)])
def test_cores_that_may_be_kept_busy(monkeypatch: pytest.MonkeyPatch, said: str, allowed: int | None) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert allowed_cores() == (allowed or cores())

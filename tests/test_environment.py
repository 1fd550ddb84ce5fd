"""How threads wait is settled before torch and BLAS are loaded, and the user's own choice stands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from ihaudit.environment import allowed_cores, cores, interrupts_held

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


def test_a_process_that_still_imports_does_not_die_of_an_interruption() -> None:
    code = "print(1, flush=True); input(); from ihaudit.environment import ignore_interrupts as i; i(); print(2)"
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with interrupts_held():
        child = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    assert child.stdout is not None
    assert child.stdout.readline() == "1\n"
    child.send_signal(signal.SIGINT)
    assert child.communicate("go on\n", timeout=60) == ("2\n", "")
    assert child.returncode == 0

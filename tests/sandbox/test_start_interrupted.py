"""A scheme's process whose auditor ends before it says anything: its working folder goes with it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from ihaudit.sandbox.process import GUARD


def test_the_guard_removes_the_folder_of_an_auditor_that_never_spoke(tmp_path: Path) -> None:
    folder = tmp_path / "ihaudit-scheme-x"
    folder.mkdir()
    control, far = socket.socketpair()
    message, other = socket.socketpair()
    with control, far, message, other:
        guard = subprocess.Popen(
            [sys.executable, "-s", "-S", "-P", "-B", str(GUARD), str(far.fileno()), str(other.fileno())],
            pass_fds=(far.fileno(), other.fileno()),
            cwd=folder,
            env=os.environ,
        )
        far.close()
        control.close()
        assert guard.wait(timeout=30) == 0
    assert not folder.exists()

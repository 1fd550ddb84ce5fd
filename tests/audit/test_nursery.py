"""How processes of attacks are started, and that they are where the quick way cannot be had."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

SAID = """
from ihaudit.audit import nursery
if __name__ == "__main__":
    nursery.prepare()
    print(nursery.context().get_start_method())
"""


@pytest.mark.parametrize(("length", "method"), [(1, "forkserver"), (120, "spawn")])
def test_a_temporary_folder_of_any_name_will_do(length: int, method: str, tmp_path: Path) -> None:
    """The path of a socket is short by law: in a folder of a long name, audits ended in exit code 4."""
    (tmp_path / "said.py").write_text(SAID)
    folder = Path("/tmp") if length == 1 else tmp_path / ("x" * length)
    folder.mkdir(exist_ok=True)
    env = {**os.environ, "TMPDIR": str(folder)}
    done = subprocess.run([sys.executable, tmp_path / "said.py"], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, method), done.stderr


KILLED = """
import time
from ihaudit.audit import nursery
if __name__ == "__main__":
    nursery.prepare()
    print("prepared", flush=True)
    time.sleep(60)
"""


def test_an_audit_that_is_killed_leaves_no_folder_of_a_socket(tmp_path: Path) -> None:
    (tmp_path / "killed.py").write_text(KILLED)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # a short name: else there is no socket
        env = {**os.environ, "TMPDIR": folder}
        with subprocess.Popen([sys.executable, tmp_path / "killed.py"], env=env, stdout=subprocess.PIPE) as run:
            assert run.stdout is not None
            run.stdout.readline()
            assert list(Path(folder).glob("pymp-*"))
            run.send_signal(signal.SIGKILL)
        end = time.monotonic() + 60
        while list(Path(folder).iterdir()) and time.monotonic() < end:  # it may be importing still
            time.sleep(0.1)
        assert not list(Path(folder).iterdir())

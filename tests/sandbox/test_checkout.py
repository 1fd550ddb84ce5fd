"""An audit that writes into the checkout it was installed from: what is hidden lies beside the package."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import ihaudit

CODE = """
from pathlib import Path
from ihaudit.sandbox.loader import locate
from ihaudit.sandbox import SchemeProcess
with SchemeProcess(locate("identity"), {}, hidden=[Path("reports/demo"), Path("reports")]) as s:
    print(s.card.name)
"""


def test_hiding_a_folder_beside_the_package_does_not_hide_the_package(tmp_path: Path) -> None:
    shutil.copytree(
        Path(ihaudit.__file__).parent, tmp_path / "ihaudit", ignore=shutil.ignore_patterns("__pycache__", "weights")
    )
    (tmp_path / "reports" / "demo").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.stdout == "Identity\n", done.stderr

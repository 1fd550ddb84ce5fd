"""Public validators of the files that this package writes: used where they are installed (`make validators`)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: What `make validators` makes; IHAUDIT_TEST_VALIDATORS names another one.
FOLDER = Path(os.environ.get("IHAUDIT_TEST_VALIDATORS", ROOT / ".validators"))


def run_tool(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a validator in the repository; the test is skipped where it is not installed."""
    places = [
        Path(sys.executable).parent,
        *FOLDER.glob("bin"),
        *FOLDER.glob("node_modules/.bin"),
        *FOLDER.glob("node_modules/*/*-linux"),
    ]
    found = shutil.which(name, path=os.pathsep.join([*map(str, places), os.environ.get("PATH", "")]))
    if found is None:
        pytest.skip(f"{name} is not installed; `make validators` (or `make docs`) installs it")
    return subprocess.run([found, *map(str, arguments)], capture_output=True, text=True, timeout=300, cwd=ROOT)

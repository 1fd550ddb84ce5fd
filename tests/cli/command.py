"""`ihaudit` as a process of its own, as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

#: an audit of a few seconds where one attack is named with it, and with one on mixtures
SMALL = ("--n-private", "16", "--game", "none", "--format", "html", "--quiet")
FAST = (*SMALL, "--attack", "least-squares")


def ihaudit(*args: object, cwd: Path, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ihaudit", *map(str, args)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "CI": "true"},
    )

"""Calls that engines are asked for in tests: importable by another process."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def square(x: int) -> int:
    return x * x


def surroundings(_: object) -> tuple[int, str, str]:
    """Process, folder, and threads of numerical libraries."""
    print("what is called may print")
    return os.getpid(), os.getcwd(), os.environ.get("OMP_NUM_THREADS", "")


def refuse(x: int) -> int:
    raise LookupError(f"no {x}")


def die(_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def linger(note: Path) -> None:
    """Write who is at work, and work for a minute."""
    note.write_text(str(os.getpid()))
    time.sleep(60)


def slow_square(noted: tuple[Path, int]) -> int:
    """Write who asked for the call, take a second, and answer."""
    folder, x = noted
    (folder / f"{x}-{os.getpid()}").write_text(str(os.getppid()))
    time.sleep(1)
    return x * x

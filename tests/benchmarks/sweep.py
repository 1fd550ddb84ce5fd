"""A sweep over two workers, one of them killed, beside the same in one process: ``python -m tests.benchmarks.sweep``.

Audits as cheap as audits get (8 images, one attack that looks at encodings as they are, no game), so that starting
processes weighs more here than in any sweep worth its name.  Prints wall and CPU seconds of both, their ratio, and
whether every point is the same.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.audit.sweep.comparing import CHEAP, shown


def processes() -> dict[int, tuple[int, str]]:
    """Parent and command line of every process of this machine, by id."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            found[int(folder.name)] = int(fields[1]), (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
    return found


def worker_of(sweep: int, engine: str) -> int | None:
    """A process that audits a point for `sweep`; with Dask the worker that asked for it."""
    every = processes()
    for pid, (parent, command) in every.items():
        if "ihaudit.engines" in command:
            if engine == "local" and parent == sweep:
                return pid
            if engine == "dask" and every.get(parent, (0, ""))[0] == sweep:
                return parent
    return None


def killer(sweep: int, engine: str, after: float, said: list[str]) -> None:
    """Kill a worker once it has been at work for `after` seconds."""
    for _ in range(6000):
        if worker_of(sweep, engine):
            time.sleep(after)
            victim = worker_of(sweep, engine)
            if victim:
                os.kill(victim, signal.SIGKILL)
                said.append(f"worker {victim} killed {after:.0f} s after the first was seen at work")
                return
        time.sleep(0.1)


def timed(*args: str, kill: tuple[str, float] | None = None) -> tuple[float, float, list[str]]:
    """Wall and CPU seconds of ``ihaudit ARGS`` with all that it waited for, and what was killed."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    said: list[str] = []
    with subprocess.Popen([sys.executable, "-m", "ihaudit", *args], stdout=subprocess.PIPE) as process:
        if kill:
            threading.Thread(target=killer, args=(process.pid, *kill, said), daemon=True).start()
        process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"ihaudit {' '.join(args)} ended with exit code {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return time.perf_counter() - began, cpu, said


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=24)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--engine", choices=("local", "dask"), default="dask")
    parser.add_argument("--kill-after", type=float, default=20.0)
    given = parser.parse_args()
    values = ",".join(f"{0.5 * 1.3**i:.4g}" for i in range(given.points))
    grid = (*CHEAP, "--grid", f"epsilon={values}", "--exit-zero")
    with tempfile.TemporaryDirectory() as folder:
        one, many = Path(folder) / "one", Path(folder) / "many"
        parts = ("--engine", given.engine, "--jobs", str(given.jobs))
        wall, cpu, said = timed(*grid, "--out", str(many), *parts, kill=(given.engine, given.kill_after))
        print(
            f"{given.engine}, {given.jobs} workers: {wall:.0f} s, {cpu:.0f} CPU-s; {said or ['none killed']}",
            flush=True,
        )
        alone, alone_cpu, _ = timed(*grid, "--out", str(one))
        print(f"one process: {alone:.0f} s, {alone_cpu:.0f} CPU-s; ratio of wall {wall / alone:.2f}")
        points = sorted(p.name for p in one.iterdir() if p.is_dir())
        same = [shown(one / p) == shown(many / p) for p in points]
        print(f"{sum(same)} of {len(points)} points are the same; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

"""Two builds of ihaudit side by side: ``python -m tests.benchmarks.speed --old CHECKOUT [--runs 5] [--case mixup]``.

Whole quick audits of both builds, in turn, on the same cores, with the same images and seed: medians of wall seconds,
CPU seconds (user and system, of all processes; what outlives an audit is waited for) and peak memory (of all processes
together, pages that they share counted once), their ratios, the verdicts, and how far figures that both builds measured
are apart.  CHECKOUT is a work tree of the other build, with an environment of its own in .venv (or --old-python);
--passive runs it with OMP_WAIT_POLICY=PASSIVE too (``only``: only so), so that what that alone brings is not credited
to anything else.  On a machine with other work compare CPU seconds; wall is then a ratio of neighbours at best.  Linux
only: memory is read from /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

#: Name of a case -> the scheme and its parameters.
CASES: dict[str, tuple[str, ...]] = {
    "instahide": ("instahide", "--set", "k=6", "--set", "epochs=50"),
    "mixup": ("mixup",),
    "pixel-permutation": ("pixel-permutation",),
    "instahide rng=numpy": ("instahide", "--set", "k=6", "--set", "epochs=50", "--set", "rng=numpy"),
}
PR_SET_CHILD_SUBREAPER = 36
#: Seconds between two looks at the memory: a look takes tens of milliseconds of a core that the audit lacks.
LOOK_S = 0.5


@dataclass(frozen=True)
class Build:
    """One side: its name, the folder to run in, its Python, and what is set in its environment besides."""

    name: str
    folder: Path
    python: Path
    env: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Run:
    """What one audit took, and what it found."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    load: float
    results: dict[str, Any]

    @property
    def figures(self) -> dict[str, float]:
        """Name -> value of every metric of every attack and game."""
        found = [f for f in self.results["findings"] if f["kind"] in ("attack", "game")]
        return {f"{f['id']} {m}": e["value"] for f in found for m, e in f["metrics"].items() if e["value"] is not None}

    @property
    def verdict(self) -> str:
        """Of the gate, and every attack or game that broke it."""
        broke = sorted(f["id"] for f in self.results["findings"] if f["kind"] == "attack" and f["status"] == "broken")
        return f"{self.results['gate']['status']}; broken by {', '.join(broke) or 'none'}"


def below(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for p in found:
        try:
            for task in os.listdir(f"/proc/{p}/task"):
                found += [int(c) for c in Path(f"/proc/{p}/task/{task}/children").read_text().split()]
        except OSError:
            continue
    return found


def memory_mb(pids: Sequence[int]) -> float:
    """Proportional set size of processes together, MB."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def audited(build: Build, arguments: Sequence[str], seed: int, private: str, kept: Path | None) -> Run:
    """One audit in a folder of its own; its results.json is copied to `kept`."""
    with tempfile.TemporaryDirectory(prefix="ihaudit-speed-") as folder:
        out = Path(folder) / "out"
        command = [str(build.python), "-m", "ihaudit", "run", *arguments, "--private", private]
        command += ["--seed", str(seed), "--out", str(out), "--quiet", "--exit-zero"]
        env = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")} | dict(build.env)
        load, began, before = os.getloadavg()[0], time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        child = subprocess.Popen(command, cwd=build.folder, env=env, stdout=subprocess.DEVNULL)
        peak = 0.0
        while child.poll() is None:
            peak = max(peak, memory_mb(below(child.pid)))
            time.sleep(LOOK_S)
        wall = time.perf_counter() - began
        with contextlib.suppress(ChildProcessError):
            while True:  # what the audit leaves to end by itself comes to this process (`PR_SET_CHILD_SUBREAPER`)
                os.waitpid(-1, 0)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if child.returncode:
            raise SystemExit(f"{build.name}: {' '.join(command)} ended with exit code {child.returncode}")
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        text = (out / "results.json").read_text()
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(text)
        return Run(wall, cpu, peak, load, json.loads(text))


def apart(a: Run, b: Run) -> tuple[float, str]:
    """The largest difference of a figure that both measured, and its name."""
    one, other = a.figures, b.figures
    return max(((abs(one[k] - other[k]), k) for k in one.keys() & other.keys()), default=(0.0, "none in common"))


def row(case: str, runs: dict[str, list[Run]], old: str, new: str) -> str:
    """A line of the table: medians old -> new and their ratio."""
    cells = [case, str(len(runs[new]))]
    for name, digits in (("wall_s", 0), ("cpu_s", 0), ("peak_mb", 0)):
        was, now = (median(getattr(r, name) for r in runs[b]) for b in (old, new))
        cells.append(f"{was:.{digits}f} -> {now:.{digits}f} ({now / was:.2f})")
    gap, where = apart(runs[old][0], runs[new][0])
    same = runs[old][0].verdict.split(";")[0] == runs[new][0].verdict.split(";")[0]
    loads = [r.load for side in runs.values() for r in side]
    cells += [runs[new][0].verdict if same else f"{runs[old][0].verdict} -> {runs[new][0].verdict}"]
    return "| " + " | ".join([*cells, f"{gap:.4f} ({where})", f"{min(loads):.1f} to {max(loads):.1f}"]) + " |"


HEAD = "| scheme | runs | wall s | CPU s | peak MB | verdict | figures apart at most | load |\n" + "|---" * 8 + "|"


def main() -> None:
    """The table, row by row as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", type=Path, required=True, help="work tree of the other build")
    parser.add_argument("--old-python", type=Path, help="default: its .venv/bin/python")
    parser.add_argument(
        "--passive",
        choices=("no", "also", "only"),
        default="no",
        help="a table against it with OMP_WAIT_POLICY=PASSIVE",
    )
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--private", default="embedded")
    parser.add_argument("--keep", type=Path, help="folder for the results.json of every audit")
    parser.add_argument("--more", nargs=argparse.REMAINDER, default=[], help="further arguments of `ihaudit run`")
    given = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    python = given.old_python or given.old / ".venv" / "bin" / "python"
    builds = [Build("new", Path.cwd(), Path(sys.executable))]
    if given.passive != "only":
        builds.append(Build("old", given.old, python))
    if given.passive != "no":
        builds.append(Build("old, passive", given.old, python, (("OMP_WAIT_POLICY", "PASSIVE"),)))
    rows: dict[str, list[str]] = {b.name: [] for b in builds[1:]}
    for case in given.case:
        runs: dict[str, list[Run]] = {b.name: [] for b in builds}
        for number in range(given.runs):
            for build in builds if number % 2 == 0 else builds[::-1]:
                kept = given.keep and given.keep / f"{case}, {build.name}, {number + 1}.json"
                run = audited(build, [*CASES[case], *given.more], given.seed, given.private, kept)
                runs[build.name].append(run)
                said = f"{run.wall_s:.0f} s, {run.cpu_s:.0f} CPU-s, {run.peak_mb:.0f} MB, load {run.load:.1f}"
                print(f"{case}, {build.name}: {said}", file=sys.stderr, flush=True)
        for name, lines in rows.items():
            lines.append(row(case, runs, name, "new"))
    for name, lines in rows.items():
        print(f"\n{name} -> new\n\n{HEAD}\n" + "\n".join(lines))


if __name__ == "__main__":
    main()

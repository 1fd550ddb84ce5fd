"""What a GPU does here, in at most ten minutes: ``python -m tests.benchmarks.gpu`` (``--tiny`` on any CPU).

Prepared for a machine that is lent for a short while, and never yet run on a GPU: none was to be had.  There, torch
must be a build with CUDA, and the audits use the embedded photographs, so that nothing else is needed.  The parts run
in this order, each within its share of ``--minutes``, and print a table each; what is cut short says so.

* ``bits``: every generator's bits on the device are those of the NumPy kernels, seed by seed.
* ``scans``: what passes the first-mask filters is the same, and what all 2^32 seeds take at the rate that was seen.
* ``training``: steps per second of the mask network and of both similarity networks, and on the CPU.
* ``quick``: the quick profile on the device and on the CPU: every metric of every attack within 0.003.
* ``full``: the full profile on the device, as far as the time goes.

The exit code is 1 where bits, passes or figures differ.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ihaudit.attacks.prng.generators import lanes, lanes_torch
from ihaudit.attacks.prng.generators.conventions import NCHW, NHWC
from ihaudit.attacks.prng.generators.kinds import KINDS
from ihaudit.attacks.prng.scans import first_mask
from ihaudit.environment import device_name
from ihaudit.nn.fitting import Task, TrainConfig, train
from ihaudit.nn.mixtures import MixtureConfig, Mixtures
from ihaudit.nn.releases import ReleaseConfig, Releases
from ihaudit.nn.similarity import PairConfig
from ihaudit.nn.similarity_wrn import WrnConfig
from ihaudit.nn.tasks.similarity import SimilarityTask, WrnTask
from ihaudit.nn.tasks.unmask import UnmaskTask
from ihaudit.nn.unmask import UnmaskConfig
from ihaudit.results import Results, read_results
from tests.attacks.prng.draws import drawn
from tests.attacks.prng.helpers import mixtures, natural

#: Figures on two devices may differ by this much.
SLACK = 0.003
#: Shares of the time, in the order of the parts.
SHARES = {"bits": 0.06, "scans": 0.12, "training": 0.12, "quick": 0.4, "full": 0.3}


@dataclass
class Bench:
    """One run: the device, how large its parts are, and what failed."""

    device: str
    tiny: bool
    minutes: float
    failures: list[str] = field(default_factory=list)

    def seconds(self, part: str) -> float:
        """What a part may take."""
        return 60 * self.minutes * SHARES[part]

    def wait(self) -> None:
        """Until the device has done what it was asked for."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    def timed(self, call: Callable[[], object]) -> float:
        """Seconds of a call, what it started on the device included."""
        self.wait()
        began = time.perf_counter()
        call()
        self.wait()
        return time.perf_counter() - began


def bits(bench: Bench) -> None:
    """Bits of every way to draw, at both ends of the seeds and in the middle."""
    count = 100 if bench.tiny else 200_000
    print("| generator | way to draw | seeds | differing bits |\n|---|---|---|---|")
    began = time.perf_counter()
    for number, kind in KINDS.items():
        if not bench.tiny and time.perf_counter() - began > bench.seconds("bits"):
            print("cut short: the time was up")
            bench.failures.append("bits: not all generators were looked at")
            return
        reach = kind.within(lanes.REACH[kind.model]) or 2000
        elements = np.concatenate([np.random.default_rng(number).integers(0, reach, 30), [0, reach - 1]])
        places, wrong = kind.places(elements), 0
        for first in (0, 2**31 - count // 2, 2**32 - count):
            seeds = np.arange(first, first + count).astype(np.uint32)
            theirs = lanes_torch.reader(kind.model, *places, bench.device)(seeds).cpu().numpy()
            wrong += int((theirs != lanes.reader(kind.model, *places)(seeds)).sum())
        if wrong:
            bench.failures.append(f"bits of {kind.generator}, {kind.call}")
        print(f"| {kind.generator} | {kind.call} | {3 * count:,} | {wrong} |", flush=True)


def scans(bench: Bench) -> None:
    """First-mask passes of every generator for all of its ways to draw and both layouts."""
    chunk, mixture = (300 if bench.tiny else 1 << 18), mixtures(1, 8)
    print("| generator | targets | seeds | passes differ | million seeds/s | all 2^32 |\n|---|---|---|---|---|---|")
    for model in lanes.REACH:
        kinds = [n for n, k in KINDS.items() if k.model == model]
        mask = 2 * drawn(kinds[0], 77, mixture.size)[0].astype(np.int8) - 1
        x = mixture * mask[NHWC.index(mixture.shape[1:])]
        targets = [first_mask.pair_target(x, n, layout) for n in kinds for layout in (NHWC, NCHW)]
        stage = first_mask.stage(targets, *first_mask.stages(model)[0])
        there, here = first_mask.passer_torch(stage, bench.device), first_mask.passer(stage)
        seeds = np.arange(chunk).astype(np.uint32)
        (lane, owner), (lane_here, owner_here) = there(seeds), here(seeds)
        wrong = len(set(zip(lane, owner)) ^ set(zip(lane_here, owner_here)))
        if wrong:
            bench.failures.append(f"passes of {model}")
        done, seconds, share = 0, 0.0, bench.seconds("scans") / len(lanes.REACH)
        while seconds < (0.0 if bench.tiny else share) or not done:
            seconds += bench.timed(partial(there, seeds))
            done += len(seeds)
        rate = done / seconds
        print(
            f"| {model} | {len(targets)} | {len(seeds):,} | {wrong} | {rate / 1e6:.2f} | {2**32 / rate / 60:.1f} min |"
        )


def networks(tiny: bool) -> dict[str, tuple[Task[Any, Any], int]]:
    """What is trained, by name, and samples of a step; on random pictures, as the time does not depend on them."""
    pool = (255 * natural(80 if tiny else 2000, 1)).astype(np.uint8)
    sampler = Releases(pool, np.arange(len(pool)) % 10, pool[:40], ReleaseConfig())
    mixed = Mixtures(pool, pool[:40], MixtureConfig())
    batch = 16 if tiny else 256
    if tiny:
        mask = UnmaskConfig(widths=(8, 16, 16), blocks=1, groups=4)
        pair, wrn = PairConfig(unmask=mask, learned=8, groups=4, hidden=16), WrnConfig(base=4, widen=1, blocks=1)
    else:
        mask, pair, wrn = UnmaskConfig(), PairConfig(), WrnConfig()
    return {
        "mask network": (UnmaskTask(mixed, mixed, mask), 64),
        "similarity, shipped": (SimilarityTask(sampler, sampler, pair, validated=16), batch),
        "similarity, as published (WRN)": (WrnTask(sampler, sampler, wrn, validated=16), batch),
    }


def training(bench: Bench) -> None:
    """Steps per second, the first ones left aside."""
    first, last = (1, 2) if bench.tiny else (10, 100)
    print("| network | device | batch | steps | steps/s |\n|---|---|---|---|---|")
    for name, (task, batch) in networks(bench.tiny).items():
        for device in dict.fromkeys(("cpu", bench.device)):
            few = not bench.tiny and device == "cpu"  # it takes seconds a step there
            begin, steps = (1, 3) if few else (first, last)
            config = TrainConfig(steps=steps, batch=batch, every=10**6, validation=16, device=device, bf16=not few)
            at: list[float] = []
            train(task, config, None, lambda line: None, lambda step, at=at: at.append(time.perf_counter()))  # type: ignore[misc]
            rate = (steps - begin) / (at[-1] - at[begin - 1])
            print(f"| {name} | {device} | {batch} | {steps} | {rate:.2f} |", flush=True)


def audited(out: Path, seconds: float, *args: str) -> Results | None:
    """An audit, or None where the time was up."""
    command = [sys.executable, "-m", "ihaudit", "run", *args, "--out", str(out), "--format", "markdown", "--exit-zero"]
    try:
        subprocess.run([*command, "--quiet"], check=True, timeout=seconds, stdout=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        print(f"cut short after {seconds:.0f} s: {' '.join(args)}")
        return None
    return read_results(out)


def differing(one: Results, other: Results) -> list[str]:
    """Statuses that differ, and metrics that differ by more than `SLACK`, of attacks and games that ran in either."""
    found = []
    for a in one.of_kind("attack", "game"):
        b = other.finding(a.id)
        if b is None or a.status != b.status:
            found.append(f"{a.id}: {a.status} and {b.status if b else 'absent'}")
            continue
        for name in sorted(a.metrics.keys() | b.metrics.keys()):
            x, y = (f.metrics[name].value if name in f.metrics else None for f in (a, b))
            if (x is None) != (y is None) or (x is not None and y is not None and abs(x - y) > SLACK):
                found.append(f"{a.id}, {name}: {x} and {y}")
    return found


def quick(bench: Bench) -> None:
    """The quick profile on both devices."""
    small = ("--n-private", "8", "--attack", "as-released", "--game", "none") if bench.tiny else ()
    scheme, half = "identity" if bench.tiny else "instahide", bench.seconds("quick") / 2
    with tempfile.TemporaryDirectory() as folder:
        base = (scheme, *small, "--seed", "31", "--device")
        there = audited(Path(folder) / "there", half, *base, bench.device)
        here = audited(Path(folder) / "here", half, *base, "cpu")
    if there is None or here is None:
        bench.failures.append("quick: an audit did not come to its end")
        return
    print("| item | status | wall s on the device | wall s on the CPU |\n|---|---|---|---|")
    for finding in there.of_kind("attack", "game"):
        if finding.cost.wall_s and (same := here.finding(finding.id)):
            print(f"| {finding.id} | {finding.status} | {finding.cost.wall_s:.1f} | {same.cost.wall_s:.1f} |")
    print(f"| whole audit | {there.gate.status} | {there.cost.wall_s:.1f} | {here.cost.wall_s:.1f} |")
    wrong = differing(there, here)
    bench.failures += wrong
    print(f"differences above {SLACK}: {'; '.join(wrong) or 'none'}")


def full(bench: Bench) -> None:
    """The full profile on the device, of which the time may leave a part out."""
    if bench.tiny:
        print("left out")
        return
    with tempfile.TemporaryDirectory() as folder:
        args = ("instahide", "--seed", "31", "--profile", "full", "--device", bench.device)
        results = audited(Path(folder) / "full", bench.seconds("full"), *args)
    if results is not None:
        print("| item | status | wall s |\n|---|---|---|")
        for finding in results.of_kind("attack", "game"):
            if finding.cost.wall_s:
                print(f"| {finding.id} | {finding.status} | {finding.cost.wall_s:.1f} |")


PARTS: dict[str, Callable[[Bench], None]] = {
    "bits": bits,
    "scans": scans,
    "training": training,
    "quick": quick,
    "full": full,
}


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", action="append", choices=list(PARTS), help="only this; repeatable")
    parser.add_argument("--minutes", type=float, default=9.5, help="in all")
    parser.add_argument("--tiny", action="store_true", help="a few seeds, steps and images, on the CPU")
    given = parser.parse_args(arguments)
    if not given.tiny and not torch.cuda.is_available():
        print("torch sees no CUDA device here; --tiny runs every part on the CPU, small")
        return 2
    bench = Bench("cpu" if given.tiny else "cuda", given.tiny, given.minutes)
    print(f"{device_name(bench.device)}, torch {torch.__version__}")
    for name in given.part or PARTS:
        print(f"\n## {name}\n")
        began = time.perf_counter()
        PARTS[name](bench)
        print(f"\n{time.perf_counter() - began:.0f} s", flush=True)
    print(f"\n{'; '.join(bench.failures) or 'nothing differs'}")
    return 1 if bench.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())

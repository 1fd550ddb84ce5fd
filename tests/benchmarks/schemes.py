"""Every shipped scheme against every adversary: ``python -m tests.benchmarks.schemes [NAME ...] [--private FILE.npz]``.

Prints a row per scheme.  A cell is the strongest attack that this adversary can run: mean of pinned SSIM over the
private images, its 90 % quantile, and the attack; the adversary with ``candidates`` has the share of images
re-identified instead.  An adversary's cell never falls below that of one who knows less.  The last columns are CPU
seconds of all attacks, and the exit code of ``ihaudit run`` with the default adversary where --exit asks for it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ihaudit.audit.data import Data, load_data
from ihaudit.audit.known import encode_with_known
from ihaudit.audit.options import AuditOptions
from ihaudit.audit.plan import plan_items
from ihaudit.audit.profiles import get_profile
from ihaudit.audit.run_item import run_item
from ihaudit.audit.subject import Audited
from ihaudit.audit.worker import AttackWorker
from ihaudit.contracts.context import Context, derive_seed
from ihaudit.results import Finding
from ihaudit.sandbox import Limits, SchemeProcess
from ihaudit.sandbox.loader import locate
from ihaudit.scheme import Knowledge, implied
from tests.data import DATA

#: schemes with the parameters that make another scheme of them
SCHEMES = (
    "pixel-permutation",
    "pixel-permutation channels=true",
    "pixel-encryption",
    "pixel-encryption fresh=true",
    "learnable-encryption",
    "learnable-encryption per_block=true",
    "etc",
    "etc block=4",
    "etc fresh=true",
    "block-scramble",
    "dct-signs",
    "reused-pad",
    "random-projection",
    "neuracrypt depth=-1",
    "neuracrypt depth=-1 shuffle=false",
    "neuracrypt shuffle=false",
    "neuracrypt",
    "smashed-data",
    "dp-instahide",
    "hidden-mixing",
    "blur",
    "pixelation",
    "label-only",
    "noise",
)
SEEN = implied((Knowledge.LABELS, Knowledge.DISTRIBUTION))
CALLED = SEEN | {Knowledge.CODE, Knowledge.ORACLE}


@dataclass(frozen=True)
class Adversary:
    """Who attacks: what is known, how many pairs, and the attacks that this knowledge serves (None: all)."""

    name: str
    knows: frozenset[Knowledge]
    pairs: int = 0
    attacks: tuple[str, ...] | None = None


ADVERSARIES = (
    Adversary("encodings", SEEN),
    Adversary("+ oracle", CALLED, attacks=("linear", "decoder")),
    Adversary("1 pair", SEEN | {Knowledge.PAIRS}, 1, ("linear",)),
    Adversary("10 pairs", SEEN | {Knowledge.PAIRS}, 10, ("linear",)),
    Adversary("100 pairs", SEEN | {Knowledge.PAIRS}, 100, ("linear",)),
    Adversary("500 pairs", SEEN | {Knowledge.PAIRS}, 500, ("linear", "decoder")),
    Adversary("candidates", CALLED | {Knowledge("candidates")}, attacks=("match",)),
)


def findings(name: str, adversary: Adversary, data: Data, profile: str, seed: int) -> list[Finding]:
    """Every attack of the profile that `adversary` can run, on one release."""
    reference, *sets = name.split()
    asked = {"attack": adversary.attacks, "game": ("none",)}
    items = plan_items(asked, get_profile(profile), [adversary.knows], ", ".join)  # type: ignore[arg-type]
    ctx = Context(seed=seed, profile=profile)  # type: ignore[arg-type]
    given = dict(s.split("=", 1) for s in sets)
    public = data.public.images
    with SchemeProcess(locate(reference), given, public=public, limits=Limits()) as scheme, AttackWorker() as worker:
        known = data.records(adversary.pairs)
        release, pairs = encode_with_known(scheme, data.private, known, derive_seed(seed, "release"))
        subject = Audited.of(release, data, scheme, pairs=pairs)
        return [f for i in items if i.kind == "attack" and not i.reason for f in run_item(i, subject, worker, ctx)]


def best(found: Sequence[Finding], metric: str) -> tuple[float, Finding] | None:
    """The strongest attack by `metric`, or None where none answered."""
    rows = [(e.value, f) for f in found if (e := f.metrics.get(metric)) is not None and e.value is not None]
    return max(rows, key=lambda r: r[0]) if rows else None


def row(name: str, data: Data, profile: str, seed: int, wanted: Sequence[Adversary]) -> str:
    """One line of the table but for the exit code."""
    known: list[Finding] = []
    cells, cpu = [], 0.0
    for adversary in wanted:
        began = time.perf_counter()
        found = findings(name, adversary, data, profile, seed)
        cpu += sum(f.cost.cpu_s for f in found)
        for f in found:
            print(
                f"  {name}: {adversary.name}: {f.id}: {f.status}: {(f.reason or f.sentence)[:160]} "
                f"[{f.cost.cpu_s:.0f} CPU-s of {time.perf_counter() - began:.0f} s]",
                file=sys.stderr,
                flush=True,
            )
        if Knowledge("candidates") in adversary.knows:
            top = best(found + known, "reid")
            cells.append("-" if top is None else f"{top[0]:.2f} ({top[1].id})")
            continue
        known += found
        top = best(known, "ssim_q90")
        if top is None:
            cells.append("-")
            continue
        mean = top[1].metrics.get("ssim")
        cells.append(
            f"{'-' if mean is None or mean.value is None else f'{mean.value:.2f}'} / {top[0]:.2f} ({top[1].id})"
        )
    return f"| {name} | {' | '.join(cells)} | {cpu:.0f} |"


def exit_code(name: str, private: Path, n: int, profile: str, seed: int) -> int:
    """That of a whole audit with the default adversary."""
    reference, *sets = name.split()
    with tempfile.TemporaryDirectory(prefix="schemes-") as folder:
        command = [sys.executable, "-m", "ihaudit", "run", reference, "--private", str(private), "--profile", profile]
        command += ["--n-private", str(n), "--seed", str(seed), "--out", f"{folder}/out", "--format", "html"]
        for s in sets:
            command += ["--set", s]
        return subprocess.run(command, capture_output=True, check=False).returncode


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SCHEMES), help="a scheme with its parameters, in quotes")
    parser.add_argument("--private", type=Path, default=DATA / "cifar10_eval.npz")
    parser.add_argument("--adversary", nargs="+", default=[a.name for a in ADVERSARIES])
    parser.add_argument("--n", type=int, default=100, help="private images")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--exit", action="store_true", help="also run the whole audit, for its exit code")
    a = parser.parse_args()
    wanted = [x for x in ADVERSARIES if x.name in a.adversary]
    options = AuditOptions(scheme="identity", private=str(a.private), n_private=a.n, seed=a.seed, profile=a.profile)
    data = load_data(options, get_profile(a.profile))
    heads = ["scheme", *(x.name for x in wanted), "CPU s", *(["exit"] if a.exit else [])]
    print(f"| {' | '.join(heads)} |\n" + "|---" * len(heads) + "|", flush=True)
    for name in a.names:
        line = row(name, data, a.profile, a.seed, wanted)
        print(line + (f" {exit_code(name, a.private, a.n, a.profile, a.seed)} |" if a.exit else ""), flush=True)


if __name__ == "__main__":
    main()

"""Every shipped scheme against every adversary: ``python -m tests.benchmarks.schemes [NAME ...] [--private FILE.npz]``.

Prints a row per scheme.  A cell is the strongest attack that this adversary can run: mean of pinned SSIM over the
private images, its 90 % quantile, and the attack; the adversary with ``candidates`` has the share of images
re-identified instead.  An adversary's cell never falls below that of one who knows less; "same" where more
knowledge cannot help.  The last columns are CPU seconds of all attacks, and the exit code of ``ihaudit run`` with the
default adversary where --exit asks for it.  With --rows each row is added to a file once it is there, and schemes that
have one are left out, so that a run that was stopped goes on.

With --audits the rows are read from whole audits, ``ihaudit run NAME`` with the default adversary, which is what users
see: the strongest attack on encodings alone; `linear` and the held-out SSIM of its curve from 1 and 10 pairs;
`decoder`; `match`; games that broke; CPU seconds and exit code.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
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
from ihaudit.results import Finding, read_results
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
    "pixelation epsilon=5",
    "visual-mixer",
    "shuffled-values",
    "label-only",
    "cipher",
    "noise",
)
#: mean SSIM above which images are recovered: to know more gains nothing
EXACT = 0.99
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
    Adversary("candidates", CALLED | {Knowledge.CANDIDATES}, attacks=("match",)),
)


def findings(
    adversary: Adversary, data: Data, scheme: SchemeProcess, worker: AttackWorker, profile: str, seed: int
) -> list[Finding]:
    """Every attack of the profile that `adversary` can run, on one release."""
    asked = {"attack": adversary.attacks, "game": ("none",)}
    items = plan_items(asked, get_profile(profile), [adversary.knows], ", ".join)  # type: ignore[arg-type]
    ctx = Context(seed=seed, profile=profile)  # type: ignore[arg-type]
    known = data.records(adversary.pairs)
    release, pairs = encode_with_known(scheme, data.private, known, derive_seed(seed, "release"))
    if adversary.pairs and pairs is None:
        return []  # rows mix images, so that nobody knows a pair
    subject = Audited.of(release, data, scheme, pairs=pairs)
    return [f for i in items if i.kind == "attack" and not i.reason for f in run_item(i, subject, worker, ctx)]


def best(found: Sequence[Finding], metric: str) -> tuple[float, Finding] | None:
    """The strongest attack by `metric`, or None where none answered."""
    rows = [(e.value, f) for f in found if (e := f.metrics.get(metric)) is not None and e.value is not None]
    return max(rows, key=lambda r: r[0]) if rows else None


def row(name: str, data: Data, profile: str, seed: int, wanted: Sequence[Adversary]) -> str:
    """One line of the table but for the exit code.

    An adversary who knows more is not asked once the images are recovered exactly, nor one with pairs where every image
    has a key of its own, for the oracle makes as good ones; one with `candidates` always is.
    """
    known: list[Finding] = []
    cells, cpu = [], 0.0
    reference, *sets = name.split()
    given = dict(s.split("=", 1) for s in sets)
    public = data.public.images
    with SchemeProcess(locate(reference), given, public=public, limits=Limits()) as scheme, AttackWorker() as worker:
        for adversary in wanted:
            reid = Knowledge.CANDIDATES in adversary.knows
            top = best(known, "ssim")
            alike = adversary.pairs > 0 and scheme.card.key == "image"
            if not reid and (alike or (top is not None and top[0] > EXACT)):
                cells.append("same")
                continue
            found = findings(adversary, data, scheme, worker, profile, seed)
            cpu += sum(f.cost.cpu_s for f in found)
            for f in found:
                said = (f.reason or f.sentence)[:160]
                cost = f"[{f.cost.cpu_s:.0f} CPU-s]"
                print(f"  {name}: {adversary.name}: {f.id}: {f.status}: {said} {cost}", file=sys.stderr, flush=True)
            known += found
            cells.append(_reid(known) if reid else _ssim(known))
    return f"| {name} | {' | '.join(cells)} | {cpu:.0f} |"


def _reid(found: Sequence[Finding]) -> str:
    top = best(found, "reid")
    return "-" if top is None else f"{top[0]:.2f} ({top[1].id})"


def _ssim(found: Sequence[Finding]) -> str:
    top = best(found, "ssim_q90")
    if top is None:
        return "-"
    mean = top[1].metrics.get("ssim")
    return f"{'-' if mean is None or mean.value is None else f'{mean.value:.2f}'} / {top[0]:.2f} ({top[1].id})"


def exit_code(name: str, private: Path, n: int, profile: str, seed: int) -> int:
    """That of a whole audit with the default adversary."""
    reference, *sets = name.split()
    with tempfile.TemporaryDirectory(prefix="schemes-") as folder:
        command = [sys.executable, "-m", "ihaudit", "run", reference, "--private", str(private), "--profile", profile]
        command += ["--n-private", str(n), "--seed", str(seed), "--out", f"{folder}/out", "--format", "html"]
        for s in sets:
            command += ["--set", s]
        return subprocess.run(command, capture_output=True, check=False).returncode


#: attacks that read encodings alone (with labels and similar images)
ALONE = (
    "as-released",
    "unscramble",
    "unkey",
    "jigsaw",
    "unpaired",
    "unblur",
    "components",
    "least-squares",
    "cluster-mean",
    "unmix",
    "phase",
)


def audited(name: str, private: Path, n: int, profile: str, seed: int) -> str:
    """A row from a whole audit with the default adversary."""
    reference, *sets = name.split()
    with tempfile.TemporaryDirectory(prefix="schemes-") as folder:
        command = [sys.executable, "-m", "ihaudit", "run", reference, "--private", str(private), "--profile", profile]
        command += ["--n-private", str(n), "--seed", str(seed), "--out", f"{folder}/out", "--format", "html"]
        for s in sets:
            command += ["--set", s]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not Path(f"{folder}/out/results.json").exists():
            return f"| {name} | exit {done.returncode}: {done.stderr.strip()[-200:]} |"
        found = {f.id: f for f in read_results(Path(folder) / "out").findings}

    def figure(f: Finding | None, metric: str) -> float | None:
        e = None if f is None else f.metrics.get(metric)
        return None if e is None else e.value

    def cell(f: Finding | None, label: str = "") -> str:
        mean, top = figure(f, "ssim"), figure(f, "ssim_q90")
        return "-" if mean is None or top is None else f"{mean:.2f} / {top:.2f}{label}"

    alone = max((found[a] for a in ALONE if a in found), key=lambda f: figure(f, "ssim_q90") or -1.0)
    curve = (found["linear"].details.get("curves") or {}).get("SSIM by known pairs", {})
    points = dict(zip(curve.get("x", []), curve.get("y", []), strict=True))
    few = " / ".join(f"{points[k]:.2f}" if k in points else "-" for k in (1, 10))
    reid = figure(found.get("match"), "reid")
    games = ", ".join(f.id for f in found.values() if f.kind == "game" and f.status == "broken")
    cpu = sum(f.cost.cpu_s for f in found.values())
    cells = [name, cell(alone, f" ({alone.id})"), few, cell(found.get("linear")), cell(found.get("decoder"))]
    cells += ["-" if reid is None else f"{reid:.2f}", games, f"{cpu:.0f}", str(done.returncode)]
    return f"| {' | '.join(cells)} |"


AUDIT_HEADS = (
    "scheme",
    "encodings alone: mean / 90 % (attack)",
    "from 1 / 10 pairs, held out",
    "`linear`: mean / 90 %",
    "`decoder`: mean / 90 %",
    "`match`: re-identified",
    "games that broke",
    "CPU s",
    "exit",
)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SCHEMES), help="a scheme with its parameters, in quotes")
    parser.add_argument("--private", type=Path, default=DATA / "cifar10_eval.npz")
    parser.add_argument("--adversary", nargs="+", default=[a.name for a in ADVERSARIES])
    parser.add_argument("--n", type=int, default=50, help="private images")
    parser.add_argument("--rows", type=Path, help="a file that keeps the rows")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--exit", action="store_true", help="also run the whole audit, for its exit code")
    parser.add_argument("--audits", action="store_true", help="rows from whole audits, as a user runs them")
    parser.add_argument("--jobs", type=int, default=2, help="audits at a time")
    a = parser.parse_args()
    if a.audits:
        print(f"| {' | '.join(AUDIT_HEADS)} |\n" + "|---" * len(AUDIT_HEADS) + "|", flush=True)
        with ThreadPoolExecutor(a.jobs) as pool:
            for line in pool.map(lambda name: audited(name, a.private, a.n, a.profile, a.seed), a.names):
                print(line, flush=True)
        return
    wanted = [x for x in ADVERSARIES if x.name in a.adversary]
    options = AuditOptions(scheme="identity", private=str(a.private), n_private=a.n, seed=a.seed, profile=a.profile)
    data = load_data(options, get_profile(a.profile))
    heads = ["scheme", *(x.name for x in wanted), "CPU s", *(["exit"] if a.exit else [])]
    print(f"| {' | '.join(heads)} |\n" + "|---" * len(heads) + "|", flush=True)
    kept = a.rows.read_text().splitlines() if a.rows and a.rows.exists() else []
    for name in a.names:
        line = next((r for r in kept if r.startswith(f"| {name} |")), "")
        if not line:
            line = row(name, data, a.profile, a.seed, wanted)
            line += f" {exit_code(name, a.private, a.n, a.profile, a.seed)} |" if a.exit else ""
            if a.rows:
                with a.rows.open("a") as file:
                    print(line, file=file)
        print(line, flush=True)


if __name__ == "__main__":
    main()

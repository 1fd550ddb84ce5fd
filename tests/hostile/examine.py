"""One scheme through the parts of an audit that decide about a leak in the open, without its controls and games.

``python -m tests.hostile.examine maps:how=transposed``: what came out, and the exit code that follows.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ihaudit.audit.behaviour import behaviour
from ihaudit.audit.checks import release_checks
from ihaudit.audit.data import Data
from ihaudit.audit.known import encode_with_known
from ihaudit.audit.plan import plan_items
from ihaudit.audit.profiles import PROFILES
from ihaudit.audit.run_item import run_baselines
from ihaudit.audit.subject import Audited
from ihaudit.audit.traits import measure
from ihaudit.contracts.configure import configure
from ihaudit.contracts.context import Context, derive_seed
from ihaudit.errors import NotApplicable
from ihaudit.images import ImageSet
from ihaudit.results import Finding, Gate
from ihaudit.sandbox import SchemeProcess
from ihaudit.sandbox.elsewhere import Elsewhere
from ihaudit.sandbox.loader import locate
from ihaudit.scheme import DEFAULT_ADVERSARY, Knowledge
from ihaudit.verdict.decide import decide
from tests.data import load_images

HERE = Path(__file__).resolve().parent / "schemes"
#: Attacks that read what stands in the open.
ATTACKS: tuple[str, ...] = ("marks", "everything", "linear")


@dataclass
class Examined:
    """What was found of one scheme."""

    gate: Gate
    findings: list[Finding]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """As of `ihaudit run`, were its controls as they must."""
        return self.gate.exit_code


def images(private: int = 30, similar: int = 1200) -> Data:
    """Real images, dealt into private and similar ones."""
    x, y = load_images("cifar10_eval")
    few, rest, public = np.arange(private), np.arange(private, private + similar), np.arange(4900, 4950)
    made = [ImageSet(x[i], y[i], name) for i, name in ((few, "private"), (rest, "similar"), (public, "public"))]
    return Data(made[0], made[2], made[1], 0)


def examine(
    file: Path, sets: dict[str, str], data: Data, attacks: tuple[str, ...] = ATTACKS, seed: int = 3
) -> Examined:
    """Encode, check, attack until the gate is missed, decide.

    Args:
        file: the scheme file.
        sets: its parameters.
        data: images; see `images`.
        attacks: ids.
        seed: of everything.
    """
    took: dict[str, float] = {}
    knows = DEFAULT_ADVERSARY
    ctx = Context(seed)
    with SchemeProcess(locate(str(file)), sets, public=data.public.images) as scheme:
        began = time.process_time()

        def lap(name: str) -> None:
            nonlocal began
            took[name] = time.process_time() - began
            began = time.process_time()

        release, pairs = encode_with_known(scheme, data.private, data.records(100), derive_seed(seed, "release"))
        subject = Audited.of(release, data, scheme, pairs=pairs)
        lap("encode")
        measured = measure(scheme, data.population(), scheme.card.key, seed)
        subject = replace(subject, traits=measured.traits)
        findings = [*measured.findings, *release_checks(subject.release, subject.truth)]
        lap("checks")

        def start(answers: dict[str, Any]) -> Elsewhere:
            return Elsewhere(locate(str(file)), sets, public=data.public.images, answers=answers)

        text = file.read_text()
        findings += behaviour(scheme, start, data.population(), text, seed)
        lap("behaviour")
        findings += run_baselines(subject, knows | {Knowledge.DISTRIBUTION}, ctx)
        lap("baselines")
        items = {i.id: i for i in plan_items({"attack": attacks}, PROFILES["quick"], [knows], str)}
        for name in attacks:
            item = items[name]
            try:
                output = configure(name).run(subject.view(item.knows), ctx.child(name))
            except NotApplicable as e:
                findings.append(item.not_run(str(e)))
            else:
                finding = item.finding(status="measured", sentence=output.sentence, details=dict(output.diagnostics))
                finding.details["saw"] = output.sentence
                if output.broke is not None:
                    finding.details["broke"] = output.broke
                subject.judge(finding, output, ctx)
                findings.append(finding)
            lap(name)
            if decide(findings, [], subject.gates, controls_required=False)[1].exit_code == 1:
                break
    _, gate = decide(findings, [], subject.gates, controls_required=False)
    return Examined(gate, findings, took)


def main() -> None:
    """Command line: FILE[:NAME=VALUE] ..."""
    data = images()
    for spec in sys.argv[1:]:
        name, _, sets = spec.partition(":")
        given = dict(s.split("=", 1) for s in sets.split(",") if s)
        try:
            found = examine(HERE / f"{name}.py", given, data)
        except Exception as e:
            print(f"{spec:40s} {type(e).__name__}: {e}", flush=True)
            continue
        print(f"{spec:40s} {found.exit_code}  {found.gate.sentence[:110]}", flush=True)
        for f in found.findings:
            if f.id in ("checks-behaviour", "checks-conventions"):
                print(" " * 42, f.id, f.status, f.sentence, f.details.get("flags", ""), flush=True)
        print(" " * 40, {k: round(v, 1) for k, v in found.seconds.items()}, flush=True)
        for f in found.findings:
            if f.kind in ("attack", "check") and (f.status != "measured"):
                print(" " * 42, f.id, f.status, f.details.get("saw") or f.sentence[:150], flush=True)


if __name__ == "__main__":
    main()

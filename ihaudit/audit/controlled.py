"""Controls: does the audit itself tell broken from unbroken?  Run in every audit, through the same code path.

Positive controls must come out broken; null controls must not.  Otherwise the audit is inconclusive, whatever it found:
a survivor among the positive controls means that "no break found" says nothing, a broken null means that "broken" says
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ihaudit import registry
from ihaudit.audit.data import Data
from ihaudit.audit.known import encode_with_known
from ihaudit.audit.plan import Item
from ihaudit.audit.profiles import Profile
from ihaudit.audit.run_item import run_item
from ihaudit.audit.subject import Audited
from ihaudit.audit.worker import AttackWorker
from ihaudit.contracts.context import Context, Progress, derive_seed
from ihaudit.results import Cost, Finding
from ihaudit.sandbox import Limits, SchemeProcess
from ihaudit.sandbox.loader import locate
from ihaudit.verdict.reliability import control_finding


def run_controls(
    data: Data, profile: Profile, items: Sequence[Item], worker: AttackWorker, ctx: Context, *, key: str
) -> list[Finding]:
    """Audit every control with the attacks and games of this audit, at the profile's control size.

    `key` is the audited scheme's; controls that stand for another are left out.  All are judged by the default bounds:
    with the user's lax ones, positive controls would seem to survive.
    """
    small = replace(data, private=data.private.subset(np.arange(min(len(data.private), profile.n_control))))
    running = [i for i in items if not i.reason and registry.get(i.kind, i.id).control]
    controls = {k: c for k, c in registry.load("control").items() if c.key in (None, key)}
    findings = []
    for index, (name, control) in enumerate(controls.items()):
        done = index / len(controls)
        ctx.progress(name, done)
        inner = replace(ctx.child(name), progress=_part(ctx, name, done))
        public = small.public.images[:200]
        with SchemeProcess(locate(control.scheme), control.sets, public=public, limits=Limits()) as scheme:
            records = small.records(len(small.private))
            release, pairs = encode_with_known(scheme, small.private, records, derive_seed(inner.seed, "release"))
            subject = Audited.of(release, small, scheme, pairs=pairs, control=True)
            parts = [run_item(item, subject, worker, inner)[0] for item in running]
        parts = [p for p in parts if p.status != "not run"]
        finding = control_finding(name, control.must_break, parts)
        finding.cost = Cost(wall_s=sum(p.cost.wall_s for p in parts), cpu_s=sum(p.cost.cpu_s for p in parts))
        findings.append(finding)
    return findings


def _part(ctx: Context, name: str, done: float) -> Progress:
    """Progress of one control as a part of all: what an attack or game calls done is done for its control only."""

    def progress(message: str, fraction: float | None = None) -> None:
        ctx.progress(f"{name}: {message}", done)

    return progress

"""Controls: does the audit itself tell broken from unbroken?  Run in every audit, through the same code path.

Positive controls (identity, plain mixup) must come out broken; null controls (independent noise, a constant) must not.
Otherwise the audit is inconclusive, whatever it found: a survivor among the positive controls means that "no break
found" says nothing, a broken null means that "broken" says nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ihaudit import registry
from ihaudit.audit.findings import attack_finding
from ihaudit.audit.plan import Data, Item
from ihaudit.audit.profiles import Profile
from ihaudit.audit.view import make_view
from ihaudit.audit.worker import AttackWorker
from ihaudit.contracts.context import Context, Progress, derive_seed
from ihaudit.contracts.game import GameSetting
from ihaudit.release import Release, Truth
from ihaudit.results import Cost, Finding
from ihaudit.sandbox import Limits, SchemeProcess
from ihaudit.sandbox.loader import locate
from ihaudit.verdict.gates import GateOptions
from ihaudit.verdict.reliability import control_finding

if TYPE_CHECKING:
    from collections.abc import Sequence


def run_controls(
    data: Data, profile: Profile, items: Sequence[Item], worker: AttackWorker, ctx: Context
) -> list[Finding]:
    """Audit the four controls with the attacks and games of this audit, at the profile's control size.

    They are judged by the default bounds: with the user's lax ones, positive controls would seem to survive.
    """
    small = replace(data, private=data.private.subset(np.arange(min(len(data.private.images), profile.n_control))))
    findings = []
    controls = registry.load("control")
    for index, (name, control) in enumerate(controls.items()):
        done = index / len(controls)
        ctx.progress(name, done)
        inner = replace(ctx.child(name), progress=_part(ctx, name, done))
        with SchemeProcess(
            locate(control.scheme), dict(control.sets), public=small.public.images[:200], limits=Limits()
        ) as scheme:
            parts = _attacks(small, items, worker, inner, scheme)
            parts += _games(small, items, inner, scheme)
        cost = Cost(wall_s=sum(p.cost.wall_s for p in parts), cpu_s=sum(p.cost.cpu_s for p in parts))
        finding = control_finding(name, control.must_break, parts)
        finding.cost = cost
        findings.append(finding)
    return findings


def _part(ctx: Context, name: str, done: float) -> Progress:
    """Progress of one control as a part of all: what an attack or game calls done is done for its control only."""

    def progress(message: str, fraction: float | None = None) -> None:
        ctx.progress(f"{name}: {message}", done)

    return progress


def _attacks(
    data: Data, items: Sequence[Item], worker: AttackWorker, ctx: Context, scheme: SchemeProcess
) -> list[Finding]:
    release: Release = scheme.encode(data.private.images, data.private.labels, seed=derive_seed(ctx.seed, "release"))
    truth = Truth(data.private.images, data.private.labels, release.provenance, data.private.groups)
    parts = []
    for item in items:
        if item.kind != "attack" or item.reason or not getattr(registry.get("attack", item.id), "control", True):
            continue
        view = make_view(release.public_part(), item.knows, data, scheme.card)
        run = worker.run(item.spec, view, ctx.child(item.spec), scheme if "oracle" in item.knows else None)
        decoys = data.decoys()
        finding = attack_finding(item, run, truth, release, decoys, GateOptions(), ctx.child("score", item.spec))
        if finding.status != "not run":
            parts.append(finding)
    return parts


def _games(data: Data, items: Sequence[Item], ctx: Context, scheme: SchemeProcess) -> list[Finding]:
    population = data.population()
    setting = GameSetting(
        encoder=scheme,
        images=population.images,
        labels=population.labels,
        n_classes=int(population.labels.max()) + 1,
        key=scheme.card.key,
        decomposable=scheme.card.decomposable,
    )
    parts = []
    for item in items:
        if item.kind != "game" or item.reason or not getattr(registry.get("game", item.id), "control", False):
            continue
        options = {"control": True, "audit_seed": ctx.seed}
        finding = item.play(setting, replace(ctx.child(item.spec), options=options))[0]
        if finding.status != "not run":
            parts.append(finding)
    return parts

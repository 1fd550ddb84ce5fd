"""One attack, game or baseline against one subject; what goes wrong becomes its reason, never the end of the run."""

from __future__ import annotations

import time
import traceback
from dataclasses import replace
from pathlib import Path

from ihaudit import registry
from ihaudit.audit.plan import Item
from ihaudit.audit.subject import Subject
from ihaudit.audit.worker import AttackWorker
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.configure import configure_game
from ihaudit.contracts.context import Context
from ihaudit.environment import return_memory
from ihaudit.errors import NotApplicable, SchemeError
from ihaudit.metrics.threads import one_thread
from ihaudit.results import Cost, Finding
from ihaudit.scheme import Knowledge


def run_item(
    item: Item, subject: Subject, worker: AttackWorker, root: Context, trials: Path | None = None
) -> list[Finding]:
    """Run an attack in the worker, or play a game.

    Args:
        item: what is run; its `reason` is empty.
        subject: what it is run against.
        worker: the process of attacks.
        root: of the run; the item's context, and that of scoring, are its children.
        trials: a folder where a game may keep trials that a resumed run need not repeat.

    Returns:
        The item's own finding, then what its run showed besides.
    """
    ctx = root.child(item.spec) if subject.control else root.child(item.kind, item.spec)
    if item.kind == "attack":
        if subject.control:
            ctx = replace(ctx, options=ctx.options | {"control": True})
        findings = [_attack(item, subject, worker, ctx, root.child("score", item.spec))]
    else:
        # Pools and training are shared between the games of a run, by its seed.
        options = {"audit_seed": root.seed} | ({"control": True} if subject.control else {})
        findings = _game(item, subject, replace(ctx, checkpoints=trials, options=options))
    for finding in findings:
        finding.requested = item.requested
    return findings


def run_baselines(subject: Subject, knows: frozenset[Knowledge], root: Context) -> list[Finding]:
    """Every baseline that can be formed from what `knows` grants."""
    view, ctx = subject.view(knows), root.child("baselines")
    findings = []
    for baseline in registry.load("baseline").values():
        with one_thread():
            output = baseline.guess(view, ctx)
        if output is not None:
            output.sentence = baseline.sentence
            item = Item("baseline", baseline.id, baseline.id, baseline.title, "trivial guess", knows=knows)
            findings.append(_judged(item, subject, output, Cost(), root.child("score", item.id)))
    return findings


def _attack(item: Item, subject: Subject, worker: AttackWorker, ctx: Context, scoring: Context) -> Finding:
    run = worker.run(item.spec, subject.view(item.knows), ctx)
    if run.not_applicable:
        return item.not_run(run.not_applicable, cost=run.cost)
    if run.output is None:
        return item.failed(f"the attack failed: {run.failure}", run.trace, cost=run.cost)
    return _judged(item, subject, run.output, run.cost, scoring)


def _judged(item: Item, subject: Subject, output: AttackOutput, cost: Cost, ctx: Context) -> Finding:
    finding = item.finding(
        status="measured",
        cost=cost,
        sentence=output.sentence,
        stages=output.stages,
        details=dict(output.diagnostics),
    )
    if output.broke is not None:
        finding.details["broke"] = bool(output.broke)
    if item.kind == "attack":
        finding.details |= {"saw": output.sentence, "used": list(output.used)}
    try:
        subject.judge(finding, output, ctx)
    except ValueError as e:
        return item.failed(f"its answer could not be scored: {e}", cost=cost)
    return finding


def _game(item: Item, subject: Subject, ctx: Context) -> list[Finding]:
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        findings: list[Finding] = configure_game(item.spec).run(subject.setting(), ctx)
    except NotApplicable as e:
        findings = [item.not_run(str(e))]
    except SchemeError as e:
        findings = [item.failed(f"the scheme failed during the game: {e}")]
    except Exception as e:
        findings = [item.failed(f"the game failed ({type(e).__name__}: {e})", traceback.format_exc())]
    findings[0].cost = Cost(wall_s=time.perf_counter() - wall, cpu_s=time.process_time() - cpu)
    return_memory()
    return findings

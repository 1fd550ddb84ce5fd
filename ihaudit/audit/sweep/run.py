"""A sweep: its points, handed to an engine, or audited here one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, as_completed
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ihaudit.audit.folder import check_writable
from ihaudit.audit.options import AuditOptions
from ihaudit.audit.progress import Reporter
from ihaudit.audit.sweep.collect import Collected, collect
from ihaudit.audit.sweep.grid import Point
from ihaudit.audit.sweep.point import (
    Failure,
    Job,
    Outcome,
    audit_point,
    begin_afresh,
    check_fresh,
    fail,
)
from ihaudit.contracts.engine import Died, Engine, EngineOptions
from ihaudit.errors import IhauditError, UsageError
from ihaudit.registry import get

#: How often a point is asked for whose process died: a machine may fail, a point that always dies is at fault itself.
TRIES = 3


@contextmanager
def started(name: str, options: EngineOptions) -> Iterator[Engine | None]:
    """The engine called `name`; None where points are audited one after the other in this process.

    Args:
        name: of an engine.
        options: ``folder`` is the sweep's.

    Raises:
        UsageError: there is no such engine, it lacks a package, or cannot be reached.
    """
    kind = get("engine", name)
    if name == "local" and (options.jobs or 1) == 1 and not options.scheduler and not options.settings:
        yield None
        return
    with kind.start(options) as engine:
        yield engine


def run_sweep(
    options: AuditOptions,
    points: Sequence[Point],
    folder: Path,
    reporter: Reporter,
    engine: Engine | None = None,
) -> Collected:
    """One audit per point, each in a folder of its own under `folder`.

    A point that fails is in ``missing`` of what is returned; the others are audited all the same.  Points that another
    run audits at the same time are left to it, and waited for at the end.

    Args:
        options: of every audit; ``sets`` are kept beside the point's values, ``out`` is not used.
        points: of `parse_grid`.
        folder: with ``options.resume`` its finished audits are kept and a stopped one is gone on with.
        reporter: is told of the progress.
        engine: where points are audited; None for this process, one after the other.

    Raises:
        UsageError: options contradict the grid, or the folder holds a sweep and what to do about it was not said.
    """
    fixed = {s.partition("=")[0] for s in options.sets}
    if both := fixed & {name for name, _ in points[0].values}:
        raise UsageError(f"{sorted(both)[0]!r} is in --set and in --grid; give it once")
    check_writable(folder)
    folders = {p: p.folder(folder) for p in points}
    check_fresh(list(folders.values()), folder, options)
    if options.overwrite:
        for path in folders.values():
            begin_afresh(path)
    jobs = {
        p: Job(replace(options, sets=(*options.sets, *(f"{k}={v}" for k, v in p.values)), out=path))
        for p, path in folders.items()
    }
    left, count = [*points], len(points)
    failures: dict[Point, Failure] = {}
    for attempt in range(TRIES):
        asked = {p: replace(jobs[p], wait=attempt > 0) for p in left}
        left, done = [], count - len(asked)
        for point, outcome in _outcomes(asked, reporter, engine, done, count):
            if isinstance(outcome, Died):
                left.append(point)
                again = "it is asked for again" if attempt + 1 < TRIES else "it is given up"
                reporter.note(f"{point.name}: {outcome}; {again}")
                if attempt + 1 == TRIES:
                    sentence = f"{outcome} {TRIES} times, perhaps out of memory; run fewer --jobs, or fewer images"
                    failures[point] = Failure(sentence, exit_code=3)
                    fail(folders[point], failures[point])
                continue
            if outcome.failure is not None:
                failures[point] = outcome.failure
            if outcome.word == "elsewhere":
                left.append(point)
                reporter.note(f"{point.name}: another run audits it now; it is waited for at the end")
            elif engine is not None:
                done += 1
                reporter.note(f"{done} of {count}: {point.name}: {point.said(outcome.said)}")
        if not left:
            break
    return collect(points, folder, options, failures)


def _outcomes(
    asked: dict[Point, Job], reporter: Reporter, engine: Engine | None, done: int, count: int
) -> Iterator[tuple[Point, Outcome | Died]]:
    """What comes of each point, as it comes."""
    if engine is None:
        for i, (point, job) in enumerate(asked.items()):
            reporter.note(f"point {done + i + 1} of {count}: {point.name}")
            yield point, audit_point(job, reporter)
        return
    futures: list[Future[Outcome]] = engine.submit_each(audit_point, list(asked.values()))
    of = dict(zip(futures, asked))
    for future in as_completed(futures):
        try:
            yield of[future], future.result()
        except Died as e:
            yield of[future], e
        except Exception as e:
            if isinstance(e, IhauditError):
                failure = Failure(str(e), type(e).__name__, e.exit_code)
            else:
                failure = Failure(f"the engine could not run it ({type(e).__name__}: {e})", exit_code=4)
            fail(asked[of[future]].folder, failure)
            yield of[future], Outcome("failed", failure.sentence, failure)

"""The same audit over a grid of a scheme's parameters: does the attack get harder with its security parameter?"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ihaudit.audit.options import AuditOptions
from ihaudit.audit.pipeline import run_audit
from ihaudit.audit.progress import Reporter
from ihaudit.errors import IhauditError, UsageError
from ihaudit.figures import estimate, number, scaled
from ihaudit.report.sweep import page
from ihaudit.results import Results, atomic_write
from ihaudit.stats import Estimate
from ihaudit.verdict.gates import EVENTS, gate_unit

SCHEMA = "ihaudit.sweep/1"
MAX_POINTS = 64


@dataclass(frozen=True)
class Point:
    """One point of the grid: (name, value) pairs as text, in the order of the grid."""

    values: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """``k=4,epochs=10``: also the name of its folder."""
        return ",".join(f"{k}={v}" for k, v in self.values)


def parse_grid(specs: Sequence[str]) -> list[Point]:
    """All points of ``["k=2,4,6", "epochs=10,50"]``, the last name running fastest.

    Raises:
        UsageError: a spec without values, a name or a value twice, or more than `MAX_POINTS` points.
    """
    axes: list[tuple[str, list[str]]] = []
    for spec in specs:
        name, eq, rest = spec.partition("=")
        values = [v.strip() for v in rest.split(",")]
        if not eq or not name.strip() or not all(values):
            raise UsageError(f"--grid {spec!r} is not of the form NAME=VALUE,VALUE,...")
        if any("/" in v for v in values):
            raise UsageError(f"--grid {spec!r}: a value names a folder too and cannot hold '/'; use --set for it")
        if len(set(values)) < len(values):
            raise UsageError(f"--grid {spec!r} names a value twice")
        if name.strip() in [n for n, _ in axes]:
            raise UsageError(f"--grid names {name.strip()!r} twice; give all of its values in one")
        axes.append((name.strip(), values))
    if not axes:
        raise UsageError("nothing to sweep; name a parameter and its values, e.g. --grid k=2,4,6")
    points = [Point(tuple(zip([n for n, _ in axes], chosen))) for chosen in itertools.product(*(v for _, v in axes))]
    if len(points) > MAX_POINTS:
        raise UsageError(f"the grid has {len(points)} points; sweep at most {MAX_POINTS} at a time")
    return points


def run_sweep(
    options: AuditOptions, points: Sequence[Point], folder: Path, reporter: Reporter
) -> list[tuple[Point, Results]]:
    """One audit per point, each in a folder of its own under `folder`; then sweep.json, sweep.md and sweep.html there.

    Args:
        options: of every audit; ``sets`` are kept beside the point's values, ``out`` is not used.
        points: of `parse_grid`.
        folder: with ``options.resume`` its finished audits are kept and a stopped one is gone on with.

    Raises:
        IhauditError: the first point that cannot be audited, named; what was finished stays, for --resume.
    """
    fixed = {s.partition("=")[0] for s in options.sets}
    if both := fixed & {name for name, _ in points[0].values}:
        raise UsageError(f"{sorted(both)[0]!r} is in --set and in --grid; give it once")
    if not options.resume and not options.overwrite and any((folder / p.name).exists() for p in points):
        raise UsageError(f"{folder} holds a sweep already; go on with --resume, or start afresh with --overwrite")
    done = []
    for i, point in enumerate(points):
        out = folder / point.name
        reporter.note(f"point {i + 1} of {len(points)}: {point.name}")
        sets = (*options.sets, *(f"{k}={v}" for k, v in point.values))
        try:
            _, results = run_audit(
                replace(options, sets=sets, out=out, resume=options.resume and out.exists()), reporter
            )
        except IhauditError as e:
            raise type(e)(f"at {point.name}: {e}") from None
        done.append((point, results))
    atomic_write(folder / "sweep.json", json.dumps(summary(done), indent=1, ensure_ascii=False) + "\n")
    atomic_write(folder / "sweep.md", markdown(done))
    atomic_write(folder / "sweep.html", page(summary(done), folder))
    return done


def exit_code(done: Sequence[tuple[Point, Results]]) -> int:
    """1 where any point missed its gate, else 3 where any is inconclusive, else 0."""
    codes = {r.gate.exit_code for _, r in done}
    return next((c for c in (1, 3) if c in codes), 0)


def _highest(results: Results, kind: str, metric: str, end: str) -> tuple[str, Estimate] | None:
    rows = [(f.id, f.metrics[metric]) for f in results.of_kind(kind) if metric in f.metrics]
    rows = [r for r in rows if getattr(r[1], end) is not None]
    return max(rows, key=lambda r: getattr(r[1], end) or 0.0, default=None)


def strongest(results: Results) -> tuple[str, Estimate] | None:
    """Id and 90 % quantile of SSIM of the attack with the highest one."""
    return _highest(results, "attack", "ssim_q90", "value")


def _advantage(results: Results) -> tuple[str, Estimate] | None:
    return _highest(results, "game", "advantage", "low")


def decided(results: Results) -> str:
    """What the gate rests on there, with its figure: a check by its words, or why nothing could be decided."""
    gate = results.gate
    if gate.exit_code == 3:
        return gate.reasons[0] if gate.reasons else gate.sentence
    # What was missed first, else what was closest to it, as the gate itself says.
    by = f" ({gate.by})" if gate.by else ""
    quantities = {c.statistic: c.name for c in gate.checks} | {f"claim: {c.text}": c.quantity for c in results.claims}
    unit = gate_unit(quantities.get(gate.statistic, ""))
    bound = "" if gate.bound is None else f" against {scaled(gate.bound, unit)}"
    if next((c for c in gate.checks if c.met is False and c.name in EVENTS), None) is not None:
        return f"{gate.statistic}{by}"
    return f"{gate.statistic}: {estimate(gate.measured, unit)}{bound}{by}" if gate.measured else gate.statistic


def trend(done: Sequence[tuple[Point, Results]]) -> str:
    """Whether the strongest attack gets harder with the security parameter, in one sentence; empty without one.

    Points that differ in other parameters are compared only with those that agree in all of these.  "Harder" is said
    where the interval at the largest value lies wholly below that at the smallest, for every such group.
    """
    name = done[0][1].scheme.security_parameter if done else None
    if name is None or name not in dict(done[0][0].values):
        return ""
    groups: dict[tuple[tuple[str, str], ...], list[tuple[float, Estimate]]] = {}
    for point, results in done:
        best = strongest(results)
        try:
            at = float(dict(point.values)[name])
        except ValueError:
            return ""
        if best is not None:
            groups.setdefault(tuple(v for v in point.values if v[0] != name), []).append((at, best[1]))
    ends = [(min(g, key=lambda x: x[0]), max(g, key=lambda x: x[0])) for g in groups.values() if len(g) > 1]
    if not ends:
        return ""
    harder = [_below(last[1], first[1]) for first, last in ends]
    figures = "; ".join(
        f"{number(first[1].value)} at {name} = {first[0]:g}, {number(last[1].value)} at {last[0]:g}"
        for first, last in ends
    )
    if all(harder):
        return f"The strongest attack gets harder with the security parameter {name} ({figures})."
    return f"It was not shown that the strongest attack gets harder with the security parameter {name} ({figures})."


def _below(a: Estimate, b: Estimate) -> bool:
    return a.high is not None and b.low is not None and a.high < b.low


def summary(done: Sequence[tuple[Point, Results]]) -> dict[str, Any]:
    """sweep.json: one row per point, strict JSON."""
    rows = []
    for point, results in done:
        best, game = strongest(results), _advantage(results)
        rows.append(
            {
                "point": dict(point.values),
                "gate": results.gate.status,
                "exit_code": results.gate.exit_code,
                "decided": decided(results),
                "attack": best[0] if best else None,
                "ssim_q90": asdict(best[1]) if best else None,
                "game": game[0] if game else None,
                "advantage": asdict(game[1]) if game else None,
                "results": f"{point.name}/results.json",
            }
        )
    first = done[0][1]
    return {
        "schema": SCHEMA,
        "scheme": first.name,
        "security_parameter": first.scheme.security_parameter,
        "profile": first.profile,
        "seed": first.seed,
        "trend": trend(done),
        "points": rows,
    }


def markdown(done: Sequence[tuple[Point, Results]]) -> str:
    """sweep.md: the table and the trend."""
    first = done[0][1]
    names = [name for name, _ in done[0][0].values]
    head = [*names, "gate", "strongest attack", "SSIM, 90 % quantile", "strongest game", "advantage", "decided by"]
    lines = [f"# {first.name}: {', '.join(names)}", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for point, results in done:
        best, game = strongest(results), _advantage(results)
        cells = [v for _, v in point.values] + [results.gate.status]
        cells += [best[0], estimate(best[1])] if best else ["none", "n/a"]
        cells += [game[0], estimate(game[1])] if game else ["none", "n/a"]
        cells.append(" ".join(decided(results).replace("|", "\\|").split()))
        lines.append("| " + " | ".join(cells) + " |")
    if sentence := trend(done):
        lines += ["", sentence]
    lines += [
        "",
        f"Profile {first.profile}, seed {first.seed}. An audit can refute a claim; it can never prove privacy.",
    ]
    return "\n".join(lines) + "\n"

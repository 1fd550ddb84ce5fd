"""What a sweep found: a row for each point, the table of them, and whether the security parameter does anything."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ihaudit.audit.sweep.grid import Point
from ihaudit.figures import estimate, number, scaled
from ihaudit.results import Finding, Results
from ihaudit.stats import Estimate
from ihaudit.verdict.gates import EVENTS, gate_unit

SCHEMA = "ihaudit.sweep/1"
#: What is measured at every point: metric, the kind of finding, and the end of the interval that chooses the strongest.
MEASURES = (("ssim_q90", "attack", "value"), ("reid_above_chance", "attack", "value"), ("advantage", "game", "low"))
#: What must be the same at points that are compared, of the plan of each audit.
COMPARED = ("version", "scheme's code", "profile", "seed", "private images", "public images", "attacks", "games")


@dataclass(frozen=True)
class Row:
    """One point, as its results tell it; a sweep of thousands keeps no more of each.

    Attributes:
        point: of the grid.
        folder: its name.
        gate, exit_code, decided: the verdict, and what it rests on.
        best: by metric of `MEASURES`, the id of the strongest finding and what it reached; left out where none did.
        cpu_s, gpu_s: of the attack that reached the highest SSIM.
        price: of that, and its currency; None where no price was stated.
        bound: of the gate on SSIM; None where the results do not say.
        scheme, security_parameter, profile, seed: the audit's.
        audited: what `COMPARED` names, of the plan.
    """

    point: Point
    folder: str
    gate: str
    exit_code: int
    decided: str
    best: Mapping[str, tuple[str, Estimate]]
    cpu_s: float | None
    gpu_s: float | None
    price: tuple[float, str] | None
    bound: float | None
    scheme: str
    security_parameter: str | None
    profile: str
    seed: int
    audited: tuple[tuple[str, str], ...]

    @classmethod
    def of(
        cls, point: Point, results: Results, folder: str = "", prices: Mapping[str, float | str] | None = None
    ) -> Row:
        """The row of an audit; `prices` of an hour where they are stated now, else those that were stated then."""
        found = {metric: _highest(results, kind, metric, end) for metric, kind, end in MEASURES}
        best = {metric: (f.id, f.metrics[metric]) for metric, f in found.items() if f is not None}
        strongest = found["ssim_q90"] or found["reid_above_chance"]
        cost = None if strongest is None else strongest.cost
        plan = results.options.get("plan") or {}
        bounds = results.options.get("gates") or {}
        return cls(
            point=point,
            folder=folder or point.name,
            gate=results.gate.status,
            exit_code=results.gate.exit_code,
            decided=decided(results),
            best=best,
            cpu_s=cost.cpu_s if cost else None,
            gpu_s=cost.gpu_s if cost else None,
            price=_price(prices or results.price_per_hour, cost.cpu_s, cost.gpu_s) if cost else None,
            bound=bounds.get("max_ssim"),
            scheme=results.name,
            security_parameter=results.scheme.security_parameter,
            profile=results.profile,
            seed=results.seed,
            audited=tuple((k, str(plan.get(k))) for k in COMPARED),
        )


def _highest(results: Results, kind: str, metric: str, end: str) -> Finding | None:
    found = [f for f in results.of_kind(kind) if metric in f.metrics and getattr(f.metrics[metric], end) is not None]
    return max(found, key=lambda f: getattr(f.metrics[metric], end), default=None)


def _price(prices: Mapping[str, float | str], cpu_s: float, gpu_s: float) -> tuple[float, str] | None:
    """What so many seconds cost at the stated price of an hour, and the currency."""
    cpu, gpu = (float(prices.get(k, 0.0)) for k in ("cpu", "gpu"))
    stated = "cpu" in prices or "gpu" in prices
    return ((cpu * cpu_s + gpu * gpu_s) / 3600, str(prices.get("currency", ""))) if stated else None


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


def trend(rows: Sequence[Row]) -> str:
    """Whether the strongest attack gets harder with the security parameter, in one sentence; empty without one.

    Points that differ in other parameters are compared only with those that agree in all of these.  "Harder" is said
    where the interval at the largest value lies wholly below that at the smallest, for every such group; where the
    attack gets easier in between, that too.
    """
    name = rows[0].security_parameter if rows else None
    if name is None or name not in dict(rows[0].point.values):
        return ""
    groups: dict[tuple[tuple[str, str], ...], list[tuple[float, Estimate]]] = {}
    for row in rows:
        best = row.best.get("ssim_q90")
        try:
            at = float(dict(row.point.values)[name])
        except ValueError:
            return ""
        if best is not None:
            groups.setdefault(tuple(v for v in row.point.values if v[0] != name), []).append((at, best[1]))
    ends = [(min(g, key=lambda x: x[0]), max(g, key=lambda x: x[0])) for g in groups.values() if len(g) > 1]
    if not ends:
        return ""
    harder = [_below(last[1], first[1]) for first, last in ends]
    figures = "; ".join(
        f"{number(first[1].value)} at {name} = {first[0]:g}, {number(last[1].value)} at {last[0]:g}"
        for first, last in ends
    )
    ordered = [[e for _, e in sorted(g, key=lambda x: x[0])] for g in groups.values() if len(g) > 1]
    if all(harder) and any(_below(a, b) for line in ordered for a, b in itertools.combinations(line, 2)):
        return (
            f"The strongest attack is harder at the last value of the security parameter {name} than at the first "
            f"({figures}), but easier in between than before."
        )
    if all(harder):
        return f"The strongest attack gets harder with the security parameter {name} ({figures})."
    return f"It was not shown that the strongest attack gets harder with the security parameter {name} ({figures})."


def _below(a: Estimate, b: Estimate) -> bool:
    return a.high is not None and b.low is not None and a.high < b.low


def summary(rows: Sequence[Row], missing: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """sweep.json: one row per point, strict JSON.

    Args:
        rows: of the points that are done.
        missing: those that are not: ``point`` and ``why``.
    """
    first = rows[0]
    return {
        "schema": SCHEMA,
        "scheme": first.scheme,
        "security_parameter": first.security_parameter,
        "profile": first.profile,
        "seed": first.seed,
        "trend": trend(rows),
        "points": [_entry(row) for row in rows],
        "missing": [dict(m) for m in missing],
    }


def _entry(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {
        "point": dict(row.point.values),
        "gate": row.gate,
        "exit_code": row.exit_code,
        "decided": row.decided,
    }
    for metric, who in (("ssim_q90", "attack"), ("reid_above_chance", "reid_attack"), ("advantage", "game")):
        best = row.best.get(metric)
        found |= {who: best and best[0], metric: best and asdict(best[1])}
    price = row.price and {"amount": row.price[0], "currency": row.price[1]}
    found |= {"attack_cpu_s": row.cpu_s, "attack_gpu_s": row.gpu_s, "attack_price": price, "bound": row.bound}
    return found | {"results": f"{row.folder}/results.json"}


HEAD = ("gate", "strongest attack", "SSIM, 90 % quantile", "strongest game", "advantage", "decided by")


def markdown(rows: Sequence[Row], missing: Sequence[Mapping[str, Any]] = (), sentences: Sequence[str] = ()) -> str:
    """sweep.md: the table, the trend, and `sentences` of what each parameter buys."""
    first = rows[0]
    names = [name for name, _ in first.point.values]
    head = [*names, *HEAD]
    lines = [f"# {first.scheme}: {', '.join(names)}", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [v for _, v in row.point.values] + [row.gate]
        for metric in ("ssim_q90", "advantage"):
            best = row.best.get(metric)
            cells += [best[0], estimate(best[1])] if best else ["none", "n/a"]
        cells.append(" ".join(row.decided.replace("|", "\\|").split()))
        lines.append("| " + " | ".join(cells) + " |")
    if sentence := trend(rows):
        lines += ["", sentence]
    lines += [line for said in sentences for line in ("", said)]
    if missing:
        lines += ["", f"{len(missing)} of {len(rows) + len(missing)} points are missing:", ""]
        lines += [f"- {', '.join(f'{k} = {v}' for k, v in m['point'].items())}: {m['why']}" for m in missing]
    lines += [
        "",
        f"Profile {first.profile}, seed {first.seed}. An audit can refute a claim; it can never prove privacy.",
    ]
    return "\n".join(lines) + "\n"

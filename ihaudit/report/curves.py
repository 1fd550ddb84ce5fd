"""Security-parameter curves: what was measured, and what the attack cost, against one parameter of a sweep."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ihaudit.report import plots
from ihaudit.report.cards import Chart
from ihaudit.stats import Estimate

Point = Mapping[str, Any]

#: Lines up to which a curve stays readable.
LINES = 8
#: Measure of sweep.json, label, factor.
MEASURES = (
    ("ssim_q90", "SSIM, 90 % quantile", 1.0),
    ("reid_above_chance", "re-identified above chance, %", 100.0),
    ("advantage", "advantage of a game", 1.0),
)


def estimated(value: Mapping[str, Any] | None) -> Estimate | None:
    """An estimate as sweep.json has it."""
    return None if value is None else Estimate(value["value"], value["low"], value["high"], value["n"])


def curve(sweep: Mapping[str, Any], parameter: Mapping[str, Any]) -> Chart | None:
    """The figure of one parameter: a part for each measure and each cost, a line for each setting of the others.

    Args:
        sweep: sweep.json.
        parameter: of its ``parameters``.

    Returns:
        None where nothing was measured.
    """
    name, values = str(parameter["name"]), [str(v) for v in parameter["values"]]
    places = _places(values)
    every = _groups(sweep["points"], name, places)
    groups = _spread(every)
    parts = [p for m in MEASURES if (p := _measure(groups, *m, sweep["points"])) is not None]
    parts += [p for c in _costs(sweep["points"]) if (p := _cost(groups, *c)) is not None]
    if not parts:
        return None
    caption = f"What was measured against {name}, with 95 % intervals, and what the strongest attack cost."
    if len(groups) < len(every):
        caption += f" {len(groups)} of {len(every)} settings of the other parameters are drawn; the table has all."
    ticks = [(places[v], v) for v in values]
    spoken = "; ".join(p.ylabel for p in parts)
    return Chart(plots.panels(parts, name, ticks), caption, f"Curves over {name}: {spoken}.")


def _places(values: Sequence[str]) -> dict[str, float]:
    """Where each value stands on the axis: at itself where all are numbers, else in turn."""
    try:
        found = {v: float(v) for v in values}
    except ValueError:
        found = {}
    return found if found and all(map(math.isfinite, found.values())) else {v: float(i) for i, v in enumerate(values)}


Group = Sequence[tuple[float, Point]]


def _groups(points: Sequence[Point], name: str, places: Mapping[str, float]) -> dict[str, Group]:
    """Points by the setting of the other parameters, in the order of the axis, with their places on it."""
    found: dict[str, list[tuple[float, Point]]] = {}
    for point in points:
        others = ", ".join(f"{k} = {v}" for k, v in point["point"].items() if k != name)
        found.setdefault(others, []).append((places[point["point"][name]], point))
    return {k: sorted(group, key=lambda x: x[0]) for k, group in found.items()}


def _spread(groups: Mapping[str, Group]) -> dict[str, Group]:
    """All groups, or as many as can be told apart, spread over the whole."""
    keys = list(groups)
    if len(keys) > LINES:
        keys = [keys[round(i * (len(keys) - 1) / (LINES - 1))] for i in range(LINES)]
    return {k: groups[k] for k in keys}


def _measure(
    groups: Mapping[str, Group], metric: str, label: str, factor: float, points: Sequence[Point]
) -> plots.Panel | None:
    lines = []
    for key, group in groups.items():
        found = [(x, e) for x, p in group if (e := estimated(p.get(metric))) is not None and e.value is not None]
        if found:
            low, high = (
                [None if end is None else factor * end for end in ends]
                for ends in ([e.low for _, e in found], [e.high for _, e in found])
            )
            y = [factor * (e.value or 0.0) for _, e in found]
            lines.append(plots.Line(key, [x for x, _ in found], y, low, high))
    bounds = {p.get("bound") for p in points} if metric == "ssim_q90" else set()
    return plots.Panel(label, lines, bound=bounds.pop() if len(bounds) == 1 else None) if lines else None


def _costs(points: Sequence[Point]) -> list[tuple[str, str, float]]:
    """(label, name in sweep.json, factor) of what attacks cost."""
    currency = next((p["attack_price"]["currency"] for p in points if p.get("attack_price")), "")
    return [
        ("strongest attack, CPU-hours", "attack_cpu_s", 1 / 3600),
        ("strongest attack, GPU-hours", "attack_gpu_s", 1 / 3600),
        (f"strongest attack, {currency or 'money'}", "attack_price", 1.0),
    ]


def _cost(groups: Mapping[str, Group], label: str, key: str, factor: float) -> plots.Panel | None:
    lines = []
    for setting, group in groups.items():
        raw = [(x, p.get(key)) for x, p in group]
        found = [(x, factor * (v["amount"] if isinstance(v, Mapping) else v)) for x, v in raw if v]
        found = [(x, v) for x, v in found if v > 0]
        if found:
            none = [None] * len(found)
            lines.append(plots.Line(setting, [x for x, _ in found], [v for _, v in found], none, none))
    return plots.Panel(label, lines, log=True) if lines else None

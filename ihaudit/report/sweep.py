"""sweep.html: every point of a grid, what decided there, and how attacks and games came out along it; no scripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ihaudit.report import plots, words
from ihaudit.report.cards import Chart
from ihaudit.report.curves import curve, estimated
from ihaudit.report.formats.html import environment
from ihaudit.stats import Estimate

#: Points up to which each has a line of its own in a chart.
MOST = 40


@dataclass(frozen=True)
class Row:
    """One point as it is printed."""

    values: list[str]
    gate: str
    decided: str
    attack: str
    reid: str
    game: str
    cost: str
    link: str


def page(sweep: Mapping[str, Any], folder: Path | None = None) -> str:
    """The page.

    Args:
        sweep: sweep.json, of `ihaudit.audit.sweep.summary`.
        folder: where it lies: a point is linked to the report that was written for it, else to its results.json.
    """
    points = sweep["points"]
    rows = [
        Row(
            values=list(p["point"].values()),
            gate=p["gate"],
            decided=p["decided"],
            attack=_best(p, "attack", "ssim_q90"),
            reid=_best(p, "reid_attack", "reid_above_chance", "pp"),
            game=_best(p, "game", "advantage"),
            cost=_cost(p),
            link=quote(_report(p["results"], folder)),
        )
        for p in points
    ]
    parameters = [(str(p["sentence"]), curve(sweep, p)) for p in sweep.get("parameters", ())]
    charts = [] if len(points) > MOST or any(c for _, c in parameters) else _charts(sweep)
    template = environment().get_template("sweep.html.j2")
    return template.render(
        sweep=sweep,
        names=list(points[0]["point"]),
        rows=rows,
        parameters=parameters,
        charts=charts,
    )


def _charts(sweep: Mapping[str, Any]) -> list[Chart]:
    """Every point on a line of its own, where nothing can be drawn against a parameter."""
    found = (
        _chart(sweep, "ssim_q90", "attack", "SSIM, 90 % quantile, strongest attack"),
        _chart(sweep, "advantage", "game", "advantage, strongest game (0 = guessing, 1 = certainty)"),
    )
    return [c for c in found if c is not None]


def _report(results: str, folder: Path | None) -> str:
    """The report beside these results: HTML where nothing is known of the folder."""
    here = results.removesuffix("results.json")
    if folder is None:
        return f"{here}report.html"
    return next(
        (f"{here}{n}" for n in ("report.html", "report.pdf", "summary.md") if (folder / here / n).exists()), results
    )


def _best(point: Mapping[str, Any], who: str, metric: str, unit: str = "") -> str:
    e = estimated(point.get(metric))
    return "none" if e is None else f"{point[who]}: {words.estimate(e, unit)}"


def _cost(point: Mapping[str, Any]) -> str:
    """What the strongest attack took, in CPU-hours, GPU-hours and money."""
    parts = [
        f"{words.number(point[key] / 3600)} {unit}"
        for key, unit in (("attack_cpu_s", "CPU-hours"), ("attack_gpu_s", "GPU-hours"))
        if point.get(key)
    ]
    if price := point.get("attack_price"):
        parts.append(f"{words.number(price['amount'])} {price['currency']}".strip())
    return ", ".join(parts) or "n/a"


def _chart(sweep: Mapping[str, Any], metric: str, who: str, label: str) -> Chart | None:
    """Estimates with intervals, one line for each point, in the order of the grid."""
    bars = []
    for p in sweep["points"]:
        e = estimated(p[metric])
        if e is not None and e.value is not None:
            name = ", ".join(f"{k} = {v}" for k, v in p["point"].items())
            bars.append((name, e.value, e.low, e.high, None))
    if not bars:
        return None
    spoken = "; ".join(f"{b[0]}: {words.estimate(Estimate(b[1], b[2], b[3]))}" for b in bars)
    caption = f"{label[:1].upper()}{label[1:]}, at each point with its 95 % interval."
    return Chart(plots.intervals(bars, label), caption, f"Chart of intervals. {spoken}.")

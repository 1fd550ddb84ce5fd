"""sweep.html: every point of a grid, what decided there, and how attacks and games came out along it; no scripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ihaudit.report import plots, words
from ihaudit.report.cards import Chart
from ihaudit.report.formats.html import environment
from ihaudit.stats import Estimate


@dataclass(frozen=True)
class Row:
    """One point as it is printed."""

    values: list[str]
    gate: str
    decided: str
    attack: str
    game: str
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
            game=_best(p, "game", "advantage"),
            link=quote(_report(p["results"], folder)),
        )
        for p in points
    ]
    charts = [
        c
        for c in (
            _chart(sweep, "ssim_q90", "attack", "SSIM, 90 % quantile, strongest attack"),
            _chart(sweep, "advantage", "game", "advantage, strongest game (0 = guessing, 1 = certainty)"),
        )
        if c is not None
    ]
    template = environment().get_template("sweep.html.j2")
    return template.render(sweep=sweep, names=list(points[0]["point"]), rows=rows, charts=charts)


def _report(results: str, folder: Path | None) -> str:
    """The report beside these results: HTML where nothing is known of the folder."""
    here = results.removesuffix("results.json")
    if folder is None:
        return f"{here}report.html"
    return next(
        (f"{here}{n}" for n in ("report.html", "report.pdf", "summary.md") if (folder / here / n).exists()), results
    )


def _estimate(value: Mapping[str, Any] | None) -> Estimate | None:
    return None if value is None else Estimate(value["value"], value["low"], value["high"], value["n"])


def _best(point: Mapping[str, Any], who: str, metric: str) -> str:
    e = _estimate(point[metric])
    return "none" if e is None else f"{point[who]}: {words.estimate(e)}"


def _chart(sweep: Mapping[str, Any], metric: str, who: str, label: str) -> Chart | None:
    """Estimates with intervals, one line for each point, in the order of the grid."""
    bars = []
    for p in sweep["points"]:
        e = _estimate(p[metric])
        if e is not None and e.value is not None:
            name = ", ".join(f"{k} = {v}" for k, v in p["point"].items())
            bars.append((name, e.value, e.low, e.high, None))
    if not bars:
        return None
    spoken = "; ".join(f"{b[0]}: {words.estimate(Estimate(b[1], b[2], b[3]))}" for b in bars)
    caption = f"{label[:1].upper()}{label[1:]}, at each point with its 95 % interval."
    return Chart(plots.intervals(bars, label), caption, f"Chart of intervals. {spoken}.")

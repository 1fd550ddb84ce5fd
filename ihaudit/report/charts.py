"""Charts over all attacks and all games: distributions of SSIM, cost against SSIM, advantages, ROC curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.format import Source
from ihaudit.report import details, plots, words
from ihaudit.report.cards import Chart
from ihaudit.report.details import Curve, Table
from ihaudit.report.selection import answered, ran, ssim_bound, strongest_attack, value
from ihaudit.results import Finding, Results
from ihaudit.stats import Estimate

#: Attacks drawn, the strongest first.
SHOWN = 6
#: False-positive rates at which the true-positive rate is stated.
FEW_ALARMS = (0.01, 0.001)


def bounds(results: Results) -> list[tuple[str, float]]:
    """The bounds on SSIM that are drawn: the gate's, and each different one of the author's claims."""
    gate = ssim_bound(results)
    found = [] if gate is None else [("gate", gate)]
    claimed = sorted({c.bound for c in results.claims if c.quantity == "ssim"})
    return found + [("claim", bound) for bound in claimed]


def distributions(source: Source) -> Chart | None:
    """SSIM of every private image under every attack that answered, one row each, and trivial guesses and bounds."""
    results, best = source.results, strongest_attack(source.results)
    rows: list[tuple[str, NDArray[Any]]] = []
    for f in ran(results, "attack"):
        scores = source.scores(f)
        if scores is not None and answered(f) and np.isfinite(scores).any():
            rows.append((f.id, scores[np.isfinite(scores)]))
    if not rows:
        return None
    rows.sort(key=lambda r: (best is not None and r[0] == best.id, float(np.quantile(r[1], 0.9))), reverse=True)
    rows = rows[:SHOWN]
    guesses = []
    for f in results.of_kind("baseline"):
        scores = source.scores(f)
        if scores is not None and np.isfinite(scores).any():
            guesses.append((f"guess: {f.title.lower()}", scores[np.isfinite(scores)]))
    decoys = None if best is None else source.array(best.id, "ssim_decoy")
    if decoys is not None and decoys.ndim == 1 and np.isfinite(decoys).any():
        guesses.append((f"{rows[0][0]} on images never encoded", decoys[np.isfinite(decoys)]))
    marks = bounds(results)
    uri = plots.strips(rows, guesses, marks)
    drawn = words.listing([f"{name} {words.scaled(b)}" for name, b in marks]) or "none"
    caption = (
        "SSIM of each private image: one dot an image, every one of them shown; the upright bar is the median, the "
        f"triangle the 90 % quantile. Grey: trivial guesses. Bounds drawn: {drawn}."
    )
    spoken = "; ".join(f"{name}: {_spread(s)}" for name, s in [*rows, *guesses])
    return Chart(uri, caption, f"Strip chart. {spoken}. Bounds: {drawn}.")


def _spread(scores: NDArray[Any]) -> str:
    """Median, 90 % quantile and ends, in words."""
    at = {q: words.scaled(float(np.quantile(scores, q))) for q in (0.0, 0.5, 0.9, 1.0)}
    return f"median {at[0.5]}, 90 % quantile {at[0.9]}, from {at[0.0]} to {at[1.0]}"


def cost_against_ssim(results: Results) -> Chart | None:
    """What each attack cost beside what it reached; None for fewer than two."""
    points = []
    for f in ran(results, "attack"):
        seconds, reached = f.cost.cpu_s or f.cost.wall_s, value(f, "ssim_q90")
        if reached is not None and seconds > 0 and answered(f):
            points.append((f.id, seconds, reached))
    points = sorted(points, key=lambda p: -p[2])[:SHOWN]
    if len(points) < 2:
        return None
    spoken = "; ".join(f"{n}: {words.duration(s)}, {words.scaled(q)}" for n, s, q in points)
    caption = "What each attack cost and reached: CPU seconds against the 90 % quantile of SSIM."
    return Chart(plots.scatter(points, bounds(results)), caption, f"Scatter chart. {spoken}.")


def of_games(found: Sequence[Finding]) -> list[Chart]:
    """Advantages with intervals, and ROC curves."""
    charts = []
    bars = []
    for f in found:
        e, floor = f.metrics.get("advantage"), details.floor(f)
        if e is not None and e.value is not None:
            least = floor.value if floor and floor.value is not None and floor.value > 0 else None
            bars.append((f.id, e.value, e.low, e.high, least))
    if len(bars) > 1:
        spoken = "; ".join(f"{b[0]}: {words.estimate(Estimate(b[1], b[2], b[3]))}" for b in bars)
        floors = " A red triangle is the floor that the theorem predicts." if any(b[4] for b in bars) else ""
        caption = f"Advantage in each game with its 95 % interval.{floors}"
        label = "advantage (0 = guessing, 1 = certainty)"
        charts.append(Chart(plots.intervals(bars, label), caption, f"Chart of intervals. {spoken}."))
    curves = rocs(found)[: len(plots.LINES)]
    if curves:
        caption = "ROC curves on logarithmic axes; the upright lines are false-positive rates of 1 % and 0.1 %."
        names = words.listing([c.name for c in curves])
        charts.append(Chart(plots.roc(curves, FEW_ALARMS), caption, f"ROC curves of: {names}."))
    return charts


def rocs(found: Sequence[Finding]) -> list[Curve]:
    """The ROC curve of every game that has one, by the game's id."""
    shown = []
    for f in found:
        if (c := details.roc(f)) is not None:
            shown.append(Curve(f.id, c.x, c.y, "", "", True))
    return shown


def at_few_alarms(found: Sequence[Finding]) -> Table | None:
    """True-positive rates at few false alarms; a rate that so few trials cannot show says so."""
    rows = []
    for c in rocs(found):
        x, y = np.asarray(c.x, float), np.asarray(c.y, float)
        keep = np.isfinite(x) & np.isfinite(y)
        x, y = x[keep], y[keep]
        least = float(x[x > 0].min()) if (x > 0).any() else 1.0
        cells = []
        for level in FEW_ALARMS:
            caught = words.scaled(float(y[x <= level + 1e-12].max(initial=0.0)), "%")
            # Below its smallest rate a curve knows only what is caught at no false alarm at all.
            seen = least <= level + 1e-12 or float(y[x <= 0].max(initial=0.0)) > 0
            note = "" if least <= level + 1e-12 else " (at no false alarm)"
            cells.append(f"{caught}{note}" if seen else "cannot be told")
        rows.append([c.name, *cells, words.scaled(least, "%")])
    if not rows:
        return None
    columns = ["game", "caught at 1 % false alarms", "at 0.1 %", "smallest rate that its trials can show"]
    return Table("True-positive rate at few false alarms", columns, rows, [False, True, True, True])

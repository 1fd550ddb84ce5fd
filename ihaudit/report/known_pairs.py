"""What known records buy: SSIM against their number, from none (encodings alone) to all that the audit had."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ihaudit.report import plots, words
from ihaudit.report.cards import Chart
from ihaudit.report.details import KNOWN_PAIRS, Curve, Table, curves
from ihaudit.report.selection import answered, best_baseline, ran, value
from ihaudit.results import Finding, Results

#: Numbers that the table shows, where they were measured.
SHOWN = (1, 3, 10, 30, 100, 300, 1000)


@dataclass(frozen=True)
class Bought:
    """The curve of every attack that drew one, with the point of encodings alone, as chart, table and sentence."""

    chart: Chart
    table: Table
    sentence: str


def bought(results: Results) -> Bought | None:
    """None where no attack learned anything from known pairs."""
    found = [(f, c) for f in ran(results, "attack") for c in curves(f) if c.xlabel == KNOWN_PAIRS]
    if not found:
        return None
    alone, who = _alone(results)
    best, curve = max(found, key=lambda fc: _top(fc[1]))
    shown = [Curve(f.id, c.x, c.y, KNOWN_PAIRS, "mean SSIM", True) for f, c in found]
    text = "; ".join(f"{c.name}: {_points(c)}" for c in shown)
    chart = Chart(
        plots.pairs(shown, alone, who),
        "Mean SSIM against the number of known records: at 0 what encodings alone give, then on pairs held out.",
        f"Line chart. 0 known pairs: {words.number(alone)} ({who}). {text}.",
    )
    sizes = [n for n in SHOWN if any(n in c.x for c in shown)]
    rows = [[c.name, words.number(alone), *(_at(c, n) for n in sizes)] for c in shown]
    columns = ["attack", "0 (encodings alone)", *(words.number(n) for n in sizes)]
    table = Table("Mean SSIM by known pairs", columns, rows, [False] + [True] * (len(sizes) + 1))
    return Bought(chart, table, _sentence(best, curve, alone, who))


def _alone(results: Results) -> tuple[float, str]:
    """Mean SSIM without any known record, and by what: the best attack that looked at none, else a trivial guess."""
    plain = [f for f in ran(results, "attack") if answered(f) and not {"pairs", "candidates"} & set(words.used(f))]
    scored = [(v, f.id) for f in plain if (v := value(f, "ssim")) is not None]
    base = best_baseline(results)
    if base is not None and (v := value(base, "ssim")) is not None:
        scored.append((v, f"a trivial guess ({base.title.lower()})"))
    return max(scored, default=(0.0, "nothing"))


def _top(c: Curve) -> float:
    return max((v for v in c.y if math.isfinite(v)), default=0.0)


def _points(c: Curve) -> str:
    return ", ".join(f"{words.number(x)} {words.number(y)}" for x, y in zip(map(int, c.x), c.y, strict=True))


def _at(c: Curve, n: int) -> str:
    return words.number(c.y[c.x.index(n)]) if n in c.x else "–"


def _sentence(best: Finding, c: Curve, alone: float, who: str) -> str:
    top = _top(c)
    enough = next(int(x) for x, y in zip(c.x, c.y, strict=True) if y >= 0.95 * top)
    reached = words.number(c.y[c.x.index(enough)])
    count = words.plural(enough, "known image")
    if enough == max(c.x):  # it was still rising: nothing is "enough"
        buys = f"{count}, the most that were tried, {'gives' if enough == 1 else 'give'} {reached}"
    else:
        buys = f"{count} {'is' if enough == 1 else 'are'} enough for {reached}"
    return (
        "How many records of the release an adversary knows is a security parameter of every keyed scheme. With none, "
        f"{who} reaches a mean SSIM of {words.number(alone)}; {buys} by {best.id}, on pairs that were held out."
    )

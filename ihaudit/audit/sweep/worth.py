"""What a parameter buys the defender: how each measure differs between its two ends, in words.

Points are compared only with those that agree in every other parameter.  A measure is said to fall where the interval
at the last value lies wholly below that at the first, for every such group; to rise, the reverse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from ihaudit.audit.sweep.table import Row
from ihaudit.figures import number, scaled
from ihaudit.stats import Estimate

#: Measure, what it is called, its unit.
NAMED = (
    ("ssim_q90", "the strongest attack’s SSIM (90 % quantile)", ""),
    ("reid_above_chance", "re-identification above chance", "pp"),
    ("advantage", "the strongest game’s advantage", ""),
)
#: A cost that differs by less than this factor is called about the same.
ALIKE = 1.5


@dataclass(frozen=True)
class Effect:
    """How one measure differs between the ends of a parameter.

    Attributes:
        metric: of `NAMED`.
        word: ``falls``, ``rises``, ``falls at some`` settings of the other parameters and rises at none, ``rises at
            some`` and falls at none, ``differs`` (both), or ``no difference shown``.
        text: with figures.
        steady: nothing in between goes the other way.
    """

    metric: str
    word: str
    text: str
    steady: bool = True


@dataclass(frozen=True)
class Worth:
    """What one parameter buys.

    Attributes:
        name: of the parameter.
        values: as text, in order: by size where all are numbers, else as the grid names them.
        effects: of the measures that were taken at both ends.
        sentence: all of it in words.
    """

    name: str
    values: tuple[str, ...]
    effects: tuple[Effect, ...]
    sentence: str


def worth(rows: Sequence[Row]) -> list[Worth]:
    """Every parameter that has two values at least, in the order of the grid."""
    found = []
    for name, _ in rows[0].point.values:
        values = ordered(dict.fromkeys(dict(r.point.values)[name] for r in rows))
        if len(values) > 1:
            found.append(_worth(name, values, rows))
    return found


def ordered(values: Mapping[str, object]) -> tuple[str, ...]:
    """Values by size where all are numbers, else as they come."""
    try:
        return tuple(sorted(values, key=float))
    except ValueError:
        return tuple(values)


def _worth(name: str, values: tuple[str, ...], rows: Sequence[Row]) -> Worth:
    groups: dict[tuple[tuple[str, str], ...], dict[str, Row]] = {}
    for row in rows:
        others = tuple(v for v in row.point.values if v[0] != name)
        groups.setdefault(others, {})[dict(row.point.values)[name]] = row
    lines = [[g[v] for v in values if v in g] for g in groups.values()]
    lines = [line for line in lines if len(line) > 1]
    effects = tuple(e for m in NAMED if (e := _effect(name, lines, *m)) is not None)
    steady = all(e.steady for e in effects)
    verdict = _verdict(name, {e.word for e in effects}, numbers=_numbers(values), steady=steady)
    parts = [e.text for e in effects] + _bound(name, rows) + _cost(name, lines) + _unmeasured(name, values, rows)
    return Worth(name, values, effects, f"{verdict}: {'; '.join(parts)}." if parts else f"{verdict}.")


def _verdict(name: str, words: set[str], *, numbers: bool, steady: bool) -> str:
    """What the effects come to, in half a sentence; words are no scale, so that nothing lies in between."""
    if not words:
        return f"Nothing that was measured says whether {name} buys anything"
    if numbers and not steady:
        return f"What {name} does is not the same throughout"
    if words == {"no difference shown"}:
        return f"It was not shown that {name} buys anything"
    down, up = words & {"falls", "falls at some"}, words & {"rises", "rises at some"}
    if "differs" in words or (down and up):
        return f"What {name} does is not the same throughout"
    if not numbers:
        return f"{name} matters"
    some = "" if "falls" in down or "rises" in up else ", in some settings of the rest only"
    said = "buys something against what was tried" if down else "helps the attacker"
    return f"A larger {name} {said}{some}"


def _numbers(values: Sequence[str]) -> bool:
    try:
        return bool([float(v) for v in values])
    except ValueError:
        return False


def _effect(name: str, lines: Sequence[Sequence[Row]], metric: str, called: str, unit: str) -> Effect | None:
    """The effect on one measure; None where no group has it at two values."""
    ends: list[tuple[Row, Row]] = []
    between: list[str] = []
    for line in lines:
        having = [r for r in line if metric in r.best]
        if len(having) < 2:
            continue
        ends.append((having[0], having[-1]))
        between += _between(having, metric, unit)
    if not ends:
        return None
    ways = [_way(a.best[metric][1], b.best[metric][1]) for a, b in ends]
    falls, rises = ways.count("falls"), ways.count("rises")
    figures = _figure(ends[0], metric, unit, name)
    if falls and rises:
        word, said = "differs", f"falls in {falls} and rises in {rises} of {len(ends)} settings of the rest"
    elif len(ends) in (falls, rises):
        word = said = ways[0]
        figures += f", and likewise in all {len(ends)} settings of the rest" if len(ends) > 1 else ""
    elif falls or rises:
        word = "falls at some" if falls else "rises at some"
        said = f"{word.split()[0]} in {falls or rises} of {len(ends)} settings of the rest"
    else:
        word, said = ways[0], "does not differ by more than its intervals"
        figures += f", and likewise in all {len(ends)} settings of the rest" if len(ends) > 1 else ""
    text = f"{called} {said} ({figures})"
    if between and _numbers([dict(r.point.values)[name] for pair in ends for r in pair]):
        more = f" (and in {len(between) - 1} other settings of the rest)" if len(between) > 1 else ""
        return Effect(metric, word, f"{text}, but {between[0]}{more}", steady=False)
    return Effect(metric, word, text)


def _between(line: Sequence[Row], metric: str, unit: str) -> list[str]:
    """What goes the other way than the ends of a line do, in half a sentence; nothing where all go one way."""
    at = [r.best[metric][1] for r in line]
    inner = range(1, len(line) - 1)
    highest = [i for i in inner if _below(at[0], at[i]) and _below(at[-1], at[i])]
    lowest = [i for i in inner if _below(at[i], at[0]) and _below(at[i], at[-1])]
    for which, word, best in ((highest, "highest", max), (lowest, "lowest", min)):
        if which:
            i = best(which, key=lambda i: at[i].value or 0.0)
            return [f"is {word} in between, {scaled(at[i].value, unit)} at {line[i].point.name}"]
    pairs = [(i, j) for i in range(len(line)) for j in range(i + 1, len(line))]
    rises, falls = ([p for p in pairs if _way(at[p[0]], at[p[1]]) == word] for word in ("rises", "falls"))
    contrary = {"falls": rises, "rises": falls}.get(_way(at[0], at[-1]), rises if rises and falls else [])
    if not contrary:
        return []
    i, j = max(contrary, key=lambda p: abs((at[p[1]].value or 0.0) - (at[p[0]].value or 0.0)))
    word = _way(at[i], at[j])
    figures = " to ".join(f"{scaled(at[k].value, unit)} at {line[k].point.name}" for k in (i, j))
    return [f"{word} in between, from {figures}"]


def _figure(ends: tuple[Row, Row], metric: str, unit: str, name: str) -> str:
    first, last = ends
    return " and ".join(
        f"{scaled(r.best[metric][1].value, unit)} at {name} = {dict(r.point.values)[name]}" for r in (first, last)
    )


def _way(first: Estimate, last: Estimate) -> str:
    if _below(last, first):
        return "falls"
    return "rises" if _below(first, last) else "no difference shown"


def _below(a: Estimate, b: Estimate) -> bool:
    return a.high is not None and b.low is not None and a.high < b.low


def _bound(name: str, rows: Sequence[Row]) -> list[str]:
    """Where SSIM lies beyond the bound of the gate."""
    judged = [r for r in rows if r.bound is not None and "ssim_q90" in r.best]
    if not judged:
        return []
    beyond = [r for r in judged if (r.best["ssim_q90"][1].value or 0.0) > (r.bound or 0.0)]
    bound = scaled(judged[0].bound)
    every = "every point" if len(judged) == len(rows) else "every point that has a figure"
    if len(beyond) == len(judged):
        return [f"SSIM lies above the bound of {bound} at {every}"]
    if not beyond:
        return [f"SSIM lies within the bound of {bound} at {every}"]
    met = ordered(dict.fromkeys(dict(r.point.values)[name] for r in judged if r not in beyond))
    still = {dict(r.point.values)[name] for r in beyond}
    always = [v for v in met if v not in still]
    where = f"at {name} = {', '.join(always)}" if always else f"at some points of {name} = {', '.join(met)} only"
    return [f"SSIM lies within the bound of {bound} {where}"]


def _unmeasured(name: str, values: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """Values at which no attack and no game came to a figure: nothing above speaks of them."""
    measured = {dict(r.point.values)[name] for r in rows if r.best}
    silent = [v for v in values if v not in measured and any(dict(r.point.values)[name] == v for r in rows)]
    if not silent:
        return []
    if not measured:
        return ["no attack and no game came to a figure at any value"]
    named = ", ".join(silent) if len(silent) <= 4 else f"{silent[0]}, {silent[1]}, ..., {silent[-1]} ({len(silent)})"
    return [f"nothing that ran came to a figure at {name} = {named}, of which nothing is said here"]


def _cost(name: str, lines: Sequence[Sequence[Row]]) -> list[str]:
    """What the attack costs at both ends, in CPU-hours (and GPU-hours), and in money where a price was stated."""
    spent = [[r for r in line if r.cpu_s] for line in lines]
    ends = [(line[0], line[-1]) for line in spent if len(line) > 1]
    if not ends:
        return []
    ratio = median((b.cpu_s or 0.0) / (a.cpu_s or 1.0) for a, b in ends)
    if 1 / ALIKE < ratio < ALIKE:
        change = "about as much"
    else:
        change = f"{number(ratio, 1)} times as much" if ratio >= 1 else f"{number(1 / ratio, 1)} times less"
    first, last = ends[0]
    text = f"the attack takes {_spent(first)} at {name} = {dict(first.point.values)[name]} and {_spent(last)} at "
    return [f"{text}{dict(last.point.values)[name]} ({change})"]


def _spent(row: Row) -> str:
    parts = [f"{number((row.cpu_s or 0.0) / 3600)} CPU-hours"]
    if row.gpu_s:
        parts.append(f"{number(row.gpu_s / 3600)} GPU-hours")
    if row.price:
        parts.append(f"{number(row.price[0])} {row.price[1]}".strip())
    return ", ".join(parts)


def entries(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """What sweep.json says of the parameters."""
    return [
        {
            "name": w.name,
            "values": list(w.values),
            "effects": {e.metric: e.word for e in w.effects},
            "sentence": w.sentence,
        }
        for w in worth(rows)
    ]

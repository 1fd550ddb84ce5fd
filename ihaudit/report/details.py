"""Reads the free-form ``details`` of findings into tables, curves and notes; whatever is malformed is left out.

Conventions (all optional):
    table: {"columns": [..], "rows": [[..], ..]};  tables: {title: table}
    notes, flags: [sentence, ..]
    curves: {name: {"x": [..], "y": [..], "xlabel", "ylabel", "log": bool}};  roc: {"fpr": [..], "tpr": [..]}
    floor: {"value", "formula", "note"};  epsilon: {"lower": {"value", "low", "high", "n"}, "delta", "ceiling", "kind"}
    essay: {question key: sentence}, see `ihaudit.report.sections.limits`
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ihaudit.report import words
from ihaudit.results import Finding
from ihaudit.stats import Estimate

#: The x axis of curves of SSIM by known pairs, which stand together (`ihaudit.report.known_pairs`).
KNOWN_PAIRS = "known pairs"
#: How tables of what was scanned for one generator begin.
SCANNED = "Scanned:"
_BRACKETS = re.compile(r"\s*\([^()]*\)")
#: Rows of one table that are printed; the rest is counted and left to results.json.
MAX_ROWS = 24


@dataclass(frozen=True)
class Table:
    """A small table for the report; `numeric` marks the columns to align right, `left_off` counts rows not shown."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    numeric: list[bool]
    left_off: int = 0


@dataclass(frozen=True)
class Curve:
    """One named curve."""

    name: str
    x: list[float]
    y: list[float]
    xlabel: str
    ylabel: str
    log: bool


def cell(value: Any) -> str:
    """One table cell as text."""
    if value is None:
        return "n/a"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return words.number(value)
    if isinstance(value, dict) and "value" in value:
        return words.estimate(as_estimate(value))
    if isinstance(value, dict):
        return ", ".join(f"{k} {cell(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(cell(v) for v in value)
    return str(value)


def as_estimate(value: Any) -> Estimate | None:
    """An `Estimate` from a number or a dict with value, low, high and n; None where it is neither."""
    if isinstance(value, Estimate):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Estimate(float(value))
    if not isinstance(value, dict):
        return None
    try:
        return Estimate(value.get("value"), value.get("low"), value.get("high"), value.get("n") or 0)
    except (TypeError, ValueError):
        return None


def as_table(title: str, value: Any) -> Table | None:
    """A `Table` from ``{"columns", "rows"}``, or None where it has not that shape."""
    if not isinstance(value, dict):
        return None
    columns, rows = value.get("columns"), value.get("rows")
    if not isinstance(columns, list) or not isinstance(rows, list) or not columns or not rows:
        return None
    if not all(isinstance(r, (list, tuple)) for r in rows):
        return None
    width = len(columns)
    cells = [[cell(v) for v in list(r)[:width]] + [""] * (width - len(r)) for r in rows[:MAX_ROWS]]
    numeric = [
        all(len(r) <= i or r[i] is None or isinstance(r[i], (int, float, dict)) for r in rows) for i in range(width)
    ]
    return Table(title, [str(c) for c in columns], cells, numeric, max(0, len(rows) - MAX_ROWS))


def tables(finding: Finding) -> list[Table]:
    """All tables of a finding; what was scanned for generators is one table with a row for each of them."""
    found = [as_table("", finding.details.get("table"))]
    more = finding.details.get("tables")
    if isinstance(more, dict):
        scanned = {str(title): value for title, value in more.items() if str(title).startswith(SCANNED)}
        found += [as_table(str(title), value) for title, value in more.items() if str(title) not in scanned]
        found.append(_scans(scanned))
    return [t for t in found if t is not None]


def _scans(scanned: dict[str, Any]) -> Table | None:
    """Generators that were scanned: how many conventions of drawing, over which ranges, and what came out."""
    rows: list[list[str]] = []
    for title, value in scanned.items():
        parts = value.get("rows") if isinstance(value, dict) else None
        lines = [r for r in parts if isinstance(r, (list, tuple)) and len(r) >= 3] if isinstance(parts, list) else []
        if lines:
            ranges, outcomes = (_distinct([cell(r[i]) for r in lines]) for i in (1, 2))
            kinds = words.plural(len(lines), "way", "ways")
            rows.append([title.removeprefix(SCANNED).strip(), kinds, ranges, outcomes])
    columns = ["generator", "of drawing masks", "over", "came out"]
    return Table("Scanned for generators; every way is in results.json", columns, rows, [False] * 4) if rows else None


def _distinct(texts: list[str]) -> str:
    """What several cells say, each once and without what stands in brackets."""
    parts = [_BRACKETS.sub("", part).strip() for text in texts for part in text.split(";")]
    found = [p for p in dict.fromkeys(parts) if p]
    return "; ".join(found[:3]) + ("; …" if len(found) > 3 else "")


def _floats(value: Any) -> list[float] | None:
    if not isinstance(value, (list, tuple)):
        return None
    try:
        return [float("nan") if v is None else float(v) for v in value]
    except (TypeError, ValueError):
        return None


def as_curve(name: str, value: Any) -> Curve | None:
    """A `Curve`, or None where the value is not one."""
    if not isinstance(value, dict):
        return None
    x, y = _floats(value.get("x")), _floats(value.get("y"))
    if not x or not y or len(x) != len(y):
        return None
    return Curve(name, x, y, str(value.get("xlabel", "")), str(value.get("ylabel", "")), bool(value.get("log")))


def curves(finding: Finding) -> list[Curve]:
    """All curves of a finding but its ROC."""
    value = finding.details.get("curves")
    found = [as_curve(str(k), v) for k, v in value.items()] if isinstance(value, dict) else []
    return [c for c in found if c is not None]


def roc(finding: Finding) -> Curve | None:
    """The ROC curve of a finding, or None."""
    value = finding.details.get("roc")
    if not isinstance(value, dict):
        return None
    return as_curve(finding.title, {"x": value.get("fpr"), "y": value.get("tpr")})


def sentences(finding: Finding, key: str) -> list[str]:
    """A list of sentences in ``details[key]`` (a single string counts as one)."""
    value = finding.details.get(key)
    if isinstance(value, str):
        return [words.sentence(value)]
    return [words.sentence(str(v)) for v in value if v] if isinstance(value, (list, tuple)) else []


@dataclass(frozen=True)
class Floor:
    """The advantage that a theorem guarantees to an adversary, from the measured accuracy."""

    value: float | None
    formula: str
    note: str


def floor(finding: Finding) -> Floor | None:
    """The theorem's floor of a game, or None."""
    value = finding.details.get("floor")
    if not isinstance(value, dict):
        return None
    estimate = as_estimate(value.get("value"))
    note = str(value.get("note") or "the constant is as derived from the proof, not as printed in the paper")
    return Floor(estimate.value if estimate else None, str(value.get("formula") or ""), words.sentence(note))


@dataclass(frozen=True)
class Epsilon:
    """A lower bound on epsilon with the largest value that this many trials could have shown."""

    lower: Estimate
    delta: float | None
    ceiling: float | None
    kind: str

    @property
    def shown(self) -> float | None:
        """The lower end of what was measured."""
        return self.lower.low if self.lower.low is not None else self.lower.value

    @property
    def at_ceiling(self) -> bool:
        """Whether more trials would have shown a larger bound."""
        return self.shown is not None and self.ceiling is not None and self.shown >= 0.95 * self.ceiling

    @property
    def text(self) -> str:
        """Never "epsilon = ...": only what was shown, and how far it could have been shown."""
        if self.shown is None:
            return "nothing shown"
        text = f"≥ {words.number(max(self.shown, 0.0), 2)}"
        if self.at_ceiling:
            return f"{text} (at the ceiling)"
        return text if self.ceiling is None else f"{text} (at most {words.number(self.ceiling, 2)} could be shown)"


def epsilon(finding: Finding) -> Epsilon | None:
    """The epsilon bound of a game, or None."""
    value = finding.details.get("epsilon")
    if not isinstance(value, dict):
        return None
    lower = as_estimate(value.get("lower"))
    if lower is None:
        return None
    delta, ceiling = as_estimate(value.get("delta")), as_estimate(value.get("ceiling"))
    return Epsilon(
        lower, delta.value if delta else None, ceiling.value if ceiling else None, str(value.get("kind") or "")
    )

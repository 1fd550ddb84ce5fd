"""The card that every finding has: its sentence, metrics, stages, tables, charts and notes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from ihaudit.report import details, plots, words
from ihaudit.results import Finding, StageRecord


@dataclass(frozen=True)
class MetricRow:
    """One metric as printed."""

    label: str
    value: str
    interval: str
    n: str
    hint: str
    primary: bool


@dataclass(frozen=True)
class Chart:
    """A chart with its caption; the alternative text says what it shows."""

    uri: str
    caption: str
    alt: str


@dataclass(frozen=True)
class StageRow:
    """One stage of an attack: what it measured itself, and what the truth says it got right."""

    name: str
    variant: str
    seconds: str
    quality: str
    diagnostics: str


@dataclass(frozen=True)
class Card:
    """A finding ready for the template."""

    finding: Finding
    sentence: str
    metrics: list[MetricRow]
    stages: list[StageRow]
    lost: str
    tables: list[details.Table]
    charts: list[Chart]
    notes: list[str]
    floor: details.Floor | None
    epsilon: details.Epsilon | None
    cost: str
    needs: list[str]
    used: list[str]


def metric_rows(finding: Finding) -> list[MetricRow]:
    """All metrics of a finding, first the one that decides: the pre-declared one, or that by which it broke."""
    first = words.primary(finding) if finding.primary in finding.metrics else None
    decides = first[0] if first is not None else None
    names = sorted(finding.metrics, key=lambda n: n != decides)
    rows = []
    for name in names:
        e, m = finding.metrics[name], words.metric(name)
        rows.append(
            MetricRow(
                m.label,
                words.scaled(e.value, m.unit),
                words.interval(e, m.unit),
                words.number(e.n) if e.n else "",
                m.hint,
                name == decides,
            )
        )
    return rows


def cost_text(finding: Finding) -> str:
    """Wall, CPU and GPU time and memory of a finding."""
    c = finding.cost
    if not (c.wall_s or c.cpu_s or c.gpu_s):
        return ""
    parts = [f"{words.duration(c.wall_s)} on the clock"]
    if c.cpu_s:
        parts.append(f"{words.duration(c.cpu_s)} CPU")
    if c.gpu_s:
        parts.append(f"{words.duration(c.gpu_s)} GPU")
    if c.peak_mb:
        parts.append(f"{words.number(round(c.peak_mb))} MB at most")
    return ", ".join(parts)


def _figures(values: dict[str, Any]) -> str:
    shown = []
    for name, value in values.items():
        if isinstance(value, (list, tuple, dict)) and len(value) > 6:
            continue
        shown.append(f"{name.replace('_', ' ')} {details.cell(value)}")
    return "; ".join(shown[:10])


def _stage_row(stage: StageRecord) -> StageRow:
    quality = {k: v for k, v in stage.quality.items() if v is not None}
    return StageRow(
        stage.name, stage.variant, words.duration(stage.seconds), _figures(quality), _figures(stage.diagnostics)
    )


def _stages(stages: list[StageRecord]) -> list[StageRow]:
    """One row each.  The truth judges the end alone: of a stage that ran several times only the last is judged."""
    last = {s.name: i for i, s in enumerate(stages)}
    rows = []
    for i, s in enumerate(stages):
        judged = i == last[s.name]
        row = _stage_row(s)
        rows.append(row if judged or not row.quality else replace(row, quality="judged at its last run"))
    return rows


def where_lost(finding: Finding) -> str:
    """The stage that the truth says got the least right, in words; empty where the truth says nothing."""
    shares = [
        (value, stage, name)
        for stage in finding.stages
        for name, value in stage.quality.items()
        # single pairs need not be told apart for what is gathered from many of them to be right
        if value is not None and 0 <= value <= 1 and not name.endswith("error") and stage.name != "similarity"
    ]
    if not shares:
        return ""
    value, stage, name = min(shares, key=lambda t: t[0])
    text = f"{name.replace('_', ' ')} {words.number(value, 2)}"
    if value > 0.95:
        return f"No judged stage lost much; the lowest figure is that of “{stage.name}” ({text})."
    return f"Of the stages that can be judged, most was lost in “{stage.name}” ({text}; 1 would be without loss)."


def _charts(finding: Finding) -> list[Chart]:
    charts = []
    curves = [c for c in details.curves(finding) if c.xlabel != details.KNOWN_PAIRS]
    curves.sort(key=lambda c: (c.xlabel, c.ylabel, c.log))
    for _, group in groupby(curves, key=lambda c: (c.xlabel, c.ylabel, c.log)):
        part = list(group)[:6]
        names = words.listing([c.name for c in part])
        caption = f"{finding.title}: {part[0].ylabel or names} against {part[0].xlabel or 'x'}"
        charts.append(Chart(plots.lines(part), caption, f"Line chart. {caption}. Curves: {names}."))
    return charts


def card(finding: Finding) -> Card:
    """The card of one finding."""
    return Card(
        finding,
        words.sentence(finding.sentence),
        metric_rows(finding),
        _stages(finding.stages),
        where_lost(finding),
        details.tables(finding),
        _charts(finding),
        _notes(finding),
        details.floor(finding),
        details.epsilon(finding),
        cost_text(finding),
        [words.KNOWLEDGE[k][0].lower() for k in finding.needs if k in words.KNOWLEDGE],
        [words.KNOWLEDGE[k][0].lower() for k in words.used(finding)] if finding.details.get("used") else [],
    )


def _notes(finding: Finding) -> list[str]:
    """Notes of a finding; an attack's own words come first where the verdict's sentence replaced them."""
    saw = finding.details.get("saw")
    own = (
        [f"By the attack’s own estimate, which no truth has corrected: {words.sentence(saw)}"]
        if isinstance(saw, str) and saw and saw != finding.sentence
        else []
    )
    return own + details.sentences(finding, "notes")

"""Which sections a report has, and their numbers."""

from __future__ import annotations

from dataclasses import dataclass

from ihaudit import registry
from ihaudit.contracts.section import ReportKind, Section
from ihaudit.results import Results


@dataclass(frozen=True)
class Entry:
    """A section in its place."""

    id: str
    title: str
    number: int
    section: Section


def report_kind(results: Results) -> ReportKind:
    """Whether results came from `ihaudit challenge` or are an audit's."""
    return "challenge" if results.options.get("kind") == "challenge" else "audit"


def contents(results: Results) -> list[Entry]:
    """The sections of the report on `results`, in order."""
    kind = report_kind(results)
    found: list[Section] = [s for s in registry.load("section").values() if kind in s.reports]
    return [Entry(s.id, s.title, i, s) for i, s in enumerate(found, 1)]


def place(results: Results, *ids: str) -> str:
    """``section 8``: the first of `ids` that this report has; empty where it has none of them."""
    numbers = {e.id: e.number for e in contents(results)}
    return next((f"section {numbers[i]}" for i in ids if i in numbers), "")

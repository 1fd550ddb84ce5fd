"""Which sections a report has, and their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_uppercase

from ihaudit import registry
from ihaudit.contracts.section import ReportKind, Section
from ihaudit.results import Results


@dataclass(frozen=True)
class Entry:
    """A section in its place: `label` is a number in the reviewer's part, a letter among the annexes."""

    id: str
    title: str
    label: str
    section: Section


def report_kind(results: Results) -> ReportKind:
    """Whether results came from `ihaudit challenge` or are an audit's."""
    return "challenge" if results.options.get("kind") == "challenge" else "audit"


def contents(results: Results) -> list[Entry]:
    """The sections of the report on `results`, in order: the reviewer's part, then the annexes."""
    kind = report_kind(results)
    found: list[Section] = [s for s in registry.load("section").values() if kind in s.reports]
    part = [Entry(s.id, s.title, str(i), s) for i, s in enumerate((s for s in found if not s.annex), 1)]
    annex = [Entry(s.id, s.title, letter, s) for letter, s in zip(_letters(), (s for s in found if s.annex))]
    return part + annex


def _letters() -> list[str]:
    """A, B, ..., Z, AA, AB, ..."""
    return [*ascii_uppercase, *(a + b for a in ascii_uppercase for b in ascii_uppercase)]


def place(results: Results, *ids: str) -> str:
    """``section 8`` or ``annex B``: the first of `ids` that this report has; empty where it has none of them."""
    found = {e.id: f"{'annex' if e.section.annex else 'section'} {e.label}" for e in contents(results)}
    return next((found[i] for i in ids if i in found), "")

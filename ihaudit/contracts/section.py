"""A section of the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ihaudit.contracts.format import Source
from ihaudit.registry import register

Build = Callable[[Source], Mapping[str, Any]]
#: What is reported on: the audit of a scheme, or the attack on a release that came without one.
ReportKind = Literal["audit", "challenge"]


@dataclass(frozen=True)
class Section:
    """A section; sections are numbered, and annexes lettered, in the order in which they are printed.

    Attributes:
        id: its anchor.
        title: its heading.
        build: the names that the template shows, from results.json and arrays.npz alone.  The template sees
            ``results``, ``samples``, ``section`` (for ``{{ m.heading(section) }}``), the macros ``m``, the words
            ``words`` and ``place(id)`` ("section 8") besides.
        template: a file of templates/sections (ends in ``.j2``), or the text of a Jinja template.
        order: sections are printed by it, then by id.
        reports: the kinds of report that it stands in.
        annex: whether it is evidence for who asks, after the reviewer's part: lettered, and folded in HTML.
    """

    id: str
    title: str
    build: Build
    template: str
    order: int = 100
    reports: tuple[ReportKind, ...] = ("audit",)
    annex: bool = False


def section(
    id_: str,
    title: str,
    *,
    template: str = "",
    order: int = 100,
    reports: tuple[ReportKind, ...] = ("audit",),
    annex: bool = False,
) -> Callable[[Build], Build]:
    """Register a function as the builder of the section `id_`; the function itself is left as it is.

    Its template is ``templates/sections/<id>.html.j2`` where none is given.
    """

    def add(build: Build) -> Build:
        register("section", id_)(Section(id_, title, build, template or f"{id_}.html.j2", order, reports, annex))
        return build

    return add

"""A section of the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ihaudit.contracts.format import Source
from ihaudit.registry import register

Build = Callable[[Source], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Section:
    """A section; sections are numbered in the order in which they are printed.

    Attributes:
        id: its anchor.
        title: its heading.
        build: the names that the template shows, from results.json and arrays.npz alone; None leaves the section out.
        template: a file of templates/sections (ends in ``.j2``), or the text of a Jinja template.
        order: sections are printed by it, then by id.
    """

    id: str
    title: str
    build: Build
    template: str
    order: int = 100


def section(id_: str, title: str, *, template: str, order: int = 100) -> Callable[[Build], Build]:
    """Register a function as the builder of the section `id_`; the function itself is left as it is."""

    def add(build: Build) -> Build:
        register("section", id_)(Section(id_, title, build, template, order))
        return build

    return add

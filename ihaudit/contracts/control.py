"""A scheme of which it is known how an audit of it must come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ihaudit.registry import register


@dataclass(frozen=True)
class Control:
    """A control, audited in every audit with the attacks and games of that audit.

    Attributes:
        id: its finding is called ``control:<id>``.
        scheme: a reference scheme's name, or a scheme file (``FILE.py:ClassName`` where it holds several).
        must_break: it must come out broken (a positive control); else it must not (a null control).
        sets: parameters of the scheme by name, as text.
        order: controls are run by it, then by id.
        key: the `Scheme.key` of the schemes that it stands for, and is left out for others; None stands for all.
    """

    id: str
    scheme: str
    must_break: bool
    sets: Mapping[str, str] = field(default_factory=dict)
    order: int = 100
    key: str | None = None


def control(described: Control) -> Control:
    """Register a control: ``control(Control("identity", "identity", must_break=True))``."""
    return register("control", described.id)(described)

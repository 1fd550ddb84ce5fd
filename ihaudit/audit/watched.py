"""A view that notes what an attack looks at, so that a report can say which knowledge an attack really used."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, fields
from typing import Any

from ihaudit.contracts.view import View
from ihaudit.scheme import Knowledge

#: The knowledge behind each field of a view; calls of the oracle and replays are noted by whoever answers them.
KNOWLEDGE = {
    "labels": Knowledge.LABELS,
    "similar": Knowledge.DISTRIBUTION,
    "similar_labels": Knowledge.DISTRIBUTION,
    "public_set": Knowledge.PUBLIC_SET,
    "pairs": Knowledge.PAIRS,
    "candidates": Knowledge.CANDIDATES,
    "candidate_labels": Knowledge.CANDIDATES,
    "code": Knowledge.CODE,
}


@dataclass(frozen=True, eq=False)
class WatchedView(View):
    """A `View` whose `seen` fills with the knowledge of every field that is read and is there.

    Copies by `dataclasses.replace` share `seen`; that they copy every field counts for nothing.
    """

    seen: set[Knowledge] = field(default_factory=set)

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        knowledge = KNOWLEDGE.get(name)
        if knowledge is not None and value is not None:
            copied = sys._getframe(1).f_globals.get("__name__") == "dataclasses"
            if not copied:
                super().__getattribute__("seen").add(knowledge)
        return value


def watched(view: View, seen: set[Knowledge]) -> View:
    """The same view, noting in `seen` what is read of it."""
    return WatchedView(**{f.name: getattr(view, f.name) for f in fields(View)}, seen=seen)

"""`Elsewhere`: a scheme in a process of its own that notes what its code asks about where and when it runs."""

from __future__ import annotations

from typing import Any

from ihaudit.sandbox.process import SchemeProcess

KINDS = ("clock", "file", "folder", "variable", "machine")


class Elsewhere(SchemeProcess):
    """As `SchemeProcess`, with other answers to what is asked.

    Attributes:
        answers: ``now`` (seconds since 1970) and ``step`` (so many more after each call), ``exists`` (of every file
            that is asked for), ``value`` (of every variable that is not set); those left out are as they are.
        asked: (kind, what) of the questions so far.
    """

    def __init__(self, *args: Any, answers: dict[str, Any] | None = None, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.answers = dict(answers or {})
        self.asked: set[tuple[str, str]] = set()

    def _hello(self) -> dict[str, Any]:
        return super()._hello() | {"surroundings": self.answers}

    def _heard(self, answer: dict[str, Any]) -> None:
        said = answer.get("asked")
        for row in said[:1000] if isinstance(said, list) else []:
            if isinstance(row, list) and len(row) == 2 and row[0] in KINDS and isinstance(row[1], str):
                what = "".join(c if c.isprintable() else "?" for c in row[1][:200])
                self.asked.add((row[0], what))

"""A scheme of which it is known how an audit of it must come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ihaudit.contracts.context import ProfileName
from ihaudit.contracts.traits import Traits
from ihaudit.registry import register


def _always(traits: Traits) -> bool:
    """A control of every audit."""
    return True


@dataclass(frozen=True)
class Control:
    """A control, audited with the attacks and games of an audit, under the same size and channels of images.

    Attributes:
        id: its finding is called ``control:<id>``.
        scheme: a reference scheme's name, or a scheme file (``FILE.py:ClassName`` where it holds several).
        must_break: it must come out broken (a positive control); else it must not (a null control).
        sets: parameters of the scheme by name, as text; or what makes them from the audited scheme's traits.
        order: controls are run by it, then by id.
        like: whether it stands for schemes of such traits; left out of the audits of others.  A positive control that
            stands for some only is their *sibling*: where no attack breaks it, "no break found" says nothing of them.
        words: what a sibling is, for the sentence that no attack breaks "a ... of 28 x 28 x 1 images".
        profiles: those in whose audits it is run.
    """

    id: str
    scheme: str
    must_break: bool
    sets: Mapping[str, str] | Callable[[Traits], Mapping[str, str]] = field(default_factory=dict)
    order: int = 100
    like: Callable[[Traits], bool] = _always
    words: str = ""
    profiles: tuple[ProfileName, ...] = ("quick", "standard", "full")

    @property
    def sibling(self) -> bool:
        """It stands for a kind of schemes, not for all."""
        return self.must_break and self.like is not _always

    def parameters(self, traits: Traits) -> dict[str, str]:
        """`sets` for an audited scheme."""
        return dict(self.sets(traits) if callable(self.sets) else self.sets)


def control(described: Control) -> Control:
    """Register a control: ``control(Control("identity", "identity", must_break=True))``."""
    return register("control", described.id)(described)

"""What a game is given and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar

from ihaudit.contracts.context import Context
from ihaudit.contracts.declared import declared
from ihaudit.contracts.encoder import Encoder
from ihaudit.release import FloatArray, IntArray
from ihaudit.results import Finding
from ihaudit.scheme import KeyScope, Knowledge


@dataclass(frozen=True, eq=False)
class GameSetting:
    """The challenger's side of every game.

    Attributes:
        encoder: the scheme, in its sandbox; every call has fresh randomness derived from the seed handed to it.
        images: float32 (S, H, W, C) in [0, 1], the population D that adversaries draw from and train on
            (none of them is in the audited release).
        labels: int64 (S,) classes.
        n_classes: number of classes.
        key: the key's scope, of `ihaudit.scheme.KeyScope`, as the scheme declares.
        decomposable: as the scheme declares (checked by a game's checks).
        mechanism: ``gaussian`` or None.
        parameters: the scheme's parameters (code knowledge).
    """

    encoder: Encoder
    images: FloatArray
    labels: IntArray
    n_classes: int
    key: str = KeyScope.IMAGE
    decomposable: bool = True
    mechanism: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)


class Game(Protocol):
    """A game is a configured, printable object: a frozen dataclass whose fields, if it has any, are its options.

    Class attributes:
        id, title, reference, needs, profiles: as of `ihaudit.contracts.attack.Attack`.
        control: it is played against the controls of every audit too, at a reduced budget
            (``ctx.options["control"]``); costly, so that it is False unless a game says otherwise.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    reference: ClassVar[str]
    needs: ClassVar[frozenset[Knowledge]]
    profiles: ClassVar[tuple[str, ...]]
    control: ClassVar[bool] = False

    def run(self, setting: GameSetting, ctx: Context) -> list[Finding]:
        """Play the game; the first finding is the game's own, further ones are utility or checks from the same run.

        Raises:
            NotApplicable: the game cannot be played with this scheme or these images; becomes ``not run``.
        """


T = TypeVar("T")


def game(id_: str) -> Callable[[T], T]:
    """Register a game class under `id_`; what `Game` gives a default for may be left out."""
    return declared("game", id_, Game)

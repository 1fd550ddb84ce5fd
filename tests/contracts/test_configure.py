"""Options of attacks: typed, checked when configured, and refused with the nearest right value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pytest

from ihaudit import registry
from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.attack import Attack, attack
from ihaudit.contracts.configure import configure, configure_game
from ihaudit.contracts.game import Game, game
from ihaudit.errors import UsageError
from ihaudit.games.instance import InstanceGame
from ihaudit.scheme import Knowledge


@dataclass(frozen=True)
class Options:
    """An attack with an option of every type."""

    fast: bool = False
    rounds: int = 3
    rate: float = 0.5
    name: str = ""
    order: Literal["up", "down"] = "up"

    id: ClassVar[str] = "test-options"
    title: ClassVar[str] = "t"
    reference: ClassVar[str] = "r"
    needs: ClassVar[frozenset[Knowledge]] = frozenset()
    profiles: ClassVar[tuple[str, ...]] = ()

    def run(self, view: Any, ctx: Any) -> Any:
        raise AssertionError("configured only")


@pytest.fixture
def options() -> Iterator[None]:
    """The attack `test-options`, for one test."""
    registry.load("attack")
    attack("test-options")(Options)
    yield
    registry.unregister("attack", "test-options")


@pytest.mark.usefixtures("options")
def test_values_become_what_their_option_is_annotated() -> None:
    found: object = configure("test-options:fast=yes,rounds=7,rate=0.25,name=x=y,order=down")
    assert found == Options(True, 7, 0.25, "x=y", "down")


@pytest.mark.usefixtures("options")
@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("test-options:fast=yess", "'yess'; did you mean 'yes'"),
        ("test-options:rounds=2.5", "whole number, not '2.5'"),
        ("test-options:rate=much", "number, not 'much'"),
        ("test-options:order=dwn", "'dwn'; did you mean 'down'"),
        ("test-options:ordr=down", "no option 'ordr'; did you mean 'order'"),
        ("test-options:order", "lacks a value"),
        ("prng:scans=alway", "prng:scans cannot be 'alway'; did you mean 'always'"),
        ("prng:seedless=true", "cannot be 'true'; there are: yes, no"),
        ("single:k=two", "whole number"),
        ("single:k=1", "must lie in 2..32"),
        ("single:matching=filtr", "did you mean 'filter'"),
        ("unmix:recovery=unmsk", "did you mean 'unmask'"),
        ("unmx", "no attack called 'unmx'; did you mean 'unmix'"),
    ],
)
def test_what_an_option_cannot_be_is_refused_with_the_nearest_right_value(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        configure(spec)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("instance:learner=convolution", "no learner called 'convolution'; did you mean 'convolutional'"),
        ("instance:lerner=ridge", "game 'instance' has no option 'lerner'; did you mean 'learner'"),
        ("checks:learner=ridge", "game 'checks' has no option 'learner'"),
        ("instnce", "no game called 'instnce'; did you mean 'instance'"),
    ],
)
def test_games_take_options_as_attacks_do(spec: str, message: str) -> None:
    assert configure_game("instance:learner=ridge") == InstanceGame(learner="ridge")
    with pytest.raises(UsageError, match=message):
        configure_game(spec)


def test_stages_take_their_variants() -> None:
    found: object = configure("unmix:recovery=em")
    assert found == Unmix(recovery="em")


def test_defaults_stand_in_the_protocol() -> None:
    for kind, protocol in (("attack", Attack), ("game", Game)):
        for cls in registry.load(kind).values():  # type: ignore[arg-type]
            assert all(hasattr(cls, name) for name in protocol.__annotations__), cls
    assert registry.get("attack", "unmix").control
    assert not registry.get("attack", "prng").control
    assert registry.get("attack", "carlini").trains
    assert not registry.get("game", "pair").control


def test_what_lacks_an_attribute_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match=r"'half' lacks profiles, reference, run; see .*Attack"):

        @attack("half")
        class Half:
            title = "t"

    with pytest.raises(TypeError, match=r"game 'empty' lacks needs"):
        game("empty")(type("Empty", (), {}))


def test_an_attack_is_called_what_it_is_registered_as() -> None:
    assert registry.get("attack", "phase-public").id == "phase-public"  # not what it inherits from `phase`
    assert registry.get("attack", "unmix").needs == {Knowledge.ENCODINGS}

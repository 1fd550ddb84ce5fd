"""A trivial guess, scored beside every attack: what someone reaches who does not attack at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.registry import register

Guess = Callable[[View, Context], AttackOutput | None]


@dataclass(frozen=True)
class Baseline:
    """A baseline.

    Attributes:
        id: of its finding.
        title: one line for reports.
        sentence: what is guessed, in a few words.
        guess: the guess from the view alone, one image of which may stand for any number of private ones; None where
            the view lacks what it is made from.
        order: baselines are listed by it, then by id.
    """

    id: str
    title: str
    sentence: str
    guess: Guess
    order: int = 100


def baseline(id_: str, title: str, sentence: str, *, order: int = 100) -> Callable[[Guess], Guess]:
    """Register a function as the baseline `id_`; the function itself is left as it is."""

    def add(guess: Guess) -> Guess:
        register("baseline", id_)(Baseline(id_, title, sentence, guess, order))
        return guess

    return add

"""What learns from encodings in a game: the L of the theorems."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from ihaudit.contracts.context import Context
from ihaudit.registry import register
from ihaudit.release import FloatArray, IntArray


class Model(Protocol):
    """What a learner returns.

    A model may also keep ``held_out_rows``, int (R,), training rows whose images it was not trained on, and its
    ``held_out`` predictions for them, float32 (R, d): adversaries are calibrated with these.
    """

    def predict(self, encodings: FloatArray) -> FloatArray:
        """(M, ...) encodings -> float32 (M, d) real scores, one per target; the sign is the class of a +-1 target."""


class Learner(Protocol):
    """Learns d targets at once from encodings; equal learners train equal models."""

    def fit(self, encodings: FloatArray, targets: FloatArray, groups: IntArray, seed: int) -> Model:
        """Train.

        Args:
            encodings: float32 (M, ...).
            targets: float32 (M, d), for example +-1 per concept.
            groups: int (M,) which image each row was asked for; rows of one image stay together in validation.
            seed: of all randomness in training.

        Raises:
            NotApplicable: encodings of a shape that this learner cannot read, or of too few images.
        """


T = TypeVar("T", bound=Callable[[Context], Learner])


def learner(id_: str) -> Callable[[T], T]:
    """Register what makes a learner for a context: ``--game instance:learner=<id>`` names it."""
    return register("learner", id_)

"""A figure of results.json: how it is measured, called and printed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

from ihaudit.registry import register
from ihaudit.release import FloatArray


class Score(Protocol):
    """Scores reconstructions beside private images, one by one."""

    def __call__(self, guess: FloatArray, private: FloatArray, *, device: str = "cpu") -> NDArray[Any]:
        """float32 (N, H, W, C) in [0, 1] twice -> float64 (N,)."""


@dataclass(frozen=True)
class Metric:
    """One name in ``Finding.metrics``.

    Attributes:
        id: the name; of the per-image scores in arrays.npz too.
        label: as reports call it, without a full stop.
        unit: "", "%" or "pp" (printed as hundredths), or a unit that follows the number.
        hint: a few words that help to read it, or empty.
        floor, ceiling: the ends of its range, for intervals, where it has some.
        higher_is_better: whether a larger value is a better result for the attack or game, so that more leaks.
        gated: that it gets better between two audits is what `ihaudit compare` warns of.
        score: scores one reconstruction per private image, and their mean is the figure; None where it is measured
            elsewhere (by a game, from encodings, from the scores of another metric).
        order: metrics are listed by it, then by id.
        unanswered: what an image without an answer counts; None leaves it out of the mean, whose n then says so.
    """

    id: str
    label: str
    unit: str = ""
    hint: str = ""
    floor: float | None = None
    ceiling: float | None = None
    higher_is_better: bool = True
    gated: bool = False
    score: Score | None = None
    order: int = 100
    unanswered: float | None = None


S = TypeVar("S", bound=Callable[..., NDArray[Any]])


def metric(
    id_: str,
    label: str,
    *,
    unit: str = "",
    hint: str = "",
    floor: float | None = None,
    ceiling: float | None = None,
    higher_is_better: bool = True,
    gated: bool = False,
    order: int = 100,
    unanswered: float | None = None,
) -> Callable[[S], S]:
    """Register a `Score` function as the metric `id_`; the function itself is left as it is."""

    def add(score: S) -> S:
        named(Metric(id_, label, unit, hint, floor, ceiling, higher_is_better, gated, score, order, unanswered))
        return score

    return add


def named(described: Metric) -> Metric:
    """Register a metric as it is: one that is measured elsewhere."""
    return register("metric", described.id)(described)

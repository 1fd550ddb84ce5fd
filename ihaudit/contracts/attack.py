"""What an attack is, what it answers, and the stages it is put together from.

An attack gets a `View` (the release and what the declared adversary knows) and a `Context`; it never sees the truth
and chooses nothing by it.  It runs in a process of its own that was never given the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar

from ihaudit.contracts.context import Context
from ihaudit.contracts.declared import declared
from ihaudit.contracts.view import View
from ihaudit.errors import UsageError
from ihaudit.registry import load, register, suggest
from ihaudit.release import FloatArray, IntArray
from ihaudit.results import StageRecord
from ihaudit.scheme import Augmentation, Knowledge


@dataclass(frozen=True, eq=False)
class StageEvidence:
    """What the early stages of an attack found, for the scorer to judge them by provenance; each part may be None.

    Attributes:
        first, second: int64 (M,), a sample of pairs of encodings.
        similarity: float32 (M,), log odds that the two share a private image, at even prior odds.
        sets: int64 (R, n), encodings that grouping thinks hold one image, -1 beyond a set's end.
    """

    first: IntArray | None = None
    second: IntArray | None = None
    similarity: FloatArray | None = None
    sets: IntArray | None = None


@dataclass(eq=False)
class AttackOutput:
    """What an attack answers.

    Attributes:
        images: float32 (R, H, W, C) in [0, 1], candidate reconstructions; R is the attack's to decide.
        members: int64 (E, s): the candidates that each encoding is thought to contain, -1 for none; None if unknown.
        coefficients: float32 (E, s) their estimated lambdas, or None.
        confidence: float32 (R,) the attack's own estimate of each candidate's pinned SSIM, or None.
        unmasked: float32 (E, H, W, C) the encodings with their masks undone, in the release's own units, zeros for
            encodings that were not looked at; for attacks that recover masks.
        diagnostics: JSON-able own quality estimates (residual, likelihood, estimated N, generator found, ...).
        stages: one record per named stage.
        sentence: one plain sentence on what the attack saw, or empty.
        evidence: what the early stages found, for the scorer alone, or None.
        matches: int64 (E,), for attacks that hold candidates (`View.candidates`): the candidate that each row is made
            of, -1 for none; of a row made of several, the one that it most surely holds.
        match_scores: float (E,), how sure that is, the larger the surer; or None.
        used: the knowledge that it looked at, by name; noted by the worker that runs it, not by the attack.
        broke: for attacks whose success shows without images (a generator's state recovered): True if so.
        ambiguity: the moves that its pictures are all fixed up to, of `ihaudit.metrics.alignment.AMBIGUITIES`, where
            nothing that the adversary knows tells them apart; scored by the best one for all, decoys likewise.
        augmentation: how images were seen to be moved anew for every use, so that each picture may be in another pose
            than the image was; scored by the best pose of each, decoys likewise.
    """

    images: FloatArray
    members: IntArray | None = None
    coefficients: FloatArray | None = None
    confidence: FloatArray | None = None
    unmasked: FloatArray | None = None
    diagnostics: dict[str, Any] = field(default_factory=dict)
    stages: list[StageRecord] = field(default_factory=list)
    sentence: str = ""
    broke: bool | None = None
    used: tuple[str, ...] = ()
    evidence: StageEvidence | None = None
    ambiguity: tuple[str, ...] = ()
    augmentation: Augmentation | None = None
    matches: IntArray | None = None
    match_scores: FloatArray | None = None


class Attack(Protocol):
    """An attack is a configured, printable object: a frozen dataclass whose fields are its options.

    A field that is called like a stage holds the variant of that stage; other options are annotated ``bool``, ``int``,
    ``float``, ``str`` or ``Literal[...]`` (see `ihaudit.contracts.configure`).

    Class attributes:
        id: as it is called on the command line; set by the decorator.
        title: one line for `ihaudit list`.
        reference: paper and section.
        needs: what the adversary must have; encodings, unless it says more.
        profiles: the profiles that it runs in unless it is asked for.
        control: it is run against the controls of every audit too; False where they have nothing for it to find.
        costly: it takes tens of seconds and more, so that on a positive control it is tried after the others, on a null
            control where it had an answer for the release; on every control at a reduced budget
            (``ctx.options["control"]``).
        trains: it trains networks of its own where ``--train`` is given.
        copies: how often it holds the release's values (float32) at its peak, about: what may run beside it.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    reference: ClassVar[str]
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.ENCODINGS})
    profiles: ClassVar[tuple[str, ...]]
    control: ClassVar[bool] = True
    costly: ClassVar[bool] = False
    trains: ClassVar[bool] = False
    copies: ClassVar[float] = 8.0

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """Attack the release.

        Raises:
            NotApplicable: the release is not of a kind that this attack addresses; becomes ``not run``.
        """


T = TypeVar("T")


def attack(id_: str) -> Callable[[T], T]:
    """Register an attack class under `id_`; what `Attack` gives a default for may be left out."""
    return declared("attack", id_, Attack)


def stage(name: str, variant: str) -> Callable[[T], T]:
    """Register a callable as `variant` of the stage `name`: ``@stage("recovery", "em")``."""
    return register("stage", f"{name}={variant}")


def get_stage(name: str, variant: str) -> Any:
    """The callable of a stage variant, or a `UsageError` naming the variants there are."""
    items = load("stage")
    key = f"{name}={variant}"
    if key in items:
        return items[key]
    variants = [k.split("=", 1)[1] for k in items if k.startswith(name + "=")]
    raise UsageError(f"stage {name!r} has no variant {variant!r}{suggest(variant, variants)}")

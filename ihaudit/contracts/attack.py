"""What an attack sees and what it answers.

An attack gets a `View` (the release and what the declared adversary knows) and a `Context`; it never sees the truth
and chooses nothing by it.  It runs in a process of its own that was never given the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np

from ihaudit.contracts.context import Context
from ihaudit.contracts.replayer import Replayer
from ihaudit.errors import NotApplicable, UsageError
from ihaudit.registry import load, register, suggest
from ihaudit.release import FloatArray, IntArray, Release
from ihaudit.results import StageRecord
from ihaudit.scheme import Knowledge

__all__ = [
    "Attack",
    "AttackOutput",
    "Context",
    "Encoder",
    "Evidence",
    "NotApplicable",
    "View",
    "attack",
    "parse_spec",
    "stage",
]


class Encoder(Protocol):
    """Encodes images of one's choice with fresh randomness (the sandbox, or an in-process scheme in tests)."""

    def encode(self, images: FloatArray, labels: IntArray, *, seed: int) -> Release:
        """float32 (N, H, W, C) in [0, 1] and int64 (N,) -> Release (with provenance when the scheme states it)."""

    def encode_many(self, calls: list[tuple[FloatArray, IntArray, int]]) -> list[Release]:
        """Independent calls (images, labels, seed), made one after the other with little overhead each."""


@dataclass(frozen=True, eq=False)
class View:
    """What the adversary sees.

    Attributes:
        encodings: float (E, H, W, C) or (E, ...).
        labels: float32 (E, n_classes) or None.
        image_range: the range images had when mixed (a released convention).
        extra: further released arrays.
        knows: the adversary's knowledge; the fields below are None where it does not include them.
        similar: float32 (S, H, W, C) in [0, 1], images like the private ones, none of them private (`distribution`).
        similar_labels: int64 (S,) or None.
        public_set: float32 (M, H, W, C) in [0, 1], the very public images (`public_set`).
        code: {"name", "parameters"} of the scheme, without parameters called like a seed (`code`).
        encoder: chosen-plaintext access with fresh randomness (`oracle`).
        replayer: runs the scheme's code again under seeds of one's choice (`code`).
        hints: facts that a challenge states publicly (e.g. {"n_private": 100}); usually empty.
    """

    encodings: FloatArray
    labels: FloatArray | None = None
    image_range: tuple[float, float] = (0.0, 1.0)
    extra: Mapping[str, np.ndarray] = field(default_factory=dict)
    knows: frozenset[Knowledge] = frozenset({Knowledge.ENCODINGS})
    similar: FloatArray | None = None
    similar_labels: IntArray | None = None
    public_set: FloatArray | None = None
    code: Mapping[str, Any] | None = None
    encoder: Encoder | None = None
    replayer: Replayer | None = None
    hints: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Evidence:
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
        broke: for attacks whose success shows without images (a generator's state recovered): True if so.
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
    evidence: Evidence | None = None


class Attack(Protocol):
    """An attack is a configured, printable object (a frozen dataclass whose fields are its stage variants).

    Class attributes: ``id``, ``title`` (one line for `ihaudit list`), ``reference`` (paper, section), ``needs``
    (frozenset of `Knowledge`), ``profiles`` (the profiles it runs in by default).
    """

    id: str
    title: str
    reference: str
    needs: frozenset[Knowledge]
    profiles: tuple[str, ...]

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """Attack the release.

        Raises:
            NotApplicable: the release is not of a kind that this attack addresses; becomes ``not run``.
        """


T = TypeVar("T")


def attack(id_: str) -> Callable[[T], T]:
    """Register an attack class under `id_`."""
    return register("attack", id_)


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


def parse_spec(spec: str) -> tuple[str, dict[str, str]]:
    """Split ``id:stage=variant,stage=variant`` into id and options.

    >>> parse_spec("carlini:recovery=em,grouping=cliques")
    ('carlini', {'recovery': 'em', 'grouping': 'cliques'})
    """
    id_, _, rest = spec.partition(":")
    options: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        key, eq, value = part.partition("=")
        if not eq or not key or not value:
            raise UsageError(f"{spec!r} is not of the form attack:stage=variant,...; {part!r} lacks a value")
        options[key.strip()] = value.strip()
    return id_.strip(), options

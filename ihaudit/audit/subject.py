"""What is attacked: a release with what an adversary may know of it, and how an answer about it is judged.

There are three: a scheme's release with its truth and a control's (`Audited`), and a release that came without one
(`ihaudit.challenge.subject`).  A `View` is made here and nowhere else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ihaudit.audit.data import Data
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.encoder import Encoder
from ihaudit.contracts.game import GameSetting
from ihaudit.contracts.replayer import Replayer, is_seed
from ihaudit.contracts.traits import Traits
from ihaudit.contracts.view import Pairs, View
from ihaudit.errors import NotApplicable
from ihaudit.images import ImageSet
from ihaudit.release import FloatArray, Release, Truth
from ihaudit.results import Finding
from ihaudit.sandbox import Declaration, SchemeProcess
from ihaudit.scheme import Knowledge
from ihaudit.scoring.matches import Candidates, score_matches
from ihaudit.scoring.reconstructions import score_attack
from ihaudit.verdict.gates import GateOptions, attack_status

#: Rows of unmasked encodings kept for the report.
SAMPLES = 6


@dataclass(frozen=True, eq=False, kw_only=True)
class Subject(ABC):
    """A release, and what comes with it.

    Attributes:
        release: its public part.
        public: the public images of adversaries with ``public_set``.
        similar: the similar images of adversaries with ``distribution``.
        pairs: known images and their rows, for adversaries with ``pairs``; None where nobody can know any.
        candidates: images that hold the private ones among others, for adversaries with ``candidates``.
        card: the scheme's, None where its code is unknown.
        encoder, replayer: the scheme, for adversaries with ``oracle`` and ``code``.
        hints: facts that are stated publicly.
        channel_range: see `View`; found, never stated.
        control: it is a control, on which games are played at a reduced budget.
    """

    release: Release
    public: ImageSet | None = None
    similar: ImageSet | None = None
    pairs: Pairs | None = None
    candidates: Candidates | None = None
    card: Declaration | None = None
    encoder: Encoder | None = None
    replayer: Replayer | None = None
    hints: Mapping[str, Any] = field(default_factory=dict)
    channel_range: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    control: bool = False

    def __post_init__(self) -> None:
        if self.release.provenance is not None:
            raise ValueError("what is attacked is the public part of a release")

    def view(self, knows: frozenset[Knowledge]) -> View:
        """What an adversary sees who has exactly `knows`."""
        release = self.release
        similar = self.similar if self.similar and Knowledge.DISTRIBUTION in knows else None
        candidates = self.candidates if Knowledge.CANDIDATES in knows else None
        return View(
            encodings=release.encodings,
            labels=release.labels if Knowledge.LABELS in knows else None,
            image_range=release.image_range,
            extra=release.extra,
            knows=knows,
            similar=similar.images if similar else None,
            similar_labels=similar.labels if similar else None,
            public_set=self.public.images if self.public is not None and Knowledge.PUBLIC_SET in knows else None,
            pairs=self.pairs if Knowledge.PAIRS in knows else None,
            candidates=candidates.images if candidates else None,
            candidate_labels=candidates.labels if candidates else None,
            code=described(self.card) if self.card is not None and Knowledge.CODE in knows else None,
            encoder=self.encoder if Knowledge.ORACLE in knows else None,
            replayer=self.replayer if Knowledge.CODE in knows else None,
            hints=self.hints,
            image_shape=self.image_shape(),
            channel_range=self.channel_range,
            raw={k: v for k, v in release.raw.items() if k != "labels" or Knowledge.LABELS in knows},
        )

    def image_shape(self) -> tuple[int, ...] | None:
        """(H, W, C) of the private images, which everybody knows; None where only the encodings say it."""
        return None

    def setting(self) -> GameSetting:
        """The challenger's side of games.

        Raises:
            NotApplicable: there is no scheme to play with.
        """
        raise NotApplicable("a game needs the scheme itself, and its images")

    @abstractmethod
    def judge(self, finding: Finding, output: AttackOutput, ctx: Context) -> None:
        """Complete the finding of an attack or baseline from what it answered.

        Args:
            finding: ``measured``, with the attack's own diagnostics.
            output: the answer.
            ctx: seed of bootstraps, device.

        Raises:
            ValueError: an answer that cannot be judged; the sentence says why.
        """


def described(card: Declaration) -> dict[str, Any]:
    """What is public of a scheme by Kerckhoffs: the code and its parameters, but not its randomness."""
    return {"name": card.name, "parameters": {k: v for k, v in card.parameters.items() if not is_seed(k)}}


@dataclass(frozen=True, eq=False, kw_only=True)
class Audited(Subject):
    """A scheme's release with its truth, which is sealed here: only `judge` reads it.

    Attributes:
        truth: private images and provenance.
        decoys: images like the private ones that were not encoded and no attack is shown, or None.
        population: what games draw from.
        traits: of the scheme, as measured; None where only its declaration is known.
        gates: the bounds behind the word ``broken``.
    """

    card: Declaration
    encoder: SchemeProcess
    truth: Truth
    decoys: FloatArray | None
    population: ImageSet
    traits: Traits | None = None
    gates: GateOptions = field(default_factory=GateOptions)

    @classmethod
    def of(cls, release: Release, data: Data, scheme: SchemeProcess, **fields: Any) -> Audited:
        """From what the scheme released of the private images, with provenance."""
        private = data.private
        return cls(
            release=release.public_part(),
            public=data.public,
            similar=data.known(),
            card=scheme.card,
            encoder=scheme,
            truth=Truth(private.images, private.labels, release.provenance, private.groups),
            candidates=data.candidates(),
            decoys=data.decoys(),
            population=data.population(),
            **fields,
        )

    def image_shape(self) -> tuple[int, ...]:
        """See `Subject.image_shape`."""
        return tuple(self.truth.images.shape[1:])

    def setting(self) -> GameSetting:
        """See `Subject.setting`."""
        return GameSetting(
            encoder=self.encoder,
            images=self.population.images,
            labels=self.population.labels,
            n_classes=int(self.population.labels.max()) + 1,
            key=self.card.key if self.traits is None else self.traits.key.value,
            decomposable=self.card.decomposable,
            mechanism=self.card.mechanism,
            parameters={} if self.control else self.card.parameters,  # a control's are not the audited scheme's
        )

    def judge(self, finding: Finding, output: AttackOutput, ctx: Context) -> None:
        """Score reconstructions against the truth, and say whether that breaks the scheme."""
        truth, release = self.truth, self.release
        reuse = finding.kind == "baseline"
        scored = score_attack(
            output,
            truth,
            release,
            decoys=self.decoys,
            context=ctx,
            reuse=reuse,
            augmentation=self.card.augmentation,
        )
        finding.metrics, finding.primary = scored.metrics, "ssim_q90"
        finding.stages = scored.stages(output.stages)
        finding.details |= scored.details
        finding.arrays = dict(scored.arrays)
        if output.matches is not None and self.candidates is not None:
            found = score_matches(output, self.candidates, truth, release)
            finding.primary = finding.primary if "ssim" in finding.metrics else "reid"
            finding.metrics |= found.metrics
            finding.details |= found.details
            finding.arrays |= found.arrays
        if output.unmasked is not None and release.encodings.ndim == 4:
            shown = np.flatnonzero(output.unmasked.reshape(len(output.unmasked), -1).any(axis=1))[:SAMPLES]
            finding.arrays["samples_encoding"] = release.encodings[shown]
            finding.arrays["samples_unmasked"] = output.unmasked[shown]
            if truth.provenance is not None and truth.provenance.masks is not None:
                finding.arrays["samples_truth"] = release.encodings[shown] * truth.provenance.masks[shown]
        if finding.kind == "attack":
            finding.status, finding.sentence = attack_status(finding, self.gates)

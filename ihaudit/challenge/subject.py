"""A release that came without its scheme: what is known of it, and how answers are judged for lack of a truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ihaudit.audit.code import Code
from ihaudit.audit.subject import Subject
from ihaudit.challenge.answer import Answer, judge
from ihaudit.challenge.options import ChallengeOptions
from ihaudit.challenge.release import ReadRelease
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.errors import ImageError, UsageError
from ihaudit.images import ImageSet, load
from ihaudit.results import Finding
from ihaudit.scheme import Knowledge, implied
from ihaudit.stats import Estimate
from ihaudit.verdict.reliability import NO_TRUTH

#: Candidates kept in arrays.npz for the report, the most confident ones and the rest evenly.
SHOWN = 200
#: What brings an adversary of such a release a kind of knowledge.
BROUGHT_BY = {
    "labels": "label.npy",
    "public set": "--public-set",
    "distribution": "--similar",
    "code": "--scheme",
    "oracle": "--scheme",
}


def lacking(missing: list[str]) -> str:
    """Why something does not run on a release that comes without what it needs."""
    wanted = " and ".join(f"{m} ({BROUGHT_BY[m]})" if m in BROUGHT_BY else m for m in missing)
    return f"it needs {wanted}, which this release does not come with"


@dataclass(frozen=True, eq=False, kw_only=True)
class Published(Subject):
    """A published release.

    Attributes:
        read: as read from its files.
        answers: attack -> its answer, where it has one; filled by `judge`.
    """

    read: ReadRelease
    answers: dict[str, Answer] = field(default_factory=dict)

    @classmethod
    def of(cls, read: ReadRelease, code: Code | None, **known: Any) -> Published:
        """From what the files hold, the scheme's code where that is known, and what else is (fields of `Subject`)."""
        return cls(
            release=read.release,
            read=read,
            card=code.card if code else None,
            encoder=code.scheme if code else None,
            replayer=code.replays if code else None,
            **known,
        )

    def knows(self) -> frozenset[Knowledge]:
        """What an adversary has who has these files."""
        has = {
            Knowledge.LABELS: self.release.labels,
            Knowledge.PUBLIC_SET: self.public,
            Knowledge.DISTRIBUTION: self.similar,
            Knowledge.CODE: self.card,
        }
        return implied(k for k, what in has.items() if what is not None)

    def judge(self, finding: Finding, output: AttackOutput, ctx: Context) -> None:
        """How well the answer agrees with the release; no score, but a secret recovered is a break."""
        if output.broke is not None:
            finding.status = "broken" if output.broke else "no break found"
        answer = judge(output, self.read)
        if answer is None:
            finding.reason = "it does not say which images are in which encoding, so it cannot fill decryption.npy"
            return
        self.answers[finding.id] = answer
        finding.reason = NO_TRUTH
        finding.details |= {
            "images": len(output.images),
            "confidence_is": "estimated SSIM" if answer.estimated else "agreement with the release (a ranking only)",
            "encodings_without_image": int((answer.pick < 0).sum()),
        }
        if answer.estimated:
            finding.metrics["confidence"] = Estimate(float(answer.confidence.mean()), n=len(output.images))
        if answer.overall is not None:
            finding.metrics["agreement"] = Estimate(answer.overall, n=len(answer.members))
        finding.arrays = _arrays(answer, self.read)


def _arrays(answer: Answer, read: ReadRelease) -> dict[str, NDArray[Any]]:
    """For the report: candidates by confidence with an encoding of each, and confidence and agreement of all."""
    order = np.argsort(-answer.confidence, kind="stable")
    shown = order[np.unique(np.linspace(0, len(order) - 1, min(SHOWN, len(order))).round().astype(int))]
    weight = np.where(answer.members >= 0, answer.coefficients, -1.0)
    example = np.full(len(shown), -1)
    for k, j in enumerate(shown):
        rows, slots = np.nonzero(answer.members == j)
        if len(rows):
            example[k] = rows[weight[rows, slots].argmax()]
    codes = np.asarray(read.release.encodings[np.maximum(example, 0)], np.float32)
    return {
        "candidates": np.asarray(answer.output.images[shown], np.float32),
        "candidate_index": shown.astype(np.int64),
        "candidate_encoding": codes,
        "candidate_example": example.astype(np.int64),
        "confidence": answer.confidence,
        "agreement": answer.agreement,
    }


def images(spec: str | None, role: Literal["public", "similar"], read: ReadRelease) -> ImageSet | None:
    """The images of --public-set or --similar; refuses images of another shape than the release's."""
    if spec is None:
        return None
    h, w, c = read.layout.shape
    found = load(spec, role=role, size=h)
    if found.images.shape[1:] != (h, w, c):
        size = " x ".join(map(str, found.images.shape[1:]))
        option, which = ("--public-set", "the very images") if role == "public" else ("--similar", "such images")
        raise ImageError(f"{option} holds images of {size}, the release of {h} x {w} x {c}; give {which}")
    return found


def hints(options: ChallengeOptions, read: ReadRelease) -> dict[str, int]:
    """What --n-private and --private-per-encoding state; refuses what cannot be."""
    e = len(read.release.encodings)
    found: dict[str, int] = {}
    if options.n_private is not None:
        if not 2 <= options.n_private <= 2 * e:
            raise UsageError(
                f"--n-private {options.n_private}: {e} encodings hold at least 2 and at most {2 * e} images"
            )
        found["n_private"] = options.n_private
    if options.private_per_encoding is not None:
        if not 1 <= options.private_per_encoding <= 16:
            raise UsageError(f"--private-per-encoding {options.private_per_encoding} must lie in 1..16")
        found["private_per_encoding"] = options.private_per_encoding
    return found

"""From what an attack answered to the challenge's files, judged by the release alone: there is no truth here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.masks import detect_mask
from ihaudit.challenge.release import ReadRelease
from ihaudit.contracts.attack import AttackOutput
from ihaudit.scoring.answers import choose

BLOCK = 512
#: Encodings per candidate below which a candidate is little more than a copy of its encoding, so that the two agree
#: whatever the attack is worth.
SHARED = 3.0
#: Diagnostic of attacks that know public images: share of the encodings that all images found explain wholly.
EXPLAINED = "encodings_explained"


@dataclass(frozen=True, eq=False)
class Answer:
    """An attack's answer beside the release.

    Attributes:
        output: as it came from the attack.
        members: int64 (E, s), candidates in each encoding, -1 for none.
        coefficients: float32 (E, s), 0 for none; all 1 where the attack states none.
        agreement: float32 (R,), correlation of the encodings that a candidate is said to be in with what the candidates
            predict for them, weighted by squared coefficients; NaN for a candidate in no encoding, or where it would
            say nothing (see `SHARED`).
        overall: its mean over encodings, or None.
        confidence: float32 (R,), the attack's own estimate of each candidate's SSIM where it has one, else agreement.
        estimated: whether `confidence` is such an estimate.
        pick: int64 (E,), the candidate written for each encoding, -1 for none.
    """

    output: AttackOutput
    members: NDArray[np.int64]
    coefficients: NDArray[np.float32]
    agreement: NDArray[np.float32]
    overall: float | None
    confidence: NDArray[np.float32]
    estimated: bool
    pick: NDArray[np.int64]

    @property
    def strength(self) -> tuple[bool, bool, float, float]:
        """For choosing among attacks: a secret recovered, candidates from several encodings, tenths of the encodings
        that it explains wholly by private and public images, agreement.

        Images that are fitted to what public images leave agree with encodings better than the true ones.
        """
        explained = round(float(self.output.diagnostics.get(EXPLAINED, 0.0)), 1)
        agreement = self.overall or float(self.confidence.mean())
        return self.output.broke is True, self.overall is not None, explained, agreement


def judge(output: AttackOutput, read: ReadRelease) -> Answer | None:
    """The answer, or None where the attack does not say which images are in which encoding, or found none."""
    encodings = read.release.encodings
    if output.members is None or not len(output.images) or output.images.shape[1:] != encodings.shape[1:]:
        return None
    members = np.asarray(output.members, np.int64)
    if len(members) != len(encodings) or not (members >= 0).any():
        return None
    c = np.ones(members.shape, np.float32) if output.coefficients is None else np.asarray(output.coefficients)
    c = np.where(members >= 0, np.nan_to_num(c), 0).astype(np.float32)
    r = len(output.images)
    agreement, overall = np.full(r, np.nan, np.float32), None
    if (members >= 0).sum() >= SHARED * len(np.unique(members[members >= 0])):
        rows = _agreement(output.images, members, c, read)
        total, weight = np.zeros(r), np.zeros(r)
        for slot in range(members.shape[1]):
            use = members[:, slot] >= 0
            np.add.at(weight, members[use, slot], c[use, slot] ** 2)
            np.add.at(total, members[use, slot], c[use, slot] ** 2 * rows[use])
        some = weight > 0
        agreement[some] = (total[some] / weight[some]).astype(np.float32)
        overall = float(np.nanmean(rows))
    estimated = output.confidence is not None
    confidence = np.asarray(output.confidence, np.float32) if output.confidence is not None else agreement
    confidence = np.nan_to_num(confidence, nan=0.0)
    pick = choose(members, c, confidence if estimated else None, output.images)
    return Answer(output, members, c, agreement, overall, confidence, estimated, pick)


def _agreement(
    images: NDArray[Any], members: NDArray[np.int64], c: NDArray[np.float32], read: ReadRelease
) -> NDArray[np.float64]:
    """float64 (E,): correlation of every encoding with its prediction (magnitudes, where signs are masked).

    What all encodings have in common is taken off both: the mean of the encodings of a cluster holds it too, and would
    agree with them as well as the image does.
    """
    low, high = read.release.image_range
    x = (images.reshape(len(images), -1) * (high - low) + low).astype(np.float32)
    encodings = read.release.encodings
    signed = detect_mask(encodings)[0] == "signed"

    def both(start: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rows = slice(start, start + BLOCK)
        y = np.asarray(encodings[rows], np.float32).reshape(-1, x.shape[1])
        pred = np.zeros_like(y)
        for slot in range(members.shape[1]):
            pred += c[rows, slot, None] * x[members[rows, slot]]
        return (y, pred) if signed else (np.abs(y), np.abs(pred))

    starts = range(0, len(members), BLOCK)
    totals = [[v.sum(0, dtype=np.float64) for v in both(start)] for start in starts]
    common = [(np.sum(t, axis=0) / len(members)).astype(np.float32) for t in zip(*totals, strict=True)]
    out = np.full(len(members), np.nan)
    for start in starts:
        y, pred = (v - m for v, m in zip(both(start), common, strict=True))
        y, pred = y - y.mean(1, keepdims=True), pred - pred.mean(1, keepdims=True)
        scale = np.sqrt((y**2).sum(1) * (pred**2).sum(1))
        ok = scale > 1e-9
        part = np.full(len(y), np.nan)
        part[ok] = (y * pred).sum(1)[ok] / scale[ok]
        out[start : start + BLOCK] = part
    return out


def decryption(answer: Answer, read: ReadRelease) -> Iterator[NDArray[Any]]:
    """Blocks of decryption.npy: one image per encoding, as in `recovered`.

    An encoding without any candidate gets the mean of all candidates.
    """
    stored = recovered(answer, read)
    fallback = recovered(answer, read, mean=True)
    for start in range(0, len(answer.pick), BLOCK):
        pick = answer.pick[start : start + BLOCK]
        rows = stored[pick]
        rows[pick < 0] = fallback[0]
        yield rows


def recovered(answer: Answer, read: ReadRelease, *, mean: bool = False) -> NDArray[Any]:
    """private.npy: the candidates (or their mean) in the file's layout and type, on [0, 1] where images were mixed on
    that, else on [-1, 1], as `ihaudit score` reads them."""
    images = np.clip(np.nan_to_num(np.asarray(answer.output.images, np.float32)), 0, 1)
    if mean:
        images = images.mean(0, keepdims=True)
    low, high = (0.0, 1.0) if read.release.image_range == (0.0, 1.0) else (-1.0, 1.0)
    return read.layout.restore(images * (high - low) + low).astype(read.dtype)

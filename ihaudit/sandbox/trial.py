"""A scheme tried on a few images, before anything large is loaded or computed: does it keep its contract at all?"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from ihaudit.contracts.encoder import Encoder
from ihaudit.errors import SchemeError
from ihaudit.release import FloatArray, IntArray, Release, rows_of

#: images of a trial
FEW = 8
#: Seconds of a failed trial after which it is not tried with all images.
PATIENCE_S = 20.0

_STATE_IT = "return Release(..., provenance=Provenance(sources)), which no attack is shown"


def provenance_remark(release: Release, n: int) -> str:
    """What follows where a release of `n` images states no provenance; empty where it states it."""
    if release.provenance is not None:
        return ""
    if rows_of(release, n) is not None:
        return f"the scheme states no provenance, so row i is taken to be made of image i; if it is not, {_STATE_IT}"
    count = len(release.encodings)
    rows = "1 encoding" if count == 1 else f"{count} encodings"
    return (
        f"the scheme states no provenance, and {rows} of {n} images {'does' if count == 1 else 'do'} not say "
        f"which is made of which: scoring must guess, and games that need to know are not played; {_STATE_IT}"
    )


@dataclass(frozen=True)
class Trial:
    """What a few images showed.

    Attributes:
        images: shape of what was encoded, (N, H, W, C).
        release: what came back.
        remarks: sentences for the scheme's author; none of them is an error.
    """

    images: tuple[int, ...]
    release: Release
    remarks: tuple[str, ...]


def try_out(scheme: Encoder, images: FloatArray, labels: IntArray, *, seed: int) -> Release:
    """Encode the first few of `images`; all of them where a few are too few for the scheme.

    Args:
        scheme: the encoder.
        images, labels: float32 (N, H, W, C) in [0, 1] and int64 (N,).
        seed: of the call.

    Raises:
        SchemeError: what keeps the scheme from encoding `images`.
    """
    began = time.monotonic()
    try:
        return scheme.encode(images[:FEW], labels[:FEW], seed=seed)
    except SchemeError:
        # A scheme that took long to fail, at a limit of time or memory, would only take longer with more.
        if len(images) <= FEW or time.monotonic() - began > PATIENCE_S:
            raise
        return scheme.encode(images, labels, seed=seed)


def examine(scheme: Encoder, images: FloatArray, labels: IntArray, *, seed: int) -> Trial:
    """Encode the first few of `images` twice under one seed and once under another, and say what an author may miss.

    Args:
        scheme, images, labels, seed: as of `try_out`.

    Raises:
        SchemeError: what keeps the scheme from encoding them.
    """
    few, classes = images[:FEW], labels[:FEW]
    first = scheme.encode(few, classes, seed=seed)
    again, other = scheme.encode(few, classes, seed=seed), scheme.encode(few, classes, seed=seed + 1)
    remarks = []
    if remark := provenance_remark(first, len(few)):
        remarks.append(remark)
    if not _same(first, again):
        remarks.append(
            "two calls under one seed gave different encodings: take all randomness from the generator rng that encode "
            "is handed, or the audit cannot be repeated"
        )
    elif _same(first, other):
        remarks.append("another seed gave the same encodings: nothing of the scheme is drawn from rng")
    if first.labels is None:
        remarks.append("no labels are released; attacks that need them will not run")
    return Trial(tuple(few.shape), first, tuple(remarks))


def _same(a: Release, b: Release) -> bool:
    return a.encodings.shape == b.encodings.shape and bool(np.array_equal(a.encodings, b.encodings))

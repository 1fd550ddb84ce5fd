"""Known records: images of the release that the adversary knows, with the rows made of them (`Knowledge.PAIRS`).

People know their own records.  Known images are encoded in the same call as the private ones, so under the same key,
batch and order; they come from the similar images, and are never scored.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.encoder import Encoder
from ihaudit.contracts.view import Pairs
from ihaudit.errors import SchemeError
from ihaudit.images import ImageSet
from ihaudit.release import Provenance, Release, rows_of

#: images of the call that shows whether rows are made of one image each
PROBE = 16


def encode_with_known(
    scheme: Encoder, private: ImageSet, known: ImageSet | None, seed: int
) -> tuple[Release, Pairs | None]:
    """Encode the private images, with known ones among them where rows are made of one image each.

    Args:
        scheme: the encoder.
        private: N images.
        known: images to encode along with them, or None.
        seed: of the call.

    Returns:
        The release of the private images with provenance, and the known pairs: None where every row mixes several
        images, so that nobody knows a pair, or where it cannot be told which rows are whose.

    Raises:
        SchemeError: from encoding the private images.
    """
    if known is not None and len(known) and _separate(scheme, private, seed):
        both = private.concat(known)
        release = scheme.encode(both.images, both.labels, seed=seed)
        source = rows_of(release, len(both))
        if source is not None:
            ours = source < len(private)
            rows = both.images[source[~ours]], release.encodings[~ours]
            beside = taken(release, np.flatnonzero(~ours), 0).public_part()
            pairs = Pairs(*rows, beside, both.labels[source[~ours]])
            return taken(release, np.flatnonzero(ours), int(private.labels.max()) + 1), pairs
    return scheme.encode(private.images, private.labels, seed=seed), None


def _separate(scheme: Encoder, private: ImageSet, seed: int) -> bool:
    """Whether rows are made of one image each, from a small call; a scheme that refuses it is left alone."""
    few = private.subset(np.arange(min(PROBE, len(private))))
    try:
        return rows_of(scheme.encode(few.images, few.labels, seed=seed), len(few)) is not None
    except SchemeError:
        return False


def taken(release: Release, rows: NDArray[np.int64], classes: int) -> Release:
    """The release of some rows: every array that has one entry per row, labels of the first `classes` (0: all)."""
    count = len(release.encodings)
    provenance = release.provenance
    if provenance is not None:
        fields = {k: v[rows] for k, v in vars(provenance).items() if v is not None}
        provenance = Provenance(**fields)
    labels, raw = release.labels, {k: v[rows] for k, v in release.raw.items()}
    if labels is not None:
        labels = labels[rows]
        if classes and not labels[:, classes:].any():
            labels = labels[:, :classes]
    extra = {k: v[rows] if v.ndim and len(v) == count else v for k, v in release.extra.items()}
    return replace(
        release, encodings=release.encodings[rows], labels=labels, extra=extra, provenance=provenance, raw=raw
    )

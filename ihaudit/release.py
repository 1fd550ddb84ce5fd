"""What a scheme releases, and the truth that stays sealed from every attack.

The data flow is one way: a scheme returns a `Release` (possibly with `Provenance`); the sandbox validates it, takes
the provenance off, and hands the audit a `Release` without it plus a `Truth`.  Attacks see the former only; scoring is
the only place where both meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Any, because numpy types an expression of float32 arrays as float64; docstrings say what each array holds.
FloatArray = NDArray[Any]
IntArray = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Provenance:
    """Which inputs each encoding was made from.  Used by scoring and by games' challengers, never by an attack.

    Attributes:
        sources: int (E, s); indices of the private images that encoding e depends on, -1 where there are fewer
            than s.  "x is used in x_hat" in Definition 1 of Carlini et al. 2021.
        coefficients: float (E, s) mixing coefficients (lambda) of those private images, or None.
        masks: int8 in {-1, +1}, shape of the encodings, the true sign masks, or None.  Only read by the white-box
            tests of the mask generator.
        public_sources: int (E, p) indices into the public set, or None.
        public_coefficients: float (E, p), or None.
    """

    sources: IntArray
    coefficients: FloatArray | None = None
    masks: NDArray[np.int8] | None = None
    public_sources: IntArray | None = None
    public_coefficients: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Release:
    """What the scheme publishes: the only thing every adversary sees.

    Attributes:
        encodings: float (E, H, W, C), or any (E, ...) when an encoding is not an image.
        labels: float32 (E, n_classes), the released label of each encoding (soft labels carry the lambdas), or
            None when no labels are released.
        image_range: the range that private images had when they were mixed, e.g. (-1, 1); a public convention of
            the scheme that lets an attack print its reconstructions in [0, 1].
        extra: any further arrays that the scheme publishes, by name.  They are released too and are audited too.
        raw: ``encodings`` and ``labels`` as the scheme returned them, where float32 cannot state them or does so in
            other bits: what their precision carries is looked for there.
        provenance: optional, for scoring; taken off before any attack runs.
    """

    encodings: FloatArray
    labels: FloatArray | None = None
    image_range: tuple[float, float] = (0.0, 1.0)
    extra: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    provenance: Provenance | None = None
    raw: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def public_part(self) -> Release:
        """The same release without provenance: what an adversary may be handed."""
        return replace(self, provenance=None)


@dataclass(frozen=True, eq=False)
class Truth:
    """What only the scorer knows.

    Attributes:
        images: float32 (N, H, W, C) in [0, 1], the private images.
        labels: int64 (N,) their classes.
        provenance: what the scheme stated, or None (then reconstructions are matched by assignment).
        groups: int64 (N,) or None; which photograph or person an image comes from.
    """

    images: FloatArray
    labels: IntArray
    provenance: Provenance | None = None
    groups: IntArray | None = None


def rows_of(release: Release, n: int) -> NDArray[np.int64] | None:
    """int64 (E,), the image that each row is made of; None where a row is made of several, or it is not known.

    By provenance; without it, `n` rows of `n` images are taken to be in order.
    """
    if release.provenance is None:
        return np.arange(n) if len(release.encodings) == n else None
    sources = np.asarray(release.provenance.sources)
    first = sources.max(1)
    alone = ((sources == first[:, None]) | (sources < 0)).all() and (first >= 0).all()
    return first.astype(np.int64) if alone else None

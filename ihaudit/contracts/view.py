"""What the adversary sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from ihaudit.contracts.encoder import Encoder
from ihaudit.contracts.replayer import Replayer
from ihaudit.release import FloatArray, IntArray, Release
from ihaudit.scheme import Knowledge


@dataclass(frozen=True, eq=False)
class Pairs:
    """Known images of the release with the rows made of them (people know their own records); never scored.

    Attributes:
        images: float32 (n, H, W, C) in [0, 1]; an image with several rows stands once for each.
        encodings: float32 (n, ...), row i made of image i under the same key as the rest of the release.
        release: all that was released of these rows, where more than encodings was; else None.
        labels: int64 (n,), what the images show, or None.
    """

    images: FloatArray
    encodings: FloatArray
    release: Release | None = None
    labels: IntArray | None = None


@dataclass(frozen=True, eq=False)
class View:
    """The release and what the declared adversary knows; there is no way from it to the truth.

    Attributes:
        encodings: float (E, H, W, C) or (E, ...).
        labels: float32 (E, n_classes) or None.
        image_range: the range images had when mixed (a released convention).
        channel_range: the same of every channel, ((low, ...), (high, ...)), where channels differ; None where they do
            not.
        image_shape: (H, W, C) of the private images, which is public; None where only the encodings say it.
        extra: further released arrays.
        raw: encodings and labels as released, where float32 rounds them (`ihaudit.release.Release.raw`).
        knows: the adversary's knowledge; the fields below are None where it does not include them.
        similar: float32 (S, H, W, C) in [0, 1], images like the private ones, none of them private (`distribution`).
        similar_labels: int64 (S,) or None.
        public_set: float32 (M, H, W, C) in [0, 1], the very public images (`public_set`).
        pairs: known images and their encodings (`pairs`).
        candidates: float32 (M, H, W, C) in [0, 1]: the private images among others that were not encoded, in an order
            that says nothing (`candidates`); attacks that do not ask for them are not shown them, for handing one back
            is no reconstruction.
        candidate_labels: int64 (M,), what they show, or None.
        code: {"name", "parameters"} of the scheme, without parameters called like a seed (`code`).
        encoder: chosen-plaintext access with fresh randomness (`oracle`).
        replayer: runs the scheme's code again under seeds of one's choice (`code`).
        hints: facts that a challenge states publicly (e.g. {"n_private": 100}); usually empty.
    """

    encodings: FloatArray
    labels: FloatArray | None = None
    image_range: tuple[float, float] = (0.0, 1.0)
    extra: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    knows: frozenset[Knowledge] = frozenset({Knowledge.ENCODINGS})
    similar: FloatArray | None = None
    similar_labels: IntArray | None = None
    public_set: FloatArray | None = None
    pairs: Pairs | None = None
    candidates: FloatArray | None = None
    candidate_labels: IntArray | None = None
    code: Mapping[str, Any] | None = None
    encoder: Encoder | None = None
    replayer: Replayer | None = None
    hints: Mapping[str, Any] = field(default_factory=dict)
    image_shape: tuple[int, ...] | None = None
    channel_range: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    raw: Mapping[str, NDArray[Any]] = field(default_factory=dict)

"""The range of the images as mixed: found from a release, where that refutes what is stated."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.image_range import ImageRange, found_range
from ihaudit.attacks.numerics.labels import read_slots
from ihaudit.audit.subject import Subject
from ihaudit.errors import ImageError
from ihaudit.images import load
from ihaudit.results import Finding

S = TypeVar("S", bound=Subject)
#: Fewer photographs than this say little of how bright images are; the embedded ones stand for them.
FEWEST = 20
#: Photographs looked at.
MOST = 500


def in_found_range(subject: S, *, stated: bool = True) -> tuple[S, Finding | None]:
    """The subject in the range that its release shows, and what is said of that; as it is where the stated one holds.

    Args:
        subject: a release, with what is known of it.
        stated: somebody stated the range; else it is a convention that was assumed.
    """
    release, shape = subject.release, subject.image_shape()
    x: NDArray[np.floating] = release.encodings
    if x.ndim == 3 and x.shape[1] >= 8 and (shape is None or x.shape[1:] == shape[:2]):
        x = x[..., None]
    if x.ndim != 4 or (shape is not None and x.shape[1:] != shape) or x.shape[3] not in (1, 3):
        return subject, None
    photographs, public, alike = _photographs(subject, x.shape[3])
    if photographs is None:
        return subject, None
    slots = read_slots(release.labels, len(x), per_encoding=subject.hints.get("private_per_encoding"))
    found = found_range(x, slots, release.image_range, photographs, public, alike=alike)
    if found is None:
        return subject, None
    moved = replace(subject, release=replace(release, image_range=found.overall), channel_range=found.channels)
    return moved, _finding(found, release.image_range, stated)


Photographs = NDArray[np.floating] | None


def _photographs(subject: Subject, channels: int) -> tuple[Photographs, Photographs, bool]:
    """Images to judge by, others of their shape that may be mixed in, and whether the first are like the private."""
    public = None if subject.public is None or len(subject.public) < FEWEST else _some(subject.public.images)
    similar = None if subject.similar is None or len(subject.similar) < FEWEST else _some(subject.similar.images)
    if similar is not None:
        return similar, None if public is None or public.shape[1:] != similar.shape[1:] else public, True
    if public is not None:
        return public, None, False
    try:
        parts = [_some(load(f"embedded:{role}", role="public").images) for role in ("private", "similar", "public")]
    except ImageError:
        return None, None, False
    every = np.concatenate(parts)
    return (every.mean(3, keepdims=True) if channels == 1 else every), None, False


def _some(images: NDArray[np.floating]) -> NDArray[np.floating]:
    return images[:: max(1, len(images) // MOST)][:MOST]


def _finding(found: ImageRange, stated: tuple[float, float], was_stated: bool) -> Finding:
    said = f"[{stated[0]:g}, {stated[1]:g}], {'its image_range' if was_stated else 'the convention'}"
    how = found.how if found.how.startswith("normalised") or found.how.startswith("less") else ""
    sentence = (
        f"The release does not look like images mixed on {said}, but like images mixed on {found.words()}"
        f"{f' ({how})' if how else ''}: attacks go by that."
    )
    remedy = "State the range that images had when they were mixed: image_range of the release (--image-range)."
    table = {
        "title": "",
        "columns": ["range of the images as mixed", "misfit of its mixtures, in standard deviations of the release"],
        "rows": [[said, round(found.stated_misfit, 3)], [found.words(), round(found.misfit, 3)]],
    }
    return Finding(
        id="checks-range",
        kind="check",
        title="Check: range of the images",
        status="measured",
        sentence=sentence,
        reference="design: what a scheme declares is measured",
        details={"table": table, "flags": [f"{sentence} {remedy}"], "range": [list(found.low), list(found.high)]},
    )

"""Which row of a release is made of which image, where a scheme does not say so and keeps no order.

The same call again, under its seed and with some of its images exchanged, changes the rows that are made of these.
Half of the images at a time, as the binary digits of their numbers tell, and then the other half: a row that follows
exactly one of both each time is made of one image, and the digits say of which.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.release import FloatArray, IntArray, Provenance, Release
from ihaudit.sandbox.process import SchemeProcess

#: Images of the call that shows whether rows keep the order of images, at least and at most.
FEWEST, PROBE = 4, 16
#: Wall seconds that this may take; a scheme that is slower is taken to keep the order.
PROBE_S = 10.0
#: What is said of a scheme whose rows are told so.
SHUFFLES = (
    "the scheme states no provenance, and row i is not made of image i: which is made of which was found by encoding "
    "again under the same seed, with some of the images exchanged"
)

Call = tuple[FloatArray, IntArray, int]


def sources(
    encode: Callable[[list[Call]], list[Release]], images: FloatArray, labels: IntArray, seed: int, first: Release
) -> NDArray[np.int64] | None:
    """int64 (E,), the image that each row of a call is made of; None where a row follows several images, or none.

    Args:
        encode: answers calls.
        images, labels, seed: of the call.
        first: its answer.
    """
    n = len(images)
    digits = max(1, (n - 1).bit_length())
    noise = np.random.default_rng(0).integers(0, 256, images.shape)
    other = np.asarray(noise / 255, np.float32)
    calls: list[Call] = []
    for digit in range(digits):
        for side in (0, 1):
            exchanged = (np.arange(n) >> digit & 1) == side
            calls.append((np.where(exchanged[:, None, None, None], other, images), labels, seed))
    answers = encode(calls)
    if any(a.encodings.shape != first.encodings.shape for a in answers):
        return None
    rows = first.encodings.reshape(len(first.encodings), -1)
    changed = np.array([(a.encodings.reshape(rows.shape) != rows).any(1) for a in answers]).reshape(digits, 2, -1)
    if not (changed[:, 0] ^ changed[:, 1]).all():
        return None
    found: NDArray[np.int64] = (changed[:, 1] << np.arange(digits)[:, None]).sum(0).astype(np.int64)
    return found if int(found.max(initial=0)) < n else None


class Traced(SchemeProcess):
    """A scheme whose releases say which row is made of which image though its code does not, where that can be found.

    Attributes:
        shuffles: the scheme states no provenance, and row i is not made of image i; None until a call has shown it.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.shuffles: bool | None = None

    def encode_many(self, calls: list[Call]) -> list[Release]:
        """See `SchemeProcess.encode_many`."""
        releases = super().encode_many(calls)
        for i, ((images, labels, seed), release) in enumerate(zip(calls, releases, strict=True)):
            if release.provenance is not None or self.shuffles is False:
                continue
            if self.shuffles is None:
                if len(images) < FEWEST:
                    continue
                self.shuffles = self._out_of_order(images[:PROBE], labels[:PROBE], seed)
            if self.shuffles:
                found = sources(super().encode_many, images, labels, seed, release)
                if found is not None:
                    releases[i] = replace(release, provenance=Provenance(found[:, None]))
        return releases

    def seconds(self, images: int) -> float:
        """See `Encoder.seconds`; calls that are made again are counted."""
        again = 2 * max(1, (images - 1).bit_length()) if self.shuffles else 0
        return (1 + again) * super().seconds(images)

    def _out_of_order(self, images: FloatArray, labels: IntArray, seed: int) -> bool:
        if (1 + 2 * (len(images) - 1).bit_length()) * super().seconds(len(images)) > PROBE_S:
            return False
        first = super().encode_many([(images, labels, seed)])[0]
        found = sources(super().encode_many, images, labels, seed, first)
        return found is not None and not np.array_equal(found, np.arange(len(images)))

"""What a call of the encoder costs, by the calls made so far."""

from __future__ import annotations

from collections import deque

import numpy as np
from scipy.optimize import nnls

#: Calls of one size that are remembered; their median counts: neither the first one, which imports, nor a busy machine.
_KEPT = 9


class Timings:
    """Wall seconds of calls, a + b n for n images, both parts at least 0.

    Attributes:
        total: of all calls.
    """

    def __init__(self) -> None:
        self.total = 0.0
        self._seen: dict[int, deque[float]] = {}

    def add(self, images: int, seconds: float) -> None:
        """A call of so many images took so long."""
        self.total += seconds
        self._seen.setdefault(images, deque(maxlen=_KEPT)).append(seconds)

    def expected(self, images: int) -> float:
        """Seconds of a call of so many images; 0.0 before any call.

        After calls of one size, smaller ones are taken to cost as much and larger ones in proportion.
        """
        seen = {n: list(v) for n, v in self._seen.copy().items()}  # calls of other threads may be added meanwhile
        if not seen:
            return 0.0
        sizes = np.array(list(seen), np.float64)
        medians = np.array([np.median(v) for v in seen.values()])
        if len(sizes) == 1:
            return float(medians[0] * max(1.0, images / max(1.0, sizes[0])))
        (fixed, each), _ = nnls(np.stack([np.ones_like(sizes), sizes], axis=1), medians)
        return float(fixed + each * images)

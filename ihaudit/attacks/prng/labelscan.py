"""All 2^32 seeds of NumPy's legacy generator from released labels: the coefficients are ratios of its first normals.

``numpy.random.seed(s)`` then ``numpy.random.normal(size=(rows, k))``: the polar method makes normals in pairs
(f x2, f x1) with one factor f per accepted (x1, x2), so the ratio of a pair is |x2| / |x1|, free of logarithm and
root, and its leading bits come from one generator word each.  A label row whose two private coefficients are one such
pair (k even: always) is a test of 2^-20 per seed after some 30 integer operations.

The filter keeps the row's position in the stream: the p-th accepted pair is row ``2 p / k``.  Survivors are replayed in
full, with the library itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.prng._jit import _CACHE, cores, parallel
from ihaudit.context import Progress

LANES = 256  # seeds stepped side by side: 16 vectors of 512 bits
CHUNK = 1 << 20


@dataclass(frozen=True, eq=False)
class LabelTarget:
    """What the labels fix.

    Attributes:
        k: images mixed per encoding (normals per row).
        low, high: float64 (rows,) the smaller and the larger of a row's two released coefficients; NaN where the row does
            not show both (same class twice).
        ordered: float64 (rows, 2) or None; coefficients by label entry (unordered within a row).
    """

    k: int
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def target_from_labels(labels: NDArray, k: int) -> LabelTarget:
    """Rows with exactly two classes give (smaller, larger); others NaN."""
    y = np.asarray(labels, np.float64)
    two = (y > 1e-6).sum(1) == 2
    ordered = np.sort(y, axis=1)
    low = np.where(two, ordered[:, -2], np.nan)
    high = np.where(two, ordered[:, -1], np.nan)
    return LabelTarget(k, low, high)


def _source(tries: int, wanted: tuple[int, ...]) -> str:
    """Source of the filter for `tries` polar attempts and the accepted-pair numbers `wanted`.

    Words 4t and 4t + 2 of the stream are the leading words of attempt t (each double eats two).  The code is unrolled over
    attempts, and each statement loops over LANES seeds, which the compiler turns into 512-bit vectors.
    """
    words = 4 * tries
    top = words - 1  # the last leading word is 4 (tries - 1) + 2; its neighbour above is read by the twist
    lines = [
        "def scan(first, count, lows, highs, tol, out):",
        f"    w = np.empty(({top + 1}, {LANES}), np.uint32)",
        f"    x = np.empty({LANES}, np.uint32)",
        f"    a = np.empty({LANES}, np.float32)",
        f"    b = np.empty({LANES}, np.float32)",
        f"    cnt = np.empty({LANES}, np.int32)",
        f"    ok = np.empty({LANES}, np.int32)",
        "    found = 0",
        f"    for base in range(0, count, {LANES}):",
        f"        for l in range({LANES}):",
        "            w[0, l] = np.uint32(np.uint64(first) + np.uint64(base) + np.uint64(l))",
        "            cnt[l] = 0",
        "            ok[l] = 0",
        f"        for i in range(1, {top + 1}):",
        f"            for l in range({LANES}):",
        "                p = w[i - 1, l]",
        "                w[i, l] = np.uint32(np.uint32(MULT * np.uint32(p ^ np.uint32(p >> S30))) + np.uint32(i))",
        f"        for l in range({LANES}):",
        f"            x[l] = w[{top}, l]",
        f"        for i in range({top + 1}, 397):",
        f"            for l in range({LANES}):",
        "                p = x[l]",
        "                x[l] = np.uint32(np.uint32(MULT * np.uint32(p ^ np.uint32(p >> S30))) + np.uint32(i))",
    ]
    position = 397
    for t in range(tries):
        for word, name in ((4 * t, "a"), (4 * t + 2, "b")):
            while position <= 397 + word:
                lines += [
                    f"        for l in range({LANES}):",
                    "            p = x[l]",
                    "            x[l] = np.uint32(np.uint32(MULT * np.uint32(p ^ np.uint32(p >> S30)))"
                    f" + np.uint32({position}))",
                ]
                position += 1
            lines += [
                f"        for l in range({LANES}):",
                f"            h = np.uint32(np.uint32(w[{word}, l] & UP) | np.uint32(w[{word + 1}, l] & LO))",
                "            y = np.uint32(np.uint32(x[l] ^ np.uint32(h >> S1)) ^ np.uint32(np.uint32(np.uint32(0) - "
                "np.uint32(h & S1)) & MAT))",
                "            y = np.uint32(y ^ np.uint32(y >> S11))",
                "            y = np.uint32(y ^ np.uint32(np.uint32(y << S7) & T1))",
                "            y = np.uint32(y ^ np.uint32(np.uint32(y << S15) & T2))",
                "            y = np.uint32(y ^ np.uint32(y >> S18))",
                f"            {name}[l] = abs(np.float32(np.int32(np.uint32(y ^ UP))) + HALF)",
            ]
        tests = " ".join(
            f"hit |= (1 if c == {p} and abs(small * highs[{j}] - large * lows[{j}]) <= tol[{j}] * large else 0);"
            for j, p in enumerate(wanted)
        )
        lines += [
            f"        for l in range({LANES}):",
            "            r2 = a[l] * a[l] + b[l] * b[l]",
            "            acc = np.int32(1 if r2 < ONE else 0)",
            # the rejection edge itself: bits below the leading word decide, so let such seeds through
            "            edge = 1 if abs(r2 - ONE) < EDGE else 0",
            "            small = min(a[l], b[l])",
            "            large = max(a[l], b[l])",
            "            c = cnt[l]",
            "            hit = 0",
            f"            {tests}",
            "            ok[l] |= (hit & acc) | edge",
            "            cnt[l] = np.int32(c + acc)",
        ]
    lines += [
        f"        for l in range({LANES}):",
        f"            if ok[l] != 0 or cnt[l] <= {max(wanted)}:",
        "                if found < out.shape[0]:",
        "                    out[found] = np.uint32(np.uint64(first) + np.uint64(base) + np.uint64(l))",
        "                found += 1",
        "    return found",
    ]
    return "\n".join(lines)

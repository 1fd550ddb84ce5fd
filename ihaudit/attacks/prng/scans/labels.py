"""All 2^32 seeds of NumPy's legacy generator from released labels: the coefficients are ratios of its first normals.

``numpy.random.seed(s)`` then ``numpy.random.normal(size=(rows, k))``: the polar method makes normals in pairs
(f x2, f x1) with one factor f per accepted (x1, x2), so the ratio of a pair is |x2| / |x1|, free of logarithm and
root, and its leading 24 bits come from one generator word each.  A label row that shows both private coefficients of
one pair (k even) is a test of about 2^-20 per seed after some thirty integer operations per word.

The filter's survivors are replayed in full by NumPy itself, on all label rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.prng._jit import kernel, parallel
from ihaudit.contracts.context import Progress

LANES = 256  # seeds stepped side by side: 16 vectors of 512 bits
CHUNK = 1 << 21
_CONFIRM_ROWS = 64
_CONFIRM = 4  # rows that must agree: each by chance with about 1e-6


@dataclass(frozen=True, eq=False)
class LabelTarget:
    """What the labels fix.

    Attributes:
        k: images mixed per encoding (normals per row), even.
        low, high: float64 (rows,) smaller and larger of a row's two coefficients; NaN where it does not show two.
        precision: absolute rounding error of the labels.
    """

    k: int
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    precision: float

    @property
    def usable(self) -> bool:
        """Whether a scan can work: enough rows with two classes, and labels fine enough."""
        return int(np.isfinite(self.low[:_CONFIRM_ROWS]).sum()) >= 12 and self.precision <= 1e-4 and self.k % 2 == 0


def label_precision(labels: NDArray) -> float:
    """Rounding error of labels: half a unit of the last decimal if they are decimals, else of float32."""
    y = np.asarray(labels, np.float64)[:256]
    for digits in range(1, 7):
        # float32 carries a decimal below 1 with an error of 3e-8
        if np.abs(y * 10**digits - np.round(y * 10**digits)).max() < 1e-7 * 10**digits:
            return 0.5 * 10.0**-digits
    return 6e-8


def target_from_labels(labels: NDArray, k: int) -> LabelTarget:
    """Rows with exactly two classes, in the order of the release."""
    y = np.asarray(labels, np.float64)
    two = (y > 1e-6).sum(1) == 2
    ordered = np.sort(y, axis=1)
    low = np.where(two, ordered[:, -2], np.nan)
    high = np.where(two, ordered[:, -1], np.nan)
    return LabelTarget(k, low, high, label_precision(labels))


@kernel
def _filter(first, count, tries, wanted, lows, highs, tolerance, out):  # type: ignore[no-untyped-def]
    """Seeds first..first+count-1 whose accepted polar pair number wanted[j] has the ratio lows[j] / highs[j].

    Returns how many pass any j; their seeds in `out` as far as it reaches.
    """
    mult, s30 = np.uint32(1812433253), np.uint32(30)
    upper, lower, matrix = np.uint32(0x80000000), np.uint32(0x7FFFFFFF), np.uint32(0x9908B0DF)
    s1, s7, s11, s15, s18 = np.uint32(1), np.uint32(7), np.uint32(11), np.uint32(15), np.uint32(18)
    t1, t2 = np.uint32(0x9D2C5680), np.uint32(0xEFC60000)
    one = np.float32(4611686018427387904.0)  # (2^31)^2
    edge = np.float32(4611686018427387904.0 * 2e-6)
    words = 4 * tries
    w = np.empty((words, 256), np.uint32)
    x = np.empty(256, np.uint32)
    ab = np.empty((2, 256), np.float32)
    cnt = np.empty(256, np.int32)
    ok = np.empty(256, np.int32)
    found = 0
    for base in range(0, count, 256):
        start = np.uint32(first + base)
        for l in range(256):
            w[0, l] = np.uint32(start + np.uint32(l))
            cnt[l] = 0
            ok[l] = 0
        for i in range(1, words):
            add = np.uint32(i)
            for l in range(256):
                p = w[i - 1, l]
                w[i, l] = np.uint32(np.uint32(mult * np.uint32(p ^ np.uint32(p >> s30))) + add)
        for l in range(256):
            x[l] = w[words - 1, l]
        for i in range(words, 397):
            add = np.uint32(i)
            for l in range(256):
                p = x[l]
                x[l] = np.uint32(np.uint32(mult * np.uint32(p ^ np.uint32(p >> s30))) + add)
        position = 397
        for t in range(tries):
            for half in range(2):
                word = 4 * t + 2 * half
                while position <= 397 + word:
                    add = np.uint32(position)
                    for l in range(256):
                        p = x[l]
                        x[l] = np.uint32(np.uint32(mult * np.uint32(p ^ np.uint32(p >> s30))) + add)
                    position += 1
                for l in range(256):
                    h = np.uint32(np.uint32(w[word, l] & upper) | np.uint32(w[word + 1, l] & lower))
                    odd = np.uint32(np.uint32(0) - np.uint32(h & s1))
                    y = np.uint32(np.uint32(x[l] ^ np.uint32(h >> s1)) ^ np.uint32(odd & matrix))
                    y = np.uint32(y ^ np.uint32(y >> s11))
                    y = np.uint32(y ^ np.uint32(np.uint32(y << s7) & t1))
                    y = np.uint32(y ^ np.uint32(np.uint32(y << s15) & t2))
                    y = np.uint32(y ^ np.uint32(y >> s18))
                    ab[half, l] = abs(np.float32(np.int32(np.uint32(y ^ upper))))
            for j in range(wanted.shape[0]):
                number, lo, hi, tol = wanted[j], lows[j], highs[j], tolerance[j]
                for l in range(256):
                    a, b = ab[0, l], ab[1, l]
                    small, large = min(a, b), max(a, b)
                    close = abs(small * hi - large * lo) <= tol * large
                    ok[l] |= np.int32(close) & np.int32(cnt[l] == number)
            for l in range(256):
                r2 = ab[0, l] * ab[0, l] + ab[1, l] * ab[1, l]
                # at the very edge of rejection lower bits decide: let such seeds through to the replay
                ok[l] |= np.int32(abs(r2 - one) < edge)
                cnt[l] += np.int32(r2 < one)
        for l in range(256):
            if ok[l] != 0 and base + l < count:
                if found < out.shape[0]:
                    out[found] = np.uint32(start + np.uint32(l))
                found += 1
    return found


def choose_rows(target: LabelTarget, rows: int = 3, skip: int = 0) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """`rows` usable rows after the first `skip` of them: their numbers as accepted polar pairs, and as label rows."""
    index = np.flatnonzero(np.isfinite(target.low))[skip : skip + rows].astype(np.int64)
    wanted = (index * target.k // 2).astype(np.int32)
    return wanted, index


def _tries(last: int) -> int:
    """Attempts until pair number `last` is accepted, by all but about 0.1 % of seeds (acceptance pi / 4)."""
    need = last + 1
    mean = need / 0.7854
    return int(np.ceil(mean + 3.1 * np.sqrt(need * 0.2146) / 0.7854 + 0.5))


def confirm(seed: int, target: LabelTarget) -> int:
    """How many label rows the generator seeded so explains, by NumPy's own replay (of the first `_CONFIRM_ROWS`)."""
    rows = min(_CONFIRM_ROWS, len(target.low))
    x = np.abs(np.random.RandomState(seed).normal(size=(rows, target.k))[:, :2])
    low, high = x.min(1), x.max(1)
    with np.errstate(invalid="ignore"):
        gap = np.abs(low * target.high[:rows] - high * target.low[:rows])
        allowed = (2 * target.precision + 2e-7) * high
    return int((gap <= allowed).sum())


def explains(seed: int, target: LabelTarget) -> bool:
    """Whether a seed is confirmed (rows redrawn by the scheme's own bounds may disagree; chance alone gives none)."""
    if target.precision < 1e-6:
        return confirm(seed, target) >= _CONFIRM
    return confirm(seed, target) >= _CONFIRM + 8


def prepare(
    target: LabelTarget, rows: int, skip: int
) -> tuple[NDArray[np.int32], int, NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """What the filter compares: accepted-pair numbers, attempts, smaller and larger coefficients, tolerances."""
    wanted, index = choose_rows(target, rows, skip)
    low, high = target.low[index].astype(np.float32), target.high[index].astype(np.float32)
    tolerance = (high * np.float32(3e-7) + np.float32(2 * target.precision)).astype(np.float32)
    return wanted, _tries(int(wanted.max())), low, high, tolerance


def scan(
    target: LabelTarget,
    *,
    first: int = 0,
    last: int = 2**32,
    rows: int = 3,
    skip: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> list[int]:
    """Seeds in [first, last) whose stream explains the labels.

    A row that the scheme redrew (its bounds reject 19 % of rows at k = 4, 43 % at k = 6) cannot be matched; with three
    rows 99.3 % (92 %) of seeds are found; `skip` moves on to later rows for a second pass.

    Returns:
        list of seeds, ascending.
    """
    if not target.usable:
        return []
    wanted, tries, low, high, tolerance = prepare(target, rows, skip)
    starts = list(range(first, last, CHUNK))
    done = [0]

    def one(start: int) -> list[int]:
        count = min(CHUNK, last - start)
        size = 1 << 16
        while True:
            out = np.empty(size, np.uint32)
            n = int(_filter(start, count, tries, wanted, low, high, tolerance, out))
            if n <= size:
                break
            size = n
        hits = [int(s) for s in out[:n] if explains(int(s), target)]
        done[0] += 1
        if progress and done[0] % 16 == 0:
            progress("scanning numpy seeds by labels", done[0] / len(starts))
        return hits

    return sorted(h for part in parallel(one, starts, threads) for h in part)

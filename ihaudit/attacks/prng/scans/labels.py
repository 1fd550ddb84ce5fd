"""All 2^32 seeds of NumPy's legacy generator from released labels: the coefficients are ratios of its first normals.

``numpy.random.seed(s)`` then ``numpy.random.normal(size=(rows, k))``: the polar method makes normals in pairs
(f x2, f x1) with one factor f per accepted (x1, x2), so the ratio of a pair is |x2| / |x1|, free of logarithm and
root, and its leading 24 bits come from one generator word each.  A label row that shows both private coefficients of
one pair (k even) is a test of about 2^-20 per seed after some thirty integer operations per word.

The filter's survivors are replayed in full by NumPy itself, on all label rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ihaudit.attacks.prng._jit import kernel
from ihaudit.attacks.prng.generators import lanes_torch
from ihaudit.attacks.prng.generators.mt import seeded_word, tempered, twisted
from ihaudit.attacks.prng.scans.ranges import search_range
from ihaudit.contracts.context import Progress

CHUNK = 1 << 21
_CONFIRM_ROWS = 64
_ONE, _EDGE = 2.0**62, 2e-6  # the square of the unit circle's radius in units of 2^-31, and what float32 may miss of it
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


def label_precision(labels: NDArray[Any]) -> float:
    """Rounding error of labels: half a unit of the last decimal if they are decimals, else of float32."""
    y = np.asarray(labels, np.float64)[:256]
    for digits in range(1, 7):
        # float32 carries a decimal below 1 with an error of 3e-8
        if np.abs(y * 10**digits - np.round(y * 10**digits)).max() < 1e-7 * 10**digits:
            return 0.5 * 10.0**-digits
    return 6e-8


def target_from_labels(labels: NDArray[Any], k: int) -> LabelTarget:
    """Rows with exactly two classes, in the order of the release."""
    y = np.asarray(labels, np.float64)
    two = (y > 1e-6).sum(1) == 2
    ordered = np.sort(y, axis=1)
    low = np.where(two, ordered[:, -2], np.nan)
    high = np.where(two, ordered[:, -1], np.nan)
    return LabelTarget(k, low, high, label_precision(labels))


class Test(NamedTuple):
    """What every seed is tested for.

    Attributes:
        tries: polar pairs that are drawn.
        number: int32 (rows,), which accepted pair a label row was made of.
        low, high: float32 (rows,), its smaller and its larger coefficient; tolerance: float32 (rows,), of their ratio.
    """

    tries: int
    number: NDArray[np.int32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    tolerance: NDArray[np.float32]


def _tries(last: int) -> int:
    """Attempts until pair number `last` is accepted, by all but about 0.1 % of seeds (acceptance pi / 4)."""
    need = last + 1
    mean = need / 0.7854
    return int(np.ceil(mean + 3.1 * np.sqrt(need * 0.2146) / 0.7854 + 0.5))


def first_test(target: LabelTarget, rows: int = 3, skip: int = 0) -> Test:
    """`rows` usable label rows after the first `skip` of them."""
    index = np.flatnonzero(np.isfinite(target.low))[skip : skip + rows]
    number = (index * target.k // 2).astype(np.int32)
    low, high = target.low[index].astype(np.float32), target.high[index].astype(np.float32)
    tolerance = (high * np.float32(3e-7) + np.float32(2 * target.precision)).astype(np.float32)
    return Test(_tries(int(number.max())), number, low, high, tolerance)


@kernel
def _filter(first, count, tries, numbers, lows, highs, tolerance, out):  # type: ignore[no-untyped-def]
    """Seeds first..first+count-1 whose accepted polar pair numbers[j] has the ratio lows[j] / highs[j].

    Returns how many pass any j; their seeds in `out` as far as it reaches.
    """
    one = np.float32(_ONE)
    edge = np.float32(_ONE * _EDGE)
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
        cnt[:] = 0
        ok[:] = 0
        for i in range(1, words):
            for l in range(256):
                w[i, l] = seeded_word(w[i - 1, l], i)
        x[:] = w[words - 1]
        for i in range(words, 397):
            for l in range(256):
                x[l] = seeded_word(x[l], i)
        position = 397
        for t in range(tries):
            for half in range(2):
                word = 4 * t + 2 * half
                while position <= 397 + word:
                    for l in range(256):
                        x[l] = seeded_word(x[l], position)
                    position += 1
                for l in range(256):
                    y = tempered(twisted(w[word, l], w[word + 1, l], x[l]))
                    ab[half, l] = abs(np.float32(np.int32(np.uint32(y ^ np.uint32(0x80000000)))))
            for j in range(numbers.shape[0]):
                number, lo, hi, tol = numbers[j], lows[j], highs[j], tolerance[j]
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


def passing(first: int, last: int, test: Test) -> NDArray[np.uint32]:
    """The seeds of [first, last) that pass, ascending."""
    out = np.empty(1 << 16, np.uint32)
    n = int(_filter(first, last - first, *test, out))
    if n > len(out):
        out = np.empty(n, np.uint32)
        _filter(first, last - first, *test, out)
    return out[:n]


def passing_torch(first: int, last: int, test: Test, device: str) -> NDArray[np.uint32]:
    """`passing`, on a device."""
    seeds = np.arange(first, last).astype(np.uint32)
    x = lanes_torch.to_device(seeds, device)
    words = [x]
    for i in range(1, 397):
        x = lanes_torch.seeded_word(x, i)
        if i < 4 * test.tries:
            words.append(x)
    position = 397
    count, ok = torch.zeros_like(x), torch.zeros_like(x, dtype=torch.bool)
    for t in range(test.tries):
        pair = []
        for word in (4 * t, 4 * t + 2):
            while position <= 397 + word:
                x = lanes_torch.seeded_word(x, position)
                position += 1
            y = lanes_torch.tempered(lanes_torch.twisted(words[word], words[word + 1], x))
            pair.append((y ^ lanes_torch.signed(0x80000000)).to(torch.float32).abs())
        small, large = torch.minimum(*pair), torch.maximum(*pair)
        for number, low, high, tolerance in zip(*(v.tolist() for v in test[1:])):
            ok |= ((small * high - large * low).abs() <= tolerance * large) & (count == number)
        r2 = pair[0] * pair[0] + pair[1] * pair[1]
        ok |= (r2 - _ONE).abs() < _ONE * _EDGE
        count += (r2 < _ONE).to(torch.int32)
    passed: NDArray[np.uint32] = seeds[ok.cpu().numpy()]
    return passed


def explains(seed: int, target: LabelTarget) -> bool:
    """Whether NumPy's own replay explains enough of the first label rows (rows redrawn by the scheme's bounds may
    disagree; chance alone gives none)."""
    rows = min(_CONFIRM_ROWS, len(target.low))
    x = np.abs(np.random.RandomState(seed).normal(size=(rows, target.k))[:, :2])
    low, high = x.min(1), x.max(1)
    with np.errstate(invalid="ignore"):
        gap = np.abs(low * target.high[:rows] - high * target.low[:rows])
        agree = int((gap <= (2 * target.precision + 2e-7) * high).sum())
    return agree >= (_CONFIRM if target.precision < 1e-6 else _CONFIRM + 8)


def scan(
    target: LabelTarget,
    *,
    first: int = 0,
    last: int = 2**32,
    rows: int = 3,
    skip: int = 0,
    device: str = "cpu",
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
    test, on_cpu = first_test(target, rows, skip), device == "cpu"

    def search(start: int, stop: int) -> list[int]:
        passed = passing(start, stop, test) if on_cpu else passing_torch(start, stop, test, device)
        return [s for s in passed.tolist() if explains(s, target)]

    task = "scanning numpy seeds by labels"
    return search_range(search, first, last, CHUNK, threads=threads if on_cpu else 1, progress=progress, task=task)

"""White-box tests of the masks themselves, where a scheme states them: milliseconds, on the sealed side only.

1. Linear complexity (Berlekamp-Massey, Massey 1969): n bits of a secure generator have about n / 2; all bits of a
   Mersenne Twister satisfy one recurrence of length 19,937 (a multiple for some packings), an LFSR a shorter one.
2. Reuse: two encodings, or two runs, under the same mask (or its negative).
3. Masks that depend on the image: correlation with the mixture's own values, unequal signs, neighbours that agree.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats as st

from ihaudit.attacks.prng.gf2.polynomials import berlekamp_massey
from ihaudit.results import Cost, Finding
from ihaudit.stats import Estimate

_BITS = 45_000  # more than twice 19,937, the linear complexity of MT19937
_MORE = 170_000  # more than twice 79,748, four interleaved bits of it (8-bit draws)
_ALPHA = 1e-9
#: Encodings of a release among which every pair is compared, and those of another run that are compared with them.
_SAMPLE, _ACROSS = 10_000, 500
BLOCK = 1024  # encodings at a time, so that memory does not grow with the release


@dataclass(eq=False)
class MaskReport:
    """What `examine` saw; ``broken`` names the tests that failed, in words."""

    broken: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Estimate] = field(default_factory=dict)


def _complexity(bits: NDArray[np.uint8]) -> tuple[int, float]:
    """(L, probability that random bits have a complexity this far from n / 2 or farther): 2^-(2 |L - n/2| - 1)."""
    length, _ = berlekamp_massey(bits)
    off = abs(length - len(bits) / 2)
    return length, float(min(1.0, 2.0 ** -(2 * off - 1)))


def linear_complexity(masks: NDArray[np.int8]) -> list[dict[str, Any]]:
    """Linear complexity of the mask stream, in the released order and channels first, from its start and middle.

    Args:
        masks: int8 (E, ...) in {-1, +1}.
    """
    orders = {"as released": masks}
    if masks.ndim == 4 and masks.shape[3] > 1:
        orders["channels first"] = masks.transpose(0, 3, 1, 2)
        if (masks[:64] == masks[:64, ..., :1]).all():
            orders = {"one per pixel": masks[..., 0]}
    rows: list[dict[str, Any]] = []
    for name, m in orders.items():
        per = max(1, int(np.prod(m.shape[1:])))
        sizes = [_BITS] + ([_MORE] if m.size >= _MORE else [])
        for n in sizes:
            starts = {0, max(0, (len(m) // 2) - -(-n // per) // 2)} if n == _BITS else {0}
            for s in sorted(starts):
                block = m[s : s + -(-n // per)]
                bits = (block.reshape(-1)[:n] > 0).astype(np.uint8)
                if len(bits) < 64:
                    continue
                length, p = _complexity(bits)
                rows.append({"order": name, "encoding": s, "bits": len(bits), "complexity": length, "p": p})
                if p < _ALPHA:
                    return rows
    return rows


def repeated(masks: NDArray[np.int8]) -> list[tuple[int, int]]:
    """Pairs (first, later) of encodings with exactly the same mask, or its negative; linear in their number."""
    flat = masks.reshape(len(masks), -1)
    if flat.shape[1] < 64:
        return []
    seen: dict[bytes, int] = {}
    out: list[tuple[int, int]] = []
    for i, row in enumerate(flat):
        key = hashlib.blake2b(np.packbits(row == row[0]).tobytes(), digest_size=16).digest()
        if (first := seen.setdefault(key, i)) != i:
            out.append((first, i))
    return out


def reused(masks: NDArray[np.int8], other: NDArray[np.int8] | None = None) -> list[tuple[int, int]]:
    """Pairs of encodings with (nearly) the same mask, or its negative: of one release, or of one and another run.

    Correlation over d values has standard deviation 1 / sqrt(d); 0.5 is beyond reach by chance from d = 256 on.  Every
    pair is compared, so of many encodings look at a sample (`examine` does), and for exact repeats at all (`repeated`).
    """
    a = masks.reshape(len(masks), -1)[:, :8192].astype(np.float32)
    b = a if other is None else other.reshape(len(other), -1)[:, :8192].astype(np.float32)
    if a.shape[1] != b.shape[1] or a.shape[1] < 64:
        return []
    out: list[tuple[int, int]] = []
    for s in range(0, len(a), 1024):
        c = np.abs(a[s : s + 1024] @ b.T) / a.shape[1]
        if other is None:
            c[np.arange(len(c)), np.arange(s, s + len(c))] = 0
        i, j = np.nonzero(c > max(0.5, 8 / np.sqrt(a.shape[1])))
        out += [(int(x) + s, int(y)) for x, y in zip(i, j) if other is not None or x + s < y]
        if len(out) > 10_000:
            break
    return out


def image_dependence(masks: NDArray[np.int8], encodings: NDArray[Any]) -> dict[str, tuple[float, float]]:
    """(effect, two-sided p) of: share of +1, correlation with |encoding|, agreement of neighbours.

    All three are exactly null for uniform masks whatever the images; the correlation is tested per encoding (its values
    are fixed, its mask random) and summed.
    """
    size, row = masks.size, masks[0].size
    axes = {"vertical": 1, "horizontal": 2} if masks.ndim == 4 else {}
    plus = released_sum = released_power = product = power = 0.0
    agree = dict.fromkeys(axes, 0)
    compared = {k: size // masks.shape[a] * (masks.shape[a] - 1) for k, a in axes.items()}
    per: list[NDArray[np.float64]] = []
    for s in range(0, len(masks), BLOCK):
        block = masks[s : s + BLOCK]
        m = block.reshape(len(block), -1).astype(np.float64)
        released = encodings[s : s + BLOCK].reshape(len(block), -1).astype(np.float64)
        plus += m.sum()
        # mask * mixture is what was released, so this is the sum of the mask over the mixture's values
        released_sum += released.sum()
        released_power += (released**2).sum()
        x = np.abs(released)
        x -= x.mean(1, keepdims=True)
        with_mask, own = (m * x).sum(1), (x**2).sum(1)
        product += with_mask.sum()
        power += own.sum()
        per.append(with_mask / np.sqrt(np.maximum(own, 1e-30)))
        for name, axis in axes.items():
            first = block.take(range(masks.shape[axis] - 1), axis)
            agree[name] += int((first * block.take(range(1, masks.shape[axis]), axis)).sum(dtype=np.int64))

    def test(z: float, n: int) -> tuple[float, float]:
        return float(z / np.sqrt(n)), float(2 * st.norm.sf(abs(z)))

    share, p = test(plus / np.sqrt(size), size)
    out = {"share of +1 less 1/2": (share / 2, p)}
    out["correlation with the mixture"] = test(released_sum / np.sqrt(max(released_power, 1e-30)), size)
    if power > 0:
        out["correlation with magnitude"] = test(product / np.sqrt(power), size)
        squares = float(np.sum(np.concatenate(per) ** 2))
        tails = st.chi2.sf(squares, len(masks)), st.chi2.cdf(squares, len(masks))
        out["correlation with magnitude, per encoding"] = (
            float(np.sqrt(squares / len(masks) / row)),
            float(min(1.0, 2 * min(tails))),
        )
    for name, k in agree.items():
        n = compared[name]
        out[f"agreement of {name} neighbours"] = (k / n, float(2 * st.norm.sf(abs(k) / np.sqrt(n))))
    return out


def examine(
    masks: NDArray[np.int8], encodings: NDArray[Any], other_runs: list[NDArray[np.int8]] | None = None
) -> MaskReport:
    """All tests.

    Args:
        masks: int8 in {-1, +1}, shape of the encodings: the true masks.
        encodings: what was released.
        other_runs: masks of other calls of the same scheme with other randomness, if there are any.
    """
    report = MaskReport()
    masks = np.asarray(masks, np.int8)
    rows = linear_complexity(masks)
    report.details["linear_complexity"] = rows
    worst = min(rows, key=lambda r: r["p"], default=None)
    if worst is not None and worst["p"] < _ALPHA:
        name = " (that of MT19937)" if worst["complexity"] in (19937, 19938) else ""
        report.broken.append(
            f"{worst['bits']:,} consecutive mask bits ({worst['order']}) follow a linear recurrence of length "
            f"{worst['complexity']:,}{name}; random bits would need about {worst['bits'] // 2:,}"
        )
        report.metrics["linear_complexity"] = Estimate(worst["complexity"], n=worst["bits"])
    elif rows:
        report.metrics["linear_complexity"] = Estimate(rows[0]["complexity"], n=rows[0]["bits"])
    few = slice(None, None, -(-len(masks) // _SAMPLE))
    pairs = repeated(masks) or [(i * few.step, j * few.step) for i, j in reused(masks[few])]
    report.details["reused_within"] = pairs[:100]
    report.metrics["reused_masks"] = Estimate(len({i for p in pairs for i in p}) / max(1, len(masks)), n=len(masks))
    if pairs:
        report.broken.append(
            f"{len({i for p in pairs for i in p})} of {len(masks)} encodings share their mask with another"
        )
    across = [p for run in other_runs or [] for p in reused(masks[:_SAMPLE], run[:_ACROSS])]
    report.details["reused_across_runs"] = across[:100]
    if across:
        report.broken.append(f"{len(across)} masks came out again in another run with other randomness")
    tests = image_dependence(masks, encodings)
    report.details["dependence"] = {k: {"effect": e, "p": p} for k, (e, p) in tests.items()}
    for name, (effect, p) in tests.items():
        if p < _ALPHA:
            report.broken.append(f"masks are not independent and uniform: {name} is {effect:+.4f} (p = {p:.1e})")
    return report


def whitebox(
    masks: NDArray[np.int8] | None, encodings: NDArray[Any], other_runs: list[NDArray[np.int8]] | None = None
) -> Finding:
    """The check `mask-randomness` as a finding; `not run` where the scheme states no masks."""
    common: dict[str, Any] = {
        "id": "mask-randomness",
        "kind": "check",
        "title": "Are the sign masks random? (white box)",
        "reference": "Massey 1969; Matsumoto & Nishimura 1998; Carlini et al. 2021, appendix B",
    }
    if masks is None or not np.size(masks):
        return Finding(status="not run", reason="the scheme does not state its masks", **common)
    if np.shape(masks) != np.shape(encodings) or not np.isin(np.unique(masks), (-1, 1)).all():
        return Finding(
            status="not run", reason="the stated masks are not -1 and +1 in the shape of the encodings", **common
        )
    wall, cpu = time.perf_counter(), time.process_time()
    report = examine(masks, encodings, other_runs)
    cost = Cost(wall_s=time.perf_counter() - wall, cpu_s=time.process_time() - cpu)
    if report.broken:
        sentence = (
            "The sign masks are not what they must be, uniform and unpredictable: " + "; ".join(report.broken) + "."
        )
    else:
        longest = max((r["bits"] for r in report.details["linear_complexity"]), default=0)
        runs = " or in another run" if other_runs else ""
        sentence = (
            f"No linear recurrence in {longest:,} mask bits, no mask used twice{runs}, no dependence on the images; "
            "which is what these tests can see."
        )
    return Finding(
        status="broken" if report.broken else "no break found",
        metrics=report.metrics,
        primary="linear_complexity" if "linear_complexity" in report.metrics else None,
        cost=cost,
        sentence=sentence,
        details=report.details,
        **common,
    )

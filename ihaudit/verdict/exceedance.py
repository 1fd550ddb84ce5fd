"""What a verdict rests on: is an attack's score above a bound, and is it above what guessing reaches?

A score alone does not show a leak: images that look alike (chest X-rays, sky) reach a high SSIM with any guess.  So a
score counts only where it is *above chance* too, by two exact tests over a fixed set of levels t (`LEVELS`) from the
bound upwards; both have to reject at the same t, at `ALPHA` divided by the number of levels and of attacks tried:

* Fisher's exact test: more private images than decoys score above t.  Decoys are images that were not encoded, scored
  on the same candidates by the same matcher, so whatever matching or a good prior gains shows there too.
* McNemar's exact test, on the same images: the attack scores above t where trivial guesses do not (mean image, nearest
  known image, mean of the encodings, the image's own mean colour) more often than the other way round.

A single image can never be significant by counting; it counts when it lies `CLEAR` above every decoy and above every
trivial guess for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.metrics import intervals
from ihaudit.results import Finding
from ihaudit.scheme import finite
from ihaudit.stats import Estimate

LEVELS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
ALPHA = 0.025
CLEAR = 0.3

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Exceedance:
    """How far one attack's scores exceed bounds and guessing.

    Read from arrays where they are at hand, else from what results.json keeps of them.

    Attributes:
        finding: the attack's finding.
        scores: float64 (N,) pinned SSIM per private image, or None.
        counts: ``level`` and, for each, how many of ``n`` private images (``private``) and of ``d`` decoys (``decoy``)
            score above it, on how many images the attack does and trivial guesses do not (``gain``), and the reverse
            (``loss``); ``clear`` = best score minus the highest of decoys and of trivial guesses on that image.
            None where the finding holds none.
        polarity: the same of scores in the best of four polarities (`ihaudit.scoring.polarity`); None where there are
            none.
    """

    finding: Finding
    scores: NDArray[np.float64] | None
    counts: dict[str, Any] | None
    polarity: Exceedance | None = None
    metric: str = "ssim"

    def strongest(self, q: float, bound: float, attacks: int = 1) -> tuple[Estimate | None, bool, bool]:
        """The q-quantile, whether it lies above `bound` and above chance, and whether that is so only by polarity.

        The plain score speaks first: pictures that are negatives or mirror images count where it does not.
        """
        plain = self.quantile(q)
        if plain is not None and plain.value is not None and plain.value > bound and self.above_chance(bound, attacks):
            return plain, True, False
        other = None if self.polarity is None else self.polarity.quantile(q)
        if self.polarity is None or other is None or other.value is None or not other.value > bound:
            return plain, False, False
        counts = self.polarity.above_chance(bound, attacks)
        return (other, True, True) if counts else (plain, False, False)

    def quantile(self, q: float) -> Estimate | None:
        """The q-quantile of SSIM over private images; None where it cannot be told without arrays.npz."""
        if self.scores is not None:
            return intervals.quantile_estimate(self.scores, q, floor=-1, ceiling=1)
        ending = {0.5: "median", 0.9: "q90", 1.0: "best"}.get(round(q, 6))
        return self.finding.metrics.get(f"{self.metric}_{ending}") if ending else None

    def above_chance(self, bound: float, attacks: int = 1) -> bool:
        """Whether scores above `bound` are more than guessing gives; see the module's docstring.

        Args:
            bound: levels below it are not looked at.
            attacks: how many attacks were tried, for the correction.
        """
        from scipy import stats

        c = self.counts
        if c is None:
            return False
        if c["clear"] is not None and c["clear"] >= CLEAR and c["best"] > bound:
            return True
        tried = [i for i, t in enumerate(c["level"]) if t >= bound - 1e-9] or [len(c["level"]) - 1]
        level = ALPHA / len(tried) / max(1, attacks)
        for i in tried:
            gain, loss = c["gain"][i], c["loss"][i]
            if gain + loss == 0 or stats.binomtest(gain, gain + loss, 0.5, alternative="greater").pvalue > level:
                continue
            if c["d"] == 0:
                return True
            table = [[c["private"][i], c["n"] - c["private"][i]], [c["decoy"][i], c["d"] - c["decoy"][i]]]
            if stats.fisher_exact(table, alternative="greater").pvalue <= level:
                return True
        return False

    def share_above(self, bound: float) -> float | None:
        """Share of private images that score above `bound`, where it can be told."""
        if self.scores is not None:
            return float((self.scores > bound).mean())
        if self.counts is not None and bound in self.counts["level"]:
            return float(self.counts["private"][self.counts["level"].index(bound)] / max(1, self.counts["n"]))
        return None


def exceedances(findings: Sequence[Finding], arrays: Arrays | None = None) -> dict[str, Exceedance]:
    """The `Exceedance` of every attack and baseline that ran, by finding id.

    Where arrays are at hand, ``details["exceedance"]`` (its counts) and the metric ``above_baseline``
    are written into the findings, so that results.json alone can be gated again.

    Args:
        findings: of the audit, baselines among them.
        arrays: arrays.npz by ``<id>/<name>``, for findings read from results.json; a finding's own arrays come first.
    """
    guesses = {f.id: a for f in findings if f.kind == "baseline" and (a := _array(f, "ssim", arrays)) is not None}
    out = {}
    for f in findings:
        if f.kind not in ("attack", "baseline") or f.status == "not run":
            continue
        scores = _array(f, "ssim", arrays)
        if scores is not None and f.kind == "attack":
            fitting = {k: g for k, g in guesses.items() if len(g) == len(scores)}
            flat = _array(f, "ssim_flat", arrays)
            floor = np.max([*fitting.values(), *([flat] if flat is not None else []), np.zeros(len(scores))], axis=0)
            f.details["exceedance"] = _counts(scores, _array(f, "ssim_decoy", arrays), floor)
            if fitting:
                best = max(fitting, key=lambda k: float(fitting[k].mean()))
                f.metrics["above_baseline"] = _residual(scores, fitting[best])
                f.details["best_baseline"] = best
            turned = _array(f, "ssim_polarity", arrays)
            if turned is not None:
                f.details["exceedance_polarity"] = _counts(turned, _array(f, "ssim_polarity_decoy", arrays), floor)
        counts, turned_counts = f.details.get("exceedance"), f.details.get("exceedance_polarity")
        polarity = None
        if _complete(turned_counts):
            polarity = Exceedance(f, _array(f, "ssim_polarity", arrays), turned_counts, metric="ssim_polarity")
        out[f.id] = Exceedance(f, scores, counts if _complete(counts) else None, polarity)
    return out


def _array(f: Finding, name: str, arrays: Arrays | None) -> NDArray[np.float64] | None:
    a = f.arrays.get(name)
    if a is None and arrays is not None:
        a = arrays.get(f"{f.id}/{name}")
    if a is None or not np.size(a):
        return None
    if a.ndim != 1 or a.dtype.kind not in "fiu" or not np.isfinite(a).all():
        raise ValueError(f"{f.id}/{name} of arrays.npz is {a.dtype} {a.shape}, expected one finite score per image")
    return np.asarray(a, np.float64)


def _counts(scores: NDArray[Any], decoy: NDArray[Any] | None, floor: NDArray[Any]) -> dict[str, Any]:
    level = np.asarray(LEVELS)[:, None]
    above, guess = scores[None] > level, floor[None] > level
    best = int(scores.argmax())
    rival = max(float(floor[best]), float(decoy.max()) if decoy is not None else 0.0)
    return {
        "level": list(LEVELS),
        "n": len(scores),
        "d": 0 if decoy is None else len(decoy),
        "private": above.sum(axis=1).tolist(),
        "decoy": [0] * len(LEVELS) if decoy is None else (decoy[None] > level).sum(axis=1).tolist(),
        "gain": (above & ~guess).sum(axis=1).tolist(),
        "loss": (guess & ~above).sum(axis=1).tolist(),
        "best": float(scores[best]),
        "clear": float(scores[best]) - rival if decoy is not None else None,
    }


def _complete(counts: Any) -> bool:
    """Whether counts of results.json are what `_counts` writes; None where the finding has none.

    Raises:
        ValueError: there are some, and they are not.
    """
    if counts is None:
        return False
    lists = ("private", "decoy", "gain", "loss")
    try:
        length = len(counts["level"])
        ok = all(finite(x) is not None for x in (*counts["level"], counts["best"]))
        ok &= counts["clear"] is None or finite(counts["clear"]) is not None
        ok &= all(type(counts[k]) is int and counts[k] >= 0 for k in ("n", "d")) and length > 0
        for k in lists:
            most = counts["d" if k == "decoy" else "n"]
            ok &= len(counts[k]) == length and all(type(x) is int and 0 <= x <= most for x in counts[k])
    except (TypeError, KeyError):
        ok = False
    if not ok:
        raise ValueError("details.exceedance of a finding is not what an audit counts")
    return True


def _residual(scores: NDArray[Any], guess: NDArray[Any]) -> Estimate:
    """Mean gain over the best baseline as a share of what was left to gain (1 - its mean): Anonymeter's residual."""
    left = max(1e-9, 1 - float(guess.mean()))
    return intervals.mean_estimate((scores - guess) / left)

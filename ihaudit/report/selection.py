"""Which findings a report speaks of: what ran, the strongest attack and game, the best trivial guess."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.format import Source
from ihaudit.report import words
from ihaudit.results import Finding, Results
from ihaudit.verdict import gates

#: By how much another polarity must score more to be spoken of.
NEARLY = 0.05
#: Statuses by weight: what a reader should see first.
WEIGHT = {"broken": 0, "inconclusive": 1, "no break found": 2, "measured": 3, "not run": 4}


def ran(results: Results, *kinds: str) -> list[Finding]:
    """Findings of some kinds that ran, in the order of results.json."""
    return [f for f in results.of_kind(*kinds) if f.status != "not run"]


def by_weight(findings: Iterable[Finding]) -> list[Finding]:
    """The same findings, the broken ones first."""
    return sorted(findings, key=lambda f: WEIGHT[f.status])


def broken(results: Results, *kinds: str) -> list[Finding]:
    """Findings of some kinds that came out broken."""
    return [f for f in results.of_kind(*kinds) if f.status == "broken"]


def value(finding: Finding, metric: str) -> float | None:
    """The value of a metric, or None where it was not measured."""
    e = finding.metrics.get(metric)
    return None if e is None else e.value


def strongest_attack(results: Results) -> Finding | None:
    """The attack that the gate on SSIM names, else the one with the highest SSIM; None where no attack was scored."""
    named = next((c.by for c in results.gate.checks if c.name == "ssim"), None)
    by = results.finding(named) if named else None
    if by is not None and answered(by) and by.kind == "attack" and "ssim" in by.metrics:
        return by
    scored = [f for f in ran(results, "attack") if value(f, "ssim") is not None]
    scored = [f for f in scored if answered(f)] or scored

    def key(f: Finding) -> float:
        score = value(f, "ssim_q90" if "ssim_q90" in f.metrics else "ssim")
        return -1.0 if score is None else score

    return max(scored, key=key, default=None)


def answered(attack: Finding) -> bool:
    """Whether an attack answered with any picture that stands for a private image."""
    return attack.details.get("matched") != 0


def answers(attack: Finding) -> str:
    """``12 of 100``: the private images for which an attack has an answer; empty where that was not measured."""
    said = gates.answered(attack)
    return f"{words.number(said[0])} of {words.number(said[1])}" if said else ""


def best_baseline(results: Results) -> Finding | None:
    """The trivial guess with the highest mean SSIM."""
    scored = [f for f in results.of_kind("baseline") if value(f, "ssim") is not None]
    return max(scored, key=lambda f: value(f, "ssim") or 0.0, default=None)


def strongest_game(results: Results) -> Finding | None:
    """The game with the highest lower bound on its advantage, of those that are about an advantage; or None."""
    games = [f for f in ran(results, "game") if "advantage" in f.metrics and f.metrics["advantage"].low is not None]
    games = [f for f in games if f.primary in (None, "advantage")] or games
    return max(games, key=lambda f: f.metrics["advantage"].low or 0.0, default=None)


def decided_by(results: Results) -> str:
    """What the gate's figure is about: the name of the check that decided, a refuted claim's quantity, or nothing."""
    gate = results.gate
    named = next((c.name for c in gate.checks if c.statistic == gate.statistic), "")
    return named or next((c.quantity for c in results.claims if gate.statistic == f"claim: {c.text}"), "")


def ssim_bound(results: Results) -> float | None:
    """The bound on SSIM that was gated, or None."""
    if results.gate.bound is not None and decided_by(results) == "ssim":
        return results.gate.bound
    return next((c.bound for c in results.gate.checks if c.name == "ssim"), None)


def challenge_answer(results: Results) -> Finding | None:
    """The attack whose answer `ihaudit challenge` wrote, or None."""
    return results.finding(str(results.options.get("answer_by") or ""))


def chosen(scores: NDArray[Any], each: int) -> list[tuple[str, int]]:
    """Indices of best, median and worst images by score; all of them where there are few."""
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
    n = len(order)
    if n <= 3 * each:
        names = ["best" if i == 0 else "worst" if i == n - 1 else "median" if i == n // 2 else "" for i in range(n)]
        return [(name, int(i)) for name, i in zip(names, order)]
    middle = (n - each) // 2
    parts = (("best", order[:each]), ("median", order[middle : middle + each]), ("worst", order[-each:]))
    return [(name, int(i)) for name, part in parts for i in part]


def there(source: Source, finding: Finding, n: int) -> NDArray[np.bool_]:
    """bool (N,): the private images for which the attack has an answer; the others have no picture to show."""
    candidate = source.array(finding.id, "candidate")
    return candidate >= 0 if candidate is not None and candidate.shape == (n,) else np.ones(n, bool)


#: How a picture that counts in another polarity is called; ``polarity`` of arrays.npz indexes it.
POLARITY = ("", "a mirror image", "a negative", "a negative of the mirror image")


@dataclass(frozen=True, eq=False)
class Answer:
    """What an attack answered for each private image, ready to be shown.

    Attributes:
        pictures: (N, H, W, C) as answered.
        scores: float (N,) SSIM exactly as answered.
        recovered: float (N,) SSIM in the best polarity, by which pictures are ranked; `scores` where not measured.
        way: (N,) an index of `POLARITY`; 0 where the plain score is (nearly) the best.
        there: bool (N,) whether there is an answer.
    """

    pictures: NDArray[Any]
    scores: NDArray[Any]
    recovered: NDArray[Any]
    way: NDArray[Any]
    there: NDArray[np.bool_]

    def ranks(self) -> NDArray[Any]:
        """What images are ranked by: those without an answer come last."""
        return np.where(self.there, self.recovered, -np.inf)

    def note(self, i: int) -> str:
        """``0.820 as a negative``, or nothing where image `i` is no better in another polarity."""
        return f"{words.scaled(float(self.recovered[i]))} as {POLARITY[int(self.way[i])]}" if self.way[i] else ""


def answer(source: Source, finding: Finding, n: int) -> Answer | None:
    """The answer of an attack for `n` private images; None where its pictures or scores are not there."""
    pictures, scores = source.array(finding.id, "reconstruction_polarity"), source.scores(finding)
    pictures = source.array(finding.id, "reconstruction") if pictures is None else pictures
    if pictures is None or scores is None or not len(pictures) == len(scores) == n:
        return None
    best, way = source.scores(finding, "ssim_polarity"), source.array(finding.id, "polarity")
    if best is None or way is None or not len(best) == len(way) == n:
        best, way = scores, np.zeros(n, np.int8)
    way = np.where((best > scores + NEARLY) & (way >= 0) & (way < len(POLARITY)), way, 0)
    return Answer(pictures, scores, best, way, there(source, finding, n) | (way > 0))

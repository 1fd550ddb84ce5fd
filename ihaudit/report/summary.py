"""Section 1: the verdict in one line, and a paragraph in plain language for a privacy reviewer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ihaudit.report import words
from ihaudit.results import Finding, Results

if TYPE_CHECKING:
    from ihaudit.report.base import Source


@dataclass(frozen=True)
class Verdict:
    """The verdict: its word, the line under it, and sentences for a reader who is no specialist."""

    word: str
    line: str
    sentences: list[str]
    reasons: list[str]
    but: list[str]


def tried(results: Results, kind: str) -> list[Finding]:
    """Findings of `kind` that ran."""
    return [f for f in results.of_kind(kind) if f.status != "not run"]


def strongest_attack(results: Results) -> Finding | None:
    """The attack that the gate on SSIM names, else the one with the highest SSIM; None where no attack was scored."""
    named = next((c.by for c in results.gate.checks if c.name == "ssim"), None)
    by = results.finding(named) if named else None
    if by is not None and answered(by) and by.kind == "attack" and "ssim" in by.metrics:
        return by
    scored = [f for f in tried(results, "attack") if "ssim" in f.metrics and f.metrics["ssim"].value is not None]
    scored = [f for f in scored if answered(f)] or scored

    def key(f: Finding) -> float:
        e = f.metrics.get("ssim_q90") or f.metrics["ssim"]
        return e.value if e.value is not None else -1.0

    return max(scored, key=key, default=None)


def answered(attack: Finding) -> bool:
    """Whether an attack answered with any picture that stands for a private image; others are scored on grey."""
    return attack.details.get("matched") != 0


def best_baseline(results: Results) -> Finding | None:
    """The trivial guess with the highest mean SSIM."""
    scored = [f for f in results.of_kind("baseline") if "ssim" in f.metrics and f.metrics["ssim"].value is not None]
    return max(scored, key=lambda f: f.metrics["ssim"].value or 0.0, default=None)


def line(results: Results) -> str:
    """Gate statistic, value with interval, bound, number of images or trials, worst attack, preset."""
    gate = results.gate
    if any(c.name == "secret" and c.statistic == gate.statistic for c in gate.checks):
        return (
            f"{words.sentence(gate.statistic)[:-1]} · by: {words.title_of(results, gate.by)} · preset {results.profile}"
        )
    if gate.measured is None or gate.measured.value is None:
        text = words.sentence(gate.sentence or gate.statistic or "nothing was decided")
        return f"{text} Preset {results.profile}."
    unit = _unit(results)
    parts = [f"{gate.statistic}: {words.estimate(gate.measured, unit)}"]
    if gate.bound is not None:
        parts.append(f"bound {words.scaled(gate.bound, unit)}")
    by = results.finding(gate.by) if gate.by else None
    if gate.measured.n:
        game = by is not None and by.kind == "game"
        parts.append(words.plural(gate.measured.n, "trial" if game else "image"))
    if gate.by:
        kind = words.KIND_WORD[by.kind] if by else "finding"
        parts.append(f"strongest {kind}: {words.title_of(results, gate.by)}")
    parts.append(f"preset {results.profile}")
    text = " · ".join(parts)
    return text[:1].upper() + text[1:]


def _unit(results: Results) -> str:
    """Re-identification is gated as a rate above chance; SSIM and advantages are plain numbers."""
    low = results.gate.statistic.lower()
    return "pp" if "identif" in low or "reid" in low else ""


def build(source: Source) -> Verdict:
    """The verdict of an audit."""
    results = source.results
    word = words.verdict_word(results)
    sentences = [_what_was_done(results)]
    attack = strongest_attack(results)
    if attack is not None:
        sentences.append(_attack_sentence(source, attack))
    game = strongest_game(results)
    if game is not None and game.sentence:
        sentences.append(words.sentence(game.sentence))
    sentences += _meaning(results, word, attack, game)
    reasons = [words.sentence(r) for r in results.gate.reasons]
    return Verdict(word, line(results), [s for s in sentences if s], reasons, ungated(results, word))


def ungated(results: Results, word: str) -> list[str]:
    """What came out broken although the verdict does not say so, because no gate rests on it."""
    if word == "broken":
        return []
    kinds = ("attack", "game", "check", "observation")
    return [
        f"{f.title}: {words.sentence(f.sentence or 'broken')}" for f in results.of_kind(*kinds) if f.status == "broken"
    ]


def strongest_game(results: Results) -> Finding | None:
    """The game with the highest lower bound on its advantage, of those that are about an advantage; or None."""
    games = [f for f in tried(results, "game") if "advantage" in f.metrics and f.metrics["advantage"].low is not None]
    games = [f for f in games if f.primary in (None, "advantage")] or games
    return max(games, key=lambda f: f.metrics["advantage"].low or 0.0, default=None)


def _what_was_done(results: Results) -> str:
    private, release = results.private, results.release
    text = f"The scheme {results.name} was given "
    if private:
        text += f"{words.plural(private.count, 'private image')} ({private.name}, {_size(private.shape)})"
    else:
        text += "private images"
    if release:
        text += f" and published {words.plural(release.encodings[0], 'encoding')}"
        text += " with labels" if release.labels else ""
    know = [words.KNOWLEDGE[k][0].lower() for k in results.adversary if k in words.KNOWLEDGE]
    attacks, games = len(tried(results, "attack")), len(tried(results, "game"))
    what = f"{words.plural(attacks, 'attack') if attacks else 'no attack'} and "
    what += words.plural(games, "game") if games else "no game"
    return f"{text}. From this, {what} tried to learn about the images, knowing: {words.listing(know)}."


def _size(shape: list[int]) -> str:
    return f"{shape[0]} × {shape[1]} pixels" if len(shape) >= 2 else "× ".join(map(str, shape))


def _attack_sentence(source: Source, attack: Finding) -> str:
    """What the strongest attack got, beside what a trivial guess gets."""
    m = attack.metrics
    if not answered(attack):
        return "No attack answered with a picture that could stand for a private image."
    median = m.get("ssim_median")
    if median is None or median.value is None:
        text = f"The strongest attack ({attack.title}) reached an SSIM of {words.scaled(m['ssim'].value)} on average"
    else:
        reached = f"an SSIM of at least {words.scaled(median.value)} on half of the images"
        text = f"The strongest attack ({attack.title}) reached {reached}"
    base = best_baseline(source.results)
    text += ", where 1 is a perfect copy"
    if base is not None:
        text += f" and a trivial guess ({base.title.lower()}) reaches {words.scaled(base.metrics['ssim'].value)}"
    scores, bound = source.scores(attack), ssim_bound(source.results)
    if scores is not None and bound is not None:
        above = int(np.sum(scores > bound))
        text += f"; {above} of {len(scores)} images came out above {words.scaled(bound)}"
    reid = m.get("reid")
    if reid is not None and reid.value is not None:
        text += f". Its picture led to the right image among all candidates in {words.scaled(reid.value, '%')} of cases"
        above_chance = m.get("reid_above_chance")
        if above_chance is not None and above_chance.value is not None:
            text += f" ({words.scaled(reid.value - above_chance.value, '%')} by chance)"
    return text + "."


def ssim_bound(results: Results) -> float | None:
    """The bound on SSIM that was gated, or None."""
    if results.gate.bound is not None and "ssim" in results.gate.statistic.lower():
        return results.gate.bound
    checks = [c.bound for c in results.gate.checks if "ssim" in f"{c.name} {c.statistic}".lower()]
    return checks[0] if checks else None


def _meaning(results: Results, word: str, attack: Finding | None, game: Finding | None) -> list[str]:
    if word == "inconclusive":
        return [
            "No conclusion may be drawn from this audit, neither for the scheme nor against it; the reasons stand "
            "below."
        ]
    if word == "no break found" and ungated(results, word):
        return [
            "No gate was crossed, but that is not the whole story: what stands below came out broken, and no gate "
            "rests on it "
            "(games gate with --max-advantage)."
        ]
    if word == "no break found":
        left_out = len([f for f in results.findings if f.status == "not run"])
        more = f", {words.plural(left_out, 'item')} did not run (section 8)" if left_out else ""
        return [
            "Nothing that was tried crossed its bound. This is no evidence that the images are protected: it is worth "
            f"as much as the attacks that ran{more}, and better ones may exist (section 9)."
        ]
    if attack is not None and attack.status == "broken":
        return [
            "Whoever holds these encodings should be assumed to hold pictures of the private images, at least as good "
            "as "
            "those shown in section 6. Later attacks can only be better."
        ]
    if game is not None and game.status == "broken":
        return [
            "No attack here rebuilt the pictures up to the bound, but the encodings do tell an adversary about the "
            "images "
            "they were made from; what must not be learnt about them can be learnt with the stated probability."
        ]
    return ["At least one bound was crossed; the table in section 2 names it."]

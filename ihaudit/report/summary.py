"""The verdict in one line, and a paragraph in plain language for a privacy reviewer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ihaudit.contracts.format import Source
from ihaudit.report import words
from ihaudit.report.contents import place, report_kind
from ihaudit.report.selection import (
    answered,
    answers,
    best_baseline,
    challenge_answer,
    decided_by,
    ran,
    ssim_bound,
    strongest_attack,
    strongest_game,
)
from ihaudit.results import Finding, Results
from ihaudit.verdict import headline
from ihaudit.verdict.gates import EVENTS


@dataclass(frozen=True)
class Verdict:
    """The verdict: its word, the line under it, and sentences for a reader who is no specialist.

    `word` is the gate's, one of the report's words; `heading` is what is printed for it; `warning` is the sentence of
    `ihaudit.verdict.headline`, the first line where it is not empty; `meaning` is the sentence for a reader who stops
    at page one.
    """

    word: str
    heading: str
    warning: str
    line: str
    sentences: list[str]
    reasons: list[str]
    but: list[str]
    meaning: str = ""


def line(results: Results) -> str:
    """Gate statistic, value with interval, bound, number of images or trials, worst attack, profile."""
    gate = results.gate
    about = decided_by(results)
    if about in EVENTS:  # which has no figure: what must not happen did
        who = f" · by {gate.by}" if gate.by else ""
        return f"{words.sentence(gate.statistic)[:-1]}{who} · profile {results.profile}"
    if gate.measured is None or gate.measured.value is None:
        text = words.sentence((gate.sentence or gate.statistic or "nothing was decided").removeprefix("Inconclusive: "))
        return f"{text} Profile {results.profile}."
    unit = words.gate_unit(about)
    parts = [f"{gate.statistic}: {words.estimate(gate.measured, unit)}"]
    if gate.bound is not None:
        parts.append(f"bound {words.scaled(gate.bound, unit)}")
    by = results.finding(gate.by) if gate.by else None
    if gate.measured.n:
        game = by is not None and by.kind == "game"
        parts.append(words.plural(gate.measured.n, "trial" if game else "image"))
    if gate.by:
        kind = words.KIND_WORD[by.kind] if by else "finding"
        parts.append(f"strongest {kind}: {gate.by}")
    parts.append(f"profile {results.profile}")
    text = " · ".join(parts)
    return text[:1].upper() + text[1:]


def verdict(source: Source) -> Verdict:
    """The verdict of an audit, or what came out of an attack on a release without its scheme."""
    results = source.results
    if report_kind(results) == "challenge":
        return _challenge_verdict(results)
    word = words.verdict_word(results)
    sentences = [_what_was_done(results)]
    attack, by = strongest_attack(results), results.finding(results.gate.by or "")
    if by is not None and by.kind == "attack" and by is not attack and by.sentence:
        sentences.append(f"{by.title}: {words.clause(by.sentence)}")
    if attack is not None:
        sentences.append(_attack_sentence(source, attack))
    game = strongest_game(results)
    if game is not None and game.sentence:
        sentences.append(words.sentence(game.sentence))
    meaning = _meaning(results, word, attack, game)
    sentences += meaning
    reasons = [words.sentence(r) for r in results.gate.reasons]
    warned = headline.warning(results)
    but = headline.ungated(results.findings, results.gate.checks) if word != "broken" else []
    listed = [f"{f.title}: {words.sentence(f.sentence or 'broken')}" for f in but]
    said = [s for s in sentences if s]
    return Verdict(word, heading(results), warned, line(results), said, reasons, listed, " ".join(meaning))


def heading(results: Results) -> str:
    """What stands for the verdict's word: the word itself, or both halves where the gate does not say it all."""
    word = words.verdict_word(results)
    if not headline.warning(results):
        return word
    return "gate met, but broken" if word == "no break found" else "inconclusive, but broken"


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
    attacks, games = len(ran(results, "attack")), len(ran(results, "game"))
    what = f"{words.plural(attacks, 'attack') if attacks else 'no attack'} and "
    what += words.plural(games, "game") if games else "no game"
    text = f"{text}. From this, {what} tried to learn about the images. The adversary may know: {words.known(results)}"
    used = {k for f in ran(results, "attack") for k in words.used(f)}
    if unused := [words.KNOWLEDGE[k][0].lower() for k in words.KNOWLEDGE if k in results.adversary and k not in used]:
        text += f"; no attack that ran made use of {words.listing(unused, 'or')}" if attacks else ""
    return text + "."


def _size(shape: list[int]) -> str:
    return f"{shape[0]} × {shape[1]} pixels" if len(shape) >= 2 else "× ".join(map(str, shape))


def _attack_sentence(source: Source, attack: Finding) -> str:
    """What the strongest attack got, beside what a trivial guess gets."""
    m = attack.metrics
    if not answered(attack):
        return "No attack answered with a picture that could stand for a private image."
    by = source.results.finding(source.results.gate.by or "")
    other = by is not None and by.kind == "attack" and by is not attack  # one that answers no pictures
    strongest = "The strongest attack on pictures" if other else "The strongest attack"
    median = m.get("ssim_median")
    if median is None or median.value is None:
        text = f"{strongest} ({attack.id}) reached an SSIM of {words.scaled(m['ssim'].value)} on average"
    else:
        reached = f"an SSIM of at least {words.scaled(median.value)} on half of the images"
        text = f"{strongest} ({attack.id}) reached {reached}"
    if (said := answers(attack)) and attack.details["matched"] < attack.details["private"]:
        text += f" (it answered {said} images; the others count as not recovered)"
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


def _meaning(results: Results, word: str, attack: Finding | None, game: Finding | None) -> list[str]:
    if word == "inconclusive" and headline.warning(results):
        return [
            "Nothing may be concluded in favour of the scheme: the audit as a whole could not be decided, for the "
            f"reasons in {place(results, 'actions')}. What came out broken stands all the same."
        ]
    if word == "inconclusive":
        return [
            "No conclusion may be drawn from this audit, neither for the scheme nor against it; "
            f"{place(results, 'actions')} has the reasons."
        ]
    if word == "no break found" and headline.warning(results):
        return [
            "No gate was crossed, but that is not the whole story: something came out broken, and no gate rests on it "
            f"(it does with --strict); {place(results, 'actions')} names it."
        ]
    if word == "no break found":
        left_out = len([f for f in results.findings if f.status == "not run"])
        more = f", {words.plural(left_out, 'item')} did not run ({place(results, 'notrun')})" if left_out else ""
        return [
            "Nothing that was tried crossed its bound. This is no evidence that the images are protected: it is worth "
            f"as much as the attacks that ran{more}, and better ones may exist ({place(results, 'limits')})."
        ]
    by = results.finding(results.gate.by or "")
    if by is not None and by.kind == "attack" and "ssim" not in by.metrics and "reid" in by.metrics:
        rebuilt = (
            "Rebuilding the pictures was not tried: no attack of this audit answers such encodings with pictures."
            if attack is None
            else "No attack here rebuilt a picture."
        )
        return [f"Whoever holds photographs, the private ones among them, can tell which encoding is whose. {rebuilt}"]
    if attack is not None and attack.status == "broken":
        return [
            "Whoever holds these encodings should be assumed to hold pictures of the private images, at least as good "
            f"as those shown in {place(results, 'gallery')}. Later attacks can only be better."
        ]
    if game is not None and game.status == "broken":
        return [
            "No attack here rebuilt the pictures up to the bound, but the encodings do tell an adversary about the "
            "images they were made from; what must not be learnt about them can be learnt with the stated probability."
        ]
    return [f"At least one bound was crossed; the table in {place(results, 'claims')} names it."]


def _challenge_verdict(r: Results) -> Verdict:
    """What an attack answered to a release that came without its scheme; no score, for lack of a truth."""
    answer = challenge_answer(r)
    count = r.release.encodings[0] if r.release else 0
    sentences = [
        f"{words.plural(count, 'encoding')} were attacked without the scheme that made them and without the private "
        f"images, knowing: {words.known(r)}."
    ]
    if answer is None:
        sentences.append("No attack could answer; the section “What did not run” and the attacks’ cards say why.")
    else:
        sentences.append(
            f"{answer.title} answered with {words.plural(int(answer.details.get('images', 0)), 'image')}. "
            + _confidence_sentence(answer)
        )
        left = int(answer.details.get("encodings_without_image", 0))
        if left:
            sentences.append(
                f"For {words.plural(left, 'encoding')} no image was found; decryption.npy holds the mean image there."
            )
    line = "There is no truth to compare with: nothing here was scored, and no gate was decided"
    word = words.verdict_word(r)
    if word == "broken":
        line = "A secret of the scheme was recovered from the release alone, which shows without the private images"
    sentences.append(
        "The private images are not known to this report, so it holds no SSIM and no verdict on the scheme. Whoever "
        "has them scores decryption.npy with “ihaudit score”. Look at the pictures: a recovered photograph speaks for "
        "itself, and confident noise does too."
    )
    return Verdict(word, word, "", line, sentences, [words.sentence(x) for x in r.gate.reasons[1:]], [])


def _confidence_sentence(f: Finding) -> str:
    text = ""
    if (mean := f.metrics.get("confidence")) is not None and mean.value is not None:
        text += f"By the attack’s own estimate their mean SSIM is {words.scaled(mean.value)}. "
    if (fit := f.metrics.get("agreement")) is not None and fit.value is not None:
        text += (
            f"What these images predict for the encodings correlates with them by {words.scaled(fit.value)} on average "
            "(1 would explain them wholly; what else was mixed in keeps it below)."
        )
    return text.strip()

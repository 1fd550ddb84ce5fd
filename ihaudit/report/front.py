"""Page one: what was claimed beside what came out, what was tried and what was not, how sure, and six pictures."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ihaudit.contracts.format import Source
from ihaudit.report import remedies, words
from ihaudit.report.contents import place
from ihaudit.report.pictures import is_image, png, private_images, to_uint8
from ihaudit.report.selection import answer, answered, best_baseline, chosen, ran, strongest_attack, value
from ihaudit.results import Finding, Results
from ihaudit.verdict.gates import EVENTS

#: Rows of the table, pictures beside each other, and actions on page one; the sections after it have the rest.
ROWS, ACTIONS = 4, 3
#: Characters of a claim or a reason on page one, where few rows stand there and where many; section 3 has all of them.
LONG, LONGEST = 80, 160
_LATER = re.compile(r"^the profile \w+ leaves it out")
_LACKS = re.compile(r"lacks ([\w ]+)")


@dataclass(frozen=True)
class Line:
    """A claim or a gate beside its measurement, each figure with its unit."""

    who: str
    what: str
    bound: str
    measured: str
    word: str
    by: str
    why: str = ""


@dataclass(frozen=True)
class Picture:
    """An original and its reconstruction as data URIs; `found` is empty where the attack has no answer."""

    which: str
    index: int
    original: str
    found: str
    score: str
    note: str = ""


@dataclass(frozen=True)
class Front:
    """Everything on page one after the verdict's word."""

    lines: list[Line]
    left_out: int
    pictures: list[Picture]
    pictures_by: str
    no_pictures: str
    tried: str
    not_tried: list[str]
    sure: list[str]
    actions: list[remedies.Action]
    more_actions: int
    results: Results

    def figures(self, ids: list[str]) -> str:
        """See `with_figures`."""
        return with_figures(self.results, ids)

    @property
    def tight(self) -> bool:
        """Whether the table is so long that the pictures under it have to be smaller for a page to hold both."""
        return len(self.lines) > 3 or sum(bool(line.why) for line in self.lines) > 1


def front(source: Source) -> Front:
    """Page one of an audit."""
    results = source.results
    rows = lines(results)
    shown, by, why = _pictures(source)
    found = remedies.brief(remedies.actions(results))
    return Front(
        rows[:ROWS],
        max(0, len(rows) - ROWS),
        shown,
        by,
        why,
        tried(results),
        not_tried(results),
        sure(results),
        found[:ACTIONS],
        max(0, len(found) - ACTIONS),
        results,
    )


def lines(results: Results) -> list[Line]:
    """The author's claims first, then the auditor's gates; none of either is said too."""
    rows = []
    longest = LONGEST if len(results.claims) + len(results.gate.checks) < ROWS else LONG
    for c in results.claims:
        unit = words.gate_unit(c.quantity)
        part = f" for {words.scaled(c.quantile, '%')} of images" if c.quantile < 1 and c.quantity == "ssim" else ""
        measured = words.estimate(c.measured, unit) if c.measured else "not measured"
        if c.measured and c.quantity == "ssim":
            measured += " (the largest)" if c.quantile >= 1 else f" ({words.scaled(c.quantile, '%')} quantile)"
        bound = f"{words.QUANTITY.get(c.quantity, c.quantity)} ≤ {words.scaled(c.bound, unit)}{part}"
        word = words.CLAIM_WORD[c.status]
        text, why = words.shortened(words.sentence(c.text), longest), words.shortened(words.sentence(c.reason), longest)
        rows.append(Line("author", text, bound, measured, word, c.by or "", why))
    if not rows:
        text = "Claims nothing that a measurement could refute; the gates below are the auditor’s."
        rows.append(Line("author", text, "none", "–", "", ""))
    for g in results.gate.checks:
        unit = words.gate_unit(g.name)
        measured = words.estimate(g.measured, unit) if g.measured and g.measured.value is not None else "not measured"
        bound = f"< {words.scaled(g.bound, unit)}"
        why = next((r.removeprefix(f"{g.statistic}: ") for r in results.gate.reasons if r.startswith(g.statistic)), "")
        if g.name in EVENTS:
            bound, why = "must not happen", ""
            measured = "happened" if g.met is False else "did not happen"
        text, why = words.shortened(words.sentence(g.statistic), longest), words.shortened(why, longest)
        rows.append(Line("gate", text, bound, measured, words.CHECK_WORD[g.met], g.by or "", why))
    return rows


def _pictures(source: Source) -> tuple[list[Picture], str, str]:
    """Two best, two median and two worst answers of the strongest attack; whose; and why there are none."""
    best = strongest_attack(source.results)
    if best is None:
        return [], "", "No attack answered pictures, so there is none to show."
    if not answered(best):
        return [], "", "No attack answered with a picture that could stand for a private image."
    if not source.samples:
        return [], "", "Pictures are left out of this report (--no-samples)."
    truth = private_images(source)
    found = None if truth is None else answer(source, best, len(truth))
    if truth is None or found is None or not (is_image(truth) and is_image(found.pictures)):
        return [], "", "The arrays beside results.json hold no pictures (--no-samples, or they were removed)."
    shown = []
    for which, i in chosen(found.ranks(), 2):
        picture = png(to_uint8(found.pictures[i])) if found.there[i] else ""
        score = words.scaled(float(found.scores[i]))
        shown.append(Picture(which, i, png(to_uint8(truth[i])), picture, score, found.note(i)))
    return shown[:6], best.id, ""


def tried(results: Results) -> str:
    """Attacks and games that ran, by id, and as whom."""
    who = words.listing([text for k, text in words.PLAIN_KNOWLEDGE.items() if k in results.adversary])
    parts = []
    for kind in ("attack", "game"):
        found = ran(results, kind)
        count = words.plural(len(found), kind) if found else f"no {kind}"
        parts.append(f"{count}{f' ({_ids(found)})' if found else ''}")
    if not any(ran(results, kind) for kind in ("attack", "game")):
        return "Nothing: no attack and no game ran."
    text = words.listing(parts)
    return f"{text[:1].upper()}{text[1:]}, by an adversary who may have {who}."


def with_figures(results: Results, ids: list[str]) -> str:
    """Ids of findings; of games with the advantage that they found."""
    said = []
    for id_ in ids:
        f = results.finding(id_)
        e = f.metrics.get("advantage") if f is not None and f.kind == "game" else None
        said.append(f"{id_}: advantage {words.scaled(e.value)}" if e is not None and e.value is not None else id_)
    return words.few(said, 4)


def _ids(found: list[Finding]) -> str:
    return words.few([f.id for f in found], 10)


def not_tried(results: Results) -> list[str]:
    """What did not run, one sentence per kind of reason."""
    left = [f for f in results.of_kind("attack", "game") if f.status == "not run"]
    later = [f for f in left if _LATER.search(f.reason)]
    lacking: dict[str, list[Finding]] = {}
    for f in left:
        if f not in later and (m := _LACKS.search(f.reason)):
            lacking.setdefault(m[1].removesuffix(" see").strip(), []).append(f)
    unasked = [f for f in left if " was asked for (--" in f.reason]
    rest = [f for f in left if f not in later + unasked and not any(f in fs for fs in lacking.values())]
    said = []
    if later:
        said.append(f"Left to longer profiles than {results.profile}: {_ids(later)}.")
    if lacking:
        parts = [f"{what} ({_ids(fs)})" for what, fs in lacking.items()]
        said.append(f"Not open to this adversary, who lacks {words.listing(parts)}.")
    for part, why in ((unasked, "Left out by whoever ran this audit"), (rest, "Does not apply to such a release")):
        if part:
            count = words.plural(len(part), "attack or game", "attacks and games")
            said.append(f"{why}: {count} ({place(results, 'notrun')}).")
    said.append("Attacks that nobody has written yet, and whatever leaks outside this release.")
    return said


def sure(results: Results) -> list[str]:
    """Sample and interval, controls, guessing, and what shakes the audit."""
    said = ["Not at all: nothing was decided."] if words.verdict_word(results) == "inconclusive" else []
    e, unit = results.gate.measured, words.gate_unit(decided_name(results))
    count = results.private.count if results.private else 0
    by = results.finding(results.gate.by or "")
    what = "trial" if by is not None and by.kind == "game" else "image"
    of = f", from {words.plural(e.n, what)}" if e is not None and e.n else ""
    if e is not None and e.value is not None and words.interval(e, unit):
        said.append(f"95 % interval of the deciding figure: {words.interval(e, unit)}{of}.")
    elif count:
        said.append(f"{words.plural(count, 'private image')}.")
    for g in results.gate.checks:
        high = g.measured.high if g.measured else None
        if g.met and high is not None and high > g.bound:
            unit = words.gate_unit(g.name)
            said.append(
                f"{words.sentence(g.statistic.split(',')[0]).rstrip('.')}: not ruled out up to "
                f"{words.scaled(high, unit)}, where the interval ends; its bound is {words.scaled(g.bound, unit)}."
            )
    said.append(controls(results))
    base, attack = best_baseline(results), strongest_attack(results)
    if base is not None and attack is not None and answered(attack):
        said.append(
            f"A trivial guess reaches a mean SSIM of {words.scaled(value(base, 'ssim'))}, {attack.id} "
            f"{words.scaled(value(attack, 'ssim'))}."
        )
    return said


def decided_name(results: Results) -> str:
    """The check or claimed quantity that the gate's figure is about; empty for none."""
    gate = results.gate
    named = next((c.name for c in gate.checks if c.statistic == gate.statistic), "")
    return named or next((c.quantity for c in results.claims if gate.statistic == f"claim: {c.text}"), "")


def controls(results: Results) -> str:
    """How the schemes with a known answer came out."""
    found = results.of_kind("control")
    tried_ = [c for c in found if c.status != "not run"]
    failed = [c for c in tried_ if c.status == "inconclusive"]
    if not any(ran(results, kind) for kind in ("attack", "game")):
        return "No control was tried either."
    if not tried_:
        return "No control ran, so nothing shows that this audit can tell a broken scheme from another."
    if failed:
        return f"Controls that did not come out as they must: {_ids(failed)}."
    return f"{len(tried_)} of {words.plural(len(found), 'control')} ran and came out as they must."

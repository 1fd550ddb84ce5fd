"""What to do: for each thing that came out broken or stayed open a cause, a severity, a remedy, and what would show
that the remedy works.

A finding states its own where it knows better: ``details["remedy"]`` (a sentence), or a dict of ``cause``, ``remedy``
and ``shows``.  Findings of one cause and one remedy are one row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ihaudit.report import words
from ihaudit.results import Finding, Results
from ihaudit.verdict.reliability import NO_CONTROLS, NO_NULLS

Severity = Literal["critical", "high", "moderate", "low", "to do"]

#: What each word means; printed as it stands.
SEVERITY: dict[Severity, str] = {
    "critical": "pictures of private images come back, they are in the release as they are, or a secret was recovered",
    "high": "encodings are matched to people or images, or a game is won with an advantage of at least 0.500",
    "moderate": "a game is won with a smaller advantage, or a declaration of the scheme is wrong",
    "low": "an observation that no bound rests on",
    "to do": "nothing broke, and something is left to do before anybody relies on that",
}
#: A game's advantage (lower end of its interval) from which its severity is high.
HIGH_ADVANTAGE = 0.5

HOLD = "Do not release; treat the encodings as the images, with whatever protects those."
RNG = "Draw every mask and coefficient from a cryptographic generator (`rng=secure`), and never from a seeded one."


@dataclass(frozen=True)
class Action:
    """One row: what it is about, how grave it is, why it happened, what to do, and what would show that it worked."""

    ids: list[str]
    severity: Severity
    cause: str
    remedy: str
    shows: str


@dataclass(frozen=True)
class _Known:
    cause: str
    remedy: str
    shows: str
    ids: tuple[str, ...] = field(default=())


_AGAIN = "{id} on the changed scheme stays within its bound while the positive controls still come out broken"
#: What augmentation before mixing bought the defender, where an attack got past it.
_MOVED = (
    "Moving every image anew before it is mixed ({how}) does not change that: the motions are found along with the "
    "images. What it bought is longer computing, a somewhat lower score, and that nobody learns in which of these "
    "poses an image was at first."
)
#: By the id of a finding, or what stands before its first hyphen or colon.
_KNOWN = (
    _Known(
        "Each private image lies in many encodings, and what was mixed into it averages out; a sign mask hides nothing "
        "that absolute values keep.",
        f"{HOLD} The number of images mixed (k) is not the lever (see the curve of `ihaudit sweep`), and neither is "
        "the mask; how often an image is encoded is. Encoding each once takes this attack away, not those on single "
        "encodings; and where the adversary has the public images, three uses of each image are enough "
        "(unmix-public, `--knows public_set`).",
        "`ihaudit sweep` over k and the number of passes: the 90 % quantile of SSIM lies within the bound at every "
        "point that would be used",
        ("unmix", "phase", "carlini", "cluster-mean", "least-squares"),
    ),
    _Known(
        "A single encoding keeps the absolute values of what it is made of, and a network that never saw the private "
        "images restores their signs.",
        f"{HOLD} Encoding each image only once does not help here.",
        _AGAIN,
        ("recolour",),
    ),
    _Known(
        "What is mixed in comes from a set that the adversary has, so that it is found and subtracted.",
        f"{HOLD} Fewer encodings of each image do not help, three are enough (five to ten where each is moved "
        "anew for every use). A public set that is not public would "
        "take this attack away, and only this one.",
        _AGAIN,
        ("single", "phase-public", "unmix-public"),
    ),
    _Known("Encodings look like their images.", HOLD, _AGAIN, ("as-released",)),
    _Known(
        "One key serves many images, and whoever knows some of these learns its inverse.",
        f'{HOLD} A larger key is not the lever; a fresh key for every image (`key = "image"`) is.',
        "the curve of SSIM against known pairs stays, at every number of pairs, where encodings alone are",
        ("decoder", "linear"),
    ),
    _Known(
        "One key moves or changes values alike in all images, and what neighbouring pixels have in common gives it "
        "away without any known image.",
        f"{HOLD} A larger key is not the lever: the same key for many images is what is solved for.",
        _AGAIN,
        ("jigsaw", "unscramble", "unkey"),
    ),
    _Known(
        "Statistics of an image that the key leaves alone say whose encoding it is.",
        "Do not release where somebody may hold these photographs. Removing names from encodings does not make them "
        "anonymous: whoever holds the photographs links them back.",
        "match and marks find the right candidate no more often than by chance (the intervals reach 0)",
        ("match", "marks"),
    ),
    _Known(
        "The randomness of the scheme can be predicted from what it publishes.",
        f"{RNG} What was published so far counts as published without masks.",
        "prng with `scans=always` finds no generator, and mask-randomness finds no recurrence and no mask used twice",
        ("prng", "mask-randomness"),
    ),
    _Known(
        "An encoding depends on its image enough to tell which of two it was made from.",
        "Do not call encodings indistinguishable or anonymous; state as a claim what is to stay hidden. Noise that is "
        "calibrated to an epsilon is the lever, at a price in usefulness.",
        "the game’s interval reaches 0 at the same number of trials, with the utility that is needed beside it",
        ("instance", "concept", "pair", "membership"),
    ),
    _Known(
        "The release as a whole says whether one image is in it.",
        "Make no claim of differential privacy; bound what one image can change in the release, add noise for that "
        "bound, and claim the epsilon that follows.",
        "a claim `epsilon` that one-run and neighbour do not refute at the trials of `--profile standard`",
        ("neighbour", "dataset", "one-run"),
    ),
    _Known(
        "The same image gives the same row again.",
        "Draw fresh randomness for every encoding.",
        _AGAIN,
        ("neighbour-equality",),
    ),
    _Known(
        "Order, number, size or labels of what is released say what its pixels do not.",
        "Release in random order and fixed number, with labels that many images share.",
        "side-channel wins through none of the channels in its table",
        ("side-channel",),
    ),
    _Known(
        "A released field holds private images as they are, or turned, negated, brighter or smaller.",
        "Withdraw what was released, and remove the field; where it is the encodings, no key hides what they show.",
        "plain-copies finds no copy in any field",
        ("plain-copies",),
    ),
    _Known(
        "The scheme declares about itself what it does not do.",
        "Correct the declaration or the code, whichever is wrong, and audit again: attacks and games go by it.",
        _AGAIN,
        ("checks",),
    ),
)
_BY_ID = {id_: k for k in _KNOWN for id_ in k.ids}
_OF_KIND = {
    "attack": _Known("An attack rebuilds private images or a secret of the scheme.", HOLD, _AGAIN),
    "game": _Known(
        "Encodings tell an adversary something about the images behind them.",
        "State as a claim what is to stay hidden, and change the scheme until a measurement bears it out.",
        _AGAIN,
    ),
    "check": _BY_ID["checks"],
    "observation": _Known("See the finding.", "Judge whether what it shows matters for this use.", _AGAIN),
}


def severity(finding: Finding) -> Severity:
    """How grave a broken finding is; see `SEVERITY`."""
    if finding.id == "plain-copies" or finding.details.get("broke") is True:
        return "critical"
    if finding.kind == "attack":
        return "critical" if "ssim" in finding.metrics else "high"
    if finding.kind == "game":
        e = finding.metrics.get("advantage")
        return "high" if e is not None and e.low is not None and e.low >= HIGH_ADVANTAGE else "moderate"
    return "low" if finding.kind == "observation" else "moderate"


def advice(finding: Finding) -> _Known:
    """Cause, remedy and proof for a broken finding: its own where it states them, else what is known of its kind."""
    parts = finding.id.replace(":", "-").split("-")
    names = ["-".join(parts[:n]) for n in range(len(parts), 0, -1)]
    known = next((_BY_ID[n] for n in names if n in _BY_ID), None) or _OF_KIND.get(finding.kind, _OF_KIND["observation"])
    moved = finding.details.get("augmentation")
    if isinstance(moved, str) and moved:
        known = replace(known, cause=f"{known.cause} {_MOVED.format(how=moved)}")
    own: Any = finding.details.get("remedy")
    if isinstance(own, str) and own.strip():
        return _Known(known.cause, words.sentence(own), known.shows)
    if isinstance(own, dict):
        cause, remedy, shows = (str(own.get(k) or getattr(known, k)) for k in ("cause", "remedy", "shows"))
        return _Known(words.sentence(cause), words.sentence(remedy), shows)
    return known


def actions(results: Results) -> list[Action]:
    """What to do, the gravest first: for what came out broken, else for what kept the audit from an answer."""
    if any(not f.details.get("must_break", True) for f in _failed_controls(results)):
        return _undecided(results)
    broken = [
        f for f in results.findings if f.status == "broken" and f.kind in ("attack", "game", "check", "observation")
    ]
    # What decided comes first among those as grave.
    broken.sort(key=lambda f: f.id != results.gate.by)
    found = list(_merged((severity(f), f) for f in broken))
    order = list(SEVERITY)
    found.sort(key=lambda a: order.index(a.severity))
    if results.gate.exit_code == 3:
        return found + _undecided(results)
    return found if broken else _unbroken(results)


def brief(found: list[Action]) -> list[Action]:
    """The same for page one: two sentences of a remedy, and one row for those that begin alike."""
    rows: dict[str, Action] = {}
    for a in found:
        sentences = re.split(r"(?<=[.!?]) ", a.remedy)
        row = rows.get(sentences[0])
        if row is None:
            rows[sentences[0]] = replace(a, remedy=" ".join(sentences[:2]))
        else:
            rows[sentences[0]] = replace(row, ids=[*row.ids, *a.ids])
    return list(rows.values())


def _failed_controls(results: Results) -> list[Finding]:
    return [f for f in results.of_kind("control") if f.status == "inconclusive"]


def _merged(found: Iterable[tuple[Severity, Finding]]) -> Iterator[Action]:
    """Rows of one cause and remedy made one, as grave as the gravest of them."""
    rows: dict[tuple[str, str], Action] = {}
    order = list(SEVERITY)
    for grave, f in found:
        a = advice(f)
        row = rows.get((a.cause, a.remedy))
        if row is None:
            shows = a.shows.replace("{id}", f.id)
            rows[a.cause, a.remedy] = Action([f.id], grave, a.cause, a.remedy, words.sentence(shows))
        else:
            gravest = min(row.severity, grave, key=order.index)
            rows[a.cause, a.remedy] = Action([*row.ids, f.id], gravest, row.cause, row.remedy, row.shows)
    yield from rows.values()


def _undecided(results: Results) -> list[Action]:
    """One row per reason why the audit could not be decided."""
    rows: list[Action] = []
    for reason in results.gate.reasons or [results.gate.sentence]:
        remedy, shows = _way_out(results, reason)
        rows.append(Action([], "to do", words.sentence(reason), remedy, shows))
    return rows


_DECIDES = "The audit, run again, ends in “gate met” or “gate missed”."


def _way_out(results: Results, reason: str) -> tuple[str, str]:
    left_out = " addressed the scheme" in reason and "was asked for (--" in reason
    if left_out or NO_NULLS in reason or (reason.startswith("control:") and " was run on " in reason):
        return "Run again without `--attack` and `--game`, so that what addresses such a release runs.", _DECIDES
    id_ = next((f.id for f in _failed_controls(results) if reason.startswith(f.id)), "")
    if id_:
        f = results.finding(id_)
        if f is not None and not f.details.get("must_break", True):
            return (
                "Believe nothing that this audit calls broken; report it as a defect of ihaudit, with results.json.",
                f"{id_} comes out as it must.",
            )
        return (
            "Add an attack that is made for schemes of this kind, or a longer profile (`--profile standard`); until "
            "one breaks the control, that none breaks the scheme says nothing.",
            f"{id_} comes out broken.",
        )
    if NO_CONTROLS in reason:
        return (
            "Run again without `--attack` and `--game`, or with attacks and games that address the controls.",
            "The positive controls come out broken.",
        )
    if "guessing reaches as much" in reason:
        return (
            "Audit with images that look less alike, or claim a bound above what guessing reaches on these.",
            "Trivial guesses and images that were never encoded stay below the bound.",
        )
    if "interval is too wide" in reason:
        return (
            "Measure with more images (`--n-private`) or trials (`--profile standard`).",
            "The interval lies on one side of the bound.",
        )
    if "was asked for" in reason:
        id_ = reason.split()[0]
        return f"Run again without asking for {id_}, or on a release that it addresses.", _DECIDES
    if reason.endswith(("no attack ran", "no game ran")):
        return "Run again without `--attack` and `--game`, so that what addresses such a release runs.", _DECIDES
    if "could be compared" in reason:
        return (
            "Add an attack that answers pictures of such a release (`ihaudit.plugins`), or one that matches.",
            _DECIDES,
        )
    if "not tested" in reason:
        return (
            "Run an attack or game that measures the claimed quantity; where none can, claim one that can be measured.",
            "The claim’s row shows a measured value.",
        )
    return "Mend what the reason names and run again.", _DECIDES


def _unbroken(results: Results) -> list[Action]:
    """Nothing broke: what is left to do before anybody relies on it."""
    rows = []
    left = [f for f in results.of_kind("attack", "game") if f.status == "not run"]
    later = [f.id for f in left if f.reason.startswith("the profile")]
    if later:
        count = words.plural(len(later), "attack or game", "attacks and games")
        rows.append(
            Action(
                later,
                "to do",
                f"The profile {results.profile} left out {count}.",
                "Run again with `--profile standard` (or `full`) before a release.",
                "They ran, and broke nothing.",
            )
        )
    lacking = [f.id for f in left if "lacks" in f.reason]
    if lacking:
        rows.append(
            Action(
                lacking,
                "to do",
                "This adversary lacks what some attacks and games need.",
                "Ask whether a real adversary lacks what these need; if not, run again with `--knows`.",
                "The list of knowledge is that of the people who could attack.",
            )
        )
    if not results.claims:
        rows.append(
            Action(
                [],
                "to do",
                "The author claims nothing that a measurement could refute.",
                "Ask for a claim: a quantity, a bound and an adversary (`claims` of the scheme).",
                "The report’s first table has a row of the author’s.",
            )
        )
    rows.append(
        Action(
            [],
            "to do",
            "Better attacks may exist; no audit shows that they do not.",
            "Release as little as will do, and audit again with every new version of the attacks.",
            "A later audit finds no more than this one.",
        )
    )
    return rows

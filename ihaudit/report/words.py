"""The words and the number formats of every report."""

from __future__ import annotations

import re
from typing import cast

from ihaudit import registry
from ihaudit.contracts.metric import Metric
from ihaudit.figures import estimate as estimate
from ihaudit.figures import interval as interval
from ihaudit.figures import number as number
from ihaudit.figures import scaled as scaled
from ihaudit.results import Finding, Results
from ihaudit.stats import Estimate
from ihaudit.verdict.gates import GUESSED, TURNED
from ihaudit.verdict.gates import gate_unit as gate_unit

#: A sign beside every status word, so that colour is never the only signal.
STATUS_SIGN = {"broken": "✕", "no break found": "○", "inconclusive": "?", "not run": "–", "measured": "·"}
#: The sign of a verdict whose word alone would mislead.
WARNING_SIGN = "!"
STATUS_CLASS = {
    "broken": "broken",
    "no break found": "nobreak",
    "inconclusive": "inconclusive",
    "not run": "notrun",
    "measured": "measured",
}
#: One word for each thing: a finding is broken, a claim refuted, a gate missed.
CLAIM_WORD = {"refuted": "claim refuted", "not refuted": "not refuted", "inconclusive": "inconclusive"}
CHECK_WORD = {False: "gate missed", True: "gate met", None: "inconclusive"}
STATUS_SIGN |= {"claim refuted": "✕", "gate missed": "✕", "not refuted": "○", "gate met": "○"}
STATUS_CLASS |= {"claim refuted": "broken", "gate missed": "broken", "not refuted": "nobreak", "gate met": "nobreak"}

#: What a claim or a gate bounds, in words.
QUANTITY = {"ssim": "SSIM", "reid": "re-identified above chance", "advantage": "advantage", "epsilon": "epsilon"}

KNOWLEDGE = {
    "encodings": ("Encodings", "everything that the scheme publishes"),
    "labels": ("Labels", "the label that is published with each encoding"),
    "distribution": ("Distribution", "images like the private ones, none of them private, to train on"),
    "code": ("Code", "the scheme and its parameters, not its randomness (Kerckhoffs' principle)"),
    "public_set": ("Public set", "the very public images that the scheme was given"),
    "oracle": ("Oracle", "encodings of images of one's own choice, made with fresh randomness"),
    "candidates": ("Candidates", "the private images among others: which encoding is whose?"),
    "pairs": ("Pairs", "some images of the release and the encodings made of them, under the same key"),
}

#: The same for a reader who meets it in a sentence.
PLAIN_KNOWLEDGE = {
    "encodings": "the encodings",
    "labels": "their labels",
    "distribution": "images like the private ones",
    "code": "the scheme’s code",
    "public_set": "the public images that were mixed in",
    "oracle": "encodings of images of its own choice",
    "candidates": "the private images among others",
    "pairs": "some private images with their encodings",
}

KIND_WORD = {
    "attack": "attack",
    "game": "game",
    "control": "control",
    "check": "check",
    "baseline": "baseline",
    "marginal": "marginal test",
    "utility": "utility",
    "observation": "observation",
}


_QUANTILE = re.compile(r"^(?P<base>.+)_q(?P<q>\d+)$")
_ENDINGS = {
    "_median": "median",
    "_best": "best image",
    "_worst": "worst image",
    "_max": "highest",
    "_min": "lowest",
    "_mean": "mean",
}
_PERCENT = re.compile(r"(accuracy|rate|share|recall|precision|tpr|fpr|fraction|found)(_|$)")


def metric(name: str) -> Metric:
    """How the metric `name` is called and printed; unknown names are made readable."""
    if (registered := registry.load("metric").get(name)) is not None:
        return cast(Metric, registered)
    if match := _QUANTILE.match(name):
        base = metric(match["base"])
        return Metric(name, f"{base.label.removesuffix(', mean')}, {int(match['q'])} % quantile", base.unit)
    for ending, word in _ENDINGS.items():
        if name.endswith(ending):
            base = metric(name.removesuffix(ending))
            return Metric(name, f"{base.label.removesuffix(', mean')}, {word}", base.unit)
    words = name.replace("_", " ").replace("-", " ").strip()
    return Metric(name, words[:1].upper() + words[1:], "%" if _PERCENT.search(name) else "")


def duration(seconds: float | None) -> str:
    """Seconds, minutes or hours, as one would say it."""
    if seconds is None:
        return "n/a"
    if seconds < 0.1:
        return "< 0.1 s"
    if seconds < 100:
        return f"{seconds:.1f} s"
    if seconds < 6000:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


def plural(n: int, word: str, many: str = "") -> str:
    """``1 attack``, ``2 attacks``."""
    return f"{number(n)} {word if n == 1 else many or word + 's'}"


def listing(items: list[str], last: str = "and") -> str:
    """``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}" if items else ""


def shortened(text: str, most: int) -> str:
    """`text`, cut between words to at most `most` characters."""
    return text if len(text) <= most else text[:most].rsplit(" ", 1)[0].rstrip(",;:. ") + " …"


def few(items: list[str], most: int = 6) -> str:
    """``a, b, c and 4 more``: ids where there is no room for all of them."""
    return f"{', '.join(items[:most])} and {len(items) - most} more" if len(items) > most + 1 else ", ".join(items)


def sentence(text: str) -> str:
    """`text` with a capital at its start and a full stop at its end."""
    text = text.strip().replace(" %", "\u00a0%")
    if not text:
        return ""
    # A finding's id ("control:noise: ...") keeps its case.
    named = ":" in text.split()[0].rstrip(":") or "_" in text.split()[0]
    return (text[:1] if named else text[:1].upper()) + text[1:] + ("" if text[-1] in ".!?" else ".")


def clause(text: str) -> str:
    """`text` to stand after a colon: its case as it is, a full stop at its end."""
    text = text.strip().replace(" %", "\u00a0%")
    return text + ("" if not text or text[-1] in ".!?" else ".")


def statement(finding: Finding) -> str:
    """A finding's sentence and reason, the reason only where the sentence does not hold it already."""
    repeated = finding.reason.strip(". ").lower() in finding.sentence.lower()
    parts = [sentence(finding.sentence), "" if repeated else sentence(finding.reason)]
    return " ".join(p for p in parts if p)


def verdict_word(results: Results) -> str:
    """The one word of the audit, by the same gate that decides the exit code."""
    if results.gate.exit_code == 1 or results.gate.status == "missed":
        return "broken"
    if results.gate.exit_code == 0 and results.gate.status == "met":
        return "no break found"
    return "inconclusive"


def title_of(results: Results, id_: str | None) -> str:
    """The title of a finding, its id where it is not among the findings, empty for None."""
    finding = results.finding(id_) if id_ else None
    return finding.title if finding else id_ or ""


def known(results: Results) -> str:
    """What the adversary has, as a list in words."""
    return listing([KNOWLEDGE[k][0].lower() for k in results.adversary if k in KNOWLEDGE])


def used(finding: Finding) -> list[str]:
    """The knowledge that an attack really looked at, encodings first; what it needs, where that was not noted."""
    names = finding.details.get("used") or finding.needs
    known = {str(n) for n in names} | {"encodings"} if isinstance(names, (list, tuple)) else {"encodings"}
    return [k for k in KNOWLEDGE if k in known]


def by(id_: str | None) -> str:
    """`` by ID`` of the finding called `id_`, or nothing."""
    return f" by {id_}" if id_ else ""


def primary(finding: Finding) -> tuple[str, Estimate] | None:
    """The statistic that says what came out: the pre-declared one, or the best known of its metrics.

    Where an attack broke by negatives or mirror images it is the quantile in each image's best polarity: the answers as
    they are stayed within the bound, and ``broken`` beside their figure would contradict itself. Where SSIM does not
    count, because guessing reaches as much, it broke by re-identification.
    """
    broke: tuple[str, ...] = ()
    if finding.status == "broken" and finding.kind == "attack":
        by_polarity, by_matches = TURNED in finding.sentence, GUESSED in finding.sentence
        broke = ("ssim_polarity_q90",) if by_polarity else ("reid_above_chance",) if by_matches else ()
    for name in (*broke, finding.primary, "ssim_q90", "ssim", "advantage", "reid_above_chance", "accuracy"):
        if name and name in finding.metrics:
            return name, finding.metrics[name]
    return next(iter(finding.metrics.items()), None)

"""dpia.md: fields of a data protection impact assessment and of a model card, filled from an audit where it knows them.

The headings are those of Article 35(7) of Regulation (EU) 2016/679 (a to d) and of model cards (Mitchell et al., Model
Cards for Model Reporting, 2019).  What an audit cannot know is left to whoever assesses, and marked so.
"""

from __future__ import annotations

import re

from ihaudit.contracts.format import Source, report_format
from ihaudit.report import front, remedies, summary, words
from ihaudit.report.formats.markdown import escape
from ihaudit.results import ImageCard, Results

#: A field that is the reader's.
BLANK = "☐ **to be filled in:**"


@report_format("dpia", "dpia.md")
def render(source: Source) -> str:
    """An annex for a DPIA and a model card; Markdown, without images."""
    r = source.results
    parts = [
        f"# Annex to a data protection impact assessment: {escape(r.name, 120)}",
        "",
        f"Filled from an audit of {_day(r)} by ihaudit {escape(r.environment.ihaudit)} (profile {escape(r.profile)}, "
        f"seed {r.seed}). Fields that begin with ☐ are the reader's: no audit knows what stands there.",
        "",
        *_assessment(source),
        *_model_card(source),
        "An audit can refute a claim of privacy; it can never prove one.",
    ]
    return "\n".join(parts) + "\n"


def _day(r: Results) -> str:
    return escape((r.environment.finished or r.environment.started or "an unknown date")[:10])


def _field(name: str, text: str) -> str:
    return f"* **{name}:** {text}"


def _blank(what: str) -> str:
    return f"* {BLANK} {what}"


def _images(card: ImageCard | None) -> str:
    if card is None:
        return "none"
    size = " x ".join(map(str, card.shape))
    classes = "no classes stated" if card.pseudo else words.plural(card.classes, "class", "classes")
    return f"{words.plural(card.count, 'image')} of {size} ({escape(card.name, 80)}), {classes}"


def _described(doc: str) -> str:
    """What a docstring says of the scheme, without its list of parameters: their values stand in the model card."""
    told = re.split(r"^\s*(?:Args|Arguments|Attributes|Parameters)\s*:?\s*$", doc, maxsplit=1, flags=re.M)[0].strip()
    return told or "no description"


def _published(r: Results) -> str:
    if r.release is None:
        return "nothing was released to the audit"
    made = f"encodings of shape {' x '.join(map(str, r.release.encodings))}"
    labels = ", their labels" if r.release.labels else ""
    extra = f", and the arrays {escape(words.listing(sorted(r.release.extra)), 200)}" if r.release.extra else ""
    return made + labels + extra


def _assessment(source: Source) -> list[str]:
    r = source.results
    verdict = summary.verdict(source)
    risks = []
    for line in front.lines(r):
        by = f" (by {escape(line.by)})" if line.by else ""
        came = f"{escape(line.measured)}{by}; **{escape(line.word)}**" if line.word else "nothing to measure"
        risks.append(f"| {line.who} | {escape(line.what)} | {escape(line.bound)} | {came} |")
    measures = [
        f"{i}. *{a.severity}*: {escape(a.remedy, 600)} Shown by: {escape(a.shows, 300)}"
        for i, a in enumerate(remedies.actions(r), 1)
    ]
    return [
        "## a. The processing, and what it is for",
        "",
        _field(
            "Encoding",
            f"{escape(r.scheme.name, 120)}: {escape(words.sentence(_described(r.scheme.doc)), 600)}",
        ),
        _field("What is to stay secret", escape(r.scheme.secrets, 300) or "not stated by the author"),
        _field("What is published", _published(r)),
        _field("Audited on", _images(r.private)),
        _blank("controller, purposes, legal basis, whose pictures they are, recipients, how long they are kept."),
        "",
        "## b. Necessity and proportionality",
        "",
        _blank("why images have to be published at all, and why not fewer, smaller, or none."),
        "",
        "## c. Risks to the people in the pictures",
        "",
        f"**{verdict.heading.capitalize()}.** {escape(verdict.line, 600)}",
        "",
        "| from | statement | bound | came out |",
        "| --- | --- | --- | --- |",
        *risks,
        "",
        _field("Adversary", escape(front.tried(r), 900)),
        _field("Not tried", escape(" ".join(front.not_tried(r)), 900)),
        _field("How sure", escape(" ".join(front.sure(r)), 900)),
        _blank("how likely such an adversary is here, and what a recovered picture would do to the person in it."),
        "",
        "## d. Measures",
        "",
        *measures,
        "",
        _blank(
            "which measures are taken, by whom, until when; the risk that remains; the protection officer’s advice."
        ),
        "",
    ]


def _model_card(source: Source) -> list[str]:
    r = source.results
    shown = [f for f in r.of_kind("attack", "game") if f.status != "not run"]
    figures = []
    for f in shown:
        first = words.primary(f)
        text = (
            f" {words.metric(first[0]).label}: {words.estimate(first[1], words.metric(first[0]).unit)}" if first else ""
        )
        figures.append(f"* {escape(f.id)}: {f.status}. {escape(text, 200)}".rstrip())
    parameters = ", ".join(f"{k} = {v}" for k, v in sorted(r.scheme.parameters.items())) or "none"
    return [
        "# Model card: privacy of what the model is trained on",
        "",
        _field("Encoder and parameters", f"{escape(r.scheme.name, 120)}; {escape(parameters, 600)}"),
        _field("Evaluation data", _images(r.private)),
        _field(
            "Metrics",
            "pinned SSIM, re-identification above chance, advantage of distinguishing games; with 95 % intervals",
        ),
        "",
        "Quantitative analyses:",
        "",
        *(figures or ["* no attack and no game ran"]),
        "",
        _field("Caveats", escape(" ".join(front.not_tried(r)[-1:]), 400)),
        _blank(
            "model, version, owner, licence; intended and excluded uses; groups over which results differ; "
            "training data; ethical considerations."
        ),
        "",
    ]

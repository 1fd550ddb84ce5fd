"""summary.md: a short table for a build's summary page (GITHUB_STEP_SUMMARY) or a comment; no images."""

from __future__ import annotations

import re

from ihaudit.contracts.format import Source, report_format
from ihaudit.report import selection, summary, words
from ihaudit.report.ci import text_of
from ihaudit.report.plain import printable
from ihaudit.results import Results
from ihaudit.verdict.gates import EVENTS

#: GitHub cuts comments at 65,536 characters; bytes are counted here, to be on the safe side elsewhere too.
LIMIT = 60_000
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!$@&])")


def escape(text: str, limit: int = 400) -> str:
    """One line of other people's text as literal Markdown: no tables, tags, links, mentions or images."""
    line = " ".join(printable(text).split())
    line = line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
    line = _SPECIAL.sub(r"\\\1", line).replace("\\@", "@\u200b").replace("\\&", "&amp;")
    # A bare address would become a link.
    return re.sub(r"(?i)(https?|www)(:|\.)", "\\1\u200b\\2", line)


@report_format("markdown", "summary.md")
def render(source: Source) -> str:
    """The summary, always under 64 kB."""
    r = source.results
    verdict = summary.verdict(source)
    sign = words.WARNING_SIGN if verdict.warning else words.STATUS_SIGN[verdict.word]
    head = [f"## {sign} {verdict.heading.capitalize()}: {escape(r.name, 120)}", ""]
    head += [f"**{escape(verdict.warning, 1000)}**", ""] if verdict.warning else []
    head += [escape(verdict.line, 1000), ""]
    head += [f"{escape(s, 1500)}" for s in verdict.sentences[-1:]] + [""]
    head += [f"- {escape(reason)}" for reason in verdict.reasons[:20]] + [""]
    parts = [*head, *_claims(r), *_findings(r), *_tail(r)]
    text = "\n".join(parts)
    while len(text.encode()) > LIMIT and len(parts) > 8:
        # Findings are ordered by weight; the lightest rows go first.
        parts = [*parts[: len(parts) * 3 // 4], "", "Cut short; report.html has the rest."]
        text = "\n".join(parts)
    return text + "\n"


def _claims(r: Results) -> list[str]:
    rows = ["| Claim or gate | Bound | Measured | Came out |", "| --- | --- | --- | --- |"]
    for c in r.claims:
        unit = words.gate_unit(c.quantity)
        figures = f"{words.scaled(c.bound, unit)} | {escape(words.estimate(c.measured, unit))}"
        rows.append(f"| {escape(c.text)} | {figures} | {words.CLAIM_WORD[c.status]} |")
    if not r.claims:
        rows.append("| No claim that could be refuted is made | | | |")
    for g in r.gate.checks:
        unit = words.gate_unit(g.name)
        figures = f"{words.scaled(g.bound, unit)} | {escape(words.estimate(g.measured, unit))}"
        if g.name in EVENTS:
            figures = f"must not happen | {'happened' if g.met is False else 'did not happen'}"
        rows.append(f"| Gate: {escape(g.statistic or g.name)} | {figures} | {words.CHECK_WORD[g.met]} |")
    return [*rows, ""]


def _findings(r: Results) -> list[str]:
    found = r.of_kind("attack", "game", "control", "check", "observation", "marginal")
    found.sort(key=lambda f: (selection.WEIGHT[f.status], f.kind == "control"))
    rows = ["| Kind | What | Came out | Detail |", "| --- | --- | --- | --- |"]
    for f in found:
        sign = words.STATUS_SIGN[f.status]
        rows.append(
            f"| {words.KIND_WORD[f.kind]} | {escape(f.title, 120)} | {sign} {f.status} | {escape(text_of(f), 300)} |"
        )
    return [*rows, ""] if found else []


def _tail(r: Results) -> list[str]:
    e = r.environment
    facts = f"ihaudit {e.ihaudit}, profile {r.profile}, seed {r.seed}, {e.device}, {words.duration(r.cost.wall_s)}"
    return [escape(facts), "", "An audit can refute a claim of privacy; it can never prove one."]

"""summary.md: a short table for a build's summary page (GITHUB_STEP_SUMMARY) or a comment; no images."""

from __future__ import annotations

import re

from ihaudit.contracts.format import Source, report_format
from ihaudit.report import selection, summary, words
from ihaudit.report.ci import text_of
from ihaudit.report.plain import printable
from ihaudit.results import Results
from ihaudit.verdict.compare import Comparison
from ihaudit.verdict.gates import EVENTS

#: GitHub cuts comments at 65,536 characters; bytes are counted here, to be on the safe side elsewhere too.
LIMIT = 60_000
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!$@&])")


def escape(text: str, limit: int = 400) -> str:
    """One line of other people's text as literal Markdown: no tables, tags, links, mentions or images."""
    line = " ".join(printable(text).split())
    line = words.shortened(line, limit if len(line) <= limit else limit - 2)
    line = _SPECIAL.sub(r"\\\1", line).replace("\\@", "@\u200b").replace("\\&", "&amp;")
    # A bare address would become a link.
    return re.sub(r"(?i)(https?|www)(:|\.)", "\\1\u200b\\2", line)


@report_format("markdown", "summary.md")
def render(source: Source) -> str:
    """The summary: about ten lines, the rest folded; always under 64 kB."""
    return summarised(source)


def summarised(source: Source, change: Comparison | None = None) -> str:
    """The summary, with the change against a baseline where one is at hand.

    Args:
        source: the audit.
        change: from `ihaudit.verdict.compare.compare`, the audit being the new one.
    """
    r = source.results
    verdict = summary.verdict(source)
    sign = words.WARNING_SIGN if verdict.warning else words.STATUS_SIGN[verdict.word]
    head = [f"## {sign} {verdict.heading.capitalize()}: {escape(r.name, 120)}", ""]
    head += [f"**{escape(verdict.warning, 1000)}**", ""] if verdict.warning else []
    head += [escape(verdict.line, 600), ""]
    head += [_changed(change), ""] if change else []
    rows = _claims(r)
    decisive = sorted(rows, key=lambda row: row[0])[:DECISIVE]
    head += [*HEAD, *(text for _, text in decisive), "", _facts(r), ""]
    rest = [*(f"{escape(s, 1500)}\n" for s in verdict.sentences[-1:]), *(f"- {escape(x)}" for x in verdict.reasons), ""]
    rest += [f"- worse: {escape(x)}" for x in (change.worse if change else ())]
    rest += [f"- changed: {escape(x)}" for x in (change.differences if change else ())]
    rest += ["", *HEAD, *(text for _, text in rows), ""] if len(rows) > len(decisive) else [""]
    rest += _findings(r)
    cut = False
    while len("\n".join([*head, *rest]).encode()) > LIMIT and len(rest) > 8:
        # Findings are ordered by weight; the lightest rows go first.
        rest, cut = rest[: len(rest) * 3 // 4], True
    rest += ["", "Cut short; report.html has the rest."] if cut else []
    fold = ["<details><summary>Reasons, every claim and every finding</summary>", "", *rest, "", "</details>"]
    return "\n".join([*head, *fold, "", "An audit can refute a claim of privacy; it can never prove one."]) + "\n"


#: Rows of claims and gates that are not folded.
DECISIVE = 3
HEAD = ("| Claim or gate | Bound | Measured | Came out |", "| --- | --- | --- | --- |")


def _changed(change: Comparison) -> str:
    """The change against the baseline in one line."""
    if not change.worse:
        about = "; ".join(change.differences[:3])
        return f"Against the baseline: nothing is worse{f' ({escape(about, 300)})' if about else ''}."
    more = f", and {len(change.worse) - 2} more" if len(change.worse) > 2 else ""
    return f"**Worse than the baseline:** {'; '.join(escape(x, 200) for x in change.worse[:2])}{more}."


def _claims(r: Results) -> list[tuple[int, str]]:
    """(weight, row) of every claim and gate: what was crossed is lightest, then what is open."""
    rows: list[tuple[int, str]] = []
    for c in r.claims:
        unit = words.gate_unit(c.quantity)
        figures = f"{words.scaled(c.bound, unit)} | {escape(words.estimate(c.measured, unit))}"
        weight = ("refuted", "inconclusive", "not refuted").index(c.status)
        rows.append((weight, f"| {escape(c.text)} | {figures} | {words.CLAIM_WORD[c.status]} |"))
    if not r.claims:
        rows.append((3, "| No claim that could be refuted is made | | | |"))
    for g in r.gate.checks:
        unit = words.gate_unit(g.name)
        figures = f"{words.scaled(g.bound, unit)} | {escape(words.estimate(g.measured, unit))}"
        if g.name in EVENTS:
            figures = f"must not happen | {'happened' if g.met is False else 'did not happen'}"
        weight = {False: 0, None: 1, True: 2}[g.met]
        rows.append((weight, f"| Gate: {escape(g.statistic or g.name)} | {figures} | {words.CHECK_WORD[g.met]} |"))
    return rows


def _findings(r: Results) -> list[str]:
    """A row for each finding that ran, and one line for those that did not."""
    found = r.of_kind("attack", "game", "control", "check", "observation", "marginal")
    found.sort(key=lambda f: (selection.WEIGHT[f.status], f.kind == "control"))
    rows = ["| Kind | What | Came out | Detail |", "| --- | --- | --- | --- |"]
    idle = [f for f in found if f.status == "not run" and not f.requested]
    for f in found:
        if f in idle:
            continue
        sign = words.STATUS_SIGN[f.status]
        rows.append(
            f"| {words.KIND_WORD[f.kind]} | {escape(f.title, 120)} | {sign} {f.status} | {escape(text_of(f), 300)} |"
        )
    rows += ["", f"Not run: {escape(', '.join(f.id for f in idle), 2000)}."] if idle else [""]
    return rows if found else []


def _facts(r: Results) -> str:
    e = r.environment
    facts = f"ihaudit {e.ihaudit}, profile {r.profile}, seed {r.seed}, {e.device}, {words.duration(r.cost.wall_s)}"
    return escape(f"{facts}, exit code {r.gate.exit_code}")

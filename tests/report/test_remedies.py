"""What to do: the gravest first, one row for one cause, and a way out of every inconclusive audit."""

from __future__ import annotations

from typing import Any

import pytest

from ihaudit.contracts.format import Source
from ihaudit.report import front, remedies
from ihaudit.results import Finding, Gate
from ihaudit.stats import Estimate
from tests.report import synthetic


def finding(id_: str, kind: Any = "attack", **fields: Any) -> Finding:
    return Finding(id=id_, kind=kind, title=id_, status="broken", **fields)


@pytest.mark.parametrize(
    ("broken", "word"),
    [
        (finding("unmix", metrics={"ssim": Estimate(0.9)}), "critical"),
        (finding("prng", details={"broke": True}), "critical"),
        (finding("plain-copies", "check"), "critical"),
        (finding("match", metrics={"reid": Estimate(0.9)}), "high"),
        (finding("instance", "game", metrics={"advantage": Estimate(0.6, 0.5, 0.7)}), "high"),
        (finding("instance", "game", metrics={"advantage": Estimate(0.6, 0.49, 0.7)}), "moderate"),
        (finding("checks-key", "check"), "moderate"),
        (finding("x", "observation"), "low"),
    ],
)
def test_severity(broken: Finding, word: str) -> None:
    assert remedies.severity(broken) == word


def test_a_finding_states_its_own_remedy() -> None:
    own = finding("mine", details={"remedy": {"cause": "a leak", "remedy": "mend it", "shows": "it is dry"}})
    a = remedies.advice(own)
    assert (a.cause, a.remedy, a.shows) == ("A leak.", "Mend it.", "it is dry")
    assert remedies.advice(finding("prng", details={"remedy": "use os.urandom"})).remedy == "Use os.urandom."
    assert "Do not release" in remedies.advice(finding("nobody-knows-it")).remedy
    assert remedies.advice(finding("neighbour-equality", "game")).remedy.startswith("Draw fresh randomness")


def test_what_augmentation_bought_is_said_where_images_were_moved() -> None:
    still, moved = finding("unmix"), finding("unmix", details={"augmentation": "mirrored, shifted by up to 4 pixels"})
    assert "Moving every image" not in remedies.advice(still).cause
    cause = remedies.advice(moved).cause
    assert cause.startswith(remedies.advice(still).cause) and "(mirrored, shifted by up to 4 pixels)" in cause


def test_every_broken_finding_stands_in_one_row_the_gravest_first() -> None:
    r = synthetic.results()
    rows = remedies.actions(r)
    broken = {f.id for f in r.findings if f.status == "broken" and f.kind != "control"}
    assert sorted(i for a in rows for i in a.ids) == sorted(broken)
    order = list(remedies.SEVERITY)
    assert [a.severity for a in rows] == sorted((a.severity for a in rows), key=order.index)
    assert rows[0].ids[0] == r.gate.by
    assert all(a.cause and a.remedy and a.shows and "{id}" not in a.shows for a in rows)


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("no positive control ran, so that nothing shows the attacks of this audit to work", "Run again without"),
        ("no attack addressed the scheme: only unmix was asked for (--attack)", "Run again without `--attack`"),
        ("no game addressed the scheme: no game was asked for (--game none)", "Run again without `--attack`"),
        ("control:blur: no attack or game of this audit was run on a blur, which is known to break", "Run again"),
        ("claim undecided: c: the measured value lies beyond the bound, but guessing reaches as much", "less alike"),
        ("claim undecided: c: ..., but its interval is too wide: it reaches down to 0", "more images"),
        ("unmix was asked for and is not run: no mask", "without asking for unmix"),
        ("advantage: no game ran", "Run again without"),
        ("something that nobody foresaw", "Mend what the reason names"),
    ],
)
def test_an_inconclusive_audit_says_the_way_out(reason: str, remedy: str) -> None:
    r = synthetic.results()
    r.findings = [f for f in r.findings if f.status != "broken" or f.kind == "control"]
    r.gate = Gate(status="inconclusive", exit_code=3, statistic="s", bound=None, reasons=[reason])
    [a] = remedies.actions(r)
    assert a.severity == "to do" and remedy in a.remedy and a.shows
    page = front.front(Source(r))
    assert page.sure[0] == "Not at all: nothing was decided."


def test_nothing_broken_is_no_clearance() -> None:
    r = synthetic.results()
    r.findings = [f for f in r.findings if f.status != "broken" or f.kind == "control"]
    r.claims = []
    r.gate = Gate(status="met", exit_code=0, statistic="s", bound=0.5)
    rows = remedies.actions(r)
    assert {a.severity for a in rows} == {"to do"}
    text = " ".join(a.remedy for a in rows)
    assert "--profile standard" in text and "Ask for a claim" in text and "audit again" in text
    assert any("fusion-denoising" in s for s in front.not_tried(r))

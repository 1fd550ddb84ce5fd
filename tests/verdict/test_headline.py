"""The first line where the gate's word alone would mislead: what it says, and what ``--strict`` makes of it."""

from __future__ import annotations

import pytest

from ihaudit.results import Finding, Gate, GateCheck, Kind, Status
from ihaudit.stats import Estimate
from ihaudit.verdict.headline import outcome, sentence, strict_check, ungated


def finding(id_: str, kind: Kind, status: Status = "broken", advantage: float | None = None) -> Finding:
    metrics = {} if advantage is None else {"advantage": Estimate(advantage, advantage - 0.05, 1.0, 200)}
    return Finding(id=id_, kind=kind, title=id_.title(), status=status, metrics=metrics)


def gate(exit_code: int = 0, checks: list[GateCheck] | None = None) -> Gate:
    status = {0: "met", 1: "missed", 3: "inconclusive"}[exit_code]
    return Gate(status=status, exit_code=exit_code, statistic="s", bound=0.5, checks=checks or [])  # type: ignore[arg-type]


WON, LOST = finding("instance", "game", advantage=1.0), finding("pair", "game", "no break found", 0.0)
CHECK = finding("checks-key", "check")


@pytest.mark.parametrize(
    ("exit_code", "met", "said"),
    [
        (0, True, "gate met (exit code 0)"),
        (1, False, "gate missed (exit code 1)"),
        (1, True, "claim refuted (exit code 1)"),
        (1, None, "claim refuted (exit code 1)"),
        (3, True, "gate inconclusive (exit code 3)"),
    ],
)
def test_a_refuted_claim_is_not_called_a_missed_gate(exit_code: int, met: bool | None, said: str) -> None:
    check = GateCheck(name="ssim", statistic="s", measured=Estimate(0.1), bound=0.5, met=met)
    assert outcome(gate(exit_code, [check])) == said


def test_one_sentence_says_both() -> None:
    text = sentence(gate(), [LOST, WON])
    assert text.startswith("Gate met, yet “Instance” came out broken (advantage 1.00")
    assert "exit code 0" in text and "--strict" in text and text.count(". ") == 0 and text.endswith(".")


def test_several_are_counted_and_the_strongest_is_named() -> None:
    weaker = finding("membership", "game", advantage=0.4)
    assert "2 games and 1 check came out broken, first of all “Instance”" in sentence(gate(), [CHECK, weaker, WON])
    assert [f.id for f in ungated([CHECK, weaker, WON], [])] == ["instance", "membership", "checks-key"]


@pytest.mark.parametrize(
    "findings",
    [[], [LOST], [finding("a", "attack")], [finding("m", "marginal")], [finding("control:identity", "control")]],
    ids=["nothing", "lost", "attack", "marginal", "control"],
)
def test_nothing_is_said_where_the_gate_says_it_all(findings: list[Finding]) -> None:
    assert sentence(gate(), findings) == ""
    assert strict_check(findings, []).met is True


def test_a_missed_gate_and_a_loud_null_need_no_second_half() -> None:
    assert sentence(gate(1), [WON]) == ""
    loud = finding("control:noise", "control", "inconclusive").model_copy(update={"details": {"must_break": False}})
    assert sentence(gate(3), [WON, loud]) == ""


def test_an_inconclusive_audit_still_says_what_is_broken() -> None:
    text = sentence(gate(3), [WON])
    assert text.startswith("Inconclusive as a whole, yet “Instance” came out broken")


def test_what_another_check_gates_is_not_named_again() -> None:
    advantage = GateCheck(name="advantage", statistic="a", bound=1.0, met=True)
    copies = GateCheck(name="copies", statistic="c", bound=0.0, met=False, by=CHECK.id)
    assert ungated([WON, CHECK], [advantage, copies]) == []
    assert strict_check([WON, CHECK], [copies]).by == "instance"

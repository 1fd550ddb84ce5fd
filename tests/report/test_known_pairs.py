"""What known records buy: the curve starts at none, and stands once in the report."""

from __future__ import annotations

import pytest

from ihaudit.contracts.format import Source
from ihaudit.report.formats import html
from ihaudit.report.known_pairs import bought
from ihaudit.results import Finding, Results
from ihaudit.stats import Estimate
from tests.report import synthetic


def attack(id_: str, ssim: float, used: list[str], curve: dict[int, float] | None = None) -> Finding:
    details: dict[str, object] = {"used": used, "matched": 40, "private": 40}
    if curve:
        x, y = list(curve), list(curve.values())
        details["curves"] = {"c": {"x": x, "y": y, "xlabel": "known pairs", "ylabel": "SSIM", "log": True}}
    metrics = {"ssim": Estimate(ssim, ssim, ssim, 40)}
    return Finding(id=id_, kind="attack", title=id_.title(), status="broken", metrics=metrics, details=details)


def results(*findings: Finding) -> Results:
    found = synthetic.results()
    found.findings = [f for f in found.findings if f.kind not in ("attack", "baseline")] + list(findings)
    return found


LINEAR = attack("linear", 1.0, ["encodings", "pairs"], {1: 0.2, 3: 0.99, 10: 1.0, 100: 1.0})


def test_the_curve_starts_with_the_best_attack_that_looked_at_no_pair() -> None:
    found = bought(results(LINEAR, attack("unscramble", 0.5, ["encodings"]), attack("match", 0.9, ["candidates"])))
    assert found is not None
    assert found.table.columns == ["attack", "0 (encodings alone)", "1", "3", "10", "100"]
    assert found.table.rows == [["linear", "0.500", "0.200", "0.990", "1.000", "1.000"]]
    assert "With none, unscramble reaches a mean SSIM of 0.500; 3 known images are enough for 0.990" in found.sentence
    assert "0 known pairs: 0.500 (unscramble)" in found.chart.alt


def test_without_such_an_attack_a_trivial_guess_stands_at_none() -> None:
    guess = attack("mean-image", 0.18, []).model_copy(update={"kind": "baseline", "title": "Mean image"})
    found = bought(results(LINEAR, guess))
    assert found is not None and "a trivial guess (mean image) reaches a mean SSIM of 0.18" in found.sentence
    only = bought(results(LINEAR))
    assert only is not None and only.table.rows[0][1] == "0.000"


def test_a_curve_that_still_rises_has_not_had_enough() -> None:
    found = bought(results(attack("linear", 0.5, ["pairs"], {1: 0.0, 10: 0.2, 50: 0.5})))
    assert found is not None and "50 known images, the most that were tried, give 0.50" in found.sentence


@pytest.mark.parametrize("findings", [[], [attack("unscramble", 0.5, ["encodings"])]], ids=["none", "no curve"])
def test_nothing_is_shown_where_no_pair_was_of_use(findings: list[Finding]) -> None:
    assert bought(results(*findings)) is None
    assert "What known records buy" not in html.render(Source(results(*findings)))


def test_it_stands_once_in_the_report() -> None:
    page = html.render(Source(results(LINEAR, attack("unscramble", 0.5, ["encodings"]))))
    assert page.count("What known records buy") == 1 and page.count("known pairs: 0.500") == 1
    assert "Curves: c" not in page

"""Two audits side by side: what counts as worse is what the metric says of itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ihaudit import registry
from ihaudit.contracts.metric import Metric, named
from ihaudit.errors import UsageError
from ihaudit.results import Results
from ihaudit.stats import Estimate
from ihaudit.verdict.compare import compare
from tests.report import synthetic


@pytest.fixture
def error_metric() -> Iterator[str]:
    named(Metric("test_error", "Error", gated=True, higher_is_better=False))
    yield "test_error"
    registry.unregister("metric", "test_error")


def audit(metric: str, e: Estimate, attack: str = "carlini") -> Results:
    results = synthetic.results()
    finding = results.finding(attack)
    assert finding is not None
    finding.metrics = {metric: e}
    return results


def worse(metric: str, before: Estimate, after: Estimate, slack: float = 0.02) -> list[str]:
    return compare(audit(metric, before), audit(metric, after), slack)[1]


def test_a_gated_metric_that_rises_beyond_slack_and_interval_is_worse() -> None:
    low, high = Estimate(0.5, 0.45, 0.55, 40), Estimate(0.7, 0.65, 0.75, 40)
    assert worse("ssim", low, high) == ["carlini ssim +0.200"]
    assert worse("ssim", high, low) == []
    assert worse("ssim", low, Estimate(0.7, 0.4, 0.9, 40)) == []  # its interval holds the value of before
    assert worse("ssim", low, high, slack=0.3) == []


def test_metrics_that_do_not_gate_or_are_unknown_are_only_listed() -> None:
    low, high = Estimate(0.5, 0.45, 0.55, 40), Estimate(0.7, 0.65, 0.75, 40)
    for metric in ("psnr", "figure_of_another_version"):
        rows, found = compare(audit(metric, low), audit(metric, high), 0.02)
        assert any(r["metric"] == metric and r["change"] == "+0.200" for r in rows) and found == []


def test_where_lower_is_better_a_fall_is_worse(error_metric: str) -> None:
    low, high = Estimate(0.1, 0.05, 0.15, 40), Estimate(0.4, 0.35, 0.45, 40)
    assert worse(error_metric, high, low) == ["carlini test_error -0.300"]
    assert worse(error_metric, low, high) == []


def test_audits_that_differ_in_what_decides_cannot_be_compared() -> None:
    before, after = synthetic.results(), synthetic.results()
    after.profile = "full"
    with pytest.raises(UsageError, match="profile was 'quick' and is 'full'"):
        compare(before, after, 0.02)

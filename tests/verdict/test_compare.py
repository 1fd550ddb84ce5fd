"""Two audits side by side: what counts as worse is what the metric says of itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ihaudit import registry
from ihaudit.cli import app
from ihaudit.contracts.metric import Metric, named
from ihaudit.errors import UsageError
from ihaudit.results import Results, read_results, write_results
from ihaudit.stats import Estimate
from ihaudit.verdict.compare import compare
from tests.report import synthetic
from tests.verdict.test_decide import attack, baselines, game, stored

Change = Callable[[Results], object]


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
    return list(compare(audit(metric, before), audit(metric, after), slack).worse)


def test_a_gated_metric_that_rises_beyond_slack_and_interval_is_worse() -> None:
    low, high = Estimate(0.5, 0.45, 0.55, 40), Estimate(0.7, 0.65, 0.75, 40)
    assert worse("ssim", low, high) == ["carlini ssim +0.200"]
    assert worse("ssim", high, low) == []
    wide = Estimate(0.7, 0.4, 0.9, 40)
    assert worse("ssim", low, wide) == []  # its interval holds the value of before
    assert [r.note for r in compare(audit("ssim", low), audit("ssim", wide), 0.02).rows if r.finding == "carlini"] == [
        "within its interval"
    ]
    assert worse("ssim", low, high, slack=0.3) == []


def test_metrics_that_do_not_gate_or_are_unknown_are_only_listed() -> None:
    low, high = Estimate(0.5, 0.45, 0.55, 40), Estimate(0.7, 0.65, 0.75, 40)
    for metric in ("psnr", "figure_of_another_version"):
        found = compare(audit(metric, low), audit(metric, high), 0.02)
        assert any(r.metric == metric and r.change == pytest.approx(0.2) for r in found.rows) and not found.worse


def test_where_lower_is_better_a_fall_is_worse(error_metric: str) -> None:
    low, high = Estimate(0.1, 0.05, 0.15, 40), Estimate(0.4, 0.35, 0.45, 40)
    assert worse(error_metric, high, low) == ["carlini test_error -0.300"]
    assert worse(error_metric, low, high) == []


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda r: setattr(r, "profile", "full"), "profile was 'quick' and is 'full'"),
        (lambda r: setattr(r, "seed", 8), "seed was 7 and is 8"),
        (lambda r: setattr(r.scheme, "name", "other"), "scheme was .* and is 'other'"),
        (lambda r: setattr(r.private, "sha256", "0" * 64), "private images was"),
        (lambda r: setattr(r, "adversary", ["encodings"]), "adversary's knowledge was"),
        (lambda r: setattr(r.environment, "ssim", {}), "SSIM settings"),
    ],
)
def test_audits_that_differ_in_what_decides_cannot_be_compared(change: Change, name: str) -> None:
    after = synthetic.results()
    change(after)
    with pytest.raises(UsageError, match=f"{name}.*(run both alike|name the baseline)"):
        compare(synthetic.results(), after, 0.02)


def without(kind: str) -> Change:
    return lambda r: setattr(r, "findings", [f for f in r.findings if f.kind != kind])


def gates(**bounds: object) -> Change:
    return lambda r: r.options.update(gates=r.options["gates"] | bounds)


def test_equal_audits_are_equal_and_changed_code_is_named() -> None:
    after = synthetic.results()
    assert compare(synthetic.results(), after, 0.0).worse == compare(synthetic.results(), after, 0.0).differences == ()
    after.scheme.sha256 = "0" * 64
    after.scheme.parameters = after.scheme.parameters | {"k": 99}
    found = compare(synthetic.results(), after, 0.0)
    assert not found.worse and found.differences[0] == "the scheme's code has changed"
    assert "parameter k was " in found.differences[1] and found.differences[1].endswith(" and is 99")


@pytest.mark.parametrize("kind", ["attack", "game", "control", "check"])
def test_what_only_one_side_has_measured_is_a_regression(kind: str) -> None:
    short = synthetic.results()
    without(kind)(short)
    ids = [f.id for f in synthetic.results().of_kind(kind) if f.status in ("broken", "no break found", "measured")]
    assert ids
    for before, after, word in (
        (synthetic.results(), short, "is missing"),
        (short, synthetic.results(), "was missing"),
    ):
        found = compare(before, after, 0.02).worse
        assert all(any(line.startswith(f"{i} ") and word in line for line in found) for i in ids), found
    skipped = synthetic.results()
    for f in skipped.of_kind(kind):
        f.status, f.reason = "not run", "only unmix was asked for"
    assert any("is not run (only unmix" in line for line in compare(synthetic.results(), skipped, 0.02).worse)


@pytest.mark.parametrize(
    ("bound", "value", "looser"),
    [("max_ssim", 0.6, True), ("max_ssim", 0.4, False), ("quantile", 0.5, True), ("quantile", 1.0, False),
     ("max_advantage", 0.2, False)],
)  # fmt: skip
def test_a_looser_bound_is_worse_and_a_stricter_one_is_named(bound: str, value: float, looser: bool) -> None:
    after = synthetic.results()
    gates(**{bound: value})(after)
    found = compare(synthetic.results(), after, 0.02)
    assert (len(found.worse), len(found.differences)) == ((1, 0) if looser else (0, 1))
    assert bound in (found.worse + found.differences)[0]


def test_words_that_turned_are_worse() -> None:
    before, after = synthetic.results(), synthetic.results()
    game = next(f for f in after.of_kind("game") if f.status == "broken")
    old = before.finding(game.id)
    assert old is not None
    old.status = "no break found"
    before.gate.status, before.gate.exit_code = "met", 0
    after.claims[0].status, before.claims[0].status = "refuted", "not refuted"
    after.claims[0].bound = before.claims[0].bound + 0.1
    found = compare(before, after, 0.02).worse
    for text in (f"{game.id} came out broken", "the gate was met and is", "refuted, and was not", "which is looser"):
        assert any(text in line for line in found), found


def test_the_command_prints_numbers_and_writes_baselines(tmp_path: Path) -> None:
    read, arrays = stored(tmp_path / "new", attack("noise"), game(0.0), *baselines())
    baseline, folder = tmp_path / "baseline.json", str(tmp_path / "new")

    def call(*more: str) -> Result:
        return CliRunner().invoke(app, ["compare", str(baseline), folder, *more])

    assert call().exit_code == 2  # no baseline yet
    assert call("--write-baseline").exit_code == 0 and read_results(baseline).name == read.name
    assert call().exit_code == 0
    found = json.loads(call("--json").stdout)
    assert all(isinstance(r["change"], float) and isinstance(r["before"]["value"], float) for r in found["rows"])
    assert "95 % interval" in found["rule"] and found["slack"] == 0.02
    read.findings = [f for f in read.findings if f.kind != "game"]
    write_results(tmp_path / "new", read, arrays)
    lost = call()
    assert lost.exit_code == 1 and "worse: g was no break found and is missing" in lost.stdout
    assert "the gate was met and is inconclusive" in lost.stdout  # decided again, whatever the file says
    assert call("--write-baseline").exit_code == 0 and call().exit_code == 0
    read.scheme.name = "another"
    write_results(tmp_path / "new", read, arrays)
    refused = call("--write-baseline")
    assert refused.exit_code == 2 and read_results(baseline).scheme.name == "t"
    assert "name the baseline of this scheme" in refused.stderr and "renew" not in refused.stderr

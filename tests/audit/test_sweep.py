"""Sweeps: the grid, the table, the trend and the exit code; audits themselves are stood in for."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ihaudit.audit import sweep
from ihaudit.audit.options import AuditOptions
from ihaudit.audit.progress import Reporter
from ihaudit.cli import app
from ihaudit.errors import SchemeError, UsageError
from ihaudit.report.sweep import page as sweep_page
from ihaudit.results import Environment, Finding, Gate, GateCheck, Results, SchemeCard, write_results
from ihaudit.stats import Estimate


def result(q90: float | None, code: int = 0, width: float = 0.02) -> Results:
    findings = []
    if q90 is not None:
        e = Estimate(q90, q90 - width, q90 + width, 100)
        findings.append(Finding(id="phase", kind="attack", title="P", status="measured", metrics={"ssim_q90": e}))
    return Results(
        name="s",
        profile="quick",
        seed=0,
        scheme=SchemeCard(name="s", source="s", sha256="0", security_parameter="k"),
        adversary=["encodings"],
        findings=findings,
        gate=Gate(status={0: "met", 1: "missed", 3: "inconclusive"}[code], exit_code=code, statistic="", bound=None),  # type: ignore[arg-type]
        environment=Environment(ihaudit="0", python="3", platform="x"),
    )


@given(st.lists(st.integers(1, 3), min_size=1, max_size=3))
def test_grid_is_the_product(sizes: list[int]) -> None:
    specs = [f"p{i}={','.join(map(str, range(n)))}" for i, n in enumerate(sizes)]
    points = sweep.parse_grid(specs)
    want = 1
    for n in sizes:
        want *= n
    assert len(points) == len({p.name for p in points}) == want
    assert points[0].name == ",".join(f"p{i}=0" for i in range(len(sizes)))


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ([], "nothing to sweep"),
        (["k"], "not of the form"),
        (["k="], "not of the form"),
        (["k=1,,2"], "not of the form"),
        (["k=1,1"], "a value twice"),
        (["k=1", "k=2"], "'k' twice"),
        (["k=a/b"], "cannot hold"),
        (["k=" + ",".join(map(str, range(65)))], "65 points"),
    ],
)
def test_bad_grids_are_refused(specs: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        sweep.parse_grid(specs)


def done(*values: tuple[str, Results]) -> list[tuple[sweep.Point, Results]]:
    return [(sweep.Point((("k", k),)), r) for k, r in values]


def test_harder_is_said_only_where_intervals_are_apart() -> None:
    assert "gets harder" in sweep.trend(done(("2", result(0.9)), ("4", result(0.6))))
    assert "not shown" not in sweep.trend(done(("4", result(0.6)), ("2", result(0.9))))
    for pair in ((0.9, 0.88), (0.6, 0.9), (0.7, 0.7)):
        assert "not shown" in sweep.trend(done(("2", result(pair[0])), ("4", result(pair[1]))))
    assert sweep.trend(done(("2", result(0.9)), ("4", result(None)))) == ""
    assert sweep.trend([(sweep.Point((("epochs", "1"),)), result(0.9))]) == ""
    assert sweep.trend(done(("a", result(0.9)), ("b", result(0.5)))) == ""


@pytest.mark.parametrize(("codes", "want"), [((0, 0), 0), ((0, 3), 3), ((3, 1, 0), 1)])
def test_exit_code_is_the_worst(codes: tuple[int, ...], want: int) -> None:
    assert sweep.exit_code(done(*((str(i), result(0.5, c)) for i, c in enumerate(codes)))) == want


@dataclass
class Audits:
    """Stands in for `run_audit`: writes a results.json and remembers what it was asked."""

    asked: list[AuditOptions] = field(default_factory=list)
    fail_at: str = ""

    def __call__(self, options: AuditOptions, reporter: Any) -> tuple[Path, Results]:
        self.asked.append(options)
        assert options.out is not None
        if self.fail_at and self.fail_at in options.out.name:
            raise SchemeError("k must be even")
        k = int(options.sets[-1].partition("=")[2])
        results = result(1 - 0.1 * k, 1 if k < 5 else 0)
        write_results(options.out, results, {})
        return options.out, results


def test_each_point_is_an_audit_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audits = Audits()
    monkeypatch.setattr(sweep, "run_audit", audits)
    out = tmp_path / "sw"
    got = CliRunner().invoke(
        app,
        ["sweep", "instahide", "--grid", "k=2,6", "--set", "epochs=3", "--out", str(out), "-q"],
    )
    assert got.exit_code == 1, got.output
    assert [o.sets for o in audits.asked] == [("epochs=3", "k=2"), ("epochs=3", "k=6")]
    assert [o.out for o in audits.asked] == [out / "k=2", out / "k=6"]
    found = json.loads((out / "sweep.json").read_text())
    assert found["schema"] == sweep.SCHEMA
    assert [p["point"] for p in found["points"]] == [{"k": "2"}, {"k": "6"}]
    assert [p["gate"] for p in found["points"]] == ["missed", "met"]
    assert found["points"][0]["ssim_q90"]["value"] == pytest.approx(0.8)
    assert "gets harder with the security parameter k" in (out / "sweep.md").read_text()
    page = (out / "sweep.html").read_text()
    assert "k=2/results.json" in page.replace("%3D", "=") and page.count("<figure") == 1 and "<script" not in page
    again = CliRunner().invoke(app, ["sweep", "instahide", "--grid", "k=2,6", "--out", str(out), "-q"])
    assert again.exit_code == 2  # never over an earlier sweep unasked
    assert len(audits.asked) == 2


def test_a_point_that_fails_is_named_and_the_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audits = Audits(fail_at="k=3")
    monkeypatch.setattr(sweep, "run_audit", audits)
    options = AuditOptions(scheme="s")
    with pytest.raises(SchemeError, match="at k=3: k must be even"):
        sweep.run_sweep(options, sweep.parse_grid(["k=2,3"]), tmp_path / "o", Reporter())
    assert (tmp_path / "o" / "k=2" / "results.json").exists()
    assert not (tmp_path / "o" / "sweep.json").exists()
    audits.fail_at = ""
    resumed = AuditOptions(scheme="s", resume=True)
    assert len(sweep.run_sweep(resumed, sweep.parse_grid(["k=2,3"]), tmp_path / "o", Reporter())) == 2
    assert [o.resume for o in audits.asked[-2:]] == [True, False]


def test_a_name_in_set_and_grid_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'k' is in --set and in --grid"):
        sweep.run_sweep(AuditOptions(scheme="s", sets=("k=2",)), sweep.parse_grid(["k=2,3"]), tmp_path, Reporter())


def missed(name: str, statistic: str, measured: Estimate, by: str) -> Results:
    results = result(0.255, 1)
    check = GateCheck(name=name, statistic=statistic, measured=measured, bound=0.0, met=False, by=by)
    results.gate = Gate(
        status="missed", exit_code=1, statistic=statistic, bound=0.0, measured=measured, by=by, checks=[check]
    )
    return results


def test_the_row_says_which_check_decided() -> None:
    copies = missed(
        "copies", "released fields that repeat private images themselves", Estimate(1.0, n=1), "plain-copies"
    )
    assert sweep.decided(copies) == "released fields that repeat private images themselves (plain-copies)"
    reid = missed("reid", "re-identification above chance", Estimate(0.3, 0.2, 0.4, 10), "match")
    assert (
        sweep.decided(reid)
        == "re-identification above chance: 30.0\u00a0points [20.0, 40.0\u00a0points] against 0\u00a0points (match)"
    )
    open_ = result(0.1, 3)
    open_.gate.reasons = ["no game addressed the scheme | at all"]
    assert "no game addressed" in sweep.decided(open_)
    text = sweep.markdown(done(("2", copies), ("4", open_)))
    assert "(plain-copies) |" in text and "the scheme \\| at all" in text
    page = sweep_page(sweep.summary(done(("2<b>", copies), ("4", open_))))
    assert "2&lt;b&gt;" in page and "plain-copies" in page and "SSIM, 90 % quantile, strongest attack" in page


def test_figures_have_the_digits_of_the_reports() -> None:
    gate = missed("ssim", "SSIM, strongest attack", Estimate(0.9961, 0.984, 0.997, 10), "phase")
    gate.gate.bound = 0.5
    assert sweep.decided(gate) == "SSIM, strongest attack: 0.996 [0.984, 0.997] against 0.500 (phase)"
    negative = result(-0.0214)
    assert "| \u22120.021 [\u22120.041, \u22120.001] |" in sweep.markdown(done(("2", negative)))
    assert "0.996 at k = 2, 0.500 at 4" in sweep.trend(done(("2", result(0.9961)), ("4", result(0.5))))


def test_a_point_is_linked_to_what_was_written(tmp_path: Path) -> None:
    rows = sweep.summary(done(("2", result(0.9)), ("4", result(0.6)), ("6", result(0.5))))
    for name, file in (("k=2", "report.html"), ("k=4", "report.pdf"), ("k=6", "results.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).touch()
    page = sweep_page(rows, tmp_path)
    for link in ("k%3D2/report.html", "k%3D4/report.pdf", "k%3D6/results.json"):
        assert f'href="{link}"' in page

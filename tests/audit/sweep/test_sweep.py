"""Sweeps: the grid, the table, the trend and the exit code; audits themselves are stood in for."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ihaudit.audit.checkpoint import hold
from ihaudit.audit.finished import put_seal
from ihaudit.audit.lock import locked
from ihaudit.audit.options import AuditOptions
from ihaudit.audit.progress import Reporter
from ihaudit.audit.sweep import point as sweep_point
from ihaudit.audit.sweep.collect import Collected, Missing, collect
from ihaudit.audit.sweep.grid import Point, parse_grid, parse_shard, share
from ihaudit.audit.sweep.point import LOCK, Failure, read_failure
from ihaudit.audit.sweep.run import run_sweep
from ihaudit.audit.sweep.table import SCHEMA, Row, decided, markdown, summary, trend
from ihaudit.cli import app
from ihaudit.errors import SchemeError, UsageError
from ihaudit.report.sweep import page as sweep_page
from ihaudit.results import Cost, Environment, Finding, Gate, GateCheck, Results, SchemeCard, write_results
from ihaudit.stats import Estimate
from ihaudit.verdict.gates import GateOptions


def result(q90: float | None, code: int = 0, width: float = 0.02) -> Results:
    findings = []
    if q90 is not None:
        e = Estimate(q90, q90 - width, q90 + width, 100)
        findings.append(
            Finding(
                id="phase",
                kind="attack",
                title="P",
                status="measured",
                metrics={"ssim_q90": e},
                cost=Cost(cpu_s=5),
            )
        )
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
    points = parse_grid(specs)
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
        (["k=" + "x" * 200, "other=" + "y" * 60], "longer than a name can be"),
        (["k=2,2.0"], "a value twice"),
        ([f"{n}={','.join(map(str, range(1001)))}" for n in "kT"], "1,002,001 points"),
    ],
)
def test_bad_grids_are_refused(specs: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_grid(specs)


def done(*values: tuple[str, Results]) -> list[Row]:
    return [Row.of(Point((("k", k),)), r) for k, r in values]


def test_harder_is_said_only_where_intervals_are_apart() -> None:
    assert "gets harder" in trend(done(("2", result(0.9)), ("4", result(0.6))))
    assert "not shown" not in trend(done(("4", result(0.6)), ("2", result(0.9))))
    bump = trend(done(("2", result(0.9)), ("4", result(0.5)), ("6", result(0.7)), ("8", result(0.3))))
    assert bump.endswith("(0.900 at k = 2, 0.300 at 8), but easier in between than before.")
    for pair in ((0.9, 0.88), (0.6, 0.9), (0.7, 0.7)):
        assert "not shown" in trend(done(("2", result(pair[0])), ("4", result(pair[1]))))
    assert trend(done(("2", result(0.9)), ("4", result(None)))) == ""
    assert trend([Row.of(Point((("epochs", "1"),)), result(0.9))]) == ""
    assert trend(done(("a", result(0.9)), ("b", result(0.5)))) == ""


@pytest.mark.parametrize(("codes", "want"), [((0, 0), 0), ((0, 3), 3), ((3, 1, 0), 1)])
def test_exit_code_is_the_worst(codes: tuple[int, ...], want: int) -> None:
    rows = done(*((str(i), result(0.5, c)) for i, c in enumerate(codes)))
    assert Collected(rows, []).exit_code() == want
    assert Collected(rows, [Missing(Point((("k", "9"),)), "it was not audited")]).exit_code() == 3


@dataclass
class Audits:
    """Stands in for `run_audit`: writes a results.json and remembers what it was asked."""

    asked: list[AuditOptions] = field(default_factory=list)
    fail_at: str = ""
    refuse: str = ""

    def __call__(self, options: AuditOptions, reporter: Any) -> tuple[Path, Results]:
        self.asked.append(options)
        assert options.out is not None
        if self.refuse and self.refuse in options.out.name:
            raise UsageError("cannot resume: scheme's code was 'ab' and is now 'cd'")
        if self.fail_at and self.fail_at in options.out.name:
            raise SchemeError("k must be even")
        k = int(options.sets[-1].partition("=")[2])
        results = result(1 - 0.1 * k, 1 if k < 5 else 0)
        results.seed = options.seed
        write_results(options.out, results, {})
        return options.out, results


def test_each_point_is_an_audit_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audits = Audits()
    monkeypatch.setattr(sweep_point, "run_audit", audits)
    out = tmp_path / "sw"
    got = CliRunner().invoke(
        app,
        ["sweep", "instahide", "--grid", "k=2,6", "--set", "epochs=3", "--out", str(out), "-q"],
    )
    assert got.exit_code == 1, got.output
    assert [o.sets for o in audits.asked] == [("epochs=3", "k=2"), ("epochs=3", "k=6")]
    assert [o.out for o in audits.asked] == [out / "k=2", out / "k=6"]
    found = json.loads((out / "sweep.json").read_text())
    assert found["schema"] == SCHEMA
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
    monkeypatch.setattr(sweep_point, "run_audit", audits)
    points = parse_grid(["k=2,3,4"])
    found = run_sweep(AuditOptions(scheme="s"), points, tmp_path / "o", Reporter())
    assert [r.point.name for r in found.rows] == ["k=2", "k=4"] and [m.point.name for m in found.missing] == ["k=3"]
    error = found.error()
    assert isinstance(error, SchemeError) and str(error) == "at k=3: k must be even" and error.exit_code == 2
    failure = read_failure(tmp_path / "o" / "k=3")
    assert failure is not None and failure.sentence == "k must be even"
    audits.fail_at = ""
    found = run_sweep(AuditOptions(scheme="s", resume=True), points, tmp_path / "o", Reporter())
    assert not found.missing and found.error() is None and read_failure(tmp_path / "o" / "k=3") is None
    assert [o.resume for o in audits.asked[-3:]] == [True, False, True]


def test_a_name_in_set_and_grid_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'k' is in --set and in --grid"):
        run_sweep(AuditOptions(scheme="s", sets=("k=2",)), parse_grid(["k=2,3"]), tmp_path, Reporter())


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
    assert decided(copies) == "released fields that repeat private images themselves (plain-copies)"
    reid = missed("reid", "re-identification above chance", Estimate(0.3, 0.2, 0.4, 10), "match")
    assert (
        decided(reid)
        == "re-identification above chance: 30.0\u00a0points [20.0, 40.0\u00a0points] against 0\u00a0points (match)"
    )
    open_ = result(0.1, 3)
    open_.gate.reasons = ["no game addressed the scheme | at all"]
    assert "no game addressed" in decided(open_)
    text = markdown(done(("2", copies), ("4", open_)))
    assert "(plain-copies) |" in text and "the scheme \\| at all" in text
    page = sweep_page(summary(done(("2<b>", copies), ("4", open_))))
    assert "2&lt;b&gt;" in page and "plain-copies" in page and "SSIM, 90 % quantile, strongest attack" in page


def test_figures_have_the_digits_of_the_reports() -> None:
    gate = missed("ssim", "SSIM, strongest attack", Estimate(0.9961, 0.984, 0.997, 10), "phase")
    gate.gate.bound = 0.5
    assert decided(gate) == "SSIM, strongest attack: 0.996 [0.984, 0.997] against 0.500 (phase)"
    negative = result(-0.0214)
    assert "| \u22120.021 [\u22120.041, \u22120.001] |" in markdown(done(("2", negative)))
    assert "0.996 at k = 2, 0.500 at 4" in trend(done(("2", result(0.9961)), ("4", result(0.5))))


def test_a_point_is_linked_to_what_was_written(tmp_path: Path) -> None:
    rows = summary(done(("2", result(0.9)), ("4", result(0.6)), ("6", result(0.5))))
    for name, file in (("k=2", "report.html"), ("k=4", "report.pdf"), ("k=6", "results.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).touch()
    page = sweep_page(rows, tmp_path)
    for link in ("k%3D2/report.html", "k%3D4/report.pdf", "k%3D6/results.json"):
        assert f'href="{link}"' in page


SWEEP = ("sweep", "instahide", "--grid", "k=2,4,6", "-q")


def sweep(*args: str, out: Path) -> Any:
    return CliRunner().invoke(app, [*SWEEP, "--out", str(out), *args])


def test_shards_share_the_points_and_collect_makes_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audits = Audits()
    monkeypatch.setattr(sweep_point, "run_audit", audits)
    assert sweep("--shard", "2/2", out=tmp_path).exit_code == 1
    assert [o.out and o.out.name for o in audits.asked] == ["k=4"] and not (tmp_path / "sweep.json").exists()
    early = sweep("--collect", out=tmp_path)
    assert early.exit_code == 3 and "2 of 3 points are missing" in early.output
    assert [m["point"] for m in json.loads((tmp_path / "sweep.json").read_text())["missing"]] == [
        {"k": "2"},
        {"k": "6"},
    ]
    assert sweep("--shard", "1/2", out=tmp_path).exit_code == 1
    assert [o.out and o.out.name for o in audits.asked] == ["k=4", "k=2", "k=6"]
    late = sweep("--collect", out=tmp_path)
    assert late.exit_code == 1 and json.loads((tmp_path / "sweep.json").read_text())["missing"] == []
    assert len(audits.asked) == 3
    assert sweep("--shard", "9/9", out=tmp_path).exit_code == 0  # an array of more jobs than there are points
    nowhere = sweep("--collect", out=tmp_path / "nowhere")
    assert nowhere.exit_code == 3 and "name their folder with --out" in nowhere.output.replace("\n", " ")


def test_a_line_is_printed_for_each_point_and_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audits = Audits()
    monkeypatch.setattr(sweep_point, "run_audit", audits)
    printed = sweep("--print-jobs", "--set", "epochs=30", "--seed", "7", out=tmp_path / "a b")
    assert printed.exit_code == 0 and not audits.asked
    lines = [shlex.split(x) for x in printed.output.splitlines()]
    assert len(lines) == 3 and all(x[:3] == ["ihaudit", "sweep", "instahide"] for x in lines)
    for line in (*lines, lines[0]):  # a queue may run one twice
        got = CliRunner().invoke(app, line[1:])
        assert got.exit_code == 0, got.output
    assert [o.out and o.out.name for o in audits.asked] == ["k=2", "k=4", "k=6", "k=2"]
    assert {(o.seed, o.sets[0]) for o in audits.asked} == {(7, "epochs=30")} and audits.asked[-1].resume
    collected = sweep("--collect", "--set", "epochs=30", "--seed", "7", out=tmp_path / "a b")
    assert collected.exit_code == 1, collected.output


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--shard", "0/2"), "--shard '0/2' is not of the form I/N"),
        (("--shard", "3/2"), "--shard '3/2'"),
        (("--shard", "²/2"), "I/N"),
        (("--collect", "--jobs", "2"), "--collect audits nothing"),
        (("--collect", "--print-jobs"), "--collect audits nothing"),
        (("--print-jobs", "--shard", "1/2"), "--print-jobs audits nothing"),
        (("--print-jobs", "--profile", "fulll"), "there is no profile 'fulll'"),
        (("--collect", "--format", "htm"), "there is no format called 'htm'"),
        (("--print-jobs", "--attack", "umix"), "there is no attack called 'umix'"),
        (("--print-jobs", "--grid", "kk=1,2"), "the scheme has no parameter 'kk'; did you mean 'k'?"),
        (("--print-jobs", "--grid", "epochs=5,many"), "epochs=many: expected"),
        (("--jobs", "0"), "--jobs"),
        (("--engine", "lokal"), "no engine called 'lokal'; did you mean 'local'?"),
        (("--resume", "--overwrite"), "contradict"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(args: tuple[str, ...], said: str, tmp_path: Path) -> None:
    got = sweep(*args, out=tmp_path / "o")
    assert got.exit_code == 2 and said in got.output.replace("\n", " ")
    assert not (tmp_path / "o").exists()


def test_points_of_another_sweep_are_not_put_into_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_point, "run_audit", Audits())
    points = parse_grid(["k=2,4"])
    run_sweep(AuditOptions(scheme="s"), points, tmp_path, Reporter())
    with pytest.raises(UsageError, match="k=2 was audited with --seed 0, not with --seed 5"):
        collect(points, tmp_path, AuditOptions(scheme="s", seed=5))
    for more, said in (
        ({"attacks": ("unmix",)}, "without --attack, not with --attack unmix;"),
        ({"attacks": ("unmix", "phase")}, "without --attack, not with --attack unmix and phase"),
        ({"gates": GateOptions(max_ssim=0.3)}, "with --max-ssim 0.5, not with --max-ssim 0.3"),
    ):
        made = result(0.5)
        made.options = {"gates": asdict(GateOptions()), "attacks": None}
        write_results(tmp_path / "k=2", made)
        with pytest.raises(UsageError, match=f"k=2 was audited {said}"):
            collect(points, tmp_path, AuditOptions(scheme="s", **more))
    other = result(0.5)
    other.options = {"plan": {"version": "9"}}
    write_results(tmp_path / "k=4", other)
    with pytest.raises(UsageError, match="k=2 and k=4 do not compare: version was None and 9"):
        collect(points, tmp_path, AuditOptions(scheme="s"))


def test_a_damaged_point_is_audited_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audits = Audits()
    monkeypatch.setattr(sweep_point, "run_audit", audits)
    points, options = parse_grid(["k=2,4"]), AuditOptions(scheme="s", resume=True)
    run_sweep(options, points, tmp_path, Reporter())
    (tmp_path / "k=4" / "results.json").write_text('{"schema": ')
    assert [m.point.name for m in collect(points, tmp_path, options).missing] == ["k=4"]
    assert not run_sweep(options, points, tmp_path, Reporter()).missing
    assert [o.resume for o in audits.asked] == [False, False, True, False]


def test_a_finished_point_of_something_else_is_missing_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edited scheme used to keep the figures of the old one in the table, without a word."""
    audits = Audits()
    monkeypatch.setattr(sweep_point, "run_audit", audits)
    points = parse_grid(["k=2,4"])
    run_sweep(AuditOptions(scheme="s"), points, tmp_path, Reporter())
    audits.refuse = "k=4"
    found = run_sweep(AuditOptions(scheme="s", resume=True), points, tmp_path, Reporter())
    assert [m.point.name for m in found.missing] == ["k=4"] and found.exit_code() == 3
    assert "at k=4: cannot resume: scheme's code was" in str(found.error())
    assert read_failure(tmp_path / "k=4") is None and (tmp_path / "k=4" / "results.json").exists()
    assert "k=2, k=4" in collect(points, tmp_path, AuditOptions(scheme="s")).foreign()  # none of these has a seal
    for point in points:
        put_seal(tmp_path / point.name)
    assert not collect(points, tmp_path, AuditOptions(scheme="s")).foreign()


def test_the_name_of_a_point_is_said_once() -> None:
    point = Point((("T", "3"), ("epsilon", "bad")))
    failure = Failure("epsilon=bad: expected a number", "UsageError")
    assert str(Collected([], [Missing(point, failure.sentence, failure)]).error()) == (
        "at T=3,epsilon=bad: expected a number"
    )


def test_collect_draws_the_same_curves_and_takes_the_price_of_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_point, "run_audit", Audits())
    assert sweep(out=tmp_path).exit_code == 1
    names = ("sweep.json", "sweep.md", "sweep.html")
    before = [(tmp_path / name).read_text() for name in names]
    assert sweep("--collect", out=tmp_path).exit_code == 1
    assert [(tmp_path / name).read_text() for name in names] == before
    assert (
        before[2].count("<figure") == 1 and "carry no seal of this user" in before[1] and "carry no seal" in before[2]
    )
    sweep("--collect", "--price-per-hour", "cpu=3600", "--price-per-hour", "currency=EUR", out=tmp_path)
    prices = [p["attack_price"] for p in json.loads((tmp_path / "sweep.json").read_text())["points"]]
    assert prices == [{"amount": 5.0, "currency": "EUR"}] * 3


def test_a_point_that_another_run_audits_is_waited_for_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audits, order = Audits(), []
    monkeypatch.setattr(sweep_point, "run_audit", audits)
    other = contextlib.ExitStack()
    (tmp_path / "k=2").mkdir()
    assert other.enter_context(locked(tmp_path / "k=2" / LOCK, wait=False))

    class Notes(Reporter):
        def note(self, message: str) -> None:
            order.append(message)
            if "k=4" in message:  # the other run ends while this one is at the next point
                other.close()

    found = run_sweep(AuditOptions(scheme="s"), parse_grid(["k=2,4"]), tmp_path, Notes())
    assert not found.missing and [o.out and o.out.name for o in audits.asked] == ["k=4", "k=2"]
    assert any("k=2: another run audits it now" in m for m in order)


def test_the_same_point_has_one_folder_whatever_the_order_of_its_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audits = Audits()
    monkeypatch.setattr(sweep_point, "run_audit", audits)
    run_sweep(AuditOptions(scheme="s"), parse_grid(["T=1", "k=2,4"]), tmp_path, Reporter())
    found = collect(parse_grid(["k=2,4", "T=1"]), tmp_path, AuditOptions(scheme="s"))
    assert not found.missing and [r.folder for r in found.rows] == ["T=1,k=2", "T=1,k=4"]


def test_thousands_of_points_leave_no_descriptor_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def audit(options: AuditOptions, reporter: Any) -> tuple[Path, Results]:
        assert options.out is not None
        hold(options.out)  # as an audit does
        write_results(options.out, result(0.9), {})
        return options.out, result(0.9)

    monkeypatch.setattr(sweep_point, "run_audit", audit)
    before = len(os.listdir("/proc/self/fd"))
    points = parse_grid([f"k={','.join(map(str, range(100)))}"])
    assert len(run_sweep(AuditOptions(scheme="s"), points, tmp_path, Reporter()).rows) == 100
    assert len(os.listdir("/proc/self/fd")) <= before + 2


def test_every_point_is_in_one_shard() -> None:
    points = parse_grid(["k=1,2,3,4,5", "T=1,2"])
    for n in (1, 3, 10, 12):
        shards = [share(points, parse_shard(f"{i}/{n}")) for i in range(1, n + 1)]
        assert sorted(p.name for s in shards for p in s) == sorted(p.name for p in points)


def test_a_folder_that_cannot_be_written_is_said_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for more in ((), ("--jobs", "2")):
        got = sweep(*more, out=tmp_path / "file")
        assert got.exit_code == 2 and "is a file; name another folder" in got.output


def test_a_reason_that_could_not_be_written_is_said_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sweep_point, "run_audit", Audits(fail_at="k="))
    monkeypatch.setattr(sweep_point, "atomic_write", full)
    found = run_sweep(AuditOptions(scheme="s"), parse_grid(["k=2,4"]), tmp_path, Reporter())
    assert found.exit_code() == 3 and "at k=2: k must be even (1 more failed" in str(found.error())

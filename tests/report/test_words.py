"""Numbers, words and answers of the report."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import ihaudit
from ihaudit.contracts.format import Source, report_format
from ihaudit.errors import UsageError
from ihaudit.report import cards, details, front, render, summary, words
from ihaudit.report.formats import html
from ihaudit.report.sections import attacks, claims, controls, gallery, limits
from ihaudit.results import Finding, StageRecord
from ihaudit.stats import Estimate
from ihaudit.verdict.decide import decide
from ihaudit.verdict.gates import CONDITIONAL, GUESSED, TURNED, GateOptions
from tests.report import synthetic


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "n/a"),
        (0.8304, "0.830"),
        (-0.05, "−0.050"),
        (1.3e-7, "1.3e−07"),
        (12345, "12,345"),
        (0, "0"),
        (float("nan"), "n/a"),
    ],
)
def test_number(value: Any, text: str) -> None:
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("e", "unit", "text"),
    [
        (Estimate(0.83, 0.79, 0.86, 40), "", "0.830 [0.790, 0.860]"),
        (Estimate(0.95, 0.83, 1.0, 40), "%", "95.0\u00a0% [83.0, 100\u00a0%]"),
        (Estimate(19.4, 18.8, 20.1, 40), "dB", "19.40\u00a0dB [18.80, 20.10\u00a0dB]"),
        (Estimate(0.5, 0.4, None), "", "0.500 ≥ 0.400"),
        (Estimate(3.137, 3.137, None), "", "≥ 3.137"),
        (Estimate(3.137, None, 3.137), "", "≤ 3.137"),
        (Estimate(0.5), "", "0.500"),
        (Estimate(None), "", "n/a"),
    ],
)
def test_estimate(e: Estimate, unit: str, text: str) -> None:
    assert words.estimate(e, unit) == text


def test_one_word_by_the_exit_code() -> None:
    r = synthetic.results()
    for code, status, word in (
        (1, "missed", "broken"),
        (0, "met", "no break found"),
        (3, "inconclusive", "inconclusive"),
    ):
        r.gate.exit_code, r.gate.status = code, status  # type: ignore[assignment]
        assert words.verdict_word(r) == word


def test_epsilon_is_never_an_equality_and_names_its_ceiling() -> None:
    def epsilon(low: float, ceiling: float | None) -> str:
        d = {"epsilon": {"lower": {"value": low, "low": low}, "ceiling": ceiling, "delta": 0}}
        e = details.epsilon(Finding(id="g", kind="game", title="", status="measured", details=d))
        assert e is not None
        return e.text

    assert epsilon(5.58, 5.6) == "≥ 5.58 (at the ceiling)"
    assert epsilon(0.5, 5.6) == "≥ 0.50 (at most 5.60 could be shown)"
    assert epsilon(-1.0, None) == "≥ 0.00"


def test_most_lost_stage_is_named() -> None:
    f = Finding(
        id="a",
        kind="attack",
        title="A",
        status="broken",
        stages=[
            StageRecord(name="grouping", variant="x", quality={"purity": 0.9}),
            StageRecord(name="assignment", variant="y", quality={"pair_accuracy": 0.4, "lambda_error": 0.01}),
        ],
    )
    assert "“assignment” (pair accuracy 0.40" in cards.where_lost(f)


def test_above_baseline_is_the_share_of_what_was_left() -> None:
    assert attacks.above_baseline(0.6, 0.2) == pytest.approx(0.5)
    assert attacks.above_baseline(0.1, 0.2) == pytest.approx(-0.125)
    assert attacks.above_baseline(None, 0.2) is None


def answers(results: Any) -> dict[str, limits.Answer]:
    return dict(zip(limits.QUESTIONS, limits.answers(results)))


def test_seven_answers_come_from_the_findings() -> None:
    r = synthetic.results()
    found = answers(r)
    assert len(found) == 7
    assert found["claim"].short == "yes" and "1 of 2 refuted" in found["claim"].text
    assert found["complexity"].short == "for show" and "abs-whitened" in found["complexity"].text
    assert found["weakness"].short == "yes" and "24 encodings" in found["weakness"].text
    assert found["indistinguishability"].short == "no"
    assert found["honesty"].short == "it fell"


def test_unanswered_questions_say_so() -> None:
    r = synthetic.results()
    r.findings, r.claims = [f for f in r.findings if f.kind == "control"], []
    found = answers(r)
    assert found["claim"].short == "no"
    for key in ("complexity", "weakness", "theorems", "indistinguishability"):
        assert found[key].short == limits.NOT_EXAMINED
    r.findings.append(
        Finding(
            id="m",
            kind="check",
            title="M",
            status="measured",
            details={"essay": {"complexity": "the mask hides nothing more"}},
        )
    )
    assert "The mask hides nothing more." in answers(r)["complexity"].text


def test_mask_attack_that_failed_is_no_all_clear() -> None:
    r = synthetic.results()
    for f in r.findings:
        if f.id == "prng-seedless":
            f.status = "no break found"
    assert answers(r)["weakness"].short == "none found"


def flag_texts(results: Any) -> str:
    return " ".join(f"{f.level}: {f.text}" for f in controls.raised(Source(results, synthetic.arrays())))


def test_flags_fire_and_stay_silent() -> None:
    r = synthetic.results()
    calm = flag_texts(r)
    assert "serious" not in calm
    for f in r.findings:
        if f.id == "instance":
            f.details["floor"]["value"] = 0.9
        if f.id == "control-mixup":
            f.status, f.reason = "inconclusive", "nothing broke it"
        if f.id == "nearest-public":
            f.metrics["ssim"] = Estimate(0.9, 0.8, 0.95, 40)
    r.private.count = 5  # type: ignore[union-attr]
    r.release.has_provenance = False  # type: ignore[union-attr]
    r.gate.measured = Estimate(0.55, 0.4, 0.7, 5)
    loud = flag_texts(r)
    for words_ in (
        "floor that the theorem predicts",
        "nothing broke it",
        "no better than a trivial guess",
        "Only 5 private",
        "by assignment",
        "inside the interval",
    ):
        assert words_ in loud and words_ not in calm


def test_secret_recovered_needs_no_numbers() -> None:
    r = synthetic.results()
    from ihaudit.results import GateCheck

    check = GateCheck(
        name="secret",
        statistic="a secret of the scheme was recovered",
        measured=Estimate(1.0),
        bound=0,
        met=False,
        by="prng-seedless",
    )
    r.gate.checks, r.gate.statistic, r.gate.by = [check], check.statistic, check.by
    assert summary.line(r) == "A secret of the scheme was recovered · by prng-seedless · profile quick"


def test_unknown_format_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'markdown'"):
        render(synthetic.results(), {}, tmp_path, ("markdwn",))
    assert not list(tmp_path.iterdir())


def test_plugins_can_add_a_format(tmp_path: Path) -> None:
    @report_format("test-lines", "lines.txt")
    def lines(source: Source) -> str:
        return source.results.name

    assert [p.name for p in render(synthetic.results(), {}, tmp_path, ("test-lines",))] == ["lines.txt"]
    assert (tmp_path / "lines.txt").read_text() == synthetic.results().name


def test_templates_are_found_in_a_wheel_and_in_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "ihaudit"
    package.mkdir(parents=True)
    monkeypatch.setattr(ihaudit, "__file__", str(package / "__init__.py"))
    with pytest.raises(UsageError, match="templates are missing"):
        html.templates_folder()
    for folder in (tmp_path / "site" / "templates", package / "_templates"):  # the wheel's own come first
        folder.mkdir()
        (folder / "report.html.j2").touch()
        assert html.templates_folder() == folder.resolve()


def test_rendering_imports_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from tests.report import synthetic; from ihaudit.report.formats import html; "
        "from ihaudit.contracts.format import Source; "
        "html.render(Source(synthetic.results(4), synthetic.arrays(4))); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2], timeout=120)


def test_docstrings_are_reflowed_but_lists_stay() -> None:
    from ihaudit.report.plain import reflow

    doc = (
        "A sentence that was wrapped by its author's editor because of a limit on\nthe length.\n\nParameters:\n"
        "    k: images mixed into one encoding, a description that is long enough\n        to wrap.\n"
        "    epochs: passes."
    )
    assert reflow(doc).splitlines() == [
        "A sentence that was wrapped by its author's editor because of a limit on the length.",
        "",
        "Parameters:",
        "    k: images mixed into one encoding, a description that is long enough to wrap.",
        "    epochs: passes.",
    ]


def test_attack_without_an_answer_is_not_called_a_reconstruction() -> None:
    r = synthetic.results()
    for f in r.findings:
        if f.kind == "attack":
            f.details["matched"] = 0
    source = Source(r, synthetic.arrays())
    shown = gallery.build(source)
    assert shown["main"] is None and "No attack answered" in shown["why_none"]
    assert any("No attack answered" in s for s in summary.verdict(source).sentences)


def test_that_reconstructions_are_shown_in_the_pose_that_suits_them_is_said_only_where_images_move() -> None:
    r = synthetic.results()
    attack = next(f for f in r.findings if f.kind == "attack")
    assert gallery.pose_note(attack) == ""
    attack.details["images_may_be"] = "mirrored, shifted by up to 4 pixels"
    note = gallery.pose_note(attack)
    assert "moved anew for every use (mirrored, shifted by up to 4 pixels)" in note and "chance level" in note
    assert "as answered" not in note
    attack.metrics["ssim_as_answered"] = attack.metrics["ssim"]
    assert "as answered the mean SSIM is " in gallery.pose_note(attack)


def test_controls_that_did_not_run_reassure_no_one() -> None:
    r = synthetic.results()
    assert "4 controls came out as they must" in str(claims.build(Source(r))["checks"][0].sure)
    for f in r.findings:
        if f.kind == "control":
            f.status = "not run"
    assert "no controls ran" in str(claims.build(Source(r))["checks"][0].sure)
    assert "serious: No control was run" in flag_texts(r)


@pytest.mark.parametrize("name", ["copies", *CONDITIONAL])
def test_what_happened_or_did_not_has_no_figure(name: str) -> None:
    by = "plain-copies" if name == "copies" else name
    found = Finding(id=by, kind="check", title="t", status="broken")
    results = synthetic.results()
    _, results.gate = decide([*results.findings, found], [], GateOptions(), controls_required=False)
    check = next(c for c in results.gate.checks if c.name == name)
    results.gate.statistic, results.gate.measured, results.gate.by = check.statistic, check.measured, check.by
    assert f" · by {by} · " in summary.line(results) and not re.search(r"\d\.\d", summary.line(results))
    line = next(row for row in front.lines(results) if row.by == by)
    assert (line.bound, line.measured) == ("must not happen", "happened")
    row = claims.check_row(results, check)
    assert row.tried == [by] and not row.not_tried and "1.000" not in row.outcome


def test_classes_that_were_made_up_are_not_shown_as_those_of_images() -> None:
    results, stored = synthetic.results(), synthetic.arrays()
    assert "class 0" in html.render(Source(results, stored))
    assert results.private is not None
    results.private.pseudo = True
    page = html.render(Source(results, stored))
    assert "class 0" not in page and "none stated; dealt into 4" in page


def test_gate_sentence_of_a_check_has_no_figure() -> None:
    found = Finding(id="checks-constant", kind="check", title="t", status="broken")
    _, gate = decide([found], [], GateOptions(), controls_required=False)
    assert gate.sentence == "Gate missed: an array that follows the images alone, whatever the seed (checks-constant)."


def test_an_attack_that_broke_by_negatives_shows_the_figure_it_broke_by() -> None:
    results = synthetic.results()
    found = next(f for f in results.findings if f.kind == "attack" and f.status == "broken")
    row = attacks.build(Source(results, synthetic.arrays()))["rows"][0]
    assert row["finding"].id == found.id and not row["turned"]
    found.metrics |= {"ssim_q90": Estimate(0.247, n=40), "ssim_polarity_q90": Estimate(0.694, n=40)}
    found.sentence = f"The 90 % quantile of SSIM is 0.694; {TURNED}; exactly as answered that figure is 0.247."
    source = Source(results, synthetic.arrays())
    row = attacks.build(source)["rows"][0]
    assert (row["q90"][:5], row["turned"]) == ("0.247", "0.694")
    assert "0.694 as negatives or mirror images" in html.render(source)


def test_the_figure_beside_broken_is_the_one_that_broke() -> None:
    figures = {
        "ssim_q90": Estimate(0.26, 0.23, 0.29, 100),
        "ssim_polarity_q90": Estimate(0.70, 0.66, 0.74, 100),
        "reid_above_chance": Estimate(0.5, 0.4, 0.6, 100),
    }
    for status, sentence, name in (
        ("broken", f"0.70; {TURNED}", "ssim_polarity_q90"),
        ("broken", "re-identified", "ssim_q90"),
        ("broken", f"0.55; {GUESSED}", "reid_above_chance"),
        ("no break found", f"0.55; {GUESSED}", "ssim_q90"),
        ("no break found", f"0.70; {TURNED}", "ssim_q90"),
    ):
        f = Finding.model_validate(
            {"id": "a", "kind": "attack", "title": "A", "status": status, "sentence": sentence, "primary": "ssim_q90"}
        )
        f.metrics = dict(figures)
        assert words.primary(f) == (name, figures[name])
        rows = cards.metric_rows(f)
        assert [row.primary for row in rows] == [True, False, False] and rows[0].label == words.metric(name).label

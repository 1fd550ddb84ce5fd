"""results.json after somebody edited it: the verdict follows from the findings, or one sentence says what is wrong."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ihaudit.cli import gate, report
from ihaudit.errors import IhauditError, ResultsError
from ihaudit.results import write_results
from ihaudit.scheme import Claim
from tests.report import synthetic
from tests.verdict.test_decide import attack, baselines, game, stored

Change = Callable[[dict[str, Any]], object]
FORMATS = ["markdown", "junit", "sarif"]


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An audit that meets its gate, in a folder."""
    folder = tmp_path_factory.mktemp("audit")
    stored(folder, attack("noise"), game(0.0), *baselines(), claims=[Claim("ssim", 0.3)])
    return folder


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An audit with findings of every kind, in a folder."""
    folder = tmp_path_factory.mktemp("rich")
    write_results(folder, synthetic.results(), synthetic.arrays())
    return folder


def edited(audit: Path, folder: Path, change: Change) -> Path:
    data = json.loads((audit / "results.json").read_text(encoding="utf-8"))
    change(data)
    (folder / "results.json").write_text(json.dumps(data))
    (folder / "arrays.npz").write_bytes((audit / "arrays.npz").read_bytes())
    return folder


def decide_again(folder: Path) -> None:
    gate.command(folder)


def render_again(folder: Path) -> None:
    report.command(folder, FORMATS)


def decided(folder: Path) -> int:
    """The exit code of `ihaudit gate`."""
    with pytest.raises(typer.Exit) as e:
        gate.command(folder)
    return e.value.exit_code


def attacks(data: dict[str, Any]) -> list[dict[str, Any]]:
    return [f for f in data["findings"] if f["kind"] == "attack" and f["status"] == "no break found"]


def drop_controls(data: dict[str, Any]) -> None:
    data["findings"] = [f for f in data["findings"] if f["kind"] != "control"]


def test_without_its_controls_no_gate_is_met(audit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert decided(edited(audit, tmp_path, lambda d: None)) == 0
    assert decided(edited(audit, tmp_path, drop_controls)) == 3
    assert "no positive control ran" in capsys.readouterr().out


def test_edited_words_are_not_repeated(audit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def change(data: dict[str, Any]) -> None:
        drop_controls(data)
        data["gate"]["sentence"] = "Certified private."
        for f in attacks(data):
            f["sentence"] = "Certified private."

    report.command(edited(audit, tmp_path, change), FORMATS)
    said = capsys.readouterr()
    assert "does not follow from its findings" in said.err
    for name in ("summary.md", "junit.xml", "results.sarif"):
        found = [p for p in tmp_path.iterdir() if p.name not in ("results.json", "arrays.npz")]
        assert len(found) == len(FORMATS), name
        for path in found:
            text = path.read_text()
            assert "Certified private" not in text
            assert "Gate met" not in text


def put(*path: Any, value: Any) -> Change:
    def change(data: dict[str, Any]) -> None:
        place: Any = data
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


def counts(name: str, value: Any) -> Change:
    def change(data: dict[str, Any]) -> None:
        for f in attacks(data):
            f["details"]["exceedance"] = {"level": [0.5], **dict.fromkeys(("n", "d", "best", "clear"), 1), name: value}

    return change


CLAIM = {"text": "t", "quantity": "ssim", "bound": 0.5, "adversary": ["encodings"], "status": "not refuted"}
#: What somebody wrote, and what is said of it.
REFUSED: dict[str, tuple[Change, str]] = {
    "unknown bound": (put("options", "gates", value={"max_foo": 1}), "holds 'max_foo', which is no bound"),
    "bounds of another kind": (put("options", "gates", value=[1]), "options.gates is"),
    "bound as text": (put("options", "gates", value={"max_ssim": "0.5"}), "--max-ssim must be a number"),
    "true for a bound": (put("options", "gates", value={"max_ssim": True}), "--max-ssim must be a number"),
    "quantile out of range": (put("options", "gates", value={"quantile": 7}), "--quantile"),
    "text for strict": (put("options", "gates", value={"strict": "no"}), "--strict"),
    "unknown claim": (put("claims", value=[CLAIM | {"quantity": "charm"}]), "quantity must be one of"),
    "claim's quantile": (put("claims", value=[CLAIM | {"quantile": 7}]), "quantile must be a number"),
    "claim's adversary": (put("claims", value=[CLAIM | {"adversary": ["psychic"]}]), "psychic"),
    "bound beyond floats": (put("claims", value=[CLAIM | {"bound": 10**400}]), "bound must be a finite number"),
    "text for a number": (put("gate", "exit_code", value="0"), "gate.exit_code"),
    "what an attack needs": (put("findings", 0, "needs", value=["psychic"]), "psychic|needs"),
    "counts of another kind": (counts("private", "many"), "exceedance"),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_cannot_be_read_is_one_sentence(name: str, audit: Path, tmp_path: Path) -> None:
    change, message = REFUSED[name]
    folder = edited(audit, tmp_path, change)
    if name.startswith("counts"):
        (folder / "arrays.npz").unlink()  # else they are counted anew
    for command in (decide_again, render_again):
        with pytest.raises(ResultsError, match=message) as e:
            command(folder)
        assert e.value.exit_code == 2
        assert "\n" not in str(e.value)


@pytest.mark.parametrize("array", [np.array(["a"]), np.zeros((3, 3)), np.array([np.nan, 1.0])])
def test_scores_of_another_kind_are_one_sentence(array: np.ndarray, audit: Path, tmp_path: Path) -> None:
    folder = edited(audit, tmp_path, lambda d: None)
    with np.load(folder / "arrays.npz") as z:
        arrays: dict[str, Any] = {k: array if k.endswith("/ssim") else z[k] for k in z.files}
    np.savez(folder / "arrays.npz", **arrays)
    with pytest.raises(ResultsError, match="expected one finite score per image"):
        gate.command(folder)


ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 0, 10**30, 1e300, "", "x", "\x1b[31m\x00\ud800", [], [[]], {}, {"a": [1]}, ["x"], "broken", "nan"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_edit_is_rendered_or_one_sentence(data: st.DataObject, rich: Path, tmp_path: Path) -> None:
    """Some value anywhere in the file is another one, or gone."""

    def change(results: dict[str, Any]) -> None:
        place: Any = results
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                return
            key = data.draw(st.sampled_from(keys))
            deeper = isinstance(place[key], (dict, list)) and len(place[key]) > 0
            if deeper and data.draw(st.integers(0, 4)):
                place = place[key]
                continue
            if isinstance(place, dict) and data.draw(st.integers(0, 3)) == 0:
                del place[key]
            else:
                place[key] = data.draw(ODD)
            return

    folder = edited(rich, tmp_path, change)
    if data.draw(st.booleans()):
        (folder / "arrays.npz").unlink()
    for command in (decide_again, render_again):
        with contextlib.suppress(IhauditError, typer.Exit):
            command(folder)

"""Errors name where the value came from; what `config show` prints is a configuration."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ihaudit import cli
from ihaudit.cli import compare, run
from ihaudit.cli.doctor import Item


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [n for n in os.environ if n.startswith("IHAUDIT_")]:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".git").mkdir()
    return tmp_path


def said(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    monkeypatch.setattr("sys.argv", ["ihaudit", *arguments])
    with pytest.raises(SystemExit) as e:
        cli.main()
    out = capfd.readouterr()
    assert e.value.code == code, out.err
    return out.err if code else out.out


@pytest.mark.parametrize(
    ("option", "value", "what"),
    [
        ("max-ssim", "5", "less than or equal to 1, not 5"),
        ("seed", "-1", "greater than or equal to 0, not -1"),
        ("profile", '"quik"', "there is no profile 'quik'; did you mean 'quick'?"),
        ("knows", '["everything"]', "--knows 'everything' is not a kind of knowledge"),
        ("device", '"tpu"', "--device must be auto, cpu or cuda, not 'tpu'"),
        ("private", '"nowhere.npz"', "there are no images at nowhere.npz"),
        ("set", '["sigmaa=3"]', "the scheme has no parameter 'sigmaa'"),
        ("price-per-hour", '["cpu=x"]', "--price-per-hour 'cpu=x' is none of"),
    ],
)
def test_the_file_or_the_variable_is_named(
    option: str,
    value: str,
    what: str,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    arguments = ("run", "noise", "-q", "--n-private", "8")
    (elsewhere / "pyproject.toml").write_text(f"[tool.ihaudit]\n{option} = {value}\n")
    from_file = said(monkeypatch, capfd, *arguments)
    assert what in from_file and "pyproject.toml" in from_file and "IHAUDIT_" not in from_file
    (elsewhere / "pyproject.toml").unlink()
    variable = f"IHAUDIT_{option.upper().replace('-', '_')}"
    monkeypatch.setenv(variable, value.strip('[]"'))
    assert f"the variable {variable}" in said(monkeypatch, capfd, *arguments)
    monkeypatch.delenv(variable)
    given = said(monkeypatch, capfd, *arguments, f"--{option}", value.strip('[]"'))
    assert not any(word in given for word in ("variable", "env var", "toml")) and what.split(",")[0] in given


def test_what_config_show_prints_is_accepted(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("FORMAT", "html sarif"), ("MAX_SSIM", "0.3"), ("STRICT", "1"), ("PRIVATE", 'a "b" \\c')):
        monkeypatch.setenv(f"IHAUDIT_{name}", value)
    shown = said(monkeypatch, capfd, "config", "show", code=0)
    for name in ("FORMAT", "MAX_SSIM", "STRICT", "PRIVATE"):
        monkeypatch.delenv(f"IHAUDIT_{name}")
    (elsewhere / "ihaudit.toml").write_text(shown)
    again = said(monkeypatch, capfd, "config", "show", code=0)

    def values(text: str) -> list[str]:
        return [line.rpartition("#")[0].strip() for line in text.splitlines()[1:]]

    assert values(again) == values(shown)
    assert 'format = ["html", "sarif"]' in shown and "# out is not set" in shown
    given = []
    monkeypatch.setattr("ihaudit.cli.run.execute", lambda options, **_: given.append(options))
    said(monkeypatch, capfd, "run", "noise", code=0)
    assert given[0].formats == ("html", "sarif") and given[0].gates.max_ssim == 0.3 and given[0].gates.strict


def test_a_value_of_the_command_line_is_not_blamed_on_a_file(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / "ihaudit.toml").write_text('device = "cpu"\nprofile = "quick"\n')
    assert "toml" not in said(monkeypatch, capfd, "run", "nois", "-q")


def test_doctor_answers_in_json(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("ihaudit.cli.doctor.diagnose", lambda: [Item("a", "ok", "1"), Item("b", "note", "2", "do")])
    found = json.loads(said(monkeypatch, capfd, "doctor", "--json", code=0))
    assert found["ok"] is True and found["items"][1] == {"name": "b", "state": "note", "found": "2", "remedy": "do"}
    monkeypatch.setattr("ihaudit.cli.doctor.diagnose", lambda: [Item("a", "missing", "1", "do")])
    monkeypatch.setattr("sys.argv", ["ihaudit", "doctor", "--json"])
    with pytest.raises(SystemExit) as e:
        cli.main()
    assert e.value.code == 2 and json.loads(capfd.readouterr().out)["ok"] is False


def test_an_interrupt_before_the_audit_offers_no_resume(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Importing takes many seconds on a busy machine; --resume would be refused, for there is no folder yet."""

    def interrupted(*a: object, **k: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ihaudit.sandbox.loader.locate", interrupted)
    text = said(monkeypatch, capfd, "run", "noise", code=130)
    assert "interrupted before anything was kept; start again with the same command line" in text
    assert "--resume" not in text


def test_an_interrupt_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def interrupted(*a: object, **k: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "execute", interrupted)
    assert "continue with --resume" in said(monkeypatch, capfd, "run", "noise", code=130)
    assert "--resume in place of --overwrite" in said(monkeypatch, capfd, "run", "noise", "--overwrite", code=130)
    monkeypatch.setattr("ihaudit.results.read_results", interrupted)
    assert "--resume" not in said(monkeypatch, capfd, "compare", "a", "b", code=130)
    assert compare.command.__doc__

"""`ihaudit config show`: where each value comes from."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ihaudit.cli import app


def show(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["config", "show", *arguments])


def rows(*arguments: str, code: int = 0) -> dict[tuple[str, str], dict[str, Any]]:
    got = show("--json", *arguments)
    assert got.exit_code == code, got.output
    return {(r["command"], r["option"]): r for r in json.loads(got.stdout)}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [n for n in os.environ if n.startswith("IHAUDIT_")]:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".git").mkdir()
    return tmp_path


def test_default_file_and_environment(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rows("run")["run", "profile"] == {
        "command": "run",
        "option": "profile",
        "value": "quick",
        "source": "default",
    }
    (elsewhere / "ihaudit.toml").write_text('profile = "standard"\nseed = 3\n[run]\nseed = 4\n')
    found = rows()
    assert found["run", "profile"]["value"] == "standard"
    assert found["run", "profile"]["source"].endswith("ihaudit.toml")
    assert found["run", "seed"]["value"] == 4
    assert found["challenge", "seed"]["value"] == 3
    monkeypatch.setenv("IHAUDIT_PROFILE", "full")
    assert rows()["run", "profile"]["value"] == "full"
    assert "IHAUDIT_PROFILE" in rows()["run", "profile"]["source"]


def test_what_is_shown_is_what_a_command_gets(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The value shown for `run` is the one that `run` itself uses: a bad profile from the file stops it."""
    from ihaudit import cli

    (elsewhere / "ihaudit.toml").write_text('profile = "fulll"\n')
    assert rows("run", code=2)["run", "profile"]["value"] == "fulll"
    monkeypatch.setattr("sys.argv", ["ihaudit", "run", "identity", "-q"])
    with pytest.raises(SystemExit) as e:
        cli.main()
    assert e.value.code == 2


def test_changed_only_and_text(elsewhere: Path) -> None:
    (elsewhere / "ihaudit.toml").write_text("[gate]\nmax-ssim = 0.3\n")
    text = show("--changed").output
    assert "[gate]" in text
    assert "max-ssim = 0.3" in text
    assert "profile" not in text
    assert list(rows("--changed")) == [("gate", "max-ssim")]


def test_unknown_command_is_suggested(capfd: pytest.CaptureFixture[str]) -> None:
    got = show("rum")
    assert got.exit_code == 2
    assert "did you mean 'run'" in got.output + capfd.readouterr().err


def test_training_is_known_to_files_environment_and_commands(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ihaudit import cli

    assert [rows()[c, "train"]["value"] for c in ("run", "challenge")] == [False, False]
    (elsewhere / "ihaudit.toml").write_text("train = true\n[run]\ntrain-steps = 40\n")
    monkeypatch.setenv("IHAUDIT_TRAIN_STEPS", "50")
    found = rows()
    assert found["run", "train"]["value"] is True and found["challenge", "train"]["value"] is True
    assert found["run", "train-steps"]["value"] == "50"
    given = []
    monkeypatch.setattr("ihaudit.cli.run.execute", lambda options, **_: given.append(options))
    monkeypatch.setattr("sys.argv", ["ihaudit", "run", "identity", "-q"])
    with pytest.raises(SystemExit):
        cli.main()
    assert given[0].train is True and given[0].train_steps == 50
    (elsewhere / "ihaudit.toml").write_text("train-step = 40\n")
    with pytest.raises(SystemExit) as e:
        cli.main()
    assert e.value.code == 2


#: variable -> a value that `run` refuses, and what is said of it
REFUSED = {
    "PROFILE": ("fulll", "there is no profile 'fulll'; did you mean 'full'?"),
    "SEED": ("-1", "greater than or equal to 0, not '-1'"),
    "N_PRIVATE": ("999999999", "--n-private 999999999 is out of its range"),
    "MAX_SSIM": ("abc", "not 'abc'"),
    "QUANTILE": ("0", "--quantile must be a number in (0, 1]"),
    "STRICT": ("maybe", "not 'maybe'"),
    "DEVICE": ("tpu", "--device must be auto, cpu or cuda, not 'tpu'"),
    "FORMAT": ("html htm", "there is no format called 'htm'"),
    "ATTACK": ("umix", "there is no attack called 'umix'"),
    "GAME": ("instance:learner=x", "there is no learner called 'x'"),
    "KNOWS": ("all", "--knows 'all' is not a kind of knowledge"),
    "SET": ("k", "--set 'k' is not of the form name=value"),
    "PRICE_PER_HOUR": ("cpu", "--price-per-hour 'cpu' is none of"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_run_would_refuse_is_refused_and_its_source_named(
    name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    value, what = REFUSED[name]
    monkeypatch.setenv(f"IHAUDIT_{name}", value)
    got = show("run")
    said = got.stderr + capfd.readouterr().err
    assert got.exit_code == 2
    assert what in said and f"the variable IHAUDIT_{name}" in said and said.count("\n") == 1
    assert "[run]" in got.stdout  # where it comes from is what one wants to see


def test_values_of_a_file_are_refused_for_the_commands_that_are_shown(
    elsewhere: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / "ihaudit.toml").write_text('[sweep]\nformat = ["htm"]\nprofile = "fulll"\n[run]\nformat = ["sarif"]\n')
    assert show("run").exit_code == 0
    got = show("sweep")
    said = got.stderr + capfd.readouterr().err
    assert got.exit_code == 2 and "ihaudit.toml, profile" in said and "1 more value" in said
    assert show().exit_code == 2

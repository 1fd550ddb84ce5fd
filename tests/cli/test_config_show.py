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


def rows(*arguments: str) -> dict[tuple[str, str], dict[str, Any]]:
    got = show("--json", *arguments)
    assert got.exit_code == 0, got.output
    return {(r["command"], r["option"]): r for r in json.loads(got.output)}


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
    assert rows("run")["run", "profile"]["value"] == "fulll"
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

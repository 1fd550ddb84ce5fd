"""The configuration file: precedence is click's; names and misspellings are ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ihaudit.audit import config
from ihaudit.errors import UsageError

COMMANDS = {"run": ["profile", "max_ssim", "seed"], "gate": ["max_ssim"]}


def test_flat_keys_reach_every_command_that_has_them() -> None:
    found = config.as_default_map(Path("x.toml"), {"max-ssim": 0.4, "profile": "standard"}, COMMANDS)
    assert found == {"run": {"max_ssim": 0.4, "profile": "standard"}, "gate": {"max_ssim": 0.4}}


def test_a_command_table_wins_over_a_flat_key() -> None:
    found = config.as_default_map(Path("x.toml"), {"max_ssim": 0.4, "run": {"max-ssim": 0.2}}, COMMANDS)
    assert found["run"]["max_ssim"] == 0.2
    assert found["gate"]["max_ssim"] == 0.4


@pytest.mark.parametrize(
    ("values", "hint"),
    [({"max-sim": 0.4}, "max_ssim"), ({"run": {"sed": 1}}, "seed"), ({"rum": {"seed": 1}}, "run")],
)
def test_unknown_keys_are_errors_that_suggest_the_nearest_name(values: dict[str, Any], hint: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean '{hint}'"):
        config.as_default_map(Path("x.toml"), values, COMMANDS)


def test_ihaudit_toml_wins_over_pyproject_and_folders_above_are_searched(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.ihaudit]\nseed = 1\n")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert config.find(below) == (tmp_path / "pyproject.toml", {"seed": 1})
    (tmp_path / "ihaudit.toml").write_text("seed = 2\n")
    assert config.find(below) == (tmp_path / "ihaudit.toml", {"seed": 2})


def test_a_pyproject_without_our_table_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    (tmp_path / ".git").mkdir()
    assert config.find(tmp_path) is None


def test_broken_toml_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "ihaudit.toml").write_text("seed = = 2\n")
    with pytest.raises(UsageError, match="not valid TOML"):
        config.find(tmp_path)

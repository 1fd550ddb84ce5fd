"""The file as its repository names it, and the lines of claims and parameters."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ihaudit.sandbox.loader import locate
from ihaudit.sandbox.place import lines_of, repository_path

TEXT = """from dataclasses import dataclass
from ihaudit import Claim, Scheme


@dataclass
class Mine(Scheme):
    k: int = 4
    key = "release"
    claims = (
        Claim("ssim", 0.3),
        Claim("reid", 0.1),
    )

    def encode(self, images, labels, public, rng):
        return None
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    path = tmp_path / "repo" / "projects" / "enc" / "scheme.py"
    path.parent.mkdir(parents=True)
    (tmp_path / "repo" / ".git").mkdir()
    path.write_text(TEXT)
    return path


def test_relative_to_the_repository_from_wherever_it_is_called(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = "projects/enc/scheme.py"
    for folder in (file.parent, file.parents[1], file.parents[2], file.parents[3], Path("/")):
        monkeypatch.chdir(folder)
        for spec in (str(file), os.path.relpath(file), f"{file}:Mine"):
            assert repository_path(locate(spec)) == wanted
    monkeypatch.setenv("GITHUB_WORKSPACE", str(file.parents[3]))
    assert repository_path(locate(str(file))) == f"repo/{wanted}"


def test_outside_of_any_repository(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (file.parents[2] / ".git").rmdir()
    monkeypatch.chdir(file.parents[1])
    assert repository_path(locate(str(file))) == "enc/scheme.py"
    monkeypatch.chdir("/usr")
    assert repository_path(locate(str(file))) == "scheme.py"
    assert repository_path(locate("instahide")) == ""


@pytest.mark.parametrize("line", [5, 6])
def test_lines_by_name(file: Path, line: int) -> None:
    found = lines_of(locate(str(file)), line)
    assert found == {"k": 7, "key": 8, "claims": 9, "claims[0]": 10, "claims[1]": 11, "encode": 14}
    assert lines_of(locate(str(file)), 1) == {}

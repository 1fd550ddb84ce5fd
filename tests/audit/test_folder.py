"""No run overwrites another's results unasked."""

from __future__ import annotations

from pathlib import Path

import pytest

from ihaudit.audit.folder import output_folder
from ihaudit.audit.options import RunOptions as options
from ihaudit.errors import UsageError


def begun(folder: Path) -> None:
    (folder / ".work").mkdir(parents=True)
    (folder / ".work" / "plan.json").write_text("{}")


def complete(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "results.json").write_text("{}")


def test_default_folder_steps_aside_for_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert output_folder(options(), "My Scheme!") == (Path("reports/my-scheme"), False)
    complete(Path("reports/my-scheme"))
    assert output_folder(options(), "My Scheme!") == (Path("reports/my-scheme-2"), False)
    begun(Path("reports/my-scheme-2"))
    assert output_folder(options(), "My Scheme!") == (Path("reports/my-scheme-3"), False)
    assert output_folder(options(resume=True), "My Scheme!") == (Path("reports/my-scheme-2"), False)
    assert output_folder(options(overwrite=True), "My Scheme!") == (Path("reports/my-scheme"), False)


def test_named_folder_is_protected(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert output_folder(options(out=out), "x") == (out, False)
    with pytest.raises(UsageError, match="nothing to resume"):
        output_folder(options(out=out, resume=True), "x")
    begun(out)
    with pytest.raises(UsageError, match="--resume, or start afresh with --overwrite"):
        output_folder(options(out=out), "x")
    assert output_folder(options(out=out, resume=True), "x") == (out, False)
    (out / ".work" / "plan.json").unlink()
    (out / "results.json").write_text("{}")
    with pytest.raises(UsageError, match="holds results already"):
        output_folder(options(out=out), "x")
    assert output_folder(options(out=out, resume=True), "x") == (out, True)
    assert output_folder(options(out=out, overwrite=True), "x") == (out, False)


def test_contradictions_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="contradict"):
        output_folder(options(resume=True, overwrite=True), "x")
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UsageError, match="is a file"):
        output_folder(options(out=file), "x")
    with pytest.raises(UsageError, match="is a file"):
        output_folder(options(out=file / "below"), "x")

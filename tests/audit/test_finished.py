"""A complete audit in the folder of --resume is handed back only where it is the audit that was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ihaudit.audit.finished import finished_audit
from ihaudit.audit.options import AuditOptions
from ihaudit.errors import UsageError
from ihaudit.results import read_results, write_results
from ihaudit.verdict.gates import GateOptions
from tests.cli.command import FAST, ihaudit
from tests.verdict.test_decide import attack, baselines, game, stored

OPTIONS = AuditOptions(scheme="s", formats=())
PLAN: dict[str, Any] = {
    "version": "1", "scheme's name": "s", "scheme's code": "ab", "parameters": {"k": 4}, "profile": "quick", "seed": 0,
    "device": "cpu", "private images": "cd", "attacks": ("phase",), "known pairs": 8,
}  # fmt: skip


def finished(folder: Path, **options: Any) -> Path:
    read, arrays = stored(folder, attack("noise"), game(0.0), *baselines())
    read.options = {"gates": vars(GateOptions()), "plan": PLAN} | options
    write_results(folder, read, arrays)
    return folder


def test_the_same_audit_is_handed_back_and_decided_again(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    assert finished_audit(folder, PLAN, OPTIONS).gate.exit_code == 0
    edited = read_results(folder)
    edited.findings = [f for f in edited.findings if f.kind != "control"]
    write_results(folder, edited)
    assert edited.gate.exit_code == 0
    assert finished_audit(folder, PLAN, OPTIONS).gate.exit_code == 3


@pytest.mark.parametrize("key", PLAN)
def test_an_audit_of_something_else_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(UsageError, match=f"cannot resume: {key} was .* and is now 'another'.*--overwrite"):
        finished_audit(finished(tmp_path), PLAN | {key: "another"}, OPTIONS)


def test_other_bounds_and_files_that_do_not_say_are_refused(tmp_path: Path) -> None:
    lax = AuditOptions(scheme="s", formats=(), gates=GateOptions(max_ssim=0.99))
    with pytest.raises(UsageError, match=r"the bounds of the gate were .*0\.5.* and are now .*0\.99.*ihaudit gate"):
        finished_audit(finished(tmp_path), PLAN, lax)
    with pytest.raises(UsageError, match="does not say what was audited"):
        finished_audit(finished(tmp_path, plan=None), PLAN, OPTIONS)


def test_reports_that_are_missing_are_written_and_private_images_are_not_kept(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    finished_audit(folder, PLAN, AuditOptions(scheme="s", formats=("markdown", "junit")))
    assert (folder / "summary.md").exists() and (folder / "report.junit.xml").exists()
    assert not (folder / "report.pdf").exists()
    read, arrays = read_results(folder), {"private/images": np.zeros((2, 8, 8, 3), np.uint8)}
    write_results(folder, read, arrays)
    with pytest.raises(UsageError, match="holds private images"):
        finished_audit(folder, PLAN, AuditOptions(scheme="s", samples=False))


@pytest.mark.slow
def test_another_scheme_does_not_inherit_a_folder(tmp_path: Path) -> None:
    first = ihaudit("run", "noise", *FAST, "--out", "st", cwd=tmp_path)
    assert "control:identity" in first.stderr or first.returncode == 3
    again = ihaudit("run", "noise", *FAST, "--out", "st", "--resume", cwd=tmp_path)
    assert again.returncode == first.returncode == 3
    other = ihaudit("run", "identity", *FAST, "--out", "st", "--resume", cwd=tmp_path)
    assert other.returncode == 2 and "cannot resume" in other.stderr, other.stderr

"""A complete audit in the folder of --resume is handed back only where it is the audit that was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ihaudit.audit.checkpoint import TRIAL
from ihaudit.audit.finished import SEAL, finished_audit, put_seal, sealed
from ihaudit.audit.options import AuditOptions
from ihaudit.audit.seal import user_secret
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
    put_seal(folder)
    return folder


def test_the_same_audit_is_handed_back_and_decided_again(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    assert finished_audit(folder, PLAN, OPTIONS).gate.exit_code == 0
    edited = read_results(folder)
    edited.findings = [f for f in edited.findings if f.kind != "control"]
    write_results(folder, edited)
    assert edited.gate.exit_code == 0
    with pytest.raises(UsageError, match=r"results\.json carries no seal of this user.*--overwrite"):
        finished_audit(folder, PLAN, OPTIONS)
    put_seal(folder)
    assert finished_audit(folder, PLAN, OPTIONS).gate.exit_code == 3


@pytest.mark.parametrize("key", PLAN)
def test_an_audit_of_something_else_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(UsageError, match=f"cannot resume: {key} was .* and is now 'another'.*--overwrite"):
        finished_audit(finished(tmp_path), PLAN | {key: "another"}, OPTIONS)


@pytest.mark.parametrize("fault", ["edited", "other arrays", "no arrays", "no seal", "damaged seal", "elsewhere"])
def test_what_was_changed_or_comes_from_elsewhere_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    folder = finished(tmp_path / "out")
    assert sealed(folder)
    if fault == "edited":
        text = (folder / "results.json").read_text()
        (folder / "results.json").write_text(text.replace("0.1", "0.2", 1))
    elif fault == "other arrays":
        np.savez(folder / "arrays.npz", a=np.zeros(3))
    elif fault == "no arrays":
        (folder / "arrays.npz").unlink()
    elif fault == "no seal":
        (folder / SEAL).unlink()
    elif fault == "damaged seal":
        (folder / SEAL).write_bytes(b"\xff\n")
    else:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "theirs"))
        user_secret.cache_clear()
    try:
        with pytest.raises(UsageError, match="carries no seal of this user on this machine"):
            finished_audit(folder, PLAN, OPTIONS)
    finally:
        user_secret.cache_clear()


def test_what_a_scheme_imports_and_the_program_count_too(tmp_path: Path) -> None:
    made = PLAN | {"libraries": {"numpy": "1", "torch": "2"}, "program": "ab", TRIAL: "cd"}
    folder = finished(tmp_path, plan=made)
    assert finished_audit(folder, made, OPTIONS).gate.exit_code == 0
    for other, said in (
        ({"libraries": {"numpy": "1", "torch": "3"}}, "torch was '2' and is now '3'"),
        ({"program": "xy"}, "another build of ihaudit"),
        ({TRIAL: "xy"}, "the scheme encodes a few images otherwise"),
    ):
        with pytest.raises(UsageError, match=f"cannot resume: .*{said}.*--overwrite"):
            finished_audit(folder, made | other, OPTIONS)


def test_an_audit_of_an_older_build_is_refused_in_a_short_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot resume: it does not state its libraries; start afresh"):
        finished_audit(finished(tmp_path), PLAN | {"libraries": {"numpy": "1"}, "program": "ab"}, OPTIONS)


def test_other_bounds_and_files_that_do_not_say_are_refused(tmp_path: Path) -> None:
    lax = AuditOptions(scheme="s", formats=(), gates=GateOptions(max_ssim=0.99))
    with pytest.raises(UsageError, match=r"of the bounds of the gate, max_ssim was 0\.5 and is now 0\.99; .*ihaudit"):
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
    put_seal(folder)
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

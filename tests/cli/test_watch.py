"""`ihaudit run --watch`: a file that is saved is audited again, one that is broken is waited for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ihaudit.audit import pipeline
from ihaudit.audit.options import AuditOptions
from ihaudit.cli import _watch
from ihaudit.errors import UsageError
from tests.verdict.test_decide import attack, game, stored


def test_each_save_is_an_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "scheme.py"
    file.write_text("x = 1\n")
    read, _ = stored(tmp_path / "out", attack("noise"), game(0.0))
    asked: list[AuditOptions] = []

    def audit(options: AuditOptions, reporter: Any) -> tuple[Path, Any]:
        asked.append(options)
        return tmp_path / "out", read

    texts = iter(["x = (\n", "x = 2\n"])

    def saved(seconds: float) -> None:
        try:
            file.write_text(next(texts))
        except StopIteration:
            raise KeyboardInterrupt from None
        os.utime(file, ns=(len(asked), 10**9 * (1 + len(texts_seen))))
        texts_seen.append(1)

    texts_seen: list[int] = []
    monkeypatch.setattr(pipeline, "run_audit", audit)
    monkeypatch.setattr("time.sleep", saved)
    with pytest.raises(KeyboardInterrupt):
        _watch.watched(AuditOptions(scheme=str(file)), quiet=True)
    assert [o.overwrite for o in asked] == [False, True]
    assert asked[1].out == tmp_path / "out"
    said = capsys.readouterr()
    assert "line 1: '(' was never closed" in said.err and said.out.count("waiting for") == 3


def test_a_reference_scheme_is_no_file_to_wait_for() -> None:
    with pytest.raises(UsageError, match="'noise' names none"):
        _watch.watched(AuditOptions(scheme="noise"), quiet=True)

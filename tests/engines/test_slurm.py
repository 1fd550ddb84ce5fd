"""What of Slurm can be tried without it: its settings, and what is said where a part is missing.

`tests/engines/slurm.sh` runs a real one, outside CI.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ihaudit.contracts.engine import EngineOptions
from ihaudit.engines import slurm
from ihaudit.errors import UsageError


def test_a_missing_package_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(UsageError, match=r"pip install 'ihaudit\[slurm\]'"):
        slurm.Slurm(EngineOptions(jobs=None, folder=tmp_path))


def test_a_machine_without_slurm_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit", reason="needs ihaudit[slurm]")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="needs the command sbatch on this machine"):
        slurm.Slurm(EngineOptions(jobs=None, folder=tmp_path))

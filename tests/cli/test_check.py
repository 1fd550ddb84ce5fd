"""`ihaudit check`, and what is checked before torch is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import ihaudit

HEAD = "import numpy as np\nfrom ihaudit import Provenance, Release, Scheme\n\n\nclass Mine(Scheme):\n    'Mine.'\n"
ENCODE = "    def encode(self, images, labels, public, rng):\n        "


def loaded(folder: Path, *arguments: str) -> tuple[str, set[str], float]:
    """stderr, which large libraries were loaded, and CPU seconds of a command."""
    code = (
        "import atexit, resource, sys, ihaudit.cli as c\n"
        "large = {'torch', 'scipy', 'numpy', 'matplotlib', 'weasyprint'}\n"
        "def end():\n"
        "    cpu = resource.getrusage(resource.RUSAGE_SELF)\n"
        "    print(*({m.partition('.')[0] for m in sys.modules} & large), cpu.ru_utime + cpu.ru_stime)\n"
        "atexit.register(end)\nc.main()"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 2, done.stderr
    *names, cpu = done.stdout.split()[-6:]
    return done.stderr, set(names), float(cpu)


@pytest.mark.parametrize("command", ["check", "run", "sweep"])
def test_a_syntax_error_loads_nothing_that_computes(tmp_path: Path, command: str) -> None:
    (tmp_path / "scheme.py").write_text(HEAD + "    def encode(self, images\n        return 1\n")
    more = ("--grid", "k=1,2") if command == "sweep" else ()
    error, large, cpu = loaded(tmp_path, command, "scheme.py", *more)
    assert "scheme.py is not valid Python: line 7: '(' was never closed" in error
    assert not large and cpu < 1.0


def test_a_broken_contract_and_a_folder_with_results_are_said_before_torch_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "scheme.py").write_text(HEAD + ENCODE + "return Release(images[:, :, 0, 0])\n")
    (tmp_path / "empty.py").write_text(HEAD + ENCODE + "return None\n")
    error, large, _ = loaded(tmp_path, "run", "empty.py", "-q")
    assert "Release" in error and "torch" not in large
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.json").write_text("{}")
    error, large, _ = loaded(tmp_path, "run", "scheme.py", "--out", "out", "-q")
    assert "out holds results already" in error and "torch" not in large


def test_a_scheme_that_keeps_its_contract_is_described(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(
        HEAD + ENCODE + "print('hello')\n        e = images + rng.normal(size=images.shape)\n"
        "        return Release(e, np.eye(10)[labels], provenance=Provenance(np.arange(len(e))[:, None]))\n"
    )
    done = ihaudit("check", "good.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for text in ("encodings   8 x 32 x 32 x 3 float", "provenance  stated", "hello", "ok: audit it with"):
        assert text in done.stdout
    assert "note:" not in done.stdout
    assert not (tmp_path / "reports").exists()


def test_what_an_author_may_have_missed_is_said(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(HEAD + ENCODE + "return Release(images + np.random.normal(size=images.shape))\n")
    done = ihaudit("check", "odd.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "states no provenance" in done.stdout and "two calls under one seed" in done.stdout
    (tmp_path / "fixed.py").write_text(HEAD + ENCODE + "return Release(images[::-1])\n")
    assert "nothing of the scheme is drawn from rng" in ihaudit("check", "fixed.py", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("nofile.py", "`ihaudit init nofile.py` writes one"),
        ("instahid.py", "'instahide'"),
        ("god.py", "did you mean good.py"),
    ],
)
def test_a_missing_file_is_answered_with_what_helps(tmp_path: Path, name: str, wanted: str) -> None:
    (tmp_path / "good.py").touch()
    done = ihaudit("check", name, cwd=tmp_path)
    assert done.returncode == 2 and wanted in done.stderr
    assert "'noise'" not in done.stderr

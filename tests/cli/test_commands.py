"""The small commands, as a user gives them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import FAST, ihaudit


def test_init_writes_what_runs_and_protects_what_is_there(tmp_path: Path) -> None:
    assert ihaudit("init", cwd=tmp_path).returncode == 0
    second = ihaudit("init", cwd=tmp_path)
    assert second.returncode == 2
    assert "--force" in second.stderr
    done = ihaudit("run", "scheme.py", *FAST, "--out", "out", cwd=tmp_path)
    assert done.returncode in (0, 1), done.stdout + done.stderr


def test_help_imports_nothing_heavy_and_list_and_doctor_answer(tmp_path: Path) -> None:
    """`ihaudit --help` takes 0.25 s on an idle machine, torch alone two seconds."""
    seen = "import sys; print(*({m.partition('.')[0] for m in sys.modules} & {'numpy', 'pydantic', 'scipy', 'torch'}))"
    code = f"import contextlib, ihaudit.cli as c\nwith contextlib.suppress(SystemExit): c.main()\n{seen}"
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, cwd=tmp_path)
    assert "Usage" in done.stdout and done.stdout.splitlines()[-1] == ""
    listed = ihaudit("list", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert all(word in listed.stdout for word in ("instahide", "least-squares", "schemes", "games"))
    assert ihaudit("list", "atacks", cwd=tmp_path).returncode == 2
    assert ihaudit("doctor", cwd=tmp_path).returncode == 0


def test_configuration_file_and_environment(tmp_path: Path) -> None:
    (tmp_path / "ihaudit.toml").write_text('profil = "quick"\n')
    done = ihaudit("list", "schemes", cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean 'profile'" in done.stderr
    (tmp_path / "ihaudit.toml").write_text('profile = "sluggish"\n')
    done = ihaudit("run", "identity", *FAST, cwd=tmp_path)
    assert done.returncode == 2
    assert "sluggish" in done.stderr


def test_schemes_are_listed_with_kind_key_and_break_and_one_is_begun_from_another(tmp_path: Path) -> None:
    rows = {r["name"]: r for r in json.loads(ihaudit("list", "schemes", "--json", cwd=tmp_path).stdout)["schemes"]}
    assert rows["etc"]["kind"] == "block scrambling" and rows["etc"]["key"] == "release"
    assert "SIA-GAN" in rows["learnable-encryption"]["published_break"]
    assert all(r["kind"] and r["key"] in ("image", "release", "fixed") for r in rows.values())
    assert all({"measured", "title", "parameters"} <= set(r) for r in rows.values())
    text = " ".join(ihaudit("list", "schemes", "--details", cwd=tmp_path).stdout.split())
    assert "pixel-permutation · permutation · key: release" in text and "--like" in text
    lines = ihaudit("list", "schemes", cwd=tmp_path).stdout.splitlines()
    assert len([line for line in lines if line.split()[:1] == ["etc"]]) == 1
    assert len(lines) == 2 + len(rows) + 2  # the title, the headings, one line each, how to go on, a blank line
    assert ihaudit("init", "mine.py", "--like", "pixel-permutation", cwd=tmp_path).returncode == 0
    assert "class PixelPermutation" in (tmp_path / "mine.py").read_text()
    assert "did you mean" in ihaudit("init", "other.py", "--like", "pixel-permutaton", cwd=tmp_path).stderr
    assert not (tmp_path / "other.py").exists()


def test_generators_are_listed(tmp_path: Path) -> None:
    rows = json.loads(ihaudit("list", "generators", "--json", cwd=tmp_path).stdout)["generators"]
    words = " ".join(f"{r['generator']} {r['title']}" for r in rows)
    for name in ("torch.randn", "numpy.random.bytes", "jax", "tensorflow", "onnxruntime", "paddle", "cv2", "spawn"):
        assert name in words


SAMPLE = str(Path(__file__).parents[2] / "reports" / "sample-instahide")


def test_gate_prints_figures_in_their_units(tmp_path: Path) -> None:
    said = ihaudit("gate", SAMPLE, cwd=tmp_path).stdout.replace("\u00a0", " ")
    (reid,) = [line for line in said.splitlines() if line.startswith("missed       re-identification")]
    assert "96.5 points [91.0, 98.9 points] against 5.0 points (unmix)" in reid
    assert "refuted      claim: " in said and "against 0.300 (unmix)" in said


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("gate", SAMPLE), 1),
        (("compare", SAMPLE, SAMPLE), 0),
        (("list", "attacks"), 0),
        (("list",), 0),
        (("--help",), 0),
        (("--version",), 0),
        (("config", "show"), 0),
        (("nonsense",), 2),
    ],
)
def test_a_reader_that_goes_away_changes_no_exit_code(tmp_path: Path, arguments: tuple[str, ...], code: int) -> None:
    """`ihaudit gate | head -1` ended with 0 where the gate is missed, `ihaudit list | head -1` with 1."""
    end, other = os.pipe()
    os.close(end)
    with os.fdopen(other, "wb") as gone:
        command = [sys.executable, "-m", "ihaudit", *arguments]
        said = subprocess.run(command, cwd=tmp_path, stdout=gone, stderr=subprocess.PIPE)
        both = subprocess.run(command, cwd=tmp_path, stdout=gone, stderr=gone)
    assert (said.returncode, both.returncode) == (code, code)
    assert (said.stderr == b"") == (code != 2) and b"Traceback" not in said.stderr

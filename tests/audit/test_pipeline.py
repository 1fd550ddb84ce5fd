"""The whole way, as a user walks it: a scheme in, a report and an exit code out."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from ihaudit.results import read_arrays, read_results
from tests.cli.command import FAST, SMALL, ihaudit


def scheme_file(folder: Path, body: str, head: str = "") -> Path:
    path = folder / "scheme.py"
    path.write_text(
        "import os, sys, time\nimport numpy as np\nfrom ihaudit import Claim, Release, Scheme\n"
        + head
        + "\nclass Mine(Scheme):\n    'A test scheme.'\n    def encode(self, images, labels, public, rng):\n"
        + "\n".join("        " + line for line in body.splitlines())
        + "\n"
    )
    return path


def without_times(results: dict[str, Any]) -> dict[str, Any]:
    """results.json less what differs between two runs of the same audit: times, memory, the command line."""
    drop = {"cost", "seconds", "started", "finished", "command", "encode_s", "wall_s", "cpu_s", "timing"}

    def strip(x: Any) -> Any:
        if isinstance(x, dict):
            return {k: strip(v) for k, v in x.items() if k not in drop and not k.endswith("_seconds")}
        return [strip(v) for v in x] if isinstance(x, list) else x

    stripped: dict[str, Any] = strip(results)
    return stripped


@pytest.mark.parametrize(
    ("scheme", "code", "status"),
    [
        ("identity", 1, "broken"),
        pytest.param("mixup", 1, "broken", marks=pytest.mark.slow),
        # "No break found" by looking at the release says nothing: that breaks no relative of these.
        ("noise", 3, "no break found"),
        pytest.param("constant", 3, "no break found", marks=pytest.mark.slow),
    ],
)
def test_known_schemes_come_out_as_known(tmp_path: Path, scheme: str, code: int, status: str) -> None:
    # least-squares has nothing to solve where a row holds one image, as those of the other controls do
    attacks = ("least-squares", "as-released") if scheme == "mixup" else ("as-released",)
    attack, chosen = attacks[0], [word for name in attacks for word in ("--attack", name)]
    done = ihaudit("run", scheme, *SMALL, *chosen, "--out", "out", cwd=tmp_path)
    assert done.returncode == code, done.stdout + done.stderr
    results = read_results(tmp_path / "out")
    finding = results.finding(attack)
    assert finding is not None
    assert finding.status == status
    assert results.gate.exit_code == code
    controls = {f.id: f for f in results.of_kind("control")}
    sibling = {"identity": "blur", "mixup": "mixup", "noise": "scrambled-blocks", "constant": "block-cipher"}[scheme]
    assert set(controls) == {f"control:{c}" for c in ("identity", "constant", "cipher", "label-only", sibling)}
    for name in ("constant", "cipher", "label-only"):  # independent noise is a null of longer profiles
        assert controls[f"control:{name}"].status == "no break found"
    assert controls["control:identity"].status == "broken"
    if code == 3:
        assert controls[f"control:{sibling}"].reason in results.gate.reasons[0]
        assert "of 32 x 32 x 3 images" in results.gate.sentence
    else:
        assert controls[f"control:{sibling}"].status == "broken"
    assert not (tmp_path / "out" / ".work").exists()
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000
    assert f"exit code {code}" in done.stdout


@pytest.mark.slow
def test_same_seed_same_results_another_seed_others(tmp_path: Path) -> None:
    runs = []
    for out, seed in (("a", 3), ("b", 3), ("c", 4)):
        ihaudit("run", "mixup", *FAST, "--seed", seed, "--out", out, cwd=tmp_path)
        runs.append(without_times(json.loads((tmp_path / out / "results.json").read_text())))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise ValueError('secret ingredient missing')", "secret ingredient missing"),
        ("return Release(images * np.nan)", "NaN|finite"),
        ("return Release(np.zeros(3))", "shape"),
        ("return None", "Release"),
        ("time.sleep(600)", "time|within"),
        ("x = []\nwhile True: x.append(np.ones(10**7))", "memory"),
        ("os._exit(0)", "exit|ended|died"),
    ],
)
def test_a_scheme_that_fails_is_exit_2_and_leaves_nothing(tmp_path: Path, body: str, message: str) -> None:
    path = scheme_file(tmp_path, body)
    limits = ("--scheme-timeout", 3 if "sleep" in body else 120, "--scheme-memory", 1500)
    done = ihaudit("run", path, *FAST, *limits, "--out", "out", cwd=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert "ihaudit: error:" in done.stderr
    assert not (tmp_path / "out").exists()


def test_what_is_not_a_scheme_is_exit_2(tmp_path: Path) -> None:
    (tmp_path / "scheme.py").write_text("this is { not python")
    done = ihaudit("run", "scheme.py", *FAST, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr.split("ihaudit: error:")[-1]
    assert ihaudit("run", "instahid", *FAST, cwd=tmp_path).returncode == 2
    missing = ihaudit("run", "nowhere.py", *FAST, cwd=tmp_path)
    assert missing.returncode == 2
    assert "nowhere.py" in missing.stderr
    wrong = ihaudit("run", "instahide", "--set", "kk=3", *FAST, cwd=tmp_path)
    assert wrong.returncode == 2
    assert "'k'" in wrong.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "scheme.py"]


@pytest.mark.slow
def test_an_attack_that_was_asked_for_and_cannot_run_is_exit_3(tmp_path: Path) -> None:
    path = scheme_file(tmp_path, "return Release(rng.normal(size=(len(images), 10)))")
    done = ihaudit("run", path, *FAST, "--out", "out", cwd=tmp_path)
    assert done.returncode == 3, done.stdout + done.stderr
    finding = read_results(tmp_path / "out").finding("least-squares")
    assert finding is not None
    assert finding.status == "not run"
    assert finding.reason
    assert ihaudit("run", path, *FAST, "--out", "out2", "--exit-zero", cwd=tmp_path).returncode == 0


def test_a_costly_attack_without_an_answer_is_not_tried_on_what_holds_nothing(tmp_path: Path) -> None:
    """`decoder` says nothing of a release of mixtures: what it says of a cipher is no evidence of anything."""
    ihaudit("run", "mixup", *SMALL, "--attack", "decoder", "--attack", "as-released", "--out", "out", cwd=tmp_path)
    results = read_results(tmp_path / "out")
    finding = results.finding("decoder")
    assert finding is not None and finding.status == "not run"
    controls = {f.id: {row[0] for row in f.details["table"]["rows"]} for f in results.of_kind("control")}
    assert controls["control:cipher"] == {"as-released"} and "as-released" in controls["control:identity"]


@pytest.mark.slow
def test_a_killed_audit_is_resumed_and_equals_one_that_was_not(tmp_path: Path) -> None:
    arguments = ("run", "mixup", *FAST, "--seed", "5")
    process = subprocess.Popen(
        [sys.executable, "-m", "ihaudit", *map(str, arguments), "--out", "out"], cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    waited = time.monotonic()
    kept = tmp_path / "out" / ".work" / "attack-least-squares.npz"
    while not kept.exists() and process.poll() is None and time.monotonic() - waited < 120:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert kept.exists()
    assert not (tmp_path / "out" / "results.json").exists()
    again = ihaudit(*arguments, "--out", "out", cwd=tmp_path)
    assert again.returncode == 2
    assert "--resume" in again.stderr
    other = ihaudit(*arguments, "--seed", "6", "--out", "out", "--resume", cwd=tmp_path)
    assert other.returncode == 2
    assert "seed was 5 and is now 6" in other.stderr
    assert ihaudit(*arguments, "--out", "out", "--resume", cwd=tmp_path).returncode == 1
    assert ihaudit(*arguments, "--out", "whole", cwd=tmp_path).returncode == 1
    a, b = (without_times(json.loads((tmp_path / x / "results.json").read_text())) for x in ("out", "whole"))
    assert a == b


@pytest.mark.slow
def test_items_side_by_side_say_what_they_say_one_after_the_other(tmp_path: Path) -> None:
    items = ("--attack", "as-released", "--attack", "linear", "--attack", "everything", "--game", "neighbour")
    small = ("--n-private", "16", "--format", "html")
    for jobs in (1, 3):
        done = ihaudit("run", "identity", *small, *items, "--jobs", jobs, "--out", f"out{jobs}", cwd=tmp_path)
        assert done.returncode == 1, done.stderr
    assert "attack linear: " in done.stderr  # whose line it is, where several run
    a, b = (without_times(json.loads((tmp_path / x / "results.json").read_text())) for x in ("out1", "out3"))
    assert a == b
    refused = ihaudit("run", "identity", "--jobs", "0", cwd=tmp_path)
    assert refused.returncode == 2


@pytest.mark.slow
def test_an_interruption_ends_all_that_runs_side_by_side(tmp_path: Path) -> None:
    items = ("--attack", "as-released", "--attack", "everything", "--game", "none", "--jobs", "2")
    arguments = ["run", "identity", "--n-private", "16", "--format", "html", "--quiet", *items, "--out", "out"]
    command = [sys.executable, "-m", "ihaudit", *arguments]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    kept = tmp_path / "out" / ".work"
    waited = time.monotonic()
    while not list(kept.glob("attack-*")) and process.poll() is None and time.monotonic() - waited < 600:
        time.sleep(0.02)
    below = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    assert "continue with --resume" in said and "Traceback" not in said
    assert below and not psutil.wait_procs(below, timeout=10)[1]
    assert not (tmp_path / "out" / "results.json").exists()
    assert (kept / "plan.json").exists()  # what is left is resumed as after a kill


@pytest.mark.slow
def test_regate_rerender_compare_and_no_samples(tmp_path: Path) -> None:
    assert ihaudit("run", "mixup", *FAST, "--out", "out", cwd=tmp_path).returncode == 1
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    strict = ihaudit("gate", "out", cwd=tmp_path)
    assert strict.returncode == 1
    assert "missed      90 % quantile" in strict.stdout
    loose = ihaudit("gate", "out", "--max-ssim", "1", "--max-reid", "1", cwd=tmp_path)
    assert "met         90 % quantile" in loose.stdout
    # MixUp mixes some image with itself, so the release holds a plain copy: no bound on scores excuses that.
    assert ("missed      released fields" in loose.stdout) is (loose.returncode == 1)
    assert ihaudit("gate", "out/results.json", "--max-ssim", "0.2", "--quantile", "0.25", cwd=tmp_path).returncode == 1
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before
    html = ihaudit("report", "out", "--format", "html", "--format", "junit", "--out", "again", cwd=tmp_path)
    assert html.returncode == 0, html.stderr
    assert (tmp_path / "again" / "report.html").read_bytes() == before["report.html"]
    assert ihaudit("compare", "out", "out", cwd=tmp_path).returncode == 0
    assert ihaudit("run", "mixup", *FAST, "--no-samples", "--out", "bare", cwd=tmp_path).returncode == 1
    assert all(v.ndim < 3 for v in read_arrays(tmp_path / "bare").values())
    damaged = tmp_path / "bare" / "results.json"
    damaged.write_text(damaged.read_text()[:500])
    broken = ihaudit("gate", "bare", cwd=tmp_path)
    assert broken.returncode == 2
    assert "damaged" in broken.stderr


@pytest.mark.slow
def test_a_wrong_declaration_of_the_key_is_said_and_measured_traits_choose_the_relative(tmp_path: Path) -> None:
    body = "n = len(images)\norder = rng.permutation(images[0].size)\n"
    body += "return Release(images.reshape(n, -1)[:, order].reshape(images.shape))"
    ihaudit("run", scheme_file(tmp_path, body), *FAST, "--out", "out", cwd=tmp_path)
    results = read_results(tmp_path / "out")
    check, relative = results.finding("checks-key"), results.finding("control:permutation")
    assert check is not None and check.details["measured"] == "release" and check.details["flags"]
    assert relative is not None and relative.status == "inconclusive"  # least squares undoes no permutation
    assert results.gate.exit_code == 3

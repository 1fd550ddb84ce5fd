"""What a hostile scheme can do: nothing to the audit's folder, nothing that lingers, and never past the time limit."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from ihaudit.errors import IhauditError, SchemeError
from ihaudit.sandbox import Limits, SchemeProcess
from ihaudit.sandbox.loader import locate
from tests.sandbox.hostile import GOOD, HARMLESS, REFUSED, scheme

LIMITS = Limits(time_s=2.5, memory_mb=512, output_bytes=64 << 20, processes=16)
IMAGES = np.random.default_rng(0).random((4, 8, 8, 3), dtype=np.float32)
LABELS = np.arange(4) % 2


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    """An audit's output folder with a file in it."""
    folder = tmp_path / "reports" / "x"
    folder.mkdir(parents=True)
    (folder / "results.json").write_text("the results")
    return folder


def run(tmp_path: Path, text: str, audit: Path, limits: Limits = LIMITS, **options: object) -> SchemeProcess:
    path = tmp_path / "scheme.py"
    path.write_text(text)
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    return SchemeProcess(locate(str(path)), limits=limits, scratch=scratch, hidden=[audit], **options)  # type: ignore[arg-type]


def unharmed(tmp_path: Path, audit: Path) -> None:
    """The folder is as it was, the scratch is gone, and no process has its working folder or parent here."""
    assert [p.name for p in audit.iterdir()] == ["results.json"]
    assert (audit / "results.json").read_text() == "the results"
    assert list((tmp_path / "scratch").iterdir()) == []
    no_process_is_left(tmp_path)


def no_process_is_left(tmp_path: Path, *, polls: int = 100) -> None:
    """What was killed may take a moment to go; each poll waits 20 ms."""
    while left := lingering(tmp_path):
        polls -= 1
        assert polls, left
        time.sleep(0.02)


def lingering(tmp_path: Path) -> list[str]:
    found = []
    for p in psutil.process_iter():
        try:
            if p.status() != psutil.STATUS_ZOMBIE and p.cwd().startswith(str(tmp_path)):
                found.append(f"{p.pid} {p.cmdline()}")
        except (psutil.Error, OSError):
            continue
    return found


@pytest.mark.timeout(90)  # a limit that does not end a scheme lets it run for a thousand seconds
@pytest.mark.parametrize("name", list(REFUSED))
def test_a_scheme_that_breaks_its_contract_is_refused(name: str, tmp_path: Path, audit: Path) -> None:
    text, message = REFUSED[name]
    # Fresh memory can come slowly on a busy machine; the memory limit must be what ends these.
    limits = replace(LIMITS, time_s=30) if name.startswith("eats") else LIMITS
    with run(tmp_path, text, audit, limits) as process, pytest.raises(SchemeError, match=message) as caught:
        process.encode(IMAGES, LABELS, seed=1)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    unharmed(tmp_path, audit)


@pytest.mark.parametrize("name", list(HARMLESS))
def test_a_trick_that_breaks_nothing_changes_nothing(name: str, tmp_path: Path, audit: Path) -> None:
    with run(tmp_path, HARMLESS[name], audit) as process:
        release = process.encode(IMAGES, LABELS, seed=1)
        again = process.encode(IMAGES, LABELS, seed=2) if name != "patches_modules" else release
    assert type(release.encodings) is np.ndarray and release.encodings.dtype == np.float32
    expected = (IMAGES * 255).astype(np.uint8) if name == "small_integers" else IMAGES
    np.testing.assert_array_equal(release.encodings, expected)
    np.testing.assert_array_equal(again.encodings, expected)
    assert len(process.log) <= LIMITS.log_bytes + 200
    unharmed(tmp_path, audit)


@pytest.mark.parametrize("without", [{}, {"namespaces": False}, {"namespaces": False, "seccomp": False}])
def test_files_processes_network_and_environment_are_out_of_reach(
    without: dict[str, bool], tmp_path: Path, audit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ihaudit.sandbox import capabilities

    if not capabilities()["landlock"]:
        pytest.skip("this kernel has no Landlock")
    monkeypatch.setenv("IHAUDIT_SEED", "secret")
    import os

    text = scheme(
        f"""
import socket, subprocess
tried = {{}}
def attempt(name, f):
    try:
        f(); tried[name] = 1
    except Exception as e:
        tried[name] = 0
        print(name, repr(e))
audit, me = {str(audit)!r}, {os.getpid()}
attempt("write", lambda: open(audit + "/results.json", "w").write("broken"))
attempt("create", lambda: open(audit + "/new", "w"))
attempt("delete", lambda: os.remove(audit + "/results.json"))
attempt("rename", lambda: os.rename(audit, audit + "2"))
attempt("read", lambda: open(audit + "/results.json").read())
attempt("chmod", lambda: (os.chdir(audit), open("results.json").read()))
attempt("beside", lambda: open({str(tmp_path)!r} + "/new", "w"))
attempt("shell", lambda: subprocess.run(["/bin/sh", "-c", "echo broken > " + audit + "/results.json"], check=True))
attempt("memory", lambda: open(f"/proc/{{me}}/mem", "rb").read(1))
attempt("environ", lambda: open(f"/proc/{{me}}/environ", "rb").read())
attempt("cmdline", lambda: open(f"/proc/{{me}}/cmdline", "rb").read())
attempt("kill", lambda: os.kill(me, 0))
attempt("kill_parent", lambda: os.kill(os.getppid(), 0) if os.getppid() > 1 else 1 / 0)
attempt("tcp", lambda: socket.create_connection(("127.0.0.1", 9), timeout=1))
attempt("variable", lambda: os.environ["IHAUDIT_SEED"])
attempt("stdin", lambda: 1 / len(sys.stdin.read()))
os.chdir(os.environ["TMPDIR"])
open("own", "w").write("this is allowed")
tried["own"] = 1 - os.path.exists("own")
return Release(images, extra={{k: np.array([v]) for k, v in tried.items()}})
"""
    )
    with run(tmp_path, text, audit, confine=without) as process:
        release = process.encode(IMAGES, LABELS, seed=1)
    reached = sorted(k for k, v in release.extra.items() if v[0])
    # Without seccomp a refused port is still a refused connection; Landlock denies TCP from ABI 4.
    assert reached == [], process.log
    unharmed(tmp_path, audit)


def test_the_fallback_without_namespaces_still_leaves_no_process(tmp_path: Path, audit: Path) -> None:
    for name in ("leaves_a_daemon", "leaves_a_child"):
        with run(tmp_path, HARMLESS[name], audit, confine={"namespaces": False}) as process:
            process.encode(IMAGES, LABELS, seed=1)
        unharmed(tmp_path, audit)
    text, message = REFUSED["sleeps"]
    with (
        run(tmp_path, text, audit, confine={"namespaces": False}) as process,
        pytest.raises(SchemeError, match=message),
    ):
        process.encode(IMAGES, LABELS, seed=1)
    unharmed(tmp_path, audit)


def test_a_killed_auditor_leaves_nothing(tmp_path: Path, audit: Path) -> None:
    import subprocess
    import sys

    (tmp_path / "scheme.py").write_text(HARMLESS["leaves_a_daemon"])
    (tmp_path / "scratch").mkdir()
    script = f"""
import os, numpy as np
from pathlib import Path
from ihaudit.sandbox.loader import locate
from ihaudit.sandbox import SchemeProcess
p = SchemeProcess(locate({str(tmp_path / "scheme.py")!r}), scratch=Path({str(tmp_path / "scratch")!r}))
p.encode(np.zeros((2, 8, 8, 3), np.float32), np.arange(2), seed=1)
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", script], cwd="/", timeout=60, check=False)
    no_process_is_left(tmp_path, polls=200)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:\n", "not valid Python: line 1"),
        ("import os\nos._exit(3)\n", "exit code 3 in loading"),
        ("import time\ntime.sleep(100)\n", "longer than .*--scheme-timeout"),
        ("import does_not_exist\n", r"ModuleNotFoundError \(line 1 of scheme.py\)"),
        ("x = 1\n", "holds no scheme"),
        (scheme(GOOD) + "class Worse(Scheme):\n    def encode(self, *a): pass\n", "holds 2 schemes .Bad, Worse."),
        (scheme(GOOD) + "    claims = ('none',)\n", "claims must hold Claim"),
        (scheme(GOOD) + "    security_parameter = 'k'\n", "security_parameter names 'k'"),
        (scheme(GOOD) + "    key = 'sometimes'\n", "expected 'image', 'release' or 'fixed'"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_one_sentence(text: str, message: str, tmp_path: Path, audit: Path) -> None:
    with pytest.raises(IhauditError, match=message):
        run(tmp_path, text, audit).start()
    unharmed(tmp_path, audit)


def test_a_crashed_scheme_is_started_again_and_the_traceback_is_kept(tmp_path: Path, audit: Path) -> None:
    text = scheme("print('hello')\nif labels[0]: raise ValueError('not one')\nif labels[1] > 1: os._exit(1)\n" + GOOD)
    with run(tmp_path, text, audit) as process:
        for labels in ([1, 0, 0, 0], [0, 2, 0, 0]):
            with pytest.raises(SchemeError) as caught:
                process.encode(IMAGES, np.array(labels), seed=1)
            assert caught.value.__notes__
        np.testing.assert_array_equal(process.encode(IMAGES, np.zeros(4, int), seed=1).encodings, IMAGES)
        assert "hello" in process.log and "ValueError: not one" in process.log
        assert process.peak_mb > 10


def test_the_scorers_seed_does_not_reach_the_child_and_calls_are_reproducible(tmp_path: Path, audit: Path) -> None:
    text = scheme("return Release(images + rng.random(images.shape), extra={'calls': np.arange(3)})")
    with run(tmp_path, text, audit) as process:
        a, b, c = process.encode_many([(IMAGES, LABELS, 5), (IMAGES, LABELS, 5), (IMAGES, LABELS, 6)])
        np.testing.assert_array_equal(a.encodings, b.encodings)
        assert not np.array_equal(a.encodings, c.encodings)
        assert not np.allclose(a.encodings, IMAGES + np.random.default_rng(5).random(IMAGES.shape), atol=1e-3)
    with run(tmp_path, text, audit) as process:
        np.testing.assert_array_equal(process.encode(IMAGES, LABELS, seed=5).encodings, a.encodings)


def test_many_calls_are_answered_in_order(tmp_path: Path, audit: Path) -> None:
    rng = np.random.default_rng(1)
    calls = [(rng.random((n, 8, 8, 3), dtype=np.float32), np.zeros(n, int), n) for n in rng.integers(1, 9, 3000)]
    with run(tmp_path, scheme(GOOD), audit) as process:
        process.encode(IMAGES, LABELS, seed=1)
        answers = process.encode_many(calls)
    for (images, _, _), answer in zip(calls, answers, strict=True):
        np.testing.assert_array_equal(answer.encodings, images)

"""What ends a command before it begins: one line on stderr that names the value, and exit code 2."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ihaudit import cli
from ihaudit.audit.folder import check_writable
from ihaudit.audit.options import AuditOptions
from ihaudit.errors import UsageError

RUN = ("run", "identity", "--attack", "none", "--game", "none", "--n-private", "4", "--format", "html", "-q")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [n for n in os.environ if n.startswith("IHAUDIT_")]:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".git").mkdir()
    return tmp_path


def refused(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a command ends with; nothing is left behind."""
    before = sorted(os.listdir())
    monkeypatch.setattr("sys.argv", ["ihaudit", *arguments])
    with pytest.raises(SystemExit) as e:
        cli.main()
    said = capfd.readouterr()
    assert e.value.code == 2, said.err
    assert said.err.startswith("ihaudit: error: ")
    assert said.err.count("\n") == 1
    assert "\x1b" not in said.err + said.out
    assert sorted(os.listdir()) == before
    return said.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--seed", "x"), "'--seed'.*'x'"),
        (("--seed", str(1 << 64)), "--seed 18446744073709551616 is out of its range; give a number from 0 to "),
        (("--scheme-timeout", "inf"), "--scheme-timeout .*inf"),
        (("--attack-timeout", "1e12"), "--attack-timeout .*1000000000000"),
        (("--attack-timeout", "nan"), "'--attack-timeout'.*nan"),
        (("--max-ssim", "7.5"), "'--max-ssim'.*7.5"),
        (("--scheme-memory", "1000000000000"), "--scheme-memory .*1000000000000"),
        (("--no-such-option-of-this-program-whatsoever-" + "x" * 60,), "x" * 60),
        (("--private", "no\x1b[31m.npz"), "there are no images at no.npz"),
        (("--set", "a\x07"), "--set"),
        (("--out", "a" * 300), "too long"),
        (("--out", "dangling"), "dangling is a link to nothing"),
        (("--out", "loop"), "loop is a link"),
        (("--out", "loop/below"), "loop is a link"),
        (("--out", "file"), "--out file is a file"),
        (("--out", "file/below"), "file is a file, so file/below cannot be made"),
    ],
)
def test_an_option_that_cannot_be_used(
    arguments: tuple[str, ...],
    message: str,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    import re

    (elsewhere / "dangling").symlink_to("nowhere")
    (elsewhere / "loop").symlink_to("loop")
    (elsewhere / "file").touch()
    assert re.search(message, refused(monkeypatch, capfd, *RUN, *arguments))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("ihaudit.toml", "seed = true", "seed is True, expected a number"),
        ("ihaudit.toml", "max-ssim = true", "max-ssim is True, expected a number"),
        ("ihaudit.toml", "max-ssim = [0.1]", "max-ssim is .0.1., expected a number"),
        ("ihaudit.toml", 'strict = "yes"', "strict is 'yes', expected true or false"),
        ("ihaudit.toml", "private = true", "private is True, expected text"),
        ("ihaudit.toml", "attack = [true]", "attack is .True., expected a list"),
        ("ihaudit.toml", "seed = nan", "seed.*nan"),
        ("ihaudit.toml", 'out = "a\\u0000b"', "out"),
        ("pyproject.toml", "tool = 5\nname='ihaudit'", "tool is 5, expected a table"),
        ("pyproject.toml", "[tool]\nihaudit = 3", "tool.ihaudit is 3, expected a table"),
        ("pyproject.toml", "[tool]\nihaudit = [1]", "tool.ihaudit is .1., expected a table"),
        ("pyproject.toml", "[tool.ihaudit]\nmax-ssim = 0.1\n[tool.ihaudit]\n", "not valid TOML .*twice"),
        ("pyproject.toml", "[tool.ihaudit]\nmax-ssim = 0.1\n[bad\n", "not valid TOML"),
    ],
)
def test_a_configuration_that_cannot_be_used(
    name: str,
    text: str,
    message: str,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    import re

    (elsewhere / name).write_text(text)
    assert re.search(message, refused(monkeypatch, capfd, *RUN))


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_bound_in_another_encoding_is_not_ignored(
    encoding: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / "pyproject.toml").write_bytes("[tool.ihaudit]\nmax-ssim = 0.1 # é\n".encode(encoding))
    assert "is not UTF-8 text" in refused(monkeypatch, capfd, *RUN)


def test_a_byte_order_mark_is_read_over_and_a_file_of_others_passed_over(elsewhere: Path) -> None:
    from ihaudit.audit import config

    path = elsewhere / "pyproject.toml"
    path.write_bytes(b"\xef\xbb\xbf[tool.ihaudit]\nmax-ssim = 0.1\n")
    assert config.find(elsewhere) == (path, {"max-ssim": 0.1})
    path.write_bytes(b"[tool.other\n\xff")
    assert config.find(elsewhere) is None


@pytest.mark.parametrize("name", ["ihaudit.toml", "pyproject.toml"])
def test_a_file_that_cannot_be_read_is_not_passed_over(
    name: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / name).write_text("max-ssim = 0.1")

    def forbidden(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    assert f"{name} cannot be read (Permission denied)" in refused(monkeypatch, capfd, *RUN)


@pytest.mark.parametrize("name", ["IHAUDIT_MAXSSIM", "IHAUDIT_MAX_SIM", "ihaudit_max_ssim"])
def test_a_misspelt_variable_is_not_ignored(
    name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, "0.1")
    said = refused(monkeypatch, capfd, *RUN)
    assert name in said
    assert "did you mean 'IHAUDIT_MAX_SSIM'" in said


def test_options_of_programs_are_checked_like_those_of_the_command_line() -> None:
    for field, value in (("seed", -1), ("seed", 1 << 64), ("attack_timeout_s", float("nan")), ("size", 4)):
        with pytest.raises(UsageError, match=f"{value} is out of its range"):
            AuditOptions(scheme="identity", **{field: value})  # type: ignore[arg-type]


def test_a_folder_is_checked_without_being_made(elsewhere: Path) -> None:
    check_writable(elsewhere / "a" / "b")
    assert not (elsewhere / "a").exists()
    for path in (Path("nul\0"), Path("x/" * 2000), Path("a" * 256)):
        with pytest.raises(UsageError):
            check_writable(path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_ended_audit_leaves_no_folder(number: int, elsewhere: Path) -> None:
    """What a CI server sends at its own time limit: the scheme is ended, its folder removed, the code says so."""
    (elsewhere / "s.py").write_text(
        "import time\nfrom ihaudit import Scheme\nclass S(Scheme):\n"
        "    def encode(self, images, labels, public, rng):\n"
        "        print('here', flush=True)\n        time.sleep(100)\n"
    )
    temporary = elsewhere / "tmp"
    temporary.mkdir()
    audit = subprocess.Popen(
        [sys.executable, "-m", "ihaudit", "run", "s.py", *RUN[2:]],
        env={**os.environ, "TMPDIR": str(temporary)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for _ in range(1000):
        if list(temporary.glob("ihaudit-scheme-*")):
            break
        time.sleep(0.05)
    time.sleep(0.5)
    audit.send_signal(number)
    _, said = audit.communicate(timeout=60)
    assert audit.returncode == 128 + number
    assert "interrupted before anything was kept; start again with the same command line" in said
    assert "--resume" not in said
    assert "Traceback" not in said
    assert list(temporary.iterdir()) == []
    assert not (elsewhere / "reports").exists()

"""What a build server is handed: action.yml, the hook, the Dockerfile, and the snippets of README as they stand."""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from ihaudit.cli import app
from ihaudit.sandbox import SchemeProcess
from ihaudit.sandbox.loader import locate
from ihaudit.sandbox.trial import examine
from tests.pictures import pictures
from tests.validators import ROOT, run_tool

README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = {p.name: p.read_text(encoding="utf-8") for p in sorted((ROOT / "docs").glob("*.md"))}
ROOT_COMMAND: Any = typer.main.get_command(app)


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "command",
    [
        ("check-jsonschema", "--builtin-schema", "vendor.github-actions", "action.yml"),
        ("pre-commit", "validate-manifest", ".pre-commit-hooks.yaml"),
        ("pre-commit", "validate-config", ".pre-commit-config.yaml"),
        ("hadolint", "Dockerfile"),
    ],
    ids=lambda c: " ".join(c[-2:]),
)
def test_a_public_validator_has_no_complaint(command: tuple[str, ...]) -> None:
    done = run_tool(*command)
    assert done.returncode == 0 and not done.stderr.strip(), done.stdout + done.stderr


def test_the_workflow_of_the_readme_is_one(tmp_path: Path) -> None:
    (workflow,) = blocks("yaml")
    (tmp_path / "privacy.yml").write_text(workflow)
    done = run_tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", tmp_path / "privacy.yml")
    assert done.returncode == 0, done.stdout
    inputs = re.findall(r"^  ([\w-]+):$", (ROOT / "action.yml").read_text().split("outputs:")[0], re.MULTILINE)
    used = re.findall(r"^          ([\w-]+):", workflow, re.MULTILINE)
    assert used and set(used) <= set(inputs)


def lines(text: str) -> list[str]:
    shown = [line.removeprefix("$ ") for b in blocks("console", text) for line in b.splitlines()]
    return [line for line in shown if line.startswith("ihaudit")] + re.findall(r"`(ihaudit [a-z]+ [^`]+)`", text)


@pytest.mark.parametrize("line", dict.fromkeys(x for text in (README, *DOCS.values()) for x in lines(text)))
def test_every_command_line_of_readme_and_documentation_is_understood(line: str) -> None:
    _, name, *words = shlex.split(line, comments=True)
    command = ROOT_COMMAND.commands[name]
    if hasattr(command, "commands") and words:
        command, words = command.commands[words[0]], words[1:]
    required = [p for p in command.params if p.required and p.param_type_name == "argument"]
    given = [w for w in words if not w.startswith("-")]
    # A line in running text may leave away what stands before it.
    words += ["x"] * (len(required) - len(given))
    command.make_context("ihaudit", words, resilient_parsing=False)


@pytest.mark.parametrize("where", ["README.md", "scheme.md"])
def test_the_scheme_that_is_shown_keeps_its_contract(tmp_path: Path, where: str) -> None:
    snippet = blocks("python", {"README.md": README, **DOCS}[where])[0]
    head = (
        "from dataclasses import dataclass\nimport numpy as np\n"
        "from ihaudit import Claim, Provenance, Release, Scheme\n\n\n"
    )
    (tmp_path / "shuffle.py").write_text(head + snippet)
    with SchemeProcess(locate(str(tmp_path / "shuffle.py")), {}) as process:
        x = pictures(8)
        trial = examine(process, x, process_labels(len(x)), seed=0)
    assert trial.remarks == () and trial.release.encodings.shape == x.shape


def process_labels(n: int) -> Any:
    import numpy as np

    return np.arange(n) % 3


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the action's script with an `ihaudit` that only notes its arguments; (exit code, outputs, arguments)."""
    fake = tmp_path / "bin" / "ihaudit"
    fake.parent.mkdir()
    fake.write_text(
        '#!/usr/bin/env bash\nprintf "%s\\n" "$@" "--" >> "$LOG"\n'
        '[ "$1" = compare ] && exit "$COMPARED"\n[ "$RAN" = 2 ] && exit 2\n'
        'mkdir -p "$OUT" && touch "$OUT/results.json" "$OUT/report.sarif" && echo "## Word" > "$OUT/summary.md"\n'
        'exit "$RAN"\n'
    )
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)

    def run(ran: int = 0, compared: int = 0, **given: str) -> tuple[dict[str, str], list[str], str]:
        files = {n: tmp_path / n.lower() for n in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "LOG")}
        for file in files.values():
            file.write_text("")
        environment = {
            "PATH": f"{fake.parent}{os.pathsep}{os.environ['PATH']}",
            **{k: str(v) for k, v in files.items()},
            **{"SCHEME": "scheme.py", "OUT": "audit", "RAN": str(ran), "COMPARED": str(compared)},
            **given,
        }
        subprocess.run(["bash", ROOT / ".ci" / "audit"], env=environment, cwd=tmp_path, check=True)
        outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
        return outputs, files["LOG"].read_text().splitlines(), files["GITHUB_STEP_SUMMARY"].read_text()

    return run


@pytest.mark.parametrize("code", [0, 1, 3])
def test_the_action_keeps_the_exit_code_and_the_summary(step: Any, code: int) -> None:
    outputs, arguments, summary = step(code)
    assert outputs == {"exit-code": str(code), "sarif": "audit/report.sarif"}
    assert "--no-samples" in arguments and "--no-release" in arguments and "## Word" in summary


def test_the_action_says_where_no_report_was_written(step: Any) -> None:
    outputs, _, summary = step(2)
    assert outputs == {"exit-code": "2"} and "exit code 2" in summary


def test_the_action_compares_and_hands_options_on_as_words(step: Any, tmp_path: Path) -> None:
    outputs, arguments, _ = step(
        0, 1, BASELINE="base.json", SAMPLES="true", ARGS="--set 'k=8 9' $(touch x) `touch x`; y"
    )
    assert outputs["exit-code"] == "1"
    assert "--no-samples" not in arguments and "k=8 9" in arguments and "$(touch" in arguments
    assert not (tmp_path / "x").exists()
    assert arguments[arguments.index("compare") :] == ["compare", "base.json", "audit", "--summary", "--"]
    assert step(3, 1, BASELINE="base.json")[0]["exit-code"] == "3"

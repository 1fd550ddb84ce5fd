"""Attacks in a process of their own: what they answer comes back, what they do wrong becomes a reason."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ihaudit.audit.store import FolderStore
from ihaudit.audit.worker import AttackWorker
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.release import FloatArray, IntArray, Release
from ihaudit.scheme import Knowledge

PLUGIN = '''
import os, time
from dataclasses import dataclass
import numpy as np
from ihaudit.contracts.attack import attack, AttackOutput
from ihaudit.errors import NotApplicable
from ihaudit.scheme import Knowledge

@attack("test-trick")
@dataclass(frozen=True)
class Trick:
    """An attack that does what its option says."""
    id = "test-trick"; title = "t"; reference = "r"; needs = frozenset(); profiles = ()
    do: str = "answer"

    def run(self, view, ctx):
        ctx.progress("working", 0.5)
        if self.do == "raise": raise RuntimeError("boom")
        if self.do == "exit": os._exit(7)
        if self.do == "sleep": time.sleep(60)
        if self.do == "inapplicable": raise NotApplicable("no masks here")
        if self.do == "oracle":
            r = view.encoder.encode(np.zeros((2, 4, 4, 3), np.float32), np.zeros(2, np.int64), seed=3)
            return AttackOutput(r.encodings)
        if self.do == "keep":
            ctx.store.write("a.json", b"kept")
            names = ["a.json", "b.json", "../truth.json", "truth"]
            return AttackOutput(view.encodings[:1], diagnostics={n: ctx.store.read(n) for n in names})
        if self.do == "look":
            import gc
            from ihaudit.release import Truth
            seen = [o for o in gc.get_objects() if isinstance(o, Truth)]
            blank = np.zeros((1, 4, 4, 3), np.float32)
            return AttackOutput(blank, diagnostics={"truths": len(seen), "cwd": os.getcwd()})
        return AttackOutput(view.encodings[:1], diagnostics={"pid": os.getpid(), "seed": ctx.seed})
'''

PACKAGE_INFO = "[ihaudit.plugins]\ntrick = ihaudit_test_trick\n"


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AttackWorker]:
    """A worker that finds the trick attack as other people's packages are found: by entry point."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "ihaudit_test_trick.py").write_text(PLUGIN)
    info = folder / "ihaudit_test_trick-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ihaudit-test-trick\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(PACKAGE_INFO)
    sys.path.insert(0, str(folder))
    old = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(folder) + (os.pathsep + old if old else "")
    try:
        with AttackWorker(timeout_s=5) as w:
            yield w
    finally:
        sys.path.remove(str(folder))
        if old is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = old


VIEW = View(encodings=np.ones((3, 4, 4, 3), np.float32))


def test_answers_come_back_with_cost_and_progress(worker: AttackWorker) -> None:
    seen: list[tuple[str, float | None]] = []

    def progress(message: str, fraction: float | None = None) -> None:
        seen.append((message, fraction))

    run = worker.run("test-trick", VIEW, Context(seed=5, progress=progress))
    assert run.output is not None
    assert run.output.diagnostics["pid"] != os.getpid()
    assert run.output.diagnostics["seed"] == 5
    assert run.cost.peak_mb is not None and run.cost.peak_mb > 10
    assert seen == [("working", 0.5)]


def test_a_large_release_takes_none_of_the_workers_memory(worker: AttackWorker) -> None:
    small = worker.run("test-trick", VIEW, Context(seed=5)).cost.peak_mb
    large = worker.run("test-trick", View(encodings=np.zeros((30_000, 32, 32, 2), np.float32)), Context(seed=5))
    assert large.output is not None and small is not None and large.cost.peak_mb is not None
    assert large.cost.peak_mb < small + 100  # of 234 MB


def test_workers_import_from_where_the_auditor_does_and_not_from_the_folder_it_runs_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("raise SystemExit('code of the folder ran outside the sandbox')")
    (tmp_path / "ihaudit").mkdir()
    (tmp_path / "ihaudit" / "__init__.py").write_text("raise SystemExit('code of the folder ran')")
    script = (
        "import sys; from ihaudit.audit.worker import AttackWorker; from ihaudit.contracts.context import Context; "
    )
    script += "from ihaudit.contracts.view import View; import numpy as np; w = AttackWorker(60)\n"
    script += (
        "run = w.run('as-released', View(encodings=np.ones((3, 8, 8, 3), np.float32)), Context(seed=0)); w.close()\n"
    )
    script += "print(run.failure or 'ran')"
    path = os.pathsep.join(p for p in sys.path if p)
    env = os.environ | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout.strip() == "ran", done.stderr


def test_the_truth_is_not_in_the_worker(worker: AttackWorker, tmp_path: Path) -> None:
    run = worker.run("test-trick:do=look", VIEW, Context(seed=0))
    assert run.output is not None
    assert run.output.diagnostics["truths"] == 0
    assert run.output.diagnostics["cwd"] != os.getcwd()


@pytest.mark.parametrize(
    ("do", "field", "text"),
    [
        ("raise", "failure", "RuntimeError: boom"),
        ("exit", "failure", "exit code 7"),
        ("inapplicable", "not_applicable", "no masks here"),
        ("sleep", "failure", "did not finish within 5 s"),
    ],
)
def test_failures_are_reasons_and_the_worker_goes_on(worker: AttackWorker, do: str, field: str, text: str) -> None:
    run = worker.run(f"test-trick:do={do}", VIEW, Context(seed=0))
    assert run.output is None
    assert text in getattr(run, field)
    assert worker.run("test-trick", VIEW, Context(seed=0)).output is not None


class Doubler:
    def encode(self, images: FloatArray, labels: IntArray, *, seed: int) -> Release:
        return self.encode_many([(images, labels, seed)])[0]

    def encode_many(self, calls: list[tuple[FloatArray, IntArray, int]]) -> list[Release]:
        return [Release(images + seed) for images, _, seed in calls]

    def seconds(self, images: int) -> float:
        return images / 8


def test_oracle_access_is_answered_by_the_auditor(worker: AttackWorker) -> None:
    view = View(encodings=VIEW.encodings, knows=frozenset({Knowledge.ORACLE}))
    run = worker.run("test-trick:do=oracle", replace(view, encoder=Doubler()), Context(seed=0))
    assert run.output is not None
    assert np.all(run.output.images == 3)
    without = worker.run("test-trick:do=oracle", view, Context(seed=0))
    assert "no oracle" in without.not_applicable


def test_what_an_attack_keeps_goes_to_the_auditors_store_and_nowhere_else(worker: AttackWorker, tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_bytes(b"secret")
    store = FolderStore(tmp_path / "networks")
    for _ in range(2):
        run = worker.run("test-trick:do=keep", VIEW, Context(seed=0, store=store))
        assert run.output is not None
        assert run.output.diagnostics == {"a.json": b"kept", "b.json": None, "../truth.json": None, "truth": None}
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.json", "networks", "truth.json"]
    without = worker.run("test-trick:do=keep", VIEW, Context(seed=0))
    assert without.output is not None and without.output.diagnostics["a.json"] is None

"""Stages on disk: what is kept comes back equal, what is damaged counts as not kept, other plans are refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ihaudit.audit.checkpoint import Checkpoints, kept_release, pack_release, unpack_release
from ihaudit.audit.folder import output_folder
from ihaudit.audit.options import RunOptions
from ihaudit.audit.seal import user_secret
from ihaudit.contracts.view import Pairs
from ihaudit.errors import UsageError
from ihaudit.release import Provenance, Release
from ihaudit.results import Finding
from ihaudit.stats import Estimate


def test_findings_come_back_with_arrays(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path)
    finding = Finding(id="a", kind="attack", title="t", status="broken", metrics={"ssim": Estimate(0.5, 0.4, 0.6, 7)})
    finding.arrays["ssim"] = np.arange(3.0)
    other = Finding(id="b", kind="game", title="t", status="not run", reason="because")
    made: list[str] = []

    def make() -> list[Finding]:
        made.append("once")
        return [finding, other]

    assert kept.findings("attack-a:recovery=em", make) == [finding, other]
    back = kept.findings("attack-a:recovery=em", make)
    assert made == ["once"]
    assert [f.model_dump() for f in back] == [finding.model_dump(), other.model_dump()]
    np.testing.assert_array_equal(back[0].arrays["ssim"], finding.arrays["ssim"])
    assert kept.findings("attack-b", lambda: []) == []


def test_a_damaged_stage_counts_as_none(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path)
    kept.save_arrays("x", {"a": np.zeros(1000)})
    path = tmp_path / ".work" / "x.npz"
    path.write_bytes(path.read_bytes()[:200])
    assert kept.load_arrays("x") is None


def test_only_what_this_user_kept_of_this_plan_and_key_is_taken_and_the_rest_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    kept = Checkpoints(tmp_path, told.append)
    kept.begin({"a": 1}, resume=False)
    kept.findings("x", lambda: [Finding(id="x", kind="attack", title="x", status="measured")], "key")
    made = lambda: [Finding(id="y", kind="attack", title="x", status="measured")]  # noqa: E731
    assert kept.findings("x", made, "key")[0].id == "x" and not told
    assert kept.findings("x", made, "another key")[0].id == "y"
    assert "x is made again: the release" in told.pop()
    path = tmp_path / ".work" / "x.npz"
    sealed = path.read_bytes()
    arrays, meta = dict(np.load(path)), b'{"findings": [], "key": "another key"}'
    np.savez(path, **arrays | {"__meta__": np.frombuffer(meta, np.uint8)})  # forged: nothing was found
    assert kept.load_arrays("x") is None and "carries no seal of this user" in told.pop()
    (tmp_path / ".work" / "z.npz").write_bytes(sealed)  # what was found by another item
    assert kept.load_arrays("z") is None and "z is made again" in told.pop()
    path.write_bytes(sealed)
    assert kept.load_arrays("x") is not None
    other = Checkpoints(tmp_path, told.append)
    (tmp_path / ".work" / "plan.json").write_text('{"a": 2}')
    other.begin({"a": 2}, resume=True)  # what was kept of another plan
    assert other.load_arrays("x") is None and "carries no seal" in told.pop()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "theirs"))
    user_secret.cache_clear()
    assert kept.load_arrays("x") is None and "carries no seal" in told.pop()
    user_secret.cache_clear()


def test_release_round_trip() -> None:
    provenance = Provenance(sources=np.array([[0, 1]]), coefficients=np.array([[0.5, 0.5]], np.float32))
    release = Release(
        np.ones((1, 2, 2, 3), np.float32), np.ones((1, 2), np.float32), (-1.0, 1.0), {"z": np.arange(3)}, provenance
    )
    back, pairs = unpack_release(*pack_release(release, None, 1.5))
    assert pairs is None
    assert back.image_range == (-1.0, 1.0)
    assert back.provenance is not None
    np.testing.assert_array_equal(back.provenance.sources, provenance.sources)
    np.testing.assert_array_equal(back.extra["z"], release.extra["z"])
    assert unpack_release(*pack_release(Release(np.ones((1, 2))), None, 0.0))[0].provenance is None


def test_resuming_another_plan_is_refused_by_name(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path)
    kept.begin({"seed": 1, "profile": "quick", "attacks": None}, resume=False)
    kept.save_arrays("x", {})
    kept.begin({"seed": 1, "profile": "quick", "attacks": None}, resume=True)
    assert kept.load_arrays("x") is not None
    with pytest.raises(UsageError, match="seed was 1 and is now 2"):
        kept.begin({"seed": 2, "profile": "quick", "attacks": None}, resume=True)
    with pytest.raises(UsageError, match="attacks was left out and is now unmix, phase; repeat"):
        kept.begin({"seed": 1, "profile": "quick", "attacks": ("unmix", "phase")}, resume=True)
    kept.begin({"seed": 2, "profile": "quick", "attacks": None}, resume=False)
    assert kept.load_arrays("x") is None


def test_known_pairs_round_trip() -> None:
    release = Release(np.ones((3, 2, 2, 3), np.float32))
    known = Pairs(np.zeros((2, 2, 2, 3), np.float32), np.full((2, 2, 2, 3), 0.5, np.float32))
    _, pairs = unpack_release(*pack_release(release, known, 0.0))
    assert pairs is not None
    np.testing.assert_array_equal(pairs.images, known.images)
    np.testing.assert_array_equal(pairs.encodings, known.encodings)


def test_damaged_parts_are_made_again_and_a_damaged_plan_says_so(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path)
    kept.begin({"a": 1}, resume=False)
    finding = Finding(id="x", kind="attack", title="x", status="measured", arrays={"ssim": np.arange(3.0)})
    made = []

    def make() -> list[Finding]:
        made.append(1)
        return [finding]

    kept.findings("x", make)
    kept.findings("x", make)
    assert len(made) == 1
    path = kept.folder / "x.npz"
    whole = path.read_bytes()
    for damage in (whole[:100], b"", b"PK", whole[:-30], whole.replace(b'"kind"', b'"kinb"')):
        path.write_bytes(damage)
        before = len(made)
        assert kept.findings("x", make)[0].id == "x"
        assert len(made) == before + 1
    kept.save_arrays("release", {"encodings": np.zeros((2, 2))}, {"encode_s": "soon"})
    assert kept_release(kept) is None
    for text in ("", "[1]", "{", "\x00"):
        (kept.folder / "plan.json").write_text(text)
        with pytest.raises(UsageError, match=r"plan\.json is damaged .*--overwrite"):
            kept.begin({"a": 1}, resume=True)


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from ihaudit.audit.checkpoint import hold\n"
        f"hold(Path({str(tmp_path / 'out')!r})); print('held', flush=True); time.sleep(100)"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match="another run writes to"):
            Checkpoints(tmp_path / "out").begin({}, resume=False)
        (tmp_path / "out" / ".work").mkdir()
        (tmp_path / "out" / ".work" / "plan.json").write_text("{}")
        out = tmp_path / "out"
        for asked in (RunOptions(out=out), RunOptions(out=out, resume=True), RunOptions(out=out, overwrite=True)):
            with pytest.raises(UsageError, match="another run writes to"):
                output_folder(asked, "noise")
    finally:
        other.kill()  # it goes with its process, however that ends
        other.wait()
    with pytest.raises(UsageError, match="holds a stopped audit"):
        output_folder(RunOptions(out=tmp_path / "out"), "noise")
    Checkpoints(tmp_path / "out").begin({}, resume=False)
    Checkpoints(tmp_path / "out").begin({}, resume=False)


def test_what_a_killed_audit_was_writing_is_removed_and_nothing_else(tmp_path: Path) -> None:
    """SIGKILL in writing results.json left .results.json.rkllzjk8 beside the report for good."""
    left = (".results.json.rkllzjk8", ".report.html.0_a1b2c3", "..seal.abcdefgh", ".arrays.npz.12345678")
    other = ("results.json", "notes.txt", ".report.html.swp", ".results.json.backup-1", ".gitignore")
    for name in (*left, *other):
        (tmp_path / name).write_text("x")
    Checkpoints(tmp_path).begin({"a": 1}, resume=True)
    assert {p.name for p in tmp_path.iterdir()} == {*other, ".work"}

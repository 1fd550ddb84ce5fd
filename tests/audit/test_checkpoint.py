"""Stages on disk: what is kept comes back equal, what is damaged counts as not kept, other plans are refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ihaudit.audit.checkpoint import Checkpoints, kept_release, pack_release, unpack_release
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
    finally:
        other.kill()  # it goes with its process, however that ends
        other.wait()
    Checkpoints(tmp_path / "out").begin({}, resume=False)
    Checkpoints(tmp_path / "out").begin({}, resume=False)

"""results.json: what is written can be read, damage is refused in one sentence, and nothing is half-written."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ihaudit.errors import ResultsError, printable
from ihaudit.results import (
    SCHEMA,
    ClaimResult,
    Cost,
    Environment,
    Finding,
    Gate,
    GateCheck,
    ImageCard,
    ReleaseCard,
    Results,
    SchemeCard,
    StageRecord,
    atomic_write,
    json_schema,
    read_arrays,
    read_results,
    write_results,
)
from ihaudit.stats import Estimate

Change = Callable[[dict[str, Any]], object]
NUMBER = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))
ESTIMATE = st.builds(Estimate, NUMBER, NUMBER, NUMBER, st.integers(0, 10**6))


def results(**fields: Any) -> Results:
    finding = Finding(
        id="a",
        kind="attack",
        title="An attack",
        status="broken",
        metrics={"ssim": Estimate(0.5, 0.4, 0.6, 100)},
        stages=[StageRecord(name="grouping", variant="cliques", quality={"purity": 0.9})],
        arrays={"ssim": np.arange(3.0)},
    )
    base = {
        "name": "t",
        "profile": "quick",
        "seed": 7,
        "scheme": SchemeCard(name="t", source="t.py", sha256="0"),
        "release": ReleaseCard(encodings=[2, 3], dtype="float32", image_range=[-1, 1], sha256="0"),
        "private": ImageCard(name="p", count=3, shape=[32, 32, 3], classes=2, sha256="0"),
        "adversary": ["encodings"],
        "findings": [finding],
        "claims": [
            ClaimResult(text="c", quantity="ssim", bound=0.3, adversary=["encodings"], status="refuted", by="a")
        ],
        "gate": Gate(
            status="missed",
            exit_code=1,
            statistic="s",
            bound=0.5,
            measured=Estimate(0.6, 0.5, 0.7, 100),
            checks=[GateCheck(name="ssim", statistic="s", bound=0.5, met=False)],
        ),
        "cost": Cost(wall_s=1.5),
        "environment": Environment(ihaudit="0", python="3", platform="x"),
    }
    return Results(**{**base, **fields})


def test_round_trip(tmp_path: Path) -> None:
    written = results()
    write_results(tmp_path, written, {"a/ssim": np.arange(3.0)})
    read = read_results(tmp_path)
    assert read.to_json() == written.to_json()
    again = read.finding("a")
    assert again is not None
    assert again.metrics["ssim"] == Estimate(0.5, 0.4, 0.6, 100)
    assert read.finding("b") is None
    assert again.arrays == {}  # arrays are not in the JSON
    assert np.array_equal(read_arrays(tmp_path)["a/ssim"], np.arange(3.0))
    assert read_results(tmp_path / "results.json").gate == written.gate


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(st.text(max_size=5), ESTIMATE, max_size=3),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.floats(), st.text(max_size=5)),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
        max_leaves=8,
    ),
)
def test_any_value_gives_strict_json_that_reads_back(metrics: dict[str, Estimate], detail: Any) -> None:
    r = results()
    r.findings[0].metrics = metrics
    r.findings[0].details = {"x": detail}
    text = r.to_json()

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} in strict JSON")

    data = json.loads(text, parse_constant=refuse)
    again = Results.model_validate(data)
    assert again.to_json() == text
    assert again.findings[0].metrics == {printable(k): v for k, v in metrics.items()}


def test_numpy_values_and_odd_objects_do_not_cost_the_audit() -> None:
    r = results()
    r.findings[0].details = {
        "a": np.float32(0.5),
        "b": np.array([1.0, np.nan]),
        "c": np.int64(3),
        "d": np.bool_(True),
        "e": {"z", "y"},
        "f": complex(1, 2),
        3: (1, np.inf),  # type: ignore[dict-item]  # what must not be there
    }
    details = json.loads(r.to_json())["findings"][0]["details"]
    assert details == {"a": 0.5, "b": [1.0, None], "c": 3, "d": True, "e": ["y", "z"], "f": "(1+2j)", "3": [1, None]}


def test_the_stated_top_level_is_there() -> None:
    data = json.loads(results().to_json())
    assert data["schema"] == SCHEMA
    assert {"scheme", "findings", "claims", "gate", "environment"} <= set(data)
    assert {"id", "kind", "status", "metrics", "cost", "reason"} <= set(data["findings"][0])
    assert data["findings"][0]["metrics"]["ssim"] == {"value": 0.5, "low": 0.4, "high": 0.6, "n": 100}
    assert {"status", "exit_code", "statistic", "bound"} <= set(data["gate"])


def test_json_schema_is_valid_json_and_names_the_version() -> None:
    schema = json.loads(json_schema())
    assert schema["properties"]["schema"]["const"] == SCHEMA
    assert "arrays" not in schema["$defs"]["Finding"]["properties"]
    assert set(schema["$defs"]["Finding"]["properties"]["status"]["enum"]) >= {"broken", "no break found"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema="ihaudit.results/99"), "ihaudit.results/99"),
        (lambda d: d.pop("schema"), "None"),
        (lambda d: d.pop("gate"), "gate"),
        (lambda d: d["gate"].update(status="passed"), "gate.status"),
        (lambda d: d["findings"][0].update(status="safe"), "findings.0.status"),
        (lambda d: d["findings"][0].update(surprise=1), "surprise"),
        (lambda d: d["findings"][0]["metrics"].update(ssim="high"), "findings.0.metrics.ssim"),
        (lambda d: d["findings"][0]["metrics"]["ssim"].update(value="high"), "findings.0.metrics.ssim"),
        (lambda d: d.update(seed="seven"), "seed"),
    ],
)
def test_what_is_not_of_the_documented_shape_is_refused(tmp_path: Path, change: Change, message: str) -> None:
    data = json.loads(results().to_json())
    change(data)
    (tmp_path / "results.json").write_text(json.dumps(data))
    with pytest.raises(ResultsError) as e:
        read_results(tmp_path)
    assert message in str(e.value)
    assert "\n" not in str(e.value)
    assert e.value.exit_code == 2


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1, 2]", b"\xff\xfe\x00", b'{"schema": NaN}', b"[" * 100_000], ids=range(6)
)
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "results.json").write_bytes(content)
    with pytest.raises(ResultsError, match=r"results\.json"):
        read_results(tmp_path)


def test_truncation_anywhere_is_noticed(tmp_path: Path) -> None:
    text = results().to_json()
    for cut in range(0, len(text) - 2, max(1, len(text) // 60)):
        (tmp_path / "results.json").write_text(text[:cut])
        with pytest.raises(ResultsError):
            read_results(tmp_path)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="ihaudit run"):
        read_results(tmp_path)
    assert read_arrays(tmp_path) == {}


def test_damaged_arrays_are_refused(tmp_path: Path) -> None:
    write_results(tmp_path, results(), {"a/x": np.random.default_rng(0).random(5000)})
    whole = (tmp_path / "arrays.npz").read_bytes()
    damaged = [b"no zip", whole[: len(whole) // 2], whole[:200] + bytes(400) + whole[600:]]
    for content in damaged:
        (tmp_path / "arrays.npz").write_bytes(content)
        with pytest.raises(ResultsError, match=r"arrays\.npz"):
            read_arrays(tmp_path)
    np.savez(tmp_path / "arrays.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ResultsError, match=r"arrays\.npz"):
        read_arrays(tmp_path)


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "results.json"
    atomic_write(target, "old")

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        atomic_write(target, "new")
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["results.json"]


def test_a_full_disk_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        atomic_write(tmp_path / "results.json", "new")
    assert caught.value.filename == str(tmp_path / "results.json")
    assert os.listdir(tmp_path) == []


def test_a_killed_writer_leaves_a_whole_file(tmp_path: Path) -> None:
    """kill -9 in the middle of writing, several times: the file is always one of the two whole versions."""
    code = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from ihaudit.results import atomic_write
        i = 0
        while True:
            atomic_write(Path(sys.argv[1]), chr(97 + i % 2) * 400_000)
            i += 1
        """
    )
    target = tmp_path / "results.json"
    for attempt in range(4):
        target.unlink(missing_ok=True)
        process = subprocess.Popen([sys.executable, "-c", code, str(target)])
        deadline = time.monotonic() + 60
        while not target.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.02 * attempt)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert target.read_text() in ("a" * 400_000, "b" * 400_000)


def test_files_that_may_not_be_read_or_written_are_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*a: object, **k: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", "somewhere")

    path = tmp_path / "results.json"
    path.write_text("{}")
    with monkeypatch.context() as m:
        m.setattr(Path, "read_text", denied)
        with pytest.raises(ResultsError, match=r"results.json cannot be read \(Permission denied\); see to that"):
            read_results(path)
    monkeypatch.setattr("tempfile.mkstemp", denied)
    with pytest.raises(PermissionError) as e:
        atomic_write(path, "x")
    assert e.value.filename == str(path)  # not the temporary file's

"""results.json: the single source of every rendering, versioned and validated on reading.

Arrays (reconstructions, per-image scores, curves too long for JSON) lie beside it in arrays.npz under
``<finding id>/<name>``.  The file is strict JSON: NaN and infinities become null.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ihaudit.errors import ResultsError
from ihaudit.stats import Estimate

SCHEMA = "ihaudit.results/1"

#: The four words of a verdict, plus ``measured`` for what is not a verdict (baselines, utility, observations).
Status = Literal["broken", "no break found", "inconclusive", "not run", "measured"]
Kind = Literal["attack", "game", "control", "check", "baseline", "marginal", "utility", "observation"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, populate_by_name=True)


class Cost(_Model):
    """What a finding cost.  Seconds of wall clock, CPU and GPU; peak resident memory in MB."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    gpu_s: float = 0.0
    peak_mb: float | None = None


class StageRecord(_Model):
    """One named stage of an attack: which variant ran, how long, and its own diagnostics."""

    name: str
    variant: str
    seconds: float = 0.0
    quality: dict[str, float | None] = Field(default_factory=dict)  # filled by the scorer (pair_auc, ...)
    diagnostics: dict[str, Any] = Field(default_factory=dict)


class Finding(_Model):
    """What one attack, game, control, check or baseline showed.

    ``sentence`` says it in one plain sentence; ``reason`` says why it is inconclusive or not run; ``primary`` names the
    pre-declared statistic in ``metrics`` that gates; ``details`` holds JSON-able tables and curves for the report.
    ``arrays`` is not written to JSON: it goes to arrays.npz under ``<id>/<name>``.
    """

    id: str
    kind: Kind
    title: str
    status: Status
    metrics: dict[str, Estimate] = Field(default_factory=dict)
    primary: str | None = None
    cost: Cost = Field(default_factory=Cost)
    reason: str = ""
    sentence: str = ""
    reference: str = ""
    needs: list[str] = Field(default_factory=list)
    requested: bool = False  # asked for by name; then "not run" makes the audit inconclusive (exit 3)
    stages: list[StageRecord] = Field(default_factory=list)
    details: dict[str, Any] = Field(default_factory=dict)
    arrays: dict[str, NDArray] = Field(default_factory=dict, exclude=True)


class ImageCard(_Model):
    """Which images were used, without the images."""

    name: str
    count: int
    shape: list[int]
    classes: int
    sha256: str


class SchemeCard(_Model):
    """The scheme as audited."""

    name: str
    source: str  # path as given, or the reference scheme's name
    sha256: str
    doc: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)
    secrets: str = ""
    security_parameter: str | None = None
    key: str = "fresh"
    decomposable: bool = True
    mechanism: str | None = None
    line: int = 1  # line of the class, for SARIF
    log: str = ""  # captured stdout and stderr, truncated


class ReleaseCard(_Model):
    """The release as audited."""

    encodings: list[int]
    dtype: str
    labels: list[int] | None = None
    image_range: list[float]
    extra: dict[str, list[int]] = Field(default_factory=dict)
    sha256: str
    has_provenance: bool = False
    encode_s: float = 0.0


class ClaimResult(_Model):
    """A claim beside its measurement."""

    text: str
    quantity: str
    bound: float
    quantile: float = 1.0
    adversary: list[str]
    target: str | None = None  # game or attack id that the claim is restricted to
    delta: float = 0.0  # of epsilon claims
    status: Literal["refuted", "not refuted", "inconclusive"]
    measured: Estimate | None = None
    by: str | None = None  # id of the strongest finding
    reason: str = ""


class GateCheck(_Model):
    """One gated statistic against its bound."""

    name: str
    statistic: str  # in words
    measured: Estimate | None = None
    bound: float
    met: bool | None = None  # None: could not be decided
    by: str | None = None


class Gate(_Model):
    """The decision.  ``statistic`` and ``bound`` repeat the check that decided (the worst one)."""

    status: Literal["met", "missed", "inconclusive"]
    exit_code: int
    statistic: str
    bound: float | None
    measured: Estimate | None = None
    by: str | None = None
    sentence: str = ""
    checks: list[GateCheck] = Field(default_factory=list)
    reasons: list[str] = Field(default_factory=list)


class Environment(_Model):
    """What is needed to repeat the audit."""

    ihaudit: str
    python: str
    platform: str
    packages: dict[str, str] = Field(default_factory=dict)
    device: str = "cpu"
    device_name: str = ""
    cores: int = 0
    command: str = ""
    started: str = ""
    finished: str = ""
    weights: dict[str, str] = Field(default_factory=dict)  # name -> sha256
    ssim: dict[str, Any] = Field(default_factory=dict)


class Results(_Model):
    """The whole audit."""

    schema_: str = Field(default=SCHEMA, alias="schema")
    name: str
    profile: str
    seed: int
    options: dict[str, Any] = Field(default_factory=dict)
    scheme: SchemeCard
    release: ReleaseCard | None = None
    private: ImageCard | None = None
    public: ImageCard | None = None
    similar: ImageCard | None = None
    adversary: list[str]
    findings: list[Finding] = Field(default_factory=list)
    claims: list[ClaimResult] = Field(default_factory=list)
    gate: Gate
    cost: Cost = Field(default_factory=Cost)
    price_per_hour: dict[str, float] = Field(default_factory=dict)  # {"cpu": .., "gpu": .., "currency"...}
    environment: Environment

    def finding(self, id_: str) -> Finding | None:
        """The finding called `id_`, or None."""
        return next((f for f in self.findings if f.id == id_), None)

    def of_kind(self, *kinds: str) -> list[Finding]:
        """Findings of the given kinds, in order."""
        return [f for f in self.findings if f.kind in kinds]

    def to_json(self) -> str:
        """Strict JSON (NaN and infinities as null), stable key order."""
        data = _finite(self.model_dump(mode="json", by_alias=True))
        return json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _finite(x: Any) -> Any:
    if isinstance(x, float):
        return x if np.isfinite(x) else None
    if isinstance(x, dict):
        return {str(k): _finite(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [_finite(v) for v in x]
    return x


def atomic_write(path: Path, data: bytes | str) -> None:
    """Write a file so that a reader sees the old content or the new, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, tmp = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(fd, "wb") as f:
            f.write(data.encode() if isinstance(data, str) else data)
            f.flush()
            os.fsync(f.fileno())
        os.chmod(tmp, 0o644)
        os.replace(tmp, path)
    except BaseException:
        Path(tmp).unlink(missing_ok=True)
        raise


def write_results(folder: Path, results: Results, arrays: dict[str, NDArray] | None = None) -> None:
    """Write results.json and, when `arrays` is given, arrays.npz into `folder`, each atomically."""
    import io

    if arrays is not None:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        atomic_write(folder / "arrays.npz", buffer.getvalue())
    atomic_write(folder / "results.json", results.to_json())


def read_results(path: Path) -> Results:
    """Read and validate results.json (`path` is the file or its folder).

    Raises:
        ResultsError: missing, not JSON, of another schema version, or not of the documented shape.
    """
    if path.is_dir():
        path = path / "results.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ResultsError(f"there is no results file at {path}; run `ihaudit run` first") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as e:
        raise ResultsError(f"{path} cannot be read as JSON ({e}); it is damaged or not a results file") from None
    version = data.get("schema") if isinstance(data, dict) else None
    if version != SCHEMA:
        raise ResultsError(
            f"{path} has schema {version!r}, this ihaudit reads {SCHEMA!r}; use the version that wrote it"
        )
    try:
        return Results.model_validate(data)
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(p) for p in first["loc"])
        raise ResultsError(f"{path} is damaged: {where}: {first['msg']} ({e.error_count()} problems)") from None


def read_arrays(folder: Path) -> dict[str, NDArray]:
    """The arrays beside results.json, or an empty dict where there are none."""
    path = (folder if folder.is_dir() else folder.parent) / "arrays.npz"
    if not path.exists():
        return {}
    try:
        with np.load(path, allow_pickle=False) as z:
            return {k: z[k] for k in z.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as e:
        raise ResultsError(
            f"{path} is damaged ({e}); run the audit again or delete it to render without images"
        ) from None

"""results.json: the single source of every rendering, versioned and validated on reading.

The file is strict JSON (NaN and infinities become null), one object:

* ``schema``: `SCHEMA`; another version is refused, not guessed at.
* ``name``, ``profile``, ``seed``, ``options`` (``options.gates`` holds the bounds), ``adversary`` (a list of
  `Knowledge`).
* ``scheme``, ``release``, ``private``, ``public``, ``similar``: what was audited, with hashes, without images.
* ``findings``: what every attack, game, control, check and baseline showed.  ``metrics`` maps a name to
  ``{"value", "low", "high", "n"}``, any of the first three null where it could not be measured.  Metric names are
  stable: ``ssim`` (mean), ``ssim_median``, ``ssim_q90``, ``ssim_best``, ``ssim_worst``, ``ssim_challenge``,
  ``ssim_chance``, ``ssim_polarity`` (in the best of four polarities), ``psnr``, ``l2``, ``reid``,
  ``reid_above_chance``, ``max_ssim``, ``mean_ssim``, ``min_l2``,
  ``mean_l2``, ``advantage``, ``epsilon``, ...  ``details.exceedance`` of an attack counts private images, decoys and
  trivial guesses above fixed levels of SSIM, so that the file can be gated again by itself.
* ``claims``, ``gate``: the verdict; ``gate.exit_code`` is what `ihaudit run` returned.
* ``cost``, ``price_per_hour``, ``environment``: what it took and what is needed to repeat it.

`json_schema` gives the same as a JSON Schema.  Arrays (reconstructions, per-image scores, curves too long for JSON) lie
beside it in arrays.npz under ``<finding id>/<name>``: for an attack ``ssim``, ``ssim_challenge``, ``psnr``, ``l2``,
``reid``, ``candidate``, ``reconstruction``, ``ssim_decoy``, ``ssim_flat``, ``ssim_polarity``, ``polarity``,
``ssim_polarity_decoy``, ``reconstruction_polarity``, ``encoding``, ``confidence``; once for all
``private/images``, ``private/labels``, ``release/encodings``, ``release/index``.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.json_schema import SkipJsonSchema

from ihaudit.errors import ResultsError, printable
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
    arrays: SkipJsonSchema[dict[str, NDArray[Any]]] = Field(default_factory=dict, exclude=True)


class ImageCard(_Model):
    """Which images were used, without the images."""

    name: str
    count: int
    shape: list[int]
    classes: int
    sha256: str
    pseudo: bool = False  # the source states no classes: images were dealt into these


class SchemeCard(_Model):
    """The scheme as audited."""

    name: str
    source: str  # path as given, or the reference scheme's name
    sha256: str
    doc: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)
    secrets: str = ""
    security_parameter: str | None = None
    key: str = "image"  # `ihaudit.scheme.KeyScope`, as declared
    decomposable: bool = True
    mechanism: str | None = None
    line: int = 1  # line of the class, for SARIF, as the next two
    path: str = ""  # of the file in its repository; empty for a reference scheme
    lines: dict[str, int] = Field(default_factory=dict)  # of parameters, claims ("claims[0]", ...) and "encode"
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
    file: str = ""  # the canonical release beside results.json, at its precision; empty where none was written
    file_sha256: str = ""
    precision: str = ""
    dropped: list[str] = Field(default_factory=list)


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
    warning: str = ""  # one sentence where something came out broken that the gate does not rest on
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
    price_per_hour: dict[str, float | str] = Field(default_factory=dict)  # {"cpu": .., "gpu": .., "currency": ..}
    environment: Environment

    def finding(self, id_: str) -> Finding | None:
        """The finding called `id_`, or None."""
        return next((f for f in self.findings if f.id == id_), None)

    def of_kind(self, *kinds: str) -> list[Finding]:
        """Findings of the given kinds, in order."""
        return [f for f in self.findings if f.kind in kinds]

    def to_json(self) -> str:
        """Strict JSON (NaN and infinities as null, numpy values as plain ones), stable key order."""
        data = plain(self.model_dump(by_alias=True, warnings=False))
        return json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def plain(x: Any) -> Any:
    """JSON-able and finite; what is neither becomes its text, so that an odd diagnostic cannot cost a whole audit."""
    if isinstance(x, np.generic):
        x = x.item()
    if isinstance(x, str):
        return printable(x)
    if x is None or isinstance(x, (bool, int)):
        return x
    if isinstance(x, float):
        return x if np.isfinite(x) else None
    if isinstance(x, dict):
        return {printable(str(k)): plain(v) for k, v in x.items()}
    if isinstance(x, np.ndarray):
        return plain(x.tolist())
    if isinstance(x, (set, frozenset)):
        return sorted((plain(v) for v in x), key=str)
    if isinstance(x, (list, tuple)):
        return [plain(v) for v in x]
    return printable(str(x))


def json_schema() -> str:
    """The documented shape of results.json as a JSON Schema (draft 2020-12), as text."""
    schema = Results.model_json_schema(by_alias=True)
    schema["properties"]["schema"]["const"] = SCHEMA
    return json.dumps(schema, indent=1) + "\n"


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not valid JSON")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """An empty file to fill, which takes the place of `path` when the block ends and is removed where it fails.

    A reader sees the old content or the new, never half of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as e:
        raise OSError(e.errno, e.strerror, str(path)) from e
    temporary = Path(name)
    try:
        yield temporary
        os.fsync(fd)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as e:  # a full disk names no file, and the temporary one says nothing to anybody
        if e.filename not in (None, name) or e.errno is None:
            raise
        raise OSError(e.errno, e.strerror, str(path)) from e
    finally:
        os.close(fd)
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what `atomic_path` left in the folder of an audit where SIGKILL or a power cut ended it."""
    ours = r"\.(results\.json|arrays\.npz|release\.npz|report\.\w+|\.items\.json|\.seal)\.[a-z0-9_]{8}"
    for path in folder.iterdir():
        if re.fullmatch(ours, path.name) and path.is_file() and not path.is_symlink():
            path.unlink(missing_ok=True)


def atomic_write(path: Path, data: bytes | str) -> None:
    """Write a file so that a reader sees the old content or the new, never half of it."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def write_results(folder: Path, results: Results, arrays: dict[str, NDArray[Any]] | None = None) -> None:
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
        if path.exists() and not path.is_file():
            raise ResultsError(f"{path} is no file; name results.json, or the folder it lies in")
        data = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant)
    except FileNotFoundError:
        raise ResultsError(f"there is no results file at {path}; run `ihaudit run` first") from None
    except OSError as e:
        raise ResultsError(f"{path} cannot be read ({e.strerror}); see to that, and start again") from None
    except (ValueError, RecursionError) as e:  # ValueError: bad UTF-8, bad JSON, NaN
        raise ResultsError(f"{path} cannot be read as JSON ({e}); it is damaged or not a results file") from None
    version = data.get("schema") if isinstance(data, dict) else None
    if version != SCHEMA:
        raise ResultsError(
            f"{path} has schema {version!r}, this ihaudit reads {SCHEMA!r}; use the version that wrote it"
        )
    try:
        # Strict: a text is no number and true is none; every text is printable, as it was when it was written.
        return Results.model_validate_json(json.dumps(plain(data)), strict=True)
    except RecursionError:
        raise ResultsError(f"{path} is damaged: its values are nested too deep") from None
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(p) for p in first["loc"])
        raise ResultsError(f"{path} is damaged: {where}: {first['msg']} ({e.error_count()} problems)") from None


@contextmanager
def following(path: Path) -> Iterator[None]:
    """What is computed from results that were read: what cannot be computed is a fault of the file.

    The shape of results.json is checked when it is read; its free-form parts (``details``, ``diagnostics``) can still
    hold what no audit writes.

    Raises:
        ResultsError: the block failed over its values.
    """
    try:
        yield
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError, AssertionError) as e:
        raise ResultsError(
            f"{path} holds values that no audit writes ({type(e).__name__}: {e}); run the audit again, or, where "
            "nobody changed the file, report it as a defect of ihaudit"
        ) from e


def read_arrays(folder: Path) -> dict[str, NDArray[Any]]:
    """The arrays beside results.json, or an empty dict where there are none."""
    path = (folder if folder.is_dir() else folder.parent) / "arrays.npz"
    if not path.exists():
        return {}
    try:
        with np.load(path, allow_pickle=False) as z:
            return {k: z[k] for k in z.files}
    except Exception as e:  # a damaged archive can raise nearly anything: zip, zlib, tokenizer, key errors
        raise ResultsError(
            f"{path} is damaged ({e}); run the audit again or delete it to render without images"
        ) from None

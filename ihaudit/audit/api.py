"""The Python API, for notebooks and other programs: `ihaudit.audit`, `ihaudit.attack`, `ihaudit.game`.

>>> import ihaudit
>>> results = ihaudit.audit("scheme.py", private="photos/", attacks=["phase"])  # doctest: +SKIP
>>> results.gate.status, results.to_frame(), results.figure("ssim")  # doctest: +SKIP
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ihaudit.audit.data import load_data
from ihaudit.audit.options import AuditOptions
from ihaudit.audit.outcome import AuditResults
from ihaudit.audit.pipeline import run_audit
from ihaudit.audit.profiles import get_profile
from ihaudit.audit.progress import Lines, Reporter
from ihaudit.audit.setup import hidden
from ihaudit.audit.worker import AttackWorker
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.configure import configure, configure_game
from ihaudit.contracts.context import Context, derive_seed
from ihaudit.contracts.game import GameSetting
from ihaudit.contracts.view import Pairs, View
from ihaudit.environment import resolve_device
from ihaudit.errors import IhauditError, NotApplicable, UsageError
from ihaudit.results import Finding, read_arrays
from ihaudit.sandbox import Limits, SchemeProcess
from ihaudit.sandbox.loader import SchemeSource, locate, parse_sets
from ihaudit.sandbox.written import settings_of, source_of
from ihaudit.scheme import Knowledge, Scheme, implied
from ihaudit.verdict.gates import GateOptions

#: Images: where they are kept (a path, ``embedded``), an array (N, H, W, C), or (images, labels).
Images = str | os.PathLike[str] | ArrayLike | tuple[ArrayLike, ArrayLike]

_GATES = frozenset(f.name for f in fields(GateOptions))


def audit(
    scheme: str | os.PathLike[str] | type[Any] | Scheme,
    *,
    private: Images = "embedded",
    public: Images | None = None,
    similar: Images | None = None,
    attacks: Sequence[str] | None = None,
    games: Sequence[str] | None = None,
    sets: Mapping[str, object] | None = None,
    out: str | os.PathLike[str] | None = None,
    quiet: bool = True,
    **options: Any,
) -> AuditResults:
    """Audit a scheme, as `ihaudit run` does.

    Args:
        scheme: a scheme file, a reference scheme's name, a class of this program or notebook, or an instance of one
            (its fields are the parameters).
        private, public, similar: images: a path, an array (N, H, W, C) of uint8 or of floats in [0, 1], or
            (images, labels).
        attacks, games: ids to run, such as ``["unmix"]``; None for what the profile runs, ``["none"]`` for none.
        sets: parameters of the scheme by name.
        out: a folder to keep results, arrays and reports in; None keeps nothing on disk.
        quiet: False prints the progress.
        options: further ones of `ihaudit run`, by name: ``profile``, ``seed``, ``n_private``, ``knows``, ``device``,
            ``formats``, ``overwrite``, ..., and the bounds ``max_ssim``, ``quantile``, ``max_reid``, ``max_advantage``,
            ``strict``.

    Returns:
        The results; where they came to a missed gate nothing is raised: look at ``results.gate``.

    Raises:
        IhauditError: what `ihaudit run` ends with exit code 2 for, in one sentence.
    """
    known = {f.name for f in fields(AuditOptions)} | _GATES
    for name in options:
        if name not in known:
            from ihaudit.registry import suggest

            raise UsageError(f"audit() has no option {name!r}{suggest(name, known)}")
    source, own = _scheme(scheme)
    given = own | {k: _text(v) for k, v in (sets or {}).items()}
    bounds = {k: v for k, v in options.items() if k in _GATES}
    more = {k: _listed(v) for k, v in options.items() if k not in _GATES}
    with tempfile.TemporaryDirectory(prefix="ihaudit-") as folder:
        files = {"private": private, "public": public, "similar": similar}
        paths = {k: _kept(Path(folder), k, v) for k, v in files.items() if v is not None}
        asked = AuditOptions(
            scheme=source.origin,
            sets=tuple(f"{k}={v}" for k, v in given.items()),
            attacks=None if attacks is None else tuple(attacks),
            games=None if games is None else tuple(games),
            gates=GateOptions(**bounds),
            out=Path(folder) / "audit" if out is None else Path(out),
            **({"formats": () if out is None else ("html",)} | paths | more),
        )
        where, results = run_audit(asked, Reporter() if quiet else Lines(), source)
        return AuditResults.of(results, read_arrays(where), None if out is None else where)


def attack(
    name: str,
    encodings: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    image_range: tuple[float, float] = (0.0, 1.0),
    image_shape: tuple[int, int, int] | None = None,
    similar: ArrayLike | None = None,
    public_set: ArrayLike | None = None,
    pairs: tuple[ArrayLike, ArrayLike] | None = None,
    seed: int = 0,
    profile: str = "quick",
    device: str = "auto",
    timeout_s: float = 7200.0,
    hints: Mapping[str, Any] | None = None,
) -> AttackOutput:
    """Run one attack on arrays, in a process of its own.

    Args:
        name: its id, with options where wanted: ``"unmix"``, ``"carlini:recovery=em"``.
        encodings: (E, H, W, C), or (E, ...).
        labels: (E, classes) soft labels, (E,) class numbers, or None.
        image_range: the range that images had when they were mixed, such as (-1, 1).
        image_shape: (H, W, C) of the private images, where encodings are not of it.
        similar, public_set: (M, H, W, C) images in [0, 1] that the adversary has.
        pairs: (images, encodings) that belong together.
        seed, profile, device, timeout_s: as of `ihaudit run`.
        hints: facts that are stated publicly, such as ``{"n_private": 100}``.

    Returns:
        Its answer: ``images`` float32 (R, H, W, C) in [0, 1], ``confidence``, ``members``, ``sentence``, ...

    Raises:
        NotApplicable: the arrays are not of a kind that it addresses, or it needs what was not given.
        IhauditError: it failed, or there is none of that name.
    """
    configured = configure(name)
    given = {Knowledge.LABELS: labels, Knowledge.DISTRIBUTION: similar, Knowledge.PUBLIC_SET: public_set}
    knows = implied(k for k, v in (given | {Knowledge.PAIRS: pairs}).items() if v is not None)
    if lacks := sorted(k.value for k in frozenset(configured.needs) - knows):
        raise NotApplicable(f"{name} needs {', '.join(lacks)}, which was not given")
    rows = _floats(encodings, "encodings")
    view = View(
        encodings=rows,
        labels=None if labels is None else _one_hot(labels, len(rows)),
        image_range=image_range,
        knows=knows,
        similar=None if similar is None else _floats(similar, "similar"),
        public_set=None if public_set is None else _floats(public_set, "public_set"),
        pairs=None if pairs is None else Pairs(_floats(pairs[0], "pairs"), _floats(pairs[1], "pairs")),
        hints=dict(hints or {}),
        image_shape=image_shape or (tuple(rows.shape[1:]) if rows.ndim == 4 else None),
    )
    ctx = Context(seed=derive_seed(seed, "attack", name), device=resolve_device(device), profile=_profile(profile))
    with AttackWorker(timeout_s) as worker:
        run = worker.run(name, view, ctx)
    if run.not_applicable:
        raise NotApplicable(run.not_applicable)
    if run.output is None:
        raise IhauditError(f"{name} failed: {run.failure}")
    return run.output


def game(
    name: str,
    scheme: str | os.PathLike[str] | type[Any] | Scheme,
    *,
    private: Images = "embedded",
    public: Images | None = None,
    sets: Mapping[str, object] | None = None,
    seed: int = 0,
    profile: str = "quick",
    device: str = "auto",
) -> list[Finding]:
    """Play one game against a scheme.

    Args:
        name: its id, with options where wanted: ``"instance"``, ``"instance:learner=convolutional"``.
        scheme, private, public, sets: as of `audit`; games draw from images like the private ones.
        seed, profile, device: as of `ihaudit run`.

    Returns:
        Findings, the game's own first: ``findings[0].metrics["advantage"]``.

    Raises:
        NotApplicable: it cannot be played with this scheme or these images.
        IhauditError: the scheme failed, or there is no game of that name.
    """
    configured = configure_game(name)
    source, own = _scheme(scheme)
    given = own | {k: _text(v) for k, v in (sets or {}).items()}
    with tempfile.TemporaryDirectory(prefix="ihaudit-") as folder:
        paths = {"private": _kept(Path(folder), "private", private)}
        if public is not None:
            paths["public"] = _kept(Path(folder), "public", public)
        data = load_data(AuditOptions(scheme=source.origin, seed=seed, **paths), get_profile(profile))  # type: ignore[arg-type]
    with SchemeProcess(source, given, public=data.public.images, limits=Limits(), hidden=hidden()) as process:
        population, card = data.population(), process.card
        setting = GameSetting(
            encoder=process,
            images=population.images,
            labels=population.labels,
            n_classes=int(population.labels.max()) + 1,
            key=card.key,
            decomposable=card.decomposable,
            mechanism=card.mechanism,
            parameters=card.parameters,
        )
        ctx = Context(
            seed=derive_seed(seed, "game", name),
            device=resolve_device(device),
            profile=_profile(profile),
            options={"audit_seed": seed},
            encoder_s=get_profile(profile).encoder_s,
        )
        return list(configured.run(setting, ctx))


def _scheme(scheme: Any) -> tuple[SchemeSource, dict[str, str]]:
    """Where it comes from, and the parameters that it holds."""
    if isinstance(scheme, (str, os.PathLike)):
        return locate(os.fspath(scheme)), {}
    if isinstance(scheme, type):
        return source_of(scheme), {}
    return source_of(type(scheme)), settings_of(scheme)


def _text(value: object) -> str:
    """A parameter as ``--set`` writes it."""
    text = ",".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
    parse_sets([f"x={text}"])
    return text


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, (list, set)) else value


def _profile(name: str) -> Any:
    return get_profile(name).name


def _kept(folder: Path, name: str, images: Any) -> str:
    """Where the images are kept; arrays are written to `folder`, as the audit reads files."""
    if isinstance(images, (str, os.PathLike)):
        return os.fspath(images)
    labels = None
    if isinstance(images, tuple):
        if len(images) != 2:
            raise UsageError(f"{name} is a tuple of {len(images)}, expected (images, labels)")
        images, labels = images
    arrays = {"images": np.asarray(images)} | ({} if labels is None else {"labels": np.asarray(labels)})
    if arrays["images"].ndim not in (3, 4) or arrays["images"].dtype.kind not in "fui":
        raise UsageError(
            f"{name} is {arrays['images'].dtype} {arrays['images'].shape}, expected images (N, H, W, C), a path, or "
            "(images, labels)"
        )
    path = folder / f"{name}.npz"
    np.savez(path, allow_pickle=False, **arrays)
    return str(path)


def _floats(array: ArrayLike, name: str) -> Any:
    found = np.asarray(array)
    if found.dtype.kind not in "fuib" or found.ndim < 2 or not len(found):
        raise UsageError(f"{name} is {found.dtype} {found.shape}, expected numbers, a row for each image or encoding")
    found = found.astype(np.float32)
    if not np.isfinite(found).all():
        raise UsageError(f"{name} holds NaN or infinite values; give finite ones")
    return found


def _one_hot(labels: ArrayLike, rows: int) -> Any:
    found = np.asarray(labels)
    if found.ndim not in (1, 2) or len(found) != rows or found.dtype.kind not in "fuib":
        raise UsageError(
            f"labels is {found.dtype} {found.shape}, expected a row or a class for each of {rows} encodings"
        )
    if found.ndim == 1:
        if found.dtype.kind == "f" or found.min() < 0:
            raise UsageError(
                "labels of one dimension are class numbers, whole and from 0 on; give those, or soft labels"
            )
        found = np.eye(int(found.max()) + 1)[found]
    return found.astype(np.float32)

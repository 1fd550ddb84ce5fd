"""Stages of an audit kept on disk, so that a stopped or killed one loses at most the stage it was in.

A stage is one results `Finding` list plus its arrays, or plain arrays, under ``<out>/.work/<name>``; each is written
atomically, with a seal over it and the plan (`audit.seal`).  Another plan is refused; a stage without the seal, or one
that was made under another key, is made again, and that is said.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.audit.seal import same, seal
from ihaudit.contracts.view import Pairs
from ihaudit.errors import IhauditError, UsageError
from ihaudit.release import Provenance, Release
from ihaudit.results import Finding, atomic_path, atomic_write, read_results, remove_leftovers

Arrays = dict[str, NDArray[Any]]
#: What is said of a file without this user's seal.
FOREIGN = "carries no seal of this user on this machine: it was changed, or comes from elsewhere"
#: What of the plan is a digest of encodings of a few images.
TRIAL = "encodings of a trial"
#: Digests of the plan, and what it means where they differ.
MADE = {
    TRIAL: "the scheme encodes a few images otherwise, so that its code, what it imports or what it reads has changed",
    "program": "the program (another build of ihaudit) has changed",
}


class Checkpoints:
    """The ``.work`` folder of one audit; `tell` hears in a sentence what is not taken from it, and why."""

    def __init__(self, folder: Path, tell: Callable[[str], None] = lambda _: None) -> None:
        self.folder, self._tell, self._plan = folder / ".work", tell, ""

    def begin(self, plan: dict[str, Any], resume: bool) -> None:
        """Start afresh, or check that what lies there belongs to the same plan.

        Raises:
            UsageError: resuming with a plan that differs (the sentence names the first difference) or cannot be read,
                or another process writes to the folder.
        """
        path = self.folder / "plan.json"
        self._plan = json.dumps(plan, sort_keys=True, default=str)
        hold(self.folder.parent)
        remove_leftovers(self.folder.parent)
        if resume and path.exists():
            same_plan(_plan(path), plan)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
            atomic_write(path, json.dumps(plan, indent=1, default=str))
        _BEGUN.add(self.folder.parent)

    def _path(self, name: str, suffix: str) -> Path:
        return self.folder / (name.replace("/", "_").replace(":", "_") + suffix)

    def save_arrays(self, name: str, arrays: Arrays, meta: dict[str, Any] | None = None) -> None:
        """Keep arrays (no pickles) and a JSON-able dict under one name."""
        said = json.dumps(meta or {}).encode()
        told = seal(self._plan, name, said, arrays=arrays).encode()
        beside = {"__meta__": np.frombuffer(said, np.uint8), "__seal__": np.frombuffer(told, np.uint8)}
        # written as it is made: a release may take half the memory
        with atomic_path(self._path(name, ".npz")) as temporary, open(temporary, "wb") as file:
            np.savez(file, allow_pickle=False, **beside, **arrays)

    def load_arrays(self, name: str) -> tuple[Arrays, dict[str, Any]] | None:
        """What `save_arrays` kept under the same plan; None where that is damaged, or carries no seal."""
        path = self._path(name, ".npz")
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as z:
                arrays = {k: z[k] for k in z.files}
            said = arrays.pop("__meta__").tobytes()
            sealed = arrays.pop("__seal__").tobytes().decode() if "__seal__" in arrays else ""
            meta = json.loads(said.decode())
        except Exception:  # a damaged archive can raise nearly anything
            self._tell(f"{name} is made again: {path} is damaged")
            return None
        if not same(sealed, seal(self._plan, name, said, arrays=arrays)):
            self._tell(f"{name} is made again: {path} {FOREIGN}")
            return None
        return (arrays, meta) if isinstance(meta, dict) else None

    def has(self, name: str, key: str = "") -> bool:
        """Whether something is kept under this name and key."""
        kept = self.load_arrays(name)
        return kept is not None and kept[1].get("key") == key

    def findings(self, name: str, make: Callable[[], list[Finding]], key: str = "") -> list[Finding]:
        """The findings kept under one name and key, with their arrays; made and kept where there are none."""
        kept = self.load_arrays(name)
        if kept is not None and kept[1].get("key") != key:
            self._tell(f"{name} is made again: the release, or what was measured of the scheme, is another than it was")
        elif kept is not None:
            with contextlib.suppress(LookupError, TypeError, ValueError):  # damaged: made again
                return _unpack_findings(*kept)
        findings = make()
        arrays = {f"{i}/{k}": v for i, f in enumerate(findings) for k, v in f.arrays.items()}
        self.save_arrays(name, arrays, {"findings": [json.loads(f.model_dump_json()) for f in findings], "key": key})
        return findings

    def subfolder(self, name: str) -> Path:
        """A folder that one attack or game may keep its own checkpoints in."""
        path = self._path(name, "")
        path.mkdir(parents=True, exist_ok=True)
        return path

    def clear(self) -> None:
        """Remove everything (the audit is complete; results.json is the record)."""
        shutil.rmtree(self.folder, ignore_errors=True)


#: Folders that this process writes to, with the descriptors that hold them.
_HELD: dict[str, int] = {}


#: Folders that audits of this process were begun in.
_BEGUN: set[Path] = set()


def resumable() -> bool:
    """Whether an audit was begun in this process that --resume would go on with, or find complete."""
    return any((f / ".work" / "plan.json").exists() or (f / "results.json").exists() for f in _BEGUN)


def hold(folder: Path) -> None:
    """Keep other processes from writing to `folder`, which is made, until this one ends in whatever way.

    Raises:
        UsageError: another one does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = os.path.realpath(folder)
    if name in _HELD and os.path.samestat(os.fstat(_HELD[name]), os.stat(name)):
        return
    held = os.open(name, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise UsageError(
            f"another run writes to {folder} now; wait for it, or name another folder with --out"
        ) from None
    except OSError:  # a file system that knows no locks
        os.close(held)
        return
    if name in _HELD:
        os.close(_HELD[name])
    _HELD[name] = held


def let_go(folder: Path) -> None:
    """End `hold`: of thousands of audits in one process each would keep a descriptor."""
    descriptor = _HELD.pop(os.path.realpath(folder), None)
    if descriptor is not None:
        os.close(descriptor)


def refuse_held(folder: Path) -> None:
    """Refuse a folder that another process writes to; nothing is held after it that was not before.

    Raises:
        UsageError: another one does.
    """
    if os.path.realpath(folder) not in _HELD:
        hold(folder)
        let_go(folder)


def same_plan(old: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
    """Refuse to go on with an audit of something else.

    Raises:
        UsageError: names the first difference.
    """
    new = json.loads(json.dumps(plan, default=str))
    for key in dict.fromkeys([*new, *old]):  # in the order of the plan: causes before consequences
        was, now = old.get(key), new.get(key)
        if was == now:
            continue
        if key not in old:  # of an older build
            raise UsageError(f"cannot resume: it does not state its {key}; start afresh with --overwrite")
        if key in MADE:
            raise UsageError(f"cannot resume: {MADE[key]} since; start afresh with --overwrite")
        if isinstance(was, Mapping) and isinstance(now, Mapping):  # of many libraries the one that differs
            key = next(k for k in dict.fromkeys([*now, *was]) if was.get(k) != now.get(k))
            was, now = was.get(key), now.get(key)
        raise UsageError(
            f"cannot resume: {key} was {said(was)} and is now {said(now)}; repeat the original options, or start "
            "afresh with --overwrite"
        )


def said(value: object) -> str:
    """A value of a plan as one would say it: lists without brackets, None as `left out`."""
    if value is None:
        return "left out"
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) and value else repr(value)


def kept_plan(folder: Path) -> Mapping[str, Any]:
    """The plan of the audit that was stopped or finished in a folder; an empty one where none can be read."""
    try:
        if (folder / ".work" / "plan.json").exists():
            return _plan(folder / ".work" / "plan.json")
        plan = read_results(folder).options.get("plan")
    except IhauditError:
        return {}
    return plan if isinstance(plan, Mapping) else {}


def _plan(path: Path) -> dict[str, Any]:
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as e:
        plan = e
    if not isinstance(plan, dict):
        raise UsageError(f"cannot resume: {path} is damaged ({str(plan)[:100]}); start afresh with --overwrite")
    return plan


def _unpack_findings(arrays: Arrays, meta: dict[str, Any]) -> list[Finding]:
    findings = [Finding.model_validate(f) for f in meta["findings"]]
    for key, value in arrays.items():
        index, _, array = key.partition("/")
        findings[int(index)].arrays[array] = value
    return findings


def pack_release(release: Release, pairs: Pairs | None, encode_s: float) -> tuple[Arrays, dict[str, Any]]:
    """A release with provenance, and known pairs, as arrays and meta data for `Checkpoints.save_arrays`."""
    arrays = _public(release)
    if release.provenance is not None:
        arrays |= {f"provenance/{k}": v for k, v in vars(release.provenance).items() if v is not None}
    if pairs is not None:
        arrays |= {"pairs/images": pairs.images, "pairs/encodings": pairs.encodings}
        if pairs.labels is not None:
            arrays["pairs/labels"] = pairs.labels
        if pairs.release is not None:
            arrays |= {f"known/{k}": v for k, v in _public(pairs.release).items()}
    return arrays, {"image_range": list(release.image_range), "encode_s": encode_s}


def _public(release: Release) -> Arrays:
    arrays: Arrays = {"encodings": release.encodings}
    if release.labels is not None:
        arrays["labels"] = release.labels
    arrays |= {f"extra/{k}": v for k, v in release.extra.items()}
    return arrays | {f"raw/{k}": v for k, v in release.raw.items()}


def unpack_release(arrays: Arrays, meta: dict[str, Any]) -> tuple[Release, Pairs | None]:
    """The inverse of `pack_release`."""
    provenance = _under(arrays, "provenance/")
    release = _published(arrays, meta, Provenance(**provenance) if provenance else None)
    if "pairs/images" not in arrays:
        return release, None
    known = _under(arrays, "known/")
    beside = _published(known, meta, None) if known else None
    return release, Pairs(arrays["pairs/images"], arrays["pairs/encodings"], beside, arrays.get("pairs/labels"))


def _under(arrays: Arrays, prefix: str) -> Arrays:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def _published(arrays: Arrays, meta: dict[str, Any], provenance: Provenance | None) -> Release:
    low, high = meta["image_range"]
    extra, raw = _under(arrays, "extra/"), _under(arrays, "raw/")
    return Release(arrays["encodings"], arrays.get("labels"), (low, high), extra, provenance, raw)


def kept_release(checkpoints: Checkpoints) -> tuple[Release, Pairs | None, float] | None:
    """The release that was kept, known pairs, and the seconds that it took; None where there is none, or damaged."""
    kept = checkpoints.load_arrays("release")
    if kept is not None:
        with contextlib.suppress(LookupError, TypeError, ValueError):
            return *unpack_release(*kept), float(kept[1]["encode_s"])
    return None

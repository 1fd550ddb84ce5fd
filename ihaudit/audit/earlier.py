"""What an earlier, complete audit found is reused where nothing that it depends on has changed, unless --fresh.

Every attack, every game and the controls have a key: a digest of all that decides what they find.  A file
beside results.json keeps the keys, each with a seal over it and what was found, made with a secret of this user on this
machine: findings that somebody edited, or brought along with a scheme, are made again.  Attacks and games depend on the
release too, which shows what a scheme's file does not: modules that it imports, files that it reads.  So a scheme that
draws from the system's entropy has them run again; controls do not depend on it, only on what was measured of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ihaudit
from ihaudit.audit.checkpoint import TRIAL
from ihaudit.audit.plan import Item
from ihaudit.audit.seal import same, seal
from ihaudit.contracts.traits import Traits
from ihaudit.errors import ResultsError
from ihaudit.release import Release
from ihaudit.results import Finding, atomic_write, plain, read_arrays, read_results

#: File beside results.json that holds the keys, and what in `Finding.details` says where it was taken from.
ITEMS, REUSED = ".items.json", "reused"
#: What of the plan says which items there are, and not what one of them finds.
_OTHERS = ("attacks", "games")
#: What of it is the scheme's own, on which controls do not depend.
_SCHEME = ("scheme's name", "scheme's code", TRIAL, "parameters", "published release")


class Keys:
    """The keys of one audit's items.

    Args:
        plan: what the audit is of; see `--resume`.
        release: digest of the release that attacks see.
        traits: of the scheme.
    """

    def __init__(self, plan: Mapping[str, Any], release: str, traits: Traits | None) -> None:
        self._common = {k: v for k, v in plan.items() if k not in _OTHERS}
        self._release, self._traits = release, None if traits is None else asdict(traits)

    def item(self, item: Item) -> str:
        """Of an attack or a game."""
        return _digest([self._common, item.kind, item.spec, sorted(item.knows), self._release])

    def controls(self, running: Iterable[Item]) -> str:
        """Of all controls, which the `running` attacks and games are tried on."""
        common = {k: v for k, v in self._common.items() if k not in _SCHEME}
        return _digest([common, self._traits, [[i.kind, i.spec, sorted(i.knows)] for i in running]])

    def checks(self) -> str:
        """Of what is checked of the release itself."""
        return _digest([self._common, self._release])


class Earlier:
    """Findings of earlier audits by their keys.  Folders that hold none, or damaged ones, are passed over."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._found: dict[str, tuple[Path, str, list[Finding]]] = {}
        for folder in folders:
            try:
                items = json.loads((folder / ITEMS).read_text(encoding="utf-8"))
                results, arrays = read_results(folder), read_arrays(folder)
            except (ResultsError, OSError, ValueError, RecursionError):
                continue
            by_id = {f.id: f for f in results.findings}
            for name, value in arrays.items():
                id_, _, array = name.rpartition("/")
                if id_ in by_id:
                    by_id[id_].arrays[array] = value
            for row in items if isinstance(items, list) else []:
                try:
                    key, kept, findings = row["key"], row["seal"], [by_id[i] for i in row["findings"]]
                except (LookupError, TypeError):
                    continue
                if isinstance(key, str) and same(kept, seal_of(key, findings)):
                    self._found.setdefault(key, (folder, results.environment.finished, findings))

    def findings(self, key: str) -> list[Finding] | None:
        """What was found under this key, each saying where it was taken from; None where nothing was."""
        if key not in self._found:
            return None
        folder, when, findings = self._found[key]
        copies = [f.model_copy(deep=True) for f in findings]
        for finding in copies:
            finding.details.setdefault(REUSED, f"of the audit in {folder}, finished {when}")
        return copies


def earlier_folders(folder: Path, *, named: bool) -> list[Path]:
    """Folders whose complete audits may be reused: the one that is written to, and where it was not `named` its kin."""
    kin = [] if named else sorted(folder.parent.glob(f"{folder.name.rstrip('0123456789').rstrip('-')}*"))
    found = [p for p in dict.fromkeys([folder, *kin]) if (p / "results.json").is_file()]
    return sorted(found, key=lambda p: -(p / "results.json").stat().st_mtime)


def keep(folder: Path, found: Mapping[str, tuple[str, Sequence[Finding]]]) -> None:
    """Write what later audits need to know about this one.

    Args:
        folder: of its results.
        found: name of an item -> its key and its findings, as they were written.
    """
    rows = [
        {"item": name, "key": key, "findings": [f.id for f in findings], "seal": seal_of(key, findings)}
        for name, (key, findings) in sorted(found.items())
    ]
    atomic_write(folder / ITEMS, json.dumps(rows, indent=1) + "\n")


def seal_of(key: str, findings: Sequence[Finding]) -> str:
    """Over a key and what findings say, without where they were taken from, and over their arrays."""
    texts: list[str] = []
    arrays: dict[str, NDArray[Any]] = {}
    for i, finding in enumerate(findings):
        told_of = plain(finding.model_dump(warnings=False))
        told_of["details"].pop(REUSED, None)
        told_of.pop("requested")
        texts.append(json.dumps(told_of, sort_keys=True))
        arrays |= {f"{i}/{name}": array for name, array in finding.arrays.items()}
    return seal(key, *texts, arrays=arrays)


@cache
def code_digest() -> str:
    """Of this package: its code, and the names and sizes of its other files."""
    told, root = hashlib.sha256(), Path(ihaudit.__file__).parent
    for path in sorted(p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        told.update(f"{path.relative_to(root)} {path.stat().st_size}".encode())
        if path.suffix == ".py":
            told.update(path.read_bytes())
    return told.hexdigest()


def _digest(what: Any) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()


def release_digest(release: Release) -> str:
    """Of everything public of a release."""
    told = hashlib.sha256(repr(release.image_range).encode())
    parts = {"encodings": release.encodings, "labels": release.labels, **release.extra, **release.raw}
    for name, array in parts.items():
        if array is not None:
            told.update(f"{name} {array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return told.hexdigest()

"""What the folders of a sweep's points hold, whoever audited them, and sweep.json, .md, .html and .pdf made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ihaudit.audit.finished import sealed
from ihaudit.audit.options import AuditOptions
from ihaudit.audit.sweep.grid import Point
from ihaudit.audit.sweep.point import Failure, read_failure
from ihaudit.audit.sweep.table import Row, markdown, summary
from ihaudit.audit.sweep.worth import entries
from ihaudit.errors import IhauditError, ResultsError, UsageError
from ihaudit.report.formats import pdf
from ihaudit.report.sweep import page
from ihaudit.results import Results, atomic_write, read_results

#: Where the reasons are that are not said.
SEE_WHY = "the list of missing points in sweep.md, or each folder's failed.json, says why"


@dataclass(frozen=True)
class Missing:
    """A point without results, and why: it failed, or was not audited."""

    point: Point
    why: str
    failure: Failure | None = None


@dataclass(frozen=True)
class Collected:
    """The points of a grid that are done, and those that are not, each in the order of the grid.

    `unsealed`: names of done ones that carry no seal of this user on this machine.
    """

    rows: list[Row]
    missing: list[Missing]
    unsealed: tuple[str, ...] = ()

    def exit_code(self) -> int:
        """3 while points are missing; else 1 where any missed its gate, 3 where any is inconclusive, 0."""
        codes = {r.exit_code for r in self.rows}
        return 3 if self.missing else next((c for c in (1, 3) if c in codes), 0)

    def missed(self) -> list[dict[str, Any]]:
        """The missing points as sweep.json has them."""
        return [{"point": dict(m.point.values), "why": m.point.said(m.why)} for m in self.missing]

    def foreign(self) -> str:
        """What is said of the points without a seal; empty where all have one."""
        if not self.unsealed:
            return ""
        which = ", ".join(self.unsealed[:3]) + (", ..." if len(self.unsealed) > 3 else "")
        return (
            f"The results of {len(self.unsealed)} of {len(self.rows)} points ({which}) carry no seal of this user on "
            "this machine: they were changed, or come from elsewhere, and stand here as they are."
        )

    def error(self) -> IhauditError | None:
        """The first failure, which names its point, and says how many others there are; None where none failed."""
        failed = [(m.point, m.failure) for m in self.missing if m.failure]
        if not failed:
            return None
        point, failure = failed[0]
        first = replace(failure, sentence=point.said(failure.sentence)).exception(at=point.name)
        if len(failed) > 1:
            more = f"{first} ({len(failed) - 1} more failed; {SEE_WHY})"
            first = type(first)(more)
            first.exit_code = failed[0][1].exit_code
        return first


def collect(
    points: Sequence[Point], folder: Path, options: AuditOptions, failures: Mapping[Point, Failure] | None = None
) -> Collected:
    """What `folder` holds of the points.

    Args:
        points: of the grid, or of a share of it.
        folder: of the sweep.
        options: that the points must have been audited with.
        failures: known beside those that were written: a full disk keeps no reason.

    Raises:
        UsageError: two points were audited in ways that do not compare: by another version, profile, seed, images.
    """
    rows: list[Row] = []
    missing: list[Missing] = []
    unsealed = []
    for point in points:
        at = point.folder(folder)
        if failures and point in failures and (at / "results.json").exists():  # they are of something else
            missing.append(Missing(point, failures[point].sentence, failures[point]))
            continue
        try:
            results = read_results(at)
        except ResultsError as e:
            failure = read_failure(at) or (failures or {}).get(point)
            damaged = f"{e}" if (at / "results.json").exists() else "it was not audited, or is not finished"
            missing.append(Missing(point, failure.sentence if failure else damaged, failure))
            continue
        _agree(point, results, options)
        rows.append(Row.of(point, results, at.name, options.prices()))
        unsealed += [] if sealed(at) else [point.name]
    other = next((row for row in rows if row.audited != rows[0].audited), None)
    if other is not None:
        one = rows[0]
        what = next(k for (k, a), (_, b) in zip(one.audited, other.audited) if a != b)
        a, b = dict(one.audited)[what], dict(other.audited)[what]
        raise UsageError(
            f"{one.point.name} and {other.point.name} do not compare: {what} was {a} and {b}; audit one of them "
            "again, in a fresh folder"
        )
    return Collected(rows, missing, tuple(unsealed))


def _agree(point: Point, results: Results, options: AuditOptions) -> None:
    """Refuse a point of another sweep.

    Raises:
        UsageError: its scheme's parameters, profile, seed, bounds, attacks or games are not those that are asked for.
    """
    asked = [*options.sets, *(f"{k}={v}" for k, v in point.values)]
    gates = asdict(options.gates)
    kept = {"sets": asked, "gates": gates, "attacks": options.attacks, "games": options.games} | results.options
    bounds = kept["gates"] if isinstance(kept["gates"], Mapping) else {}
    for what, was, now in (
        ("--set", sorted(kept["sets"]), sorted(asked)),
        ("--profile", results.profile, options.profile),
        ("--seed", results.seed, options.seed),
        ("--attack", _listed(kept["attacks"]), _listed(options.attacks)),
        ("--game", _listed(kept["games"]), _listed(options.games)),
        *((f"--{k.replace('_', '-')}", bounds.get(k), v) for k, v in gates.items()),
    ):
        if was != now:
            raise UsageError(
                f"{point.name} was audited {_said(what, was)}, not {_said(what, now)}; repeat the original options, or "
                "name another folder with --out"
            )


def _listed(names: Sequence[str] | None) -> list[str]:
    return [] if names is None else list(names)


def _said(option: str, value: object) -> str:
    """``with --seed 3``, ``without --attack``."""
    values = value if isinstance(value, list) else [] if value is None else [value]
    return f"with {option} {' and '.join(map(str, values))}" if values else f"without {option}"


def write(found: Collected, folder: Path) -> list[Path]:
    """Write sweep.json, .md, .html, and .pdf where PDF can be made here; nothing where no point is done.

    Returns:
        What is to be looked at.
    """
    if not found.rows:
        return []
    data = summary(found.rows, found.missed()) | {"parameters": entries(found.rows), "note": found.foreign()}
    sentences = [*(p["sentence"] for p in data["parameters"]), *filter(None, [found.foreign()])]
    atomic_write(folder / "sweep.json", json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    atomic_write(folder / "sweep.md", markdown(found.rows, found.missed(), sentences))
    html = page(data, folder)
    atomic_write(folder / "sweep.html", html)
    written = [folder / "sweep.json", folder / "sweep.html"]
    if pdf.check() is None:
        atomic_write(folder / "sweep.pdf", pdf.printed(html))
        written.append(folder / "sweep.pdf")
    return written

"""Controls, and reasons to trust this audit less, looked for one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section
from ihaudit.report import details, words
from ihaudit.report.selection import best_baseline, strongest_attack, value

#: Fewer private images than this make quantiles and re-identification rates coarse.
FEW_IMAGES = 30


@dataclass(frozen=True)
class Flag:
    """One reason; ``serious`` ones take the ground from under a verdict, ``note`` ones limit its reach."""

    level: Literal["serious", "note"]
    text: str


@section("controls", "Controls and reliability", order=70)
def build(source: Source) -> dict[str, Any]:
    return {
        "controls": source.results.of_kind("control"),
        "control_parts": _parts(source),
        "flags": raised(source),
    }


def raised(source: Source) -> list[Flag]:
    """All flags that this audit raises."""
    flags = [*_controls(source), *_strength(source), *_games(source), *_gate(source), *_sample(source)]
    for finding in source.results.findings:
        flags += [Flag("note", f"“{finding.title}”: {s}") for s in details.sentences(finding, "flags")]
        note = finding.details.get("pairing_note")
        if isinstance(note, str):
            flags.append(Flag("note", f"“{finding.title}”: {words.clause(note)}"))
    return flags


def _parts(source: Source) -> list[dict[str, Any]]:
    """What each attack and game made of each control, one row each."""
    rows = []
    for f in source.results.of_kind("control"):
        table = f.details.get("table")
        parts = table.get("rows") if isinstance(table, dict) else None
        for part in parts if isinstance(parts, list) else []:
            if isinstance(part, (list, tuple)) and len(part) == 4 and part[2] in words.STATUS_SIGN:
                rows.append({"control": f.title, "by": str(part[0]), "status": part[2], "seen": str(part[3])})
    return rows


def _controls(source: Source) -> list[Flag]:
    controls = source.results.of_kind("control")
    if all(c.status == "not run" for c in controls):
        return [Flag("serious", "No control was run: whether the audit can tell broken from unbroken here is unknown.")]
    failed = [c for c in controls if c.status == "inconclusive"]
    missing = [c for c in controls if c.status == "not run"]
    return [
        *[
            Flag("serious", f"{c.title} did not come out as it must: {words.clause(c.reason or c.sentence)}")
            for c in failed
        ],
        *[Flag("note", f"{c.title} did not run: {words.clause(c.reason)}") for c in missing],
    ]


def _strength(source: Source) -> list[Flag]:
    attack, base = strongest_attack(source.results), best_baseline(source.results)
    if attack is None:
        return [Flag("serious", "No reconstruction attack was scored.")]
    if base is None:
        return [Flag("note", "No trivial baseline stands beside the attacks.")]
    reached, guessed = value(attack, "ssim"), value(base, "ssim")
    if reached is not None and guessed is not None and reached <= guessed:
        return [
            Flag(
                "note",
                f"The strongest attack ({attack.title}, SSIM {words.number(reached)}) is no better than a trivial "
                "guess "
                f"({base.title}, {words.number(guessed)}): its result says as much about the attack as about the "
                "scheme.",
            )
        ]
    return []


def _games(source: Source) -> list[Flag]:
    flags = []
    for f in source.results.of_kind("game"):
        floor, e = details.floor(f), f.metrics.get("advantage")
        if floor and floor.value is not None and e and e.high is not None and floor.value > e.high:
            flags.append(
                Flag(
                    "serious",
                    f"“{f.title}”: the floor that the theorem predicts ({words.number(floor.value)}) lies above the "
                    "measured "
                    f"interval (up to {words.number(e.high)}): the audit itself is wrong somewhere.",
                )
            )
        epsilon = details.epsilon(f)
        if epsilon and "ceiling)" in epsilon.text and "could" not in epsilon.text:
            flags.append(Flag("note", f"“{f.title}”: epsilon is at its ceiling; more trials would show a larger one."))
    return flags


def _gate(source: Source) -> list[Flag]:
    gate = source.results.gate
    e, bound = gate.measured, gate.bound
    if e is None or bound is None or e.low is None or e.high is None:
        return []
    if e.low <= bound <= e.high:
        return [
            Flag(
                "note",
                f"The gate's bound ({words.number(bound)}) lies inside the interval of its statistic "
                f"({words.interval(e)}): another sample of images might fall on the other side.",
            )
        ]
    return []


def _sample(source: Source) -> list[Flag]:
    results, flags = source.results, []
    if results.private and results.private.count < FEW_IMAGES:
        flags.append(
            Flag(
                "note", f"Only {results.private.count} private images: quantiles and rates are coarse, intervals wide."
            )
        )
    if results.release and not results.release.has_provenance:
        flags.append(
            Flag(
                "note",
                "The scheme does not say which image is in which encoding; reconstructions were matched to private "
                "images "
                "by assignment, which flatters attacks a little (the matched decoys show by how much).",
            )
        )
    if results.profile == "quick":
        flags.append(Flag("note", "Preset quick: budgets are those of a pull request; standard and full try harder."))
    return flags

"""Controls, and reasons to trust this audit less, looked for one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section
from ihaudit.report import details, words
from ihaudit.report.selection import best_baseline, strongest_attack, value
from ihaudit.results import Results

#: Fewer private images than this make quantiles and re-identification rates coarse.
FEW_IMAGES = 30


@dataclass(frozen=True)
class Flag:
    """One reason; ``serious`` ones take the ground from under a verdict, ``note`` ones limit its reach."""

    level: Literal["serious", "note"]
    text: str


#: Reasons in the reviewer's part; the rest are listed in the annex on controls.
SHOWN = 6


@section("controls", "Controls and reliability", order=70)
def build(source: Source) -> dict[str, Any]:
    # What takes the ground from under a verdict is never among those that are only counted.
    flags = sorted(raised(source), key=lambda f: f.level != "serious")
    return {
        "controls": source.results.of_kind("control"),
        "flags": flags[:SHOWN],
        "more_flags": [f.text for f in flags[SHOWN:]],
    }


def raised(source: Source) -> list[Flag]:
    """All flags that this audit raises."""
    results = source.results
    return [
        *_controls(results),
        *_strength(results),
        *_games(results),
        *_gate(results),
        *_sample(results),
        *_own(results),
    ]


def _controls(results: Results) -> Iterator[Flag]:
    controls = results.of_kind("control")
    if all(c.status == "not run" for c in controls):
        yield Flag("serious", "No control was run: whether the audit can tell broken from unbroken here is unknown.")
        return
    for c in controls:
        if c.status == "inconclusive":
            yield Flag("serious", f"{c.title} did not come out as it must: {words.clause(c.reason or c.sentence)}")
    for c in controls:
        if c.status == "not run":
            yield Flag("note", f"{c.title} did not run: {words.clause(c.reason)}")


def _strength(results: Results) -> Iterator[Flag]:
    attack, base = strongest_attack(results), best_baseline(results)
    if attack is None:
        yield Flag("serious", "No reconstruction attack was scored.")
        return
    if base is None:
        yield Flag("note", "No trivial baseline stands beside the attacks.")
        return
    reached, guessed = value(attack, "ssim"), value(base, "ssim")
    if reached is not None and guessed is not None and reached <= guessed:
        text = (
            f"The strongest attack ({attack.title}, SSIM {words.number(reached)}) is no better than a trivial guess "
            f"({base.title}, {words.number(guessed)}): its result says as much about the attack as about the scheme."
        )
        yield Flag("note", text)


def _games(results: Results) -> Iterator[Flag]:
    for f in results.of_kind("game"):
        floor, e, epsilon = details.floor(f), f.metrics.get("advantage"), details.epsilon(f)
        if floor and floor.value is not None and e and e.high is not None and floor.value > e.high:
            text = (
                f"“{f.title}”: the floor that the theorem predicts ({words.number(floor.value)}) lies above the "
                f"measured interval (up to {words.number(e.high)}): the audit itself is wrong somewhere."
            )
            yield Flag("serious", text)
        if epsilon and epsilon.at_ceiling:
            yield Flag("note", f"“{f.title}”: epsilon is at its ceiling; more trials would show a larger one.")


def _gate(results: Results) -> Iterator[Flag]:
    e, bound = results.gate.measured, results.gate.bound
    if e is None or bound is None or e.low is None or e.high is None or not e.low <= bound <= e.high:
        return
    text = (
        f"The gate's bound ({words.number(bound)}) lies inside the interval of its statistic "
        f"({words.interval(e)}): another sample of images might fall on the other side."
    )
    yield Flag("note", text)


def _sample(results: Results) -> Iterator[Flag]:
    if results.private and results.private.count < FEW_IMAGES:
        few = f"Only {results.private.count} private images"
        yield Flag("note", f"{few}: quantiles and rates are coarse, intervals wide.")
    if results.release and not results.release.has_provenance:
        text = (
            "The scheme does not say which image is in which encoding; reconstructions were matched to private images "
            "by assignment, which flatters attacks a little (the matched decoys show by how much)."
        )
        yield Flag("note", text)
    if results.profile == "quick":
        yield Flag("note", "Profile quick: budgets are those of a pull request; standard and full try harder.")


def _own(results: Results) -> Iterator[Flag]:
    """What findings raise themselves."""
    for f in results.findings:
        yield from (Flag("note", f"“{f.title}”: {s}") for s in details.sentences(f, "flags"))
        if isinstance(text := f.details.get("pairing_note"), str):
            yield Flag("note", f"“{f.title}”: {words.clause(text)}")

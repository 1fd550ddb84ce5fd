"""`ihaudit challenge`: read a release, attack it as an audit does, write the challenge's files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ihaudit.audit.code import Code, opened
from ihaudit.audit.image_range import in_found_range
from ihaudit.audit.plan import Item, plan_items, training_note
from ihaudit.audit.progress import Reporter, Stages
from ihaudit.audit.record import image_card, release_card
from ihaudit.audit.record import write as write_record
from ihaudit.audit.run_item import run_item
from ihaudit.audit.setup import Setup, prepare
from ihaudit.audit.worker import AttackWorker
from ihaudit.challenge.answer import Answer, decryption, recovered
from ihaudit.challenge.npy import save_blocks
from ihaudit.challenge.options import FILES, KIND, ChallengeOptions, Outcome
from ihaudit.challenge.release import ReadRelease, in_range, read_release
from ihaudit.challenge.subject import Published, hints, images, lacking
from ihaudit.contracts.context import Context
from ihaudit.errors import UsageError
from ihaudit.images import ImageSet
from ihaudit.results import Cost, Finding, Results, SchemeCard
from ihaudit.sandbox.loader import locate
from ihaudit.verdict.decide import decide_challenge

#: Mean confidence below which the best answer is tried again without labels, and what it must gain by that.
POOR, GAIN = 0.4, 0.03
SET_ASIDE = "The labels were set aside: without them the attack expects more of its own images."


def run_challenge(options: ChallengeOptions, reporter: Reporter) -> Outcome:
    """Attack a release without its scheme.

    Raises:
        IhauditError: files or options that do not fit; nothing is written then.
    """
    wall = time.perf_counter()
    setup = prepare(options, f"challenge-{options.encryption.stem}")
    _protect(setup.folder, options)
    reporter.stage(f"read {options.encryption}", 1, 1)
    read = read_release(options.encryption, options.label, options.shape, options.image_range)
    public = images(options.public_set, "public", read)
    known: dict[str, Any] = {
        "public": public,
        "similar": images(options.similar, "similar", read),
        "hints": hints(options, read),
    }
    shape = " x ".join(map(str, read.layout.shape))
    reporter.done(f"{len(read.release.encodings):,} encodings of {shape}, {read.dtype}, as {read.layout.name}")
    ranged = None
    if options.image_range is None:
        moved, ranged = in_found_range(Published.of(read, None, **known), stated=read.stated)
        read = in_range(read, moved.release.image_range if ranged else None)
        known["channel_range"] = moved.channel_range
    for note in [*read.notes, *([ranged.sentence] if ranged else [])]:
        reporter.note(note)
    with AttackWorker(options.attack_timeout_s) as worker, _code(options, setup, public) as code:
        subject, root = Published.of(read, code, **known), setup.context(reporter)
        items = plan_items({"attack": options.attacks}, setup.profile, [subject.knows()], lacking)
        if note := training_note(options, items):
            reporter.note(note)
        stages = Stages(reporter, sum(not i.reason for i in items) + 1)
        ran: dict[str, Item] = {}
        findings: list[Finding] = [ranged] if ranged else []
        for item in items:
            if item.reason:
                findings.append(item.not_run(item.reason))
                continue
            stages.begin(f"attack {item.spec}")
            findings += run_item(item, subject, worker, root)
            ran[findings[-1].id] = item
            reporter.done(findings[-1].sentence or findings[-1].reason or findings[-1].status)
        if subject.answers and _labels_may_hurt(subject):
            best = max(subject.answers, key=lambda k: subject.answers[k].strength)
            stages.begin(f"attack {ran[best].spec} without labels")
            again = _without_labels(ran[best], subject, worker, root)
            if again is not None:
                findings = [again if f.id == best else f for f in findings]
                read.notes.append(SET_ASIDE)
            reporter.done(SET_ASIDE if again is not None else "labels help")
    stages.begin("write")
    by = max(subject.answers, key=lambda k: subject.answers[k].strength, default="")
    results = _results(options, setup, subject, findings, by)
    results.cost = Cost(wall_s=time.perf_counter() - wall, cpu_s=sum(f.cost.cpu_s for f in findings))
    outcome = Outcome(setup.folder, results, subject.answers.get(by), by)
    if outcome.answer is not None:
        outcome.written = _write_files(setup.folder, outcome.answer, read)
    write_record(setup.folder, results, options, {})
    outcome.written.append(setup.folder / "results.json")
    reporter.done(f"{setup.folder}")
    return outcome


def _labels_may_hurt(subject: Published) -> bool:
    """Whether the labels' form is a guess, or the best answer expects little of its images."""
    best = max(subject.answers.values(), key=lambda a: a.strength)
    poor = best.estimated and float(best.confidence.mean()) < POOR
    return subject.release.labels is not None and best.output.broke is not True and (poor or subject.read.doubtful)


def _without_labels(item: Item, subject: Published, worker: AttackWorker, root: Context) -> Finding | None:
    """The attack once more without labels, where it then expects more of its images; its answer replaces the other."""
    release = replace(subject.release, labels=None)
    bare = replace(subject, release=release, read=replace(subject.read, release=release), answers={})
    again = run_item(item, bare, worker, root)[-1]
    with_labels, without = subject.answers[again.id], bare.answers.get(again.id)
    if without is None or without.estimated != with_labels.estimated:
        return None
    if without.estimated:
        gain = float(without.confidence.mean()) - float(with_labels.confidence.mean())
    else:
        gain = (without.overall or 0.0) - (with_labels.overall or 0.0)
    if gain < GAIN:
        return None
    subject.answers[again.id] = without
    again.details["flags"] = [*again.details.get("flags", []), SET_ASIDE]
    return again


def _protect(folder: Path, options: ChallengeOptions) -> None:
    """Refuse to replace files that are not an earlier run's, whatever the options say."""
    ours = (folder / "results.json").exists()
    there = [name for name in FILES if (folder / name).exists()]
    if there and not (ours and options.overwrite):
        raise UsageError(f"{folder} holds a {there[0]} already, perhaps the truth; name another folder with --out")


@contextmanager
def _code(options: ChallengeOptions, setup: Setup, public: ImageSet | None) -> Iterator[Code | None]:
    """The code that ``--scheme`` names, or None."""
    if options.scheme is None:
        for name, value in (("--set", options.sets), ("--n-public", options.n_public)):
            if value:
                raise UsageError(f"{name} says something of the scheme; name it too, with --scheme")
        yield None
        return
    with opened(locate(options.scheme), setup, public, n_public=options.n_public, global_seeds=True) as code:
        yield code


def _results(options: ChallengeOptions, setup: Setup, subject: Published, findings: list[Finding], by: str) -> Results:
    read = subject.read
    name = options.encryption.parent.absolute().name or options.encryption.stem
    return Results(
        name=name,
        profile=options.profile,
        seed=options.seed,
        options={
            "kind": KIND,
            "answer_by": by,
            "n_private": options.n_private,
            "private_per_encoding": options.private_per_encoding,
            "scheme": options.scheme,
            "sets": list(options.sets),
            "n_public": options.n_public,
            "attacks": options.attacks,
            "training_steps": options.training_steps,
            "layout": read.layout.name,
            "notes": read.notes,
            "files": list(FILES) if by else [],
        },
        scheme=SchemeCard(
            name=name,
            source=options.encryption.name,
            sha256=read.sha256,
            doc="A release without its scheme: encodings, and what was said about them on the command line.",
        ),
        release=release_card(read.release, dtype=str(read.dtype), sha256=read.sha256),
        public=image_card(subject.public),
        similar=image_card(subject.similar),
        adversary=sorted(subject.knows()),
        findings=findings,
        gate=decide_challenge(findings, bool(by)),
        price_per_hour=options.prices(),
        environment=setup.environment(),
    )


def _write_files(folder: Path, answer: Answer, read: ReadRelease) -> list[Path]:
    """The challenge's files, in the release's layout and type."""
    private, pairs = recovered(answer, read), answer.members
    save_blocks(folder / "private.npy", private.shape, read.dtype, [private])
    save_blocks(folder / "pairs.npy", pairs.shape, np.int64, [pairs])
    save_blocks(folder / "coefficients.npy", pairs.shape, np.float32, [answer.coefficients])
    save_blocks(folder / "confidence.npy", answer.confidence.shape, np.float32, [answer.confidence])
    save_blocks(folder / "decryption.npy", (len(answer.pick), *read.layout.row), read.dtype, decryption(answer, read))
    return [folder / name for name in FILES]

"""The pipeline of `ihaudit challenge`: read a release, attack it in a worker process, write the challenge's files."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ihaudit import environment, registry
from ihaudit.audit.folder import output_folder
from ihaudit.audit.pipeline import AuditOptions
from ihaudit.audit.plan import Item, plan_items, training_note
from ihaudit.audit.profiles import Profile, get_profile
from ihaudit.audit.progress import Reporter
from ihaudit.audit.store import NETWORKS, FolderStore, training_options
from ihaudit.audit.view import described
from ihaudit.audit.worker import AttackWorker
from ihaudit.challenge.answer import Answer
from ihaudit.challenge.code import Code, opened
from ihaudit.challenge.findings import challenge_finding
from ihaudit.challenge.options import FILES, ChallengeOptions, Outcome
from ihaudit.challenge.output import challenge_results, write
from ihaudit.challenge.release import ReadRelease, read_release
from ihaudit.contracts.context import Context, derive_seed
from ihaudit.contracts.view import View
from ihaudit.errors import ImageError, UsageError
from ihaudit.images import ImageSet, load
from ihaudit.report.formats import pdf
from ihaudit.results import Cost, Finding
from ihaudit.scheme import Knowledge, implied


def run_challenge(options: ChallengeOptions, reporter: Reporter) -> Outcome:
    """Attack a release without its scheme.

    Raises:
        IhauditError: files or options that do not fit; nothing is written then.
    """
    started, wall = datetime.now(UTC), time.perf_counter()
    profile = get_profile(options.profile)
    device = environment.resolve_device(options.device)
    if "pdf" in options.formats and (problem := pdf.check()):
        raise UsageError(f"{problem}; or leave the PDF out with --format html")
    for name in options.formats:
        registry.get("format", name)
    folder = _folder(options)
    reporter.stage(f"read {options.encryption}", 1, 1)
    read = read_release(options.encryption, options.label, options.shape, options.image_range)
    public, similar = (_images(options, read, role) for role in ("public", "similar"))
    hints = _hints(options, read)
    shape = " x ".join(map(str, read.layout.shape))
    reporter.done(f"{len(read.release.encodings):,} encodings of {shape}, {read.dtype}, as {read.layout.name}")
    for note in read.notes:
        reporter.note(note)
    findings: list[Finding] = []
    answers: dict[str, Answer] = {}
    with AttackWorker(options.attack_timeout_s) as worker, opened(options, read, public, folder) as code:
        items = _items(options, profile, read, public, similar, code)
        if note := training_note(options.train, items):
            reporter.note(note)
        to_run = [i for i in items if not i.reason]
        for item in items:
            if item.reason:
                findings.append(item.not_run())
                continue
            reporter.stage(f"attack {item.spec}", 1 + to_run.index(item), len(to_run) + 1)
            view = _view(read, item.knows, public, similar, hints, code)
            seed = derive_seed(options.seed, "attack", item.spec)
            ctx = Context(
                seed=seed,
                device=device,
                profile=profile.name,
                progress=reporter.update,
                options=training_options(options),
                store=FolderStore(folder / NETWORKS),
            )
            encoder, replays = (code.scheme, code.replays) if code is not None else (None, None)
            run = worker.run(item.spec, view, ctx, encoder, reporter.update, replays)
            finding, answer = challenge_finding(item, run, read)
            findings.append(finding)
            if answer is not None:
                answers[item.spec] = answer
            reporter.done(finding.sentence or finding.reason or finding.status)
    reporter.stage("write", len(to_run) + 1, len(to_run) + 1)
    by = max(answers, key=lambda k: answers[k].strength, default="")
    outcome = Outcome(
        folder,
        challenge_results(options, read, public, similar, items, findings, by, device, started),
        answers.get(by),
        by,
    )
    outcome.results.cost = Cost(wall_s=time.perf_counter() - wall, cpu_s=sum(f.cost.cpu_s for f in findings))
    write(options, read, outcome)
    reporter.done(f"{folder}")
    return outcome


# -- input --------------------------------------------------------------------------------------------------------


def _folder(options: ChallengeOptions) -> Path:
    """Where to write; refuses to replace files that are not an earlier run's, whatever the options say."""
    plain = AuditOptions(scheme="", out=options.out, overwrite=options.overwrite)
    folder, _ = output_folder(plain, f"challenge-{options.encryption.stem}")
    ours = (folder / "results.json").exists()
    there = [name for name in FILES if (folder / name).exists()]
    if there and not (ours and options.overwrite):
        raise UsageError(f"{folder} holds a {there[0]} already, perhaps the truth; name another folder with --out")
    return folder


def _images(options: ChallengeOptions, read: ReadRelease, role: Literal["public", "similar"]) -> ImageSet | None:
    """The images of --public-set or --similar, of the release's shape."""
    spec = options.public_set if role == "public" else options.similar
    if spec is None:
        return None
    h, w, c = read.layout.shape
    found = load(spec, role=role, size=h)
    if found.images.shape[1:] != (h, w, c):
        size = " x ".join(map(str, found.images.shape[1:]))
        option, which = ("--public-set", "the very images") if role == "public" else ("--similar", "such images")
        raise ImageError(f"{option} holds images of {size}, the release of {h} x {w} x {c}; give {which}")
    return found


def _hints(options: ChallengeOptions, read: ReadRelease) -> dict[str, Any]:
    e = len(read.release.encodings)
    hints: dict[str, Any] = {}
    if options.n_private is not None:
        if not 2 <= options.n_private <= 2 * e:
            raise UsageError(
                f"--n-private {options.n_private}: {e} encodings hold at least 2 and at most {2 * e} images"
            )
        hints["n_private"] = options.n_private
    if options.private_per_encoding is not None:
        if not 1 <= options.private_per_encoding <= 16:
            raise UsageError(f"--private-per-encoding {options.private_per_encoding} must lie in 1..16")
        hints["private_per_encoding"] = options.private_per_encoding
    return hints


def _items(
    options: ChallengeOptions,
    profile: Profile,
    read: ReadRelease,
    public: ImageSet | None,
    similar: ImageSet | None,
    code: Code | None,
) -> list[Item]:
    """Attacks as `ihaudit run` plans them, for an adversary who has these files."""
    has = [Knowledge.ENCODINGS]
    has += [Knowledge.LABELS] if read.release.labels is not None else []
    has += [Knowledge.PUBLIC_SET] if public is not None else []
    has += [Knowledge.DISTRIBUTION] if similar is not None else []
    has += [Knowledge.CODE] if code is not None else []
    plain = AuditOptions(scheme="", attacks=options.attacks, games=("none",), profile=options.profile)
    items = [i for i in plan_items(plain, profile, implied(has), []) if i.kind == "attack"]
    lacks = {
        "labels": "label.npy",
        "public set": "--public-set",
        "distribution": "--similar",
        "code": "--scheme",
        "oracle": "--scheme",
    }
    out = []
    for item in items:
        if item.reason.startswith("the claim's adversary lacks"):
            missing = sorted(k.value.replace("_", " ") for k in item.needs - implied(has))
            wanted = " and ".join(f"{m} ({lacks[m]})" if m in lacks else m for m in missing)
            item = replace(item, reason=f"it needs {wanted}, which this release does not come with")
        out.append(item)
    return out


def _view(
    read: ReadRelease,
    knows: frozenset[Knowledge],
    public: ImageSet | None,
    similar: ImageSet | None,
    hints: dict[str, Any],
    code: Code | None,
) -> View:
    release = read.release
    known = similar if Knowledge.DISTRIBUTION in knows else None
    return View(
        encodings=release.encodings,
        labels=release.labels if Knowledge.LABELS in knows else None,
        image_range=release.image_range,
        knows=knows,
        similar=known.images if known is not None else None,
        similar_labels=known.labels if known is not None else None,
        public_set=public.images if public is not None and Knowledge.PUBLIC_SET in knows else None,
        code=described(code.card) if code is not None and Knowledge.CODE in knows else None,
        hints=hints,
    )

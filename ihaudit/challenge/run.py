"""The pipeline of `ihaudit challenge`: read a release, attack it in a worker process, write the challenge's files."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ihaudit import environment, registry, verdict
from ihaudit.attacks.base import View
from ihaudit.audit import AuditOptions
from ihaudit.challenge.answer import Answer, decryption, judge, recovered
from ihaudit.challenge.layout import Shape
from ihaudit.challenge.npy import save_blocks
from ihaudit.challenge.release import ReadRelease, read_release
from ihaudit.context import Context, derive_seed
from ihaudit.errors import ImageError, UsageError
from ihaudit.folder import output_folder
from ihaudit.images import ImageSet, load
from ihaudit.nn.weights import digests
from ihaudit.plan import Item, plan_items
from ihaudit.profiles import Profile, get_profile
from ihaudit.progress import Reporter
from ihaudit.report import pdf, render
from ihaudit.results import (
    Cost,
    Finding,
    Gate,
    ImageCard,
    ReleaseCard,
    Results,
    SchemeCard,
    read_results,
    write_results,
)
from ihaudit.scheme import Knowledge, implied
from ihaudit.stats import Estimate
from ihaudit.verdict import GateOptions
from ihaudit.worker import AttackRun, AttackWorker

KIND = "challenge"
FILES = ("decryption.npy", "private.npy", "pairs.npy", "coefficients.npy", "confidence.npy")
#: Candidates kept in arrays.npz for the report, the most confident ones and the rest evenly.
SHOWN = 200
NO_TRUTH = "the release came without its private images, so no reconstruction could be compared with the truth"


@dataclass(frozen=True)
class ChallengeOptions:
    """Everything that `ihaudit challenge` can be told; see its ``--help``."""

    encryption: Path
    label: Path | None = None
    out: Path | None = None
    n_private: int | None = None
    private_per_encoding: int | None = None
    attacks: tuple[str, ...] | None = None
    profile: str = "quick"
    public_set: str | None = None
    image_range: tuple[float, float] | None = None
    shape: Shape | None = None
    seed: int = 0
    device: str = "auto"
    attack_timeout_s: float = 7200.0
    formats: tuple[str, ...] = ("html", "pdf")
    samples: bool = True
    overwrite: bool = False
    command: str = ""


@dataclass(eq=False)
class Outcome:
    """What a challenge run left behind: the folder, the results, and the answer written (None: nothing answered)."""

    folder: Path
    results: Results
    answer: Answer | None
    by: str = ""
    written: list[Path] = field(default_factory=list)


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
    public = _public(options, read)
    hints = _hints(options, read)
    items = _items(options, profile, read, public)
    shape = " x ".join(map(str, read.layout.shape))
    reporter.done(f"{len(read.release.encodings):,} encodings of {shape}, {read.dtype}, as {read.layout.name}")
    for note in read.notes:
        reporter.note(note)
    findings: list[Finding] = []
    answers: dict[str, Answer] = {}
    to_run = [i for i in items if not i.reason]
    with AttackWorker(options.attack_timeout_s) as worker:
        for item in items:
            if item.reason:
                findings.append(item.not_run())
                continue
            reporter.stage(f"attack {item.spec}", 1 + to_run.index(item), len(to_run) + 1)
            view = _view(read, item.knows, public, hints)
            seed = derive_seed(options.seed, "attack", item.spec)
            ctx = Context(seed=seed, device=device, profile=profile.name, progress=reporter.update)
            run = worker.run(item.spec, view, ctx, None, reporter.update)
            finding, answer = _finding(item, run, read)
            findings.append(finding)
            if answer is not None:
                answers[item.spec] = answer
            reporter.done(finding.sentence or finding.reason or finding.status)
    reporter.stage("write", len(to_run) + 1, len(to_run) + 1)
    by = max(answers, key=lambda k: answers[k].strength, default="")
    outcome = Outcome(
        folder, _results(options, read, public, items, findings, by, device, started), answers.get(by), by
    )
    outcome.results.cost = Cost(wall_s=time.perf_counter() - wall, cpu_s=sum(f.cost.cpu_s for f in findings))
    _write(options, read, outcome)
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


def _public(options: ChallengeOptions, read: ReadRelease) -> ImageSet | None:
    if options.public_set is None:
        return None
    h, w, c = read.layout.shape
    public = load(options.public_set, role="public", size=h)
    if public.images.shape[1:] != (h, w, c):
        size = " x ".join(map(str, public.images.shape[1:]))
        raise ImageError(f"--public-set holds images of {size}, the release of {h} x {w} x {c}; give the very images")
    return public


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


def _items(options: ChallengeOptions, profile: Profile, read: ReadRelease, public: ImageSet | None) -> list[Item]:
    """Attacks as `ihaudit run` plans them, for an adversary who has these files."""
    has = [Knowledge.ENCODINGS]
    has += [Knowledge.LABELS] if read.release.labels is not None else []
    has += [Knowledge.PUBLIC_SET] if public is not None else []
    plain = AuditOptions(scheme="", attacks=options.attacks, games=("none",), profile=options.profile)
    items = [i for i in plan_items(plain, profile, implied(has), []) if i.kind == "attack"]
    lacks = {"labels": "label.npy", "public set": "--public-set"}
    out = []
    for item in items:
        if item.reason.startswith("the claim's adversary lacks"):
            missing = sorted(k.value.replace("_", " ") for k in item.needs - implied(has))
            wanted = " and ".join(f"{m} ({lacks[m]})" if m in lacks else m for m in missing)
            item = replace(item, reason=f"it needs {wanted}, which this release does not come with")
        out.append(item)
    return out


def _view(read: ReadRelease, knows: frozenset[Knowledge], public: ImageSet | None, hints: dict[str, Any]) -> View:
    release = read.release
    return View(
        encodings=release.encodings,
        labels=release.labels if Knowledge.LABELS in knows else None,
        image_range=release.image_range,
        knows=knows,
        public_set=public.images if public is not None and Knowledge.PUBLIC_SET in knows else None,
        hints=hints,
    )


# -- findings -----------------------------------------------------------------------------------------------------


def _finding(item: Item, run: AttackRun, read: ReadRelease) -> tuple[Finding, Answer | None]:
    """What an attack answered, without any score: status ``measured``, or ``broken`` for a secret recovered."""
    if run.not_applicable:
        reason = run.not_applicable
        return item.finding(status="not run", reason=reason, sentence=f"Not run: {reason}.", cost=run.cost), None
    if run.output is None:
        trace = {"trace": run.trace} if run.trace else {}
        reason = f"the attack failed: {run.failure}"
        return item.finding(status="inconclusive", reason=reason, cost=run.cost, details=trace), None
    output = run.output
    answer = judge(output, read)
    details: dict[str, Any] = {**output.diagnostics, "saw": output.sentence}
    if output.broke is not None:
        details["broke"] = bool(output.broke)
    finding = item.finding(
        status="measured" if output.broke is None else "broken" if output.broke else "no break found",
        sentence=output.sentence,
        cost=run.cost,
        stages=output.stages,
        details=details,
    )
    if answer is None:
        finding.reason = "it does not say which images are in which encoding, so it cannot fill decryption.npy"
        return finding, None
    finding.reason = NO_TRUTH
    r = len(output.images)
    finding.details["images"] = r
    finding.details["confidence_is"] = (
        "estimated SSIM" if answer.estimated else "agreement with the release (a ranking only)"
    )
    finding.details["encodings_without_image"] = int((answer.pick < 0).sum())
    if answer.estimated:
        finding.metrics["confidence"] = Estimate(float(answer.confidence.mean()), n=r)
    if answer.overall is not None:
        finding.metrics["agreement"] = Estimate(answer.overall, n=len(answer.members))
    finding.arrays = _arrays(answer, read)
    return finding, answer


def _arrays(answer: Answer, read: ReadRelease) -> dict[str, np.ndarray]:
    """For the report: candidates by confidence with an encoding of each, and confidence and agreement of all."""
    order = np.argsort(-answer.confidence, kind="stable")
    shown = order[np.unique(np.linspace(0, len(order) - 1, min(SHOWN, len(order))).round().astype(int))]
    weight = np.where(answer.members >= 0, answer.coefficients, -1.0)
    example = np.full(len(shown), -1)
    for k, j in enumerate(shown):
        rows, slots = np.nonzero(answer.members == j)
        if len(rows):
            example[k] = rows[weight[rows, slots].argmax()]
    codes = np.asarray(read.release.encodings[np.maximum(example, 0)], np.float32)
    return {
        "candidates": np.asarray(answer.output.images[shown], np.float32),
        "candidate_index": shown.astype(np.int64),
        "candidate_encoding": codes,
        "candidate_example": example.astype(np.int64),
        "confidence": answer.confidence,
        "agreement": answer.agreement,
    }


# -- output -------------------------------------------------------------------------------------------------------


def _gate(findings: list[Finding], by: str) -> Gate:
    """Missed where a secret was recovered, which shows without the truth; inconclusive otherwise."""
    copies = [f.model_copy(deep=True) for f in findings]
    _, gate = verdict.decide(copies, [], GateOptions(), controls_required=False)
    if gate.status != "missed":
        reason = NO_TRUTH if by else "no attack could answer"
        open_ = [
            f"{f.id} was asked for and is {f.status}: {f.reason}"
            for f in findings
            if f.requested and f.status in ("not run", "inconclusive")
        ]
        gate = gate.model_copy(
            update={
                "status": "inconclusive",
                "exit_code": 3,
                "sentence": f"Nothing was scored: {reason}.",
                "reasons": [reason, *open_],
            }
        )
    return gate


def _results(
    options: ChallengeOptions,
    read: ReadRelease,
    public: ImageSet | None,
    items: list[Item],
    findings: list[Finding],
    by: str,
    device: str,
    started: datetime,
) -> Results:
    env = environment.describe(device, options.command, started.isoformat(timespec="seconds"))
    env.finished, env.weights = datetime.now(UTC).isoformat(timespec="seconds"), digests()
    release = read.release
    knows: set[Knowledge] = set().union(*(i.knows for i in items)) | {Knowledge.ENCODINGS}
    knows |= {Knowledge.LABELS} if release.labels is not None else set()
    knows |= {Knowledge.PUBLIC_SET} if public is not None else set()
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
            "attacks": options.attacks,
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
        release=ReleaseCard(
            encodings=list(release.encodings.shape),
            dtype=str(read.dtype),
            labels=None if release.labels is None else list(release.labels.shape),
            image_range=list(release.image_range),
            sha256=read.sha256,
        ),
        public=None
        if public is None
        else ImageCard(
            name=public.name,
            count=len(public),
            shape=list(public.images.shape[1:]),
            classes=len(np.unique(public.labels)),
            sha256=public.sha256,
        ),
        adversary=sorted(k.value for k in knows),
        findings=findings,
        gate=_gate(findings, by),
        environment=env,
    )


def _write(options: ChallengeOptions, read: ReadRelease, outcome: Outcome) -> None:
    """The arrays first, results.json last but for the report: whoever sees results.json finds the rest complete."""
    folder, answer = outcome.folder, outcome.answer
    if answer is not None:
        e = len(answer.pick)
        images = recovered(answer, read)
        pairs = answer.members
        save_blocks(folder / "private.npy", images.shape, read.dtype, [images])
        save_blocks(folder / "pairs.npy", pairs.shape, np.int64, [pairs])
        save_blocks(folder / "coefficients.npy", pairs.shape, np.float32, [answer.coefficients])
        save_blocks(folder / "confidence.npy", answer.confidence.shape, np.float32, [answer.confidence])
        save_blocks(folder / "decryption.npy", (e, *read.layout.row), read.dtype, decryption(answer, read))
        outcome.written = [folder / name for name in FILES]
    arrays = {f"{f.id}/{k}": v for f in outcome.results.findings for k, v in f.arrays.items()}
    if not options.samples:
        arrays = {k: v for k, v in arrays.items() if v.ndim < 3}
    write_results(folder, outcome.results, arrays)
    render(read_results(folder), arrays, folder, formats=options.formats, samples=options.samples)
    outcome.written += [folder / "results.json"]

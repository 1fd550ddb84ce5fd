"""results.json of a release without a scheme, and the challenge's files beside it."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from ihaudit import environment
from ihaudit.audit.plan import Item
from ihaudit.challenge.answer import decryption, recovered
from ihaudit.challenge.npy import save_blocks
from ihaudit.challenge.options import FILES, KIND, NO_TRUTH, ChallengeOptions, Outcome
from ihaudit.challenge.release import ReadRelease
from ihaudit.images import ImageSet
from ihaudit.nn.weights import digests
from ihaudit.report import render
from ihaudit.results import Finding, Gate, ImageCard, ReleaseCard, Results, SchemeCard, read_results, write_results
from ihaudit.scheme import Knowledge
from ihaudit.verdict.decide import decide
from ihaudit.verdict.gates import GateOptions


def _gate(findings: list[Finding], by: str) -> Gate:
    """Missed where a secret was recovered, which shows without the truth; inconclusive otherwise."""
    copies = [f.model_copy(deep=True) for f in findings]
    _, gate = decide(copies, [], GateOptions(), controls_required=False)
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


def challenge_results(
    options: ChallengeOptions,
    read: ReadRelease,
    public: ImageSet | None,
    similar: ImageSet | None,
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
    knows |= {Knowledge.DISTRIBUTION} if similar is not None else set()
    knows |= {Knowledge.CODE, Knowledge.ORACLE} if options.scheme is not None else set()
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
            "training_steps": options.train_steps if options.train else None,
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
        public=_card(public),
        similar=_card(similar),
        adversary=sorted(k.value for k in knows),
        findings=findings,
        gate=_gate(findings, by),
        environment=env,
    )


def _card(images: ImageSet | None) -> ImageCard | None:
    if images is None:
        return None
    return ImageCard(
        name=images.name,
        count=len(images),
        shape=list(images.images.shape[1:]),
        classes=len(np.unique(images.labels)),
        sha256=images.sha256,
    )


def write(options: ChallengeOptions, read: ReadRelease, outcome: Outcome) -> None:
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

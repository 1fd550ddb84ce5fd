"""The pipeline, and nothing else: scheme -> release -> attacks and games -> scores -> verdict -> report.

One direction, no way back: the truth stays in this module and in scoring; attacks run in a worker process that is
handed a `View`; the scheme runs in the sandbox.  Every stage is kept on disk until the audit is complete.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ihaudit import environment, registry
from ihaudit.audit import config
from ihaudit.audit.checkpoint import Checkpoints, pack_release, unpack_release
from ihaudit.audit.checks import release_checks
from ihaudit.audit.controlled import run_controls
from ihaudit.audit.findings import attack_finding
from ihaudit.audit.folder import output_folder
from ihaudit.audit.plan import Data, Item, choose_adversary, load_data, plan_items, training_note
from ihaudit.audit.profiles import Profile, get_profile
from ihaudit.audit.progress import Reporter, span
from ihaudit.audit.store import NETWORKS, FolderStore, training_options
from ihaudit.audit.view import make_view
from ihaudit.audit.worker import AttackRun, AttackWorker
from ihaudit.contracts.context import Context, derive_seed
from ihaudit.contracts.game import GameSetting
from ihaudit.errors import UsageError
from ihaudit.images import ImageSet
from ihaudit.metrics.ssim import SETTINGS
from ihaudit.metrics.threads import one_thread
from ihaudit.nn.weights import digests
from ihaudit.release import Release, Truth
from ihaudit.report import render
from ihaudit.report.formats import pdf
from ihaudit.results import Cost, Finding, ImageCard, ReleaseCard, Results, SchemeCard, read_results, write_results
from ihaudit.sandbox import Limits, Replays, SchemeProcess
from ihaudit.sandbox.loader import locate, parse_sets
from ihaudit.scheme import Claim, Knowledge
from ihaudit.scoring.reconstructions import gallery_arrays
from ihaudit.verdict.decide import decide
from ihaudit.verdict.gates import GateOptions


@dataclass(frozen=True)
class AuditOptions:
    """Everything that `ihaudit run` can be told; see its ``--help`` for the meaning of each."""

    scheme: str
    sets: tuple[str, ...] = ()
    private: str = "embedded"
    public: str | None = None
    similar: str | None = None
    n_private: int | None = None
    size: int = 32
    profile: str = "quick"
    attacks: tuple[str, ...] | None = None
    games: tuple[str, ...] | None = None
    knows: tuple[str, ...] | None = None
    seed: int = 0
    device: str = "auto"
    scheme_timeout_s: float = 300.0
    scheme_memory_mb: int = 8192
    attack_timeout_s: float = 7200.0
    train: bool = False
    train_steps: int = 800
    gates: GateOptions = field(default_factory=GateOptions)
    out: Path | None = None
    formats: tuple[str, ...] = ("html", "pdf")
    samples: bool = True
    resume: bool = False
    overwrite: bool = False
    command: str = ""


def run_audit(options: AuditOptions, reporter: Reporter) -> tuple[Path, Results]:
    """Audit one scheme.

    Returns:
        The folder with results.json, arrays.npz and the reports, and the results.

    Raises:
        IhauditError: usage, images, or the scheme (exit code 2); nothing is left half-written.
    """
    started = datetime.now(UTC)
    profile = get_profile(options.profile)
    device = environment.resolve_device(options.device)
    if "pdf" in options.formats and (problem := pdf.check()):
        raise UsageError(f"{problem}; or leave the PDF out with --format html")
    for name in options.formats:
        registry.get("format", name)
    source = locate(options.scheme)
    data = load_data(options, profile)
    folder, finished = output_folder(options, source.path.stem)
    if finished:
        reporter.note(f"{folder} holds a complete audit; nothing is left to resume")
        return folder, read_results(folder)
    limits = Limits(time_s=options.scheme_timeout_s, memory_mb=options.scheme_memory_mb)
    sets, public = parse_sets(options.sets), data.public.images
    with SchemeProcess(source, sets, public=public, limits=limits, hidden=_hidden(folder)) as scheme:
        claims = list(scheme.card.claims)
        adversary = choose_adversary(options.knows, claims)
        items = plan_items(options, profile, adversary, claims)
        if note := training_note(options.train, items):
            reporter.note(note)
        with Replays(source, sets, scheme.card, n_public=len(public), limits=limits, hidden=_hidden(folder)) as replays:
            audit = _Audit(
                options, profile, device, data, scheme, replays, claims, adversary, items, folder, reporter, started
            )
            return folder, audit.run()


def _hidden(folder: Path) -> list[Path]:
    """What the scheme may not read: this audit's folder, earlier reports, and the file that may hold the seed."""
    found = config.find(Path.cwd())
    return [folder, *(p for p in (Path("reports"), found and found[0]) if p and p.exists())]


class _Audit:
    """The state of one audit; `run` is the whole of it."""

    def __init__(
        self,
        options: AuditOptions,
        profile: Profile,
        device: str,
        data: Data,
        scheme: SchemeProcess,
        replays: Replays,
        claims: list[Claim],
        adversary: frozenset[Knowledge],
        items: list[Item],
        folder: Path,
        reporter: Reporter,
        started: datetime,
    ) -> None:
        self.options, self.profile, self.device, self.data = options, profile, device, data
        self.scheme, self.claims, self.adversary, self.items = scheme, claims, adversary, items
        self.replays = replays
        self.folder, self.reporter, self.started = folder, reporter, started
        self.checkpoints = Checkpoints(folder)
        self.total = 3 + len([i for i in items if not i.reason])
        self.step = 0

    def _stage(self, title: str) -> None:
        self.step += 1
        self.reporter.stage(title, self.step, self.total)

    def run(self) -> Results:
        """Every stage in order, then the verdict and the report."""
        wall = time.perf_counter()
        release, truth = self._encode()
        with AttackWorker(self.options.attack_timeout_s) as worker:
            self._worker = worker
            findings = self._checks(release, truth)
            findings += self._baselines(release, truth)
            for item in self.items:
                findings += self._item(item, release, truth)
            findings += self._controls()
        return self._conclude(release, truth, findings, time.perf_counter() - wall)

    # -- release ------------------------------------------------------------------------------------------------

    def _plan(self) -> dict[str, Any]:
        """What a resumed audit must have in common with the one it goes on with."""
        o = self.options
        return {
            "version": environment.describe("cpu", "", "").ihaudit,
            "scheme": self.scheme.card.sha256,
            "parameters": self.scheme.card.parameters,
            "profile": o.profile,
            "seed": o.seed,
            "device": self.device,
            "private images": self.data.private.sha256,
            "public images": self.data.public.sha256,
            "similar images": self.data.similar.sha256 if self.data.similar else None,
            "adversary": sorted(self.adversary),
            "attacks": o.attacks,
            "games": o.games,
            "training steps": o.train_steps if o.train else None,
        }

    def _encode(self) -> tuple[Release, Truth]:
        private = self.data.private
        self._stage(f"encode {len(private.images)} private images with {self.scheme.card.name}")
        kept = None
        if self.options.resume:
            self.checkpoints.begin(self._plan(), resume=True)
            kept = self.checkpoints.load_arrays("release")
        if kept:
            release = unpack_release(*kept)
            self.encode_s = float(kept[1]["encode_s"])
            self.reporter.done("kept from the stopped audit")
        else:
            began = time.perf_counter()
            release = self.scheme.encode(private.images, private.labels, seed=derive_seed(self.options.seed, "release"))
            self.encode_s = time.perf_counter() - began
            # Only now is anything written: a scheme that fails leaves no folder behind.
            if not (self.options.resume and self.checkpoints.folder.exists()):
                self.checkpoints.begin(self._plan(), resume=False)
            self.checkpoints.save_arrays("release", *pack_release(release, self.encode_s))
            self.reporter.done(f"{len(release.encodings):,} encodings")
        truth = Truth(private.images, private.labels, release.provenance, private.groups)
        return release.public_part(), truth

    def _checks(self, release: Release, truth: Truth) -> list[Finding]:
        findings = self.checkpoints.load_findings("checks")
        if findings is None:
            seed = derive_seed(self.options.seed, "release again")
            findings = release_checks(release, truth, lambda: self.scheme.encode(truth.images, truth.labels, seed=seed))
            self.checkpoints.save_findings("checks", findings)
        return findings

    # -- attacks, games, controls -------------------------------------------------------------------------------

    def _context(self, *names: object) -> Context:
        return Context(
            seed=derive_seed(self.options.seed, *names),
            device=self.device,
            profile=self.profile.name,
            progress=self.reporter.update,
            options=training_options(self.options, kept=names == ("controls",)),
            store=FolderStore(self.folder / NETWORKS),
        )

    def _item(self, item: Item, release: Release, truth: Truth) -> list[Finding]:
        if item.reason:
            return [item.not_run()]
        self._stage(f"{item.kind} {item.spec}")
        name = f"{item.kind}-{item.spec}"
        findings = self.checkpoints.load_findings(name)
        if findings is None:
            findings = self._attack(item, release, truth) if item.kind == "attack" else self._game(item)
            for finding in findings:
                finding.requested = item.requested
            self.checkpoints.save_findings(name, findings)
        first = findings[0]
        self.reporter.done(first.reason or first.sentence or first.status)
        return findings

    def _attack(self, item: Item, release: Release, truth: Truth) -> list[Finding]:
        view = make_view(release, item.knows, self.data, self.scheme.card)
        encoder = self.scheme if Knowledge.ORACLE in item.knows else None
        ctx = self._context("attack", item.spec)
        run = self._worker.run(item.spec, view, ctx, encoder, self.reporter.update, self.replays)
        return [self._score(item, run, release, truth)]

    def _score(self, item: Item, run: AttackRun, release: Release, truth: Truth) -> Finding:
        decoys = self.data.decoys()
        ctx = self._context("score", item.spec)
        return attack_finding(item, run, truth, release, decoys, self.options.gates, ctx)

    def _baselines(self, release: Release, truth: Truth) -> list[Finding]:
        # Baselines answer "what would someone guess who ignores the encodings", so they may know all public material.
        knows = self.adversary | {Knowledge.LABELS, Knowledge.DISTRIBUTION, Knowledge.PUBLIC_SET}
        view, ctx = make_view(release, knows, self.data, self.scheme.card), self._context("baselines")
        findings = []
        for b in registry.load("baseline").values():
            with one_thread():
                output = b.guess(view, ctx)
            if output is not None:
                output.sentence = b.sentence
                item = Item("baseline", b.id, b.id, b.title, "trivial guess", frozenset({Knowledge.ENCODINGS}), knows)
                findings.append(self._score(item, AttackRun(output, Cost()), release, truth))
        return findings

    def _game(self, item: Item) -> list[Finding]:
        population = self.data.population()
        card = self.scheme.card
        setting = GameSetting(
            encoder=self.scheme,
            images=population.images,
            labels=population.labels,
            n_classes=int(population.labels.max()) + 1,
            key=card.key,
            decomposable=card.decomposable,
            mechanism=card.mechanism,
            parameters=card.parameters,
        )
        ctx = replace(
            self._context("game", item.spec),
            checkpoints=self.checkpoints.subfolder(f"trials-{item.spec}"),
            options={"audit_seed": self.options.seed},  # pools and training are shared between games
        )
        return item.play(setting, ctx)

    def _controls(self) -> list[Finding]:
        self._stage("controls: identity and mixup must break, noise and constant must not")
        findings = self.checkpoints.load_findings("controls")
        if findings is None:
            findings = run_controls(self.data, self.profile, self.items, self._worker, self._context("controls"))
            self.checkpoints.save_findings("controls", findings)
        bad = [f.id for f in findings if f.status == "inconclusive"]
        self.reporter.done(f"failed: {', '.join(bad)}" if bad else "as they must")
        return findings

    # -- verdict and report -------------------------------------------------------------------------------------

    def _conclude(self, release: Release, truth: Truth, findings: list[Finding], wall_s: float) -> Results:
        self._stage("verdict and report")
        o, card = self.options, self.scheme.card
        claims, gate = decide(findings, self.claims, o.gates)
        env = environment.describe(self.device, o.command, self.started.isoformat(timespec="seconds"))
        env.finished = datetime.now(UTC).isoformat(timespec="seconds")
        env.ssim, env.weights = dict(SETTINGS), digests()
        results = Results(
            name=card.name,
            profile=o.profile,
            seed=o.seed,
            options={
                "gates": asdict(o.gates),
                "sets": list(o.sets),
                "attacks": o.attacks,
                "games": o.games,
                "training_steps": o.train_steps if o.train else None,
            },
            scheme=SchemeCard(**card.model_dump() | {"log": self.scheme.log}),
            release=self._release_card(release, truth),
            private=_image_card(self.data.private),
            public=_image_card(self.data.public),
            similar=_image_card(self.data.similar),
            adversary=sorted(self.adversary),
            findings=findings,
            claims=claims,
            gate=gate,
            cost=Cost(wall_s=wall_s, cpu_s=sum(f.cost.cpu_s for f in findings)),
            environment=env,
        )
        arrays = {f"{f.id}/{k}": v for f in findings for k, v in f.arrays.items()}
        if o.samples:
            arrays |= gallery_arrays(release, truth)
        else:
            arrays = {k: v for k, v in arrays.items() if v.ndim < 3}
        write_results(self.folder, results, arrays)
        # Rendered from the files, as `ihaudit report` does, so that the two cannot differ.
        render(read_results(self.folder), arrays, self.folder, formats=o.formats, samples=o.samples)
        self.checkpoints.clear()
        self.reporter.done(f"{gate.status}, after {span(wall_s)}")
        return results

    def _release_card(self, release: Release, truth: Truth) -> ReleaseCard:
        import hashlib

        digest = hashlib.sha256(np.ascontiguousarray(release.encodings).tobytes())
        if release.labels is not None:
            digest.update(np.ascontiguousarray(release.labels).tobytes())
        return ReleaseCard(
            encodings=list(release.encodings.shape),
            dtype=str(release.encodings.dtype),
            labels=None if release.labels is None else list(release.labels.shape),
            image_range=list(release.image_range),
            extra={k: list(v.shape) for k, v in release.extra.items()},
            sha256=digest.hexdigest(),
            has_provenance=truth.provenance is not None,
            encode_s=self.encode_s,
        )


def _image_card(images: ImageSet | None) -> ImageCard | None:
    if images is None or len(images.images) == 0:
        return None
    return ImageCard(
        name=images.name,
        count=len(images.images),
        shape=list(images.images.shape[1:]),
        classes=len(np.unique(images.labels)),
        sha256=images.sha256,
    )

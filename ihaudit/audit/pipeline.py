"""The pipeline, and nothing else: scheme -> release -> attacks and games -> scores -> verdict -> report.

One direction, no way back: the truth stays in a `Subject` and in scoring; attacks run in a worker process that is
handed a `View`; the scheme runs in the sandbox.  Every stage is kept on disk until the audit is complete.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from ihaudit import __version__, registry
from ihaudit.audit import published
from ihaudit.audit.behaviour import behaviour
from ihaudit.audit.canonical import NAME, canonical, capacity
from ihaudit.audit.checkpoint import TRIAL, Checkpoints, kept_plan, kept_release, pack_release
from ihaudit.audit.checks import release_checks
from ihaudit.audit.code import Code, opened
from ihaudit.audit.controlled import Controlled, chosen, in_words
from ihaudit.audit.data import Data, load_data
from ihaudit.audit.earlier import REUSED, Earlier, Keys, code_digest, earlier_folders, keep, release_digest
from ihaudit.audit.finished import finished_audit, put_seal
from ihaudit.audit.image_range import in_found_range
from ihaudit.audit.images_check import check_images
from ihaudit.audit.known import encode_with_known
from ihaudit.audit.labels import in_read_labels
from ihaudit.audit.options import AuditOptions
from ihaudit.audit.plan import Item, Played, choose_adversary, plan_items, training_note
from ihaudit.audit.profiles import GAMES
from ihaudit.audit.progress import Reporter, Stages, span
from ihaudit.audit.record import image_card, release_card, write
from ihaudit.audit.run_item import run_baselines, run_item
from ihaudit.audit.seal import seal
from ihaudit.audit.setup import Setup, prepare
from ihaudit.audit.side_by_side import Job, Lanes
from ihaudit.audit.subject import Audited
from ihaudit.audit.traits import measure
from ihaudit.audit.worker import AttackWorker
from ihaudit.contracts.attack import Attack
from ihaudit.contracts.context import Context, derive_seed
from ihaudit.contracts.traits import Traits
from ihaudit.environment import allowed_cores, package_versions, return_memory
from ihaudit.games.adversary.training import forget
from ihaudit.metrics.ssim import SETTINGS
from ihaudit.release import Release
from ihaudit.results import Cost, Finding, Results, SchemeCard
from ihaudit.sandbox.loader import SchemeSource, locate
from ihaudit.sandbox.traced import SHUFFLES
from ihaudit.sandbox.trial import provenance_remark, try_out
from ihaudit.scheme import Knowledge
from ihaudit.scoring.reconstructions import gallery_arrays
from ihaudit.verdict.decide import decide

#: Memory of a process of attacks before it has a release, MB.
WORKER_MB = 600
#: `Job.long` of an attack that says to be slow or large, or was asked for by name; controls, of several attacks each,
#: come before all others.
SLOW = 2.0
#: What baselines may know besides: they answer "what would someone guess who ignores the encodings".
MATERIAL = frozenset({Knowledge.LABELS, Knowledge.DISTRIBUTION, Knowledge.PUBLIC_SET})


def run_audit(options: AuditOptions, reporter: Reporter, source: SchemeSource | None = None) -> tuple[Path, Results]:
    """Audit one scheme.

    Args:
        options: of the audit.
        reporter: is told of the progress.
        source: the scheme's code, where `options` do not name a file of it.

    Returns:
        The folder with results.json, arrays.npz and the reports, and the results.

    Raises:
        IhauditError: usage, images, or the scheme (exit code 2); nothing is left half-written.
    """
    source = source or locate(options.scheme)
    setup = prepare(options, source.path.stem)
    data = load_data(options, setup.profile)
    with opened(source, setup, data.public) as code:
        trial = _trial(code, data, setup, reporter)
        setup.confirm()
        claims = code.card.claims
        adversary = choose_adversary(options.knows, claims)
        adversaries = [adversary] if options.knows or not claims else [c.adversary for c in claims]
        asked: dict[Played, tuple[str, ...] | None] = {"attack": options.attacks, "game": options.games}
        items = plan_items(asked, setup.profile, adversaries, _lacking)
        if note := training_note(options, items):
            reporter.note(note)
        audit = _Audit(options, setup, data, code, trial, adversary, items, reporter)
        if setup.finished:
            results = finished_audit(setup.folder, audit.plan(), options)
            reporter.note(f"{setup.folder} holds this audit, complete; nothing is left to resume")
            return setup.folder, results
        return setup.folder, audit.run()


def _trial(code: Code, data: Data, setup: Setup, reporter: Reporter) -> str:
    """Digest of what the scheme makes of a few images: it shows what its file does not, what it imports and reads.

    Where an audit is gone on with and a scheme encodes otherwise in every process, that cannot tell whether it is the
    same; its file then decides alone.
    """
    images, labels = data.private.images, data.private.labels
    seed = derive_seed(setup.options.seed, "trial")
    found = release_digest(try_out(code.scheme, images, labels, seed=seed))
    was = kept_plan(setup.folder).get(TRIAL, found) if setup.options.resume else found
    if was == found:
        return found
    again = []
    for _ in range(2):
        with code.start({}) as process:
            again.append(release_digest(try_out(process, images, labels, seed=seed)))
    if again[0] == again[1]:
        return found
    reporter.note(
        "the scheme draws from elsewhere than its generator, so that its file alone says whether it is still the same"
    )
    return str(was)


def _lacking(missing: Sequence[str]) -> str:
    return f"the claim's adversary lacks {', '.join(missing)} (see --knows)"


def _costly(item: Item) -> bool:
    attack: type[Attack] = registry.get("attack", item.id)
    return attack.costly


class _Told:
    """The controls of an audit as one stage of its progress, whatever runs beside each other."""

    def __init__(self, stages: Stages, count: int) -> None:
        self._stages, self._left = stages, count
        self._reporter: Reporter | None = None
        self._turn = threading.Lock()
        self._found: list[Finding] = []

    def begin(self) -> None:
        """A control begins."""
        with self._turn:
            if self._reporter is None:
                self._reporter = self._stages.beside(
                    "controls: what has been broken must break, what holds nothing must not"
                )

    def update(self, message: str, fraction: float | None = None) -> None:
        """See `Reporter.update`."""
        if self._reporter is not None:
            self._reporter.update(message, fraction)

    def ended(self, found: Sequence[Finding]) -> None:
        """A control has come to its end; says how all came out after the last."""
        self._found += found
        self._left -= 1
        if self._left or self._reporter is None:
            return
        self._reporter.done(in_words(self._found))


class _Audit:
    """The state of one audit; `run` is the whole of it."""

    def __init__(
        self,
        options: AuditOptions,
        setup: Setup,
        data: Data,
        code: Code,
        trial: str,
        adversary: frozenset[Knowledge],
        items: list[Item],
        reporter: Reporter,
    ) -> None:
        self.options, self.setup, self.data, self.code, self.trial = options, setup, data, code, trial
        self.adversary, self.items, self.reporter = adversary, items, reporter
        self.checkpoints = Checkpoints(setup.folder, reporter.note)
        count = options.known_pairs if options.known_pairs is not None else setup.profile.n_known
        self.records = data.records(count) if Knowledge.PAIRS in adversary else None
        self.stages = Stages(reporter, 3 + sum(not i.reason for i in items))
        folders = [] if options.fresh else earlier_folders(setup.folder, named=options.out is not None)
        self.earlier = Earlier(folders)
        self.made: dict[str, tuple[str, list[Finding]]] = {}
        self.spared: set[str] = set()  # costly attacks that had no answer for the release, by their specs
        self.games = 0  # still to be played against the release
        self.outside = 0.0  # seconds in the encoder by the release and the checks, which are not of the budget

    def run(self) -> Results:
        """Every stage in order, then the verdict and the report."""
        wall = time.perf_counter()
        reporter = self.reporter
        seen = check_images(self.data)
        subject, labelled = in_read_labels(self._encode())
        subject, ranged = in_found_range(subject)
        root = self.setup.context(reporter)
        measured = measure(self.code.scheme, self.data.population(), self.code.card.key, self.options.seed)
        traits = measured.traits
        for finding in measured.findings:
            if finding.id == "checks-key" and finding.reason:
                reporter.note(finding.reason)
        subject = replace(subject, traits=traits)
        for said in (seen, labelled, ranged):
            if said is not None:
                measured.findings.append(said)
                reporter.note(said.sentence)
        findings = measured.findings + self._played(subject, root)
        return self._conclude(subject, findings, time.perf_counter() - wall)

    def _played(self, subject: Audited, root: Context) -> list[Finding]:
        """Checks, baselines, attacks, games and controls, in this order: a few at once (`--jobs`)."""
        kept, knows = self.checkpoints.findings, self.adversary | MATERIAL
        self.keys = Keys(self.plan(), release_digest(subject.release), subject.traits)
        before = (
            partial(kept, "checks", partial(self._checks, subject), self.keys.checks()),
            partial(kept, "behaviour", self._behaviour),
            partial(run_baselines, subject, knows, root),
        )
        self.outside = self.code.scheme.spent_s
        running = [i for i in self.items if not i.reason]
        self.games = sum(i.kind == "game" for i in running)
        count = min(self.options.jobs or allowed_cores(), 1 + sum(i.kind == "attack" for i in running))
        return_memory()  # of the release as it was sent and checked
        with ExitStack() as schemes, Lanes(count, self.options.attack_timeout_s) as lanes:
            # attacks wait for none of what comes before
            jobs = [Job(partial(self._unbudgeted, make), here=True) for make in before]
            played = [self._job(i, subject, root, left, lanes) for left, i in zip(range(len(running), 0, -1), running)]
            costly = tuple(j for j, i in zip(played, running) if i.kind == "attack" and _costly(i))
            jobs += [*played, *self._controls(subject.traits, root, lanes, schemes, costly)]
            parts = lanes.run(jobs)
        first, parts, controls = (
            parts[: len(before)],
            parts[len(before) : len(before) + len(running)],
            parts[len(before) + len(running) :],
        )
        by_item = dict(zip(map(id, running), parts, strict=True))
        tried = [by_item.get(id(i)) or [i.not_run(i.reason)] for i in self.items]
        return [f for part in (*first, *tried, *controls) for f in part]

    def _job(self, item: Item, subject: Audited, root: Context, left: int, lanes: Lanes) -> Job[list[Finding]]:
        """Of one attack or game."""
        run = partial(self._item, item, subject, root, left, lanes)
        if item.kind == "game":
            return Job(run, here=True)
        attack: type[Attack] = registry.get("attack", item.id)
        first = item.requested or _costly(item) or attack.copies > Attack.copies
        return Job(run, memory_mb=self._memory_mb(item, subject), long=SLOW if first else 0.0)

    def _unbudgeted(self, make: Callable[[], list[Finding]], worker: AttackWorker) -> list[Finding]:
        """What spends seconds in the encoder that no attack or game lacks for it."""
        before = self.code.scheme.spent_s
        made = make()
        self.outside += self.code.scheme.spent_s - before
        return made

    @staticmethod
    def _memory_mb(item: Item, subject: Audited) -> float:
        """What an attack takes at its peak, about."""
        release = subject.release.encodings.size * 4 / 2**20
        return WORKER_MB + float(registry.get("attack", item.id).copies) * release

    def _item(
        self, item: Item, subject: Audited, root: Context, left: int, lanes: Lanes, worker: AttackWorker
    ) -> list[Finding]:
        """One attack or game, or what is kept of it; `left` of them are to come, it included."""
        reporter = self.stages.beside(f"{item.kind} {item.spec}")
        key = self.keys.item(item)
        trials = self.checkpoints.subfolder(f"trials-{item.spec}-{seal(key)[:16]}") if item.kind == "game" else None
        spent, parts = self.code.scheme.spent_s - self.outside, GAMES if item.kind == "game" else 6
        share = self.setup.profile.share(spent, left, parts)
        ctx = replace(root, encoder_s=share, progress=reporter.update)
        make = partial(run_item, item, subject, worker, ctx, trials)
        found = self._kept(f"{item.kind}-{item.spec}", key, make, lanes)
        self.games -= item.kind == "game"  # all of them are played in the main thread
        if item.kind == "game" and not self.games:
            forget(subject.encoder)
        for finding in found:
            finding.requested = item.requested
        if found[0].status == "not run" and item.kind == "attack" and _costly(item):
            self.spared.add(item.spec)
        said = found[0].reason or found[0].sentence or found[0].status
        reporter.done(f"from an earlier audit: {said}" if REUSED in found[0].details else said)
        return found

    def _controls(
        self,
        traits: Traits | None,
        root: Context,
        lanes: Lanes,
        schemes: ExitStack,
        costly: tuple[Job[list[Finding]], ...],
    ) -> list[Job[list[Finding]]]:
        """What has been broken must break, what holds nothing must not: attacks on each in any lane, then its games.

        What holds nothing shows whether "broken" can be believed of those attacks that have an answer for the release:
        it waits for the `costly` ones, and is spared those that have none.
        """
        assert traits is not None
        controls = chosen(traits, self.setup.profile)
        told = _Told(self.stages, len(controls))
        ctx = replace(root.child("controls"), options=self.options.training(kept=True), progress=told.update)
        about = self.data, self.records, self.setup.profile, self.items, ctx, traits
        common = self.keys.controls(i for i in self.items if not i.reason)
        jobs: list[Job[list[Finding]]] = []
        for name, control in controls.items():
            made = Controlled(control, *about)
            schemes.callback(made.close)
            attacks = Job(
                partial(self._control_attacks, made, f"{common} {name}", told),
                memory_mb=WORKER_MB + made.memory_mb,
                long=SLOW / 2,
                after=() if control.must_break else costly,
            )
            games = partial(self._control, made, f"{common} {name}", told, lanes)
            jobs += [attacks, Job(games, here=True, after=(attacks,))]
        return jobs

    def _control_key(self, made: Controlled, key: str) -> str:
        """With what the control is spared, once that is known."""
        return key if made.control.must_break or not self.spared else f"{key} without {' '.join(sorted(self.spared))}"

    def _control_attacks(self, made: Controlled, key: str, told: _Told, worker: AttackWorker) -> list[Finding]:
        """Attacks on a control of which nothing is kept; what they find is told by `_control`."""
        told.begin()
        key = self._control_key(made, key)
        if self.earlier.findings(key) is None and not self.checkpoints.has(f"control-{made.control.id}", key):
            made.attacks(worker, () if made.control.must_break else self.spared)
        return []

    def _control(self, made: Controlled, key: str, told: _Told, lanes: Lanes, worker: AttackWorker) -> list[Finding]:
        key = self._control_key(made, key)
        found = self._kept(f"control-{made.control.id}", key, lambda: [made.games(worker)], lanes)
        told.ended(found)
        return found

    def _kept(self, name: str, key: str, make: Callable[[], list[Finding]], lanes: Lanes) -> list[Finding]:
        """Findings of the stopped audit, or of an earlier one, by key, or made; what was cut short is not kept."""

        def whole() -> list[Finding]:
            made = self.earlier.findings(key) or make()
            if lanes.stopped:
                raise CancelledError
            return made

        found = self.checkpoints.findings(name, whole, key)
        if not any(f.status == "inconclusive" for f in found):  # what failed may fare better next time
            self.made[name] = key, found
        return found

    def plan(self) -> dict[str, Any]:
        """What a resumed audit must have in common with the one it goes on with."""
        o, data = self.options, self.data
        return {
            "version": __version__,
            "scheme's name": self.code.card.name,
            "scheme's code": self.code.card.sha256,
            "parameters": self.code.card.parameters,
            "profile": o.profile,
            "seed": o.seed,
            "device": self.setup.device,
            "private images": data.private.sha256,
            "public images": data.public.sha256,
            "similar images": data.similar.sha256 if data.similar else None,
            "adversary": sorted(self.adversary),
            "attacks": o.attacks,
            "games": o.games,
            "known pairs": len(self.records or ()),
            "published release": published.digest(Path(o.release)) if o.release else None,
            "training steps": o.training_steps,
            "libraries": package_versions(),
            "program": code_digest(),
            TRIAL: self.trial,
        }

    def _encode(self) -> Audited:
        """The release, made by the scheme or kept from a stopped audit, with its truth."""
        private, scheme = self.data.private, self.code.scheme
        checkpoints, resume = self.checkpoints, self.options.resume
        self.stages.begin(f"encode {len(private)} private images with {self.code.card.name}")
        kept = None
        if resume:
            checkpoints.begin(self.plan(), resume=True)
            kept = kept_release(checkpoints)
        if kept:
            release, pairs, self.encode_s = kept
            self.reporter.done("kept from the stopped audit")
        else:
            began = time.perf_counter()
            seed = derive_seed(self.options.seed, "release")
            if self.options.release is None:
                release, pairs = encode_with_known(scheme, private, self.records, seed)
            else:
                release, pairs = self._published(seed), None
            self.encode_s = time.perf_counter() - began
            # Only now is anything written: a scheme that fails leaves no folder behind.
            if not (resume and checkpoints.folder.exists()):
                checkpoints.begin(self.plan(), resume=False)
            checkpoints.save_arrays("release", *pack_release(release, pairs, self.encode_s))
            known = f", and {len(pairs.images):,} of known images" if pairs else ""
            self.reporter.done(f"{len(release.encodings):,} encodings{known}")
            if scheme.shuffles:
                self.reporter.note(SHUFFLES)
            elif remark := provenance_remark(release, len(private)):
                self.reporter.note(remark)
        gates, replays = self.options.gates, self.code.replays
        return Audited.of(release, self.data, scheme, pairs=pairs, gates=gates, replayer=replays)

    def _published(self, seed: int) -> Release:
        """The release of --release, with what the code says of the rows that it makes of the same images."""
        private, path = self.data.private, Path(str(self.options.release))
        given = published.read(path, len(private))
        return published.with_truth(given, self._made(seed))

    def _made(self, seed: int) -> list[Release]:
        """Releases of the private images by the code itself, the last as this audit would have made it."""
        private, scheme = self.data.private, self.code.scheme
        count = published.CALLS if scheme.seconds(len(private)) < published.SECONDS else 2
        seeds = [seed, *(derive_seed(seed, "published", i) for i in range(1, count))]
        made = scheme.encode_many([(private.images, private.labels, s) for s in seeds])
        return [*made, encode_with_known(scheme, private, self.records, seed)[0]]

    def _checks(self, subject: Audited) -> list[Finding]:
        truth, seed = subject.truth, derive_seed(self.options.seed, "release again")
        again = partial(self.code.scheme.encode, truth.images, truth.labels, seed=seed)
        findings = release_checks(subject.release, truth, again)
        if self.options.release is not None:
            made, path = self._made(derive_seed(self.options.seed, "release")), Path(self.options.release)
            findings.append(published.compared(subject.release, made, self.code.card.precision, path))
        return findings

    def _behaviour(self) -> list[Finding]:
        code, seed = self.code, derive_seed(self.options.seed, "behaviour")
        return behaviour(code.scheme, code.start, self.data.population(), code.text, seed)

    def _conclude(self, subject: Audited, findings: list[Finding], wall_s: float) -> Results:
        """Verdict, results.json and reports."""
        self.stages.begin("verdict and report")
        o, card = self.options, self.code.card
        claims, gate = decide(findings, card.claims, o.gates)
        env = self.setup.environment()
        env.ssim = dict(SETTINGS)
        facts: dict[str, Any] = {"has_provenance": subject.truth.provenance is not None, "encode_s": self.encode_s}
        made = canonical(subject.release, card.precision, card.publishes, alone=subject.pairs is None)
        findings = [*findings, capacity(subject.release, made, len(subject.truth.images))]
        if o.publish:
            written = {"file": NAME, "file_sha256": made.write(self.setup.folder), "precision": card.precision}
            facts |= written | {"dropped": made.dropped}
        results = Results(
            name=card.name,
            profile=o.profile,
            seed=o.seed,
            options={
                "gates": asdict(o.gates),
                "sets": list(o.sets),
                "attacks": o.attacks,
                "games": o.games,
                "known_pairs": 0 if subject.pairs is None else len(subject.pairs.images),
                "training_steps": o.training_steps,
                "plan": self.plan(),
            },
            scheme=SchemeCard(**card.model_dump() | {"log": self.code.scheme.log}),
            release=release_card(subject.release, **facts),
            private=image_card(self.data.private),
            public=image_card(self.data.public),
            similar=image_card(self.data.similar),
            adversary=sorted(self.adversary),
            findings=findings,
            claims=claims,
            gate=gate,
            cost=Cost(wall_s=wall_s, cpu_s=sum(f.cost.cpu_s for f in findings if REUSED not in f.details)),
            price_per_hour=o.prices(),
            environment=env,
        )
        write(self.setup.folder, results, o, gallery_arrays(subject.release, subject.truth))
        put_seal(self.setup.folder)
        keep(self.setup.folder, self.made)
        self.checkpoints.clear()
        self.reporter.done(f"{gate.status}, after {span(wall_s)}")
        return results

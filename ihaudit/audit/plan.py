"""What an audit will do: which images, which adversary, which attacks and games, and why others are left out."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ihaudit import registry
from ihaudit.audit.profiles import Profile
from ihaudit.contracts.configure import configure, parse_spec
from ihaudit.contracts.context import Context, derive_seed
from ihaudit.contracts.game import GameSetting
from ihaudit.errors import ImageError, NotApplicable, SchemeError, UsageError
from ihaudit.images import ImageSet, check_compatible, load
from ihaudit.results import Cost, Finding
from ihaudit.scheme import DEFAULT_ADVERSARY, Claim, Knowledge, implied

if TYPE_CHECKING:
    from ihaudit.audit.pipeline import AuditOptions

#: Fewer population images than this, and the private ones (which the adversary may choose too) join them in games.
MIN_POPULATION = 1000


@dataclass(frozen=True)
class Data:
    """The image sets of one audit; `similar` holds no private image."""

    private: ImageSet
    public: ImageSet
    similar: ImageSet | None
    seed: int

    def _decoy_index(self) -> np.ndarray:
        """Which similar images are decoys: as many as there are private images, at most half of the similar ones."""
        available = 0 if self.similar is None else len(self.similar)
        rng = np.random.default_rng(derive_seed(self.seed, "decoys"))
        return np.sort(rng.permutation(available)[: min(len(self.private), available // 2)])

    def decoys(self) -> np.ndarray | None:
        """Similar images, float32 (D, H, W, C), that no attack is shown: chance levels are measured on them."""
        if self.similar is None:
            return None
        return self.similar.images[self._decoy_index()]

    def known(self) -> ImageSet | None:
        """The similar images that an adversary with ``distribution`` has: those that are not decoys."""
        if self.similar is None:
            return None
        return self.similar.subset(np.setdiff1d(np.arange(len(self.similar)), self._decoy_index()))

    def population(self) -> ImageSet:
        """What games draw from: similar images, with the private ones where there are few."""
        if self.similar is None:
            return self.private
        if len(self.similar.images) >= MIN_POPULATION:
            return self.similar
        return self.similar.concat(self.private)


def load_data(options: AuditOptions, profile: Profile) -> Data:
    """Load the image sets and draw the private images.

    Raises:
        ImageError: see `ihaudit.images`; or fewer private images than --n-private asks for.
    """
    embedded = options.private == "embedded"
    source = load("embedded:private" if embedded else options.private, role="private", size=options.size)
    available = len(source.images)
    wanted = options.n_private or min(available, profile.n_private)
    if wanted > available:
        raise ImageError(f"--n-private {wanted}: {source.name} holds only {available} images")
    rng = np.random.default_rng(derive_seed(options.seed, "private"))
    order = rng.permutation(available)
    private = source.subset(np.sort(order[:wanted])) if wanted < available else source
    rest = source.subset(np.sort(order[wanted:])) if wanted < available else None
    if options.similar is not None:
        similar: ImageSet | None = load(options.similar, role="similar", size=options.size)
    elif embedded:
        similar = load("embedded:similar", role="similar", size=options.size)
    else:
        similar = rest
    public = load(options.public or "embedded:public", role="public", size=_public_size(options, private))
    if options.public is None and public.images.shape[1:] != private.images.shape[1:]:
        public = public.empty(private.images.shape[1:])
    check_compatible(private, public)
    if similar is not None:
        check_compatible(private, similar)
    return Data(private, public, similar, options.seed)


def _public_size(options: AuditOptions, private: ImageSet) -> int:
    height, width = private.images.shape[1:3]
    return height if height == width else options.size


def choose_adversary(knows: tuple[str, ...] | None, claims: list[Claim]) -> frozenset[Knowledge]:
    """The adversary's knowledge: --knows, else the union over the claims, else the default.

    Raises:
        UsageError: an unknown kind of knowledge.
    """
    if knows:
        chosen = {Knowledge.ENCODINGS}
        for k in knows:
            try:
                chosen.add(Knowledge(k.replace("-", "_")))
            except ValueError:
                names = [x.value for x in Knowledge]
                raise UsageError(f"--knows {k!r} is not a kind of knowledge{registry.suggest(k, names)}") from None
        return implied(chosen)
    if claims:
        return frozenset().union(*(c.adversary for c in claims))
    return DEFAULT_ADVERSARY


@dataclass(frozen=True)
class Item:
    """One attack or game of the plan; `reason` is why it does not run, or empty."""

    kind: Literal["attack", "game", "baseline"]
    spec: str
    id: str
    title: str
    reference: str
    needs: frozenset[Knowledge]
    knows: frozenset[Knowledge] = frozenset()
    requested: bool = False
    reason: str = ""

    def not_run(self) -> Finding:
        """The finding that says why this did not run."""
        return self.finding(status="not run", reason=self.reason, sentence=f"Not run: {self.reason}.")

    def finding(self, **fields: Any) -> Finding:
        """A finding with this item's identity."""
        return Finding(
            id=self.spec,
            kind=self.kind,
            title=self.title,
            reference=self.reference,
            needs=sorted(k.value for k in self.needs),
            requested=self.requested,
            **fields,
        )

    def play(self, setting: GameSetting, ctx: Context) -> list[Finding]:
        """Play the game; what goes wrong becomes its reason, never the end of the audit."""
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            findings: list[Finding] = registry.get("game", self.id)().run(setting, ctx)
        except NotApplicable as e:
            findings = [self.finding(status="not run", reason=str(e), sentence=f"Not run: {e}.")]
        except SchemeError as e:
            findings = [self.finding(status="inconclusive", reason=f"the scheme failed during the game: {e}")]
        except Exception as e:
            findings = [
                self.finding(
                    status="inconclusive",
                    reason=f"the game failed ({type(e).__name__}: {e})",
                    details={"trace": traceback.format_exc()},
                )
            ]
        findings[0].cost = Cost(wall_s=time.perf_counter() - wall, cpu_s=time.process_time() - cpu)
        return findings


def plan_items(
    options: AuditOptions, profile: Profile, adversary: frozenset[Knowledge], claims: list[Claim]
) -> list[Item]:
    """Attacks, then games, in registry order; those left out carry the reason.

    Raises:
        UsageError: an unknown attack, stage, variant or game was asked for.
    """
    adversaries = [adversary] if options.knows or not claims else [c.adversary for c in claims]
    items: list[Item] = []
    kinds: tuple[tuple[Literal["attack", "game"], tuple[str, ...] | None], ...]
    kinds = (("attack", options.attacks), ("game", options.games))
    for kind, asked in kinds:
        known = registry.load(kind)
        specs = [s for s in asked or () if s != "none"]
        for spec in specs:
            id_ = parse_spec(spec)[0]
            registry.get(kind, id_)
            if kind == "attack":
                configure(spec)
            items.append(_item(kind, spec, id_, known[id_], adversaries, requested=True))
        for id_, cls in known.items():
            if id_ in {parse_spec(s)[0] for s in specs}:
                continue
            item = _item(kind, id_, id_, cls, adversaries, requested=False)
            if asked:
                item = replace(item, reason=f"only {', '.join(asked)} was asked for (--{kind})")
            elif profile.name not in cls.profiles and not item.reason:
                where = ", ".join(cls.profiles)
                item = replace(item, reason=f"the profile {profile.name} leaves it out (it runs in {where})")
            items.append(item)
    return items


def training_note(train: bool, items: list[Item]) -> str:
    """A line for whoever gave `--train` where no attack of the plan trains anything; else empty."""
    running = [i for i in items if i.kind == "attack" and not i.reason]
    if not train or any(getattr(registry.get("attack", i.id), "trains", False) for i in running):
        return ""
    return "--train changes nothing: no attack that trains networks is run; add --attack carlini or --profile standard"


def _item(
    kind: str, spec: str, id_: str, cls: Any, adversaries: list[frozenset[Knowledge]], *, requested: bool
) -> Item:
    """An item's knowledge is what every claim's adversary that has its needs knows: its finding then bears on each."""
    needs = frozenset(cls.needs) | {Knowledge.ENCODINGS}
    able = [a for a in adversaries if needs <= a]
    knows = frozenset.intersection(*able) if able else frozenset()
    lacking = sorted(k.value for k in min((needs - a for a in adversaries), key=len))
    reason = "" if able else f"the claim's adversary lacks {', '.join(lacking).replace('_', ' ')} (see --knows)"
    return Item(
        kind="attack" if kind == "attack" else "game",
        spec=spec,
        id=id_,
        title=cls.title,
        reference=cls.reference,
        needs=needs,
        knows=knows,
        requested=requested,
        reason=reason,
    )

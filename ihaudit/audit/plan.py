"""What will be done: which adversary, which attacks and games, and why others are left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ihaudit import registry
from ihaudit.audit.options import RunOptions
from ihaudit.audit.profiles import Profile
from ihaudit.contracts.attack import Attack
from ihaudit.contracts.configure import configure, configure_game, parse_spec
from ihaudit.contracts.game import Game
from ihaudit.errors import UsageError
from ihaudit.results import Finding
from ihaudit.scheme import DEFAULT_ADVERSARY, Claim, Knowledge, implied

#: What is planned: an attack or a game.
Played = Literal["attack", "game"]


def not_asked(kind: str, wanted: Sequence[str]) -> str:
    """Why an attack or a game was left out where others, or none, were asked for."""
    if not wanted or list(wanted) == ["none"]:
        return f"no {kind} was asked for (--{kind} none)"
    return f"only {', '.join(wanted)} was asked for (--{kind})"


def choose_adversary(knows: tuple[str, ...] | None, claims: Sequence[Claim]) -> frozenset[Knowledge]:
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
    """One attack, game or baseline.

    Attributes:
        kind: of its findings.
        spec: as it was asked for, ``id:option=value,...``; the id of its findings.
        id, title, reference, needs: as registered.
        knows: what its adversary knows.
        lacks: what it needs and no adversary of the run has.
        requested: it was asked for by name.
        reason: why it does not run, or empty.
    """

    kind: Literal["attack", "game", "baseline"]
    spec: str
    id: str
    title: str
    reference: str
    needs: frozenset[Knowledge] = frozenset({Knowledge.ENCODINGS})
    knows: frozenset[Knowledge] = frozenset()
    lacks: frozenset[Knowledge] = frozenset()
    requested: bool = False
    reason: str = ""

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

    def not_run(self, reason: str, **fields: Any) -> Finding:
        """The finding that says why this did not run."""
        return self.finding(status="not run", reason=reason, sentence=f"Not run: {reason}.", **fields)

    def failed(self, reason: str, trace: str = "", **fields: Any) -> Finding:
        """The finding of an attack or game that went wrong: ``inconclusive``."""
        details = {"trace": trace} if trace else {}
        return self.finding(status="inconclusive", reason=reason, details=details, **fields)


def plan_items(
    asked: Mapping[Played, tuple[str, ...] | None],
    profile: Profile,
    adversaries: Sequence[frozenset[Knowledge]],
    lacking: Callable[[list[str]], str],
) -> list[Item]:
    """Every attack or game there is, in the order of `asked` and of the registry; those left out carry the reason.

    Args:
        asked: kind -> specs that were asked for (``none`` for none at all), or None for what the profile runs.
        profile: the cost preset.
        adversaries: what each claim's adversary knows; an item's knowledge is what all of them know that have its
            needs, so that its finding bears on each.
        lacking: the reason why something does not run, from the names of what it lacks.

    Raises:
        UsageError: an unknown attack, game, option or value was asked for.
    """
    items: list[Item] = []
    for kind, wanted in asked.items():
        known = registry.load(kind)
        specs = [s for s in wanted or () if s != "none"]
        ids = [parse_spec(s)[0] for s in specs]
        for spec, id_ in zip(specs, ids, strict=True):
            configure(spec) if kind == "attack" else configure_game(spec)
            items.append(_item(kind, spec, known[id_], adversaries, lacking, requested=True))
        for id_, cls in known.items():
            if id_ in ids:
                continue
            item = _item(kind, id_, cls, adversaries, lacking, requested=False)
            if wanted:
                item = replace(item, reason=not_asked(kind, wanted))
            elif profile.name not in cls.profiles and not item.reason:
                where = ", ".join(cls.profiles)
                item = replace(item, reason=f"the profile {profile.name} leaves it out (it runs in {where})")
            items.append(item)
    return items


def _item(
    kind: Played,
    spec: str,
    cls: type[Attack] | type[Game],
    adversaries: Sequence[frozenset[Knowledge]],
    lacking: Callable[[list[str]], str],
    *,
    requested: bool,
) -> Item:
    needs = frozenset(cls.needs) | {Knowledge.ENCODINGS}
    # Who is asked for a picture is not handed the pictures to choose from: giving one back would be no reconstruction.
    shown = frozenset(Knowledge) if Knowledge.CANDIDATES in needs else frozenset(Knowledge) - {Knowledge.CANDIDATES}
    able = [a & shown for a in adversaries if needs <= a]
    lacks = frozenset() if able else min((needs - a for a in adversaries), key=len)
    return Item(
        kind=kind,
        spec=spec,
        id=parse_spec(spec)[0],
        title=cls.title,
        reference=cls.reference,
        needs=needs,
        knows=frozenset.intersection(*able) if able else frozenset(),
        lacks=lacks,
        requested=requested,
        reason=lacking(sorted(k.value.replace("_", " ") for k in lacks)) if lacks else "",
    )


def training_note(options: RunOptions, items: Sequence[Item]) -> str:
    """A line for whoever gave `--train` where no attack of the plan trains anything; else empty."""
    running = [i for i in items if i.kind == "attack" and not i.reason]
    if not options.train or any(registry.get("attack", i.id).trains for i in running):
        return ""
    return "--train changes nothing: no attack that trains networks is run; add --attack carlini or --profile standard"

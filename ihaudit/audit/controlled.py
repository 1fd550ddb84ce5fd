"""Controls: does the audit itself tell broken from unbroken?  Run in every audit, through the same code path.

Positive controls must come out broken; null controls must not.  Otherwise the audit is inconclusive, whatever it found:
a survivor among the positive controls means that "no break found" says nothing, a broken null means that "broken" says
nothing.  Which positive controls are run is chosen by the audited scheme's measured traits: the images as they are, and
the nearest relative that is known to be broken.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from ihaudit import registry
from ihaudit.audit.data import Data
from ihaudit.audit.known import encode_with_known
from ihaudit.audit.plan import Item
from ihaudit.audit.profiles import Profile
from ihaudit.audit.run_item import run_item
from ihaudit.audit.subject import Audited
from ihaudit.audit.worker import AttackWorker
from ihaudit.contracts.context import Context, Progress, derive_seed
from ihaudit.contracts.control import Control
from ihaudit.contracts.traits import Traits
from ihaudit.errors import SchemeError
from ihaudit.games.adversary.training import forget
from ihaudit.images import ImageSet
from ihaudit.release import FloatArray, IntArray, Release
from ihaudit.results import Cost, Finding
from ihaudit.sandbox import Limits, SchemeProcess
from ihaudit.sandbox.loader import locate
from ihaudit.scheme import KeyScope
from ihaudit.verdict.reliability import control_finding

#: What an attack on a control takes at its peak, in copies of the control's images, about.
COPIES = 100
#: An attack or game may spend this part of the profile's seconds of encoding on a control.
SHARE = 10
#: Images to a class of a control, where classes of the audited ones are so fine that a released label names its image:
#: who is who could then not be told apart from guessing, and no control that only `match` breaks would come out broken.
PER_CLASS = 5
#: The seed of every call of a control with a baked-in key.
_BAKED = 2026


def chosen(traits: Traits, profile: Profile) -> dict[str, Control]:
    """Controls of an audit by name, without those for schemes of other traits or for longer profiles."""
    found: dict[str, Control] = registry.load("control")
    return {k: c for k, c in found.items() if c.like(traits) and profile.name in c.profiles}


def in_words(found: Sequence[Finding]) -> str:
    """How the controls of an audit came out, for its progress: a control that nothing was run on did not fail."""
    undecided = [f for f in found if f.status == "inconclusive"]
    tried = {f.id for f in undecided if not f.details.get("untried")}
    right = sum(f.status not in ("inconclusive", "not run") for f in found)
    missing = len(found) - len(undecided) - right
    parts = [f"failed: {', '.join(sorted(tried))}"] if tried else []
    if len(undecided) > len(tried):
        parts.append(f"no attack or game here was run on {', '.join(f.id for f in undecided if f.id not in tried)}")
    if right:
        parts.append(f"{right} as {'it' if right == 1 else 'they'} must")
    if missing == len(found):
        return "none ran: no attack or game here addresses them"
    return "; ".join([*parts, f"{missing} not addressed by any attack or game here"] if missing else parts)


class Controlled:
    """One control, audited with the attacks and games of an audit at the profile's control size.

    It is judged by the default bounds: with the user's lax ones, positive controls would seem to survive.  `attacks`
    may run in any thread, then `games` in the main one; `close` ends its scheme, and may be called at any time.

    Args:
        control: which.
        data: of the audit; its first private images are the control's.
        records: what the adversary knows of the release, and so of a control's.
        profile: the cost preset.
        items: the attacks and games of the audit.
        ctx: seed, device, progress.
        traits: of the audited scheme.
    """

    def __init__(
        self,
        control: Control,
        data: Data,
        records: ImageSet | None,
        profile: Profile,
        items: Sequence[Item],
        ctx: Context,
        traits: Traits,
    ) -> None:
        small = replace(data, private=data.private.subset(np.arange(min(len(data.private), profile.n_control))))
        if int(small.private.labels.max()) >= len(small.private) // 2:
            few = max(len(small.private) // PER_CLASS, 2)
            small, records = small.in_classes(few), None if records is None else records.in_classes(few)
        self.control, self._traits, self._data, self._records = control, traits, small, records
        running = [i for i in items if not i.reason and registry.get(i.kind, i.id).control]
        self._attacks = [i for i in running if i.kind == "attack"]
        self._attacks.sort(key=lambda i: bool(registry.get("attack", i.id).costly))
        self._games = [i for i in running if i.kind == "game"]
        self._ctx = replace(
            ctx.child(control.id), progress=_named(ctx, control.id), encoder_s=profile.encoder_s / SHARE
        )
        self._scheme: SchemeProcess | None = None
        self._subject: Audited | None = None
        self._found: list[Finding] = []
        self._failed = ""

    @property
    def memory_mb(self) -> float:
        """What its attacks take at their peak, about, without the process of attacks: a release of so few images."""
        return float(self._data.private.images.size) * 4 * COPIES / 2**20

    def attacks(self, worker: AttackWorker, without: Collection[str] = ()) -> None:
        """Start its scheme, and run the attacks on its release but those `without` (their specs); once."""
        if self._scheme is not None:
            return
        control, traits, data, ctx = self.control, self._traits, self._data, self._ctx
        ctx.progress("encode", None)
        source, sets = locate(control.scheme), control.parameters(traits)
        fixed = traits.key is KeyScope.FIXED or traits.steady
        make = BakedIn if control.sibling and fixed else SchemeProcess
        self._scheme = scheme = make(source, sets, public=data.public.images[:200], limits=Limits())
        try:
            scheme.start()
            release, pairs = encode_with_known(scheme, data.private, self._records, derive_seed(ctx.seed, "release"))
            own = traits.with_key(KeyScope.FIXED if make is BakedIn else KeyScope(scheme.card.key))
            self._subject = Audited.of(release, data, scheme, pairs=pairs, control=True, traits=own)
            for item in self._attacks:
                costly = registry.get("attack", item.id).costly
                if control.must_break and costly and self._broken("attack"):
                    continue  # one attack that breaks it is what is asked
                if item.spec in without:
                    continue
                self._play(item, worker)
        except SchemeError as e:
            self._failed = f"its scheme failed: {e}"

    def games(self, worker: AttackWorker) -> Finding:
        """Play the games, after the attacks, and say what became of the control."""
        self.attacks(worker)
        try:
            for item in self._games if not self._failed else ():
                if self.control.sibling and self._ctx.profile == "quick" and self._broken("attack"):
                    break  # a sibling stands for the attacks
                self._play(item, worker)
        except SchemeError as e:
            self._failed = f"its scheme failed: {e}"
        self.close()
        if self._scheme is not None:
            forget(self._scheme)
        parts, self._found, self._subject = self._found, [], None  # its release and answers are not needed again
        if self._failed:
            return control_finding(self.control, self._traits, [], self._failed)
        finding = control_finding(self.control, self._traits, parts)
        finding.cost = Cost(wall_s=sum(p.cost.wall_s for p in parts), cpu_s=sum(p.cost.cpu_s for p in parts))
        return finding

    def close(self) -> None:
        """End its scheme."""
        if self._scheme is not None:
            self._scheme.close()

    def _broken(self, kind: str) -> bool:
        return any(f.kind == kind and f.status == "broken" for f in self._found)

    def _play(self, item: Item, worker: AttackWorker) -> None:
        assert self._subject is not None
        played = run_item(item, self._subject, worker, self._ctx)
        self._found += [f for f in played if f.kind == item.kind and f.status != "not run"]


class BakedIn(SchemeProcess):
    """A scheme whose every call has the same randomness, as if its key were written into its code."""

    def encode_many(self, calls: list[tuple[FloatArray, IntArray, int]]) -> list[Release]:
        """See `SchemeProcess.encode_many`; seeds are disregarded."""
        return super().encode_many([(images, labels, _BAKED) for images, labels, _ in calls])


def _named(ctx: Context, name: str) -> Progress:
    """Progress of one control among others."""

    def progress(message: str, fraction: float | None = None) -> None:
        ctx.progress(f"{name}: {message}", None)

    return progress

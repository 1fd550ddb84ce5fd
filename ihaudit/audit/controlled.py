"""Controls: does the audit itself tell broken from unbroken?  Run in every audit, through the same code path.

Positive controls must come out broken; null controls must not.  Otherwise the audit is inconclusive, whatever it found:
a survivor among the positive controls means that "no break found" says nothing, a broken null means that "broken" says
nothing.  Which positive controls are run is chosen by the audited scheme's measured traits: the images as they are, and
the nearest relative that is known to be broken.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from ihaudit.images import ImageSet
from ihaudit.release import FloatArray, IntArray, Release
from ihaudit.results import Cost, Finding
from ihaudit.sandbox import Limits, SchemeProcess
from ihaudit.sandbox.loader import locate
from ihaudit.scheme import KeyScope
from ihaudit.verdict.reliability import control_finding

#: An attack or game may spend this part of the profile's seconds of encoding on a control.
SHARE = 10
#: Images to a class of a control, where classes of the audited ones are so fine that a released label names its image:
#: who is who could then not be told apart from guessing, and no control that only `match` breaks would come out broken.
PER_CLASS = 5
#: The seed of every call of a control with a baked-in key.
_BAKED = 2026


def run_controls(
    data: Data,
    records: ImageSet | None,
    profile: Profile,
    items: Sequence[Item],
    worker: AttackWorker,
    ctx: Context,
    *,
    traits: Traits,
) -> list[Finding]:
    """Audit the controls with the attacks and games of this audit, at the profile's control size.

    Controls that stand for schemes of other `traits` are left out.  All are judged by the default bounds: with the
    user's lax ones, positive controls would seem to survive.

    Args:
        data: of the audit; its first private images are the controls'.
        records: what the adversary knows of the release, and so of a control's.
        profile: the cost preset.
        items: the attacks and games of the audit.
        worker: the process of attacks.
        ctx: seed, device, progress.
        traits: of the audited scheme.
    """
    small = replace(data, private=data.private.subset(np.arange(min(len(data.private), profile.n_control))))
    if int(small.private.labels.max()) >= len(small.private) // 2:
        few = max(len(small.private) // PER_CLASS, 2)
        small, records = small.in_classes(few), None if records is None else records.in_classes(few)
    running = [i for i in items if not i.reason and registry.get(i.kind, i.id).control]
    running.sort(key=lambda i: (i.kind == "game", i.kind == "attack" and registry.get("attack", i.id).costly))
    controls: dict[str, Control] = {
        k: c for k, c in registry.load("control").items() if c.like(traits) and profile.name in c.profiles
    }
    findings = []
    for index, (name, control) in enumerate(controls.items()):
        done = index / len(controls)
        ctx.progress(name, done)
        inner = replace(ctx.child(name), progress=_part(ctx, name, done), encoder_s=profile.encoder_s / SHARE)
        try:
            parts = _played(control, traits, small, records, running, worker, inner)
        except SchemeError as e:
            findings.append(control_finding(control, traits, [], f"its scheme failed: {e}"))
            continue
        finding = control_finding(control, traits, parts)
        finding.cost = Cost(wall_s=sum(p.cost.wall_s for p in parts), cpu_s=sum(p.cost.cpu_s for p in parts))
        findings.append(finding)
    return findings


def _played(
    control: Control,
    traits: Traits,
    data: Data,
    records: ImageSet | None,
    running: Sequence[Item],
    worker: AttackWorker,
    ctx: Context,
) -> list[Finding]:
    """What the attacks and games that address it made of one control."""
    public = data.public.images[:200]
    source, sets = locate(control.scheme), control.parameters(traits)
    fixed = traits.key is KeyScope.FIXED or traits.steady
    make = BakedIn if control.sibling and fixed else SchemeProcess
    with make(source, sets, public=public, limits=Limits()) as scheme:
        release, pairs = encode_with_known(scheme, data.private, records, derive_seed(ctx.seed, "release"))
        own = traits.with_key(KeyScope.FIXED if make is BakedIn else KeyScope(scheme.card.key))
        subject = Audited.of(release, data, scheme, pairs=pairs, control=True, traits=own)
        found: list[Finding] = []

        def broken(kind: str) -> bool:
            return any(f.kind == kind and f.status == "broken" for f in found)

        for item in running:
            costly = item.kind == "attack" and registry.get("attack", item.id).costly
            if control.must_break and costly and broken("attack"):
                continue  # one attack that breaks it is what is asked
            if item.kind == "game" and control.sibling and ctx.profile == "quick" and broken("attack"):
                continue  # a sibling stands for the attacks
            played = run_item(item, subject, worker, ctx)
            found += [f for f in played if f.kind == item.kind and f.status != "not run"]
    return found


class BakedIn(SchemeProcess):
    """A scheme whose every call has the same randomness, as if its key were written into its code."""

    def encode_many(self, calls: list[tuple[FloatArray, IntArray, int]]) -> list[Release]:
        """See `SchemeProcess.encode_many`; seeds are disregarded."""
        return super().encode_many([(images, labels, _BAKED) for images, labels, _ in calls])


def _part(ctx: Context, name: str, done: float) -> Progress:
    """Progress of one control as a part of all: what an attack or game calls done is done for its control only."""

    def progress(message: str, fraction: float | None = None) -> None:
        ctx.progress(f"{name}: {message}", done)

    return progress

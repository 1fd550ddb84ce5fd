"""One item against one subject: what is seen, and what becomes of what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ihaudit import registry
from ihaudit.audit.plan import Item
from ihaudit.audit.run_item import run_item
from ihaudit.audit.subject import Subject
from ihaudit.audit.worker import AttackRun, AttackWorker
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.game import GameSetting, game
from ihaudit.contracts.view import Pairs, View
from ihaudit.errors import NotApplicable, SchemeError
from ihaudit.images import ImageSet
from ihaudit.release import Provenance, Release
from ihaudit.results import Cost, Finding
from ihaudit.sandbox import Declaration
from ihaudit.scheme import Knowledge
from ihaudit.scoring.matches import Candidates

PIXELS = np.zeros((3, 8, 8, 3), np.float32)
IMAGES = ImageSet(PIXELS, np.arange(3), "test")
RELEASE = Release(PIXELS, np.ones((3, 2), np.float32), (-1, 1), {"more": np.arange(2)})
CARD = Declaration(name="x", source="x.py", sha256="0", parameters={"k": 4, "rng_seed": 7})
ROOT = Context(seed=5)


@dataclass(frozen=True, eq=False, kw_only=True)
class Stand(Subject):
    """A subject that remembers whom it judged."""

    judged: list[tuple[Finding, Context]] = field(default_factory=list)
    says: str = ""
    plays: bool = False

    def setting(self) -> GameSetting:
        if not self.plays:
            return super().setting()
        return GameSetting(self.encoder, PIXELS, np.arange(3), 3)  # type: ignore[arg-type]

    def judge(self, finding: Finding, output: AttackOutput, ctx: Context) -> None:
        if self.says:
            raise ValueError(self.says)
        self.judged.append((finding, ctx))


def stand_in(**fields: Any) -> Stand:
    given: dict[str, Any] = {
        "public": IMAGES,
        "similar": IMAGES,
        "card": CARD,
        "encoder": object(),
        "replayer": object(),
        "pairs": Pairs(PIXELS, PIXELS),
        "candidates": Candidates(PIXELS, np.zeros(len(PIXELS), int), np.arange(len(PIXELS))),
    }
    return Stand(release=RELEASE, **given | {"hints": {"n_private": 3}} | fields)


@given(st.sets(st.sampled_from(list(Knowledge))))
def test_a_view_holds_exactly_what_is_known(knows: set[Knowledge]) -> None:
    view = stand_in().view(frozenset(knows))
    granted = {
        Knowledge.LABELS: view.labels,
        Knowledge.DISTRIBUTION: view.similar,
        Knowledge.PUBLIC_SET: view.public_set,
        Knowledge.CODE: view.code,
        Knowledge.ORACLE: view.encoder,
        Knowledge.PAIRS: view.pairs,
        Knowledge.CANDIDATES: view.candidates,
    }
    assert {k for k, what in granted.items() if what is not None} == knows - {Knowledge.ENCODINGS}
    assert (view.similar_labels is None, view.replayer is None) == (view.similar is None, view.code is None)
    assert view.knows == knows and view.hints == {"n_private": 3} and "more" in view.extra
    if view.code is not None:
        assert view.code == {"name": "x", "parameters": {"k": 4}}  # not its randomness


def test_provenance_is_never_part_of_what_is_attacked() -> None:
    with pytest.raises(ValueError, match="public part"):
        stand_in().__class__(release=replace(RELEASE, provenance=Provenance(np.zeros((3, 1), int))))


class Worker(AttackWorker):
    """Answers what it is told, and remembers what it was asked."""

    def __init__(self, answer: AttackRun) -> None:
        super().__init__()
        self.answer = answer
        self.asked: list[tuple[str, View, Context]] = []

    def run(self, spec: str, view: View, ctx: Context) -> AttackRun:
        self.asked.append((spec, view, ctx))
        return self.answer


ATTACK = Item("attack", "phase:recovery=em", "phase", "P", "r", knows=frozenset({Knowledge.LABELS}), requested=True)


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        (AttackRun(None, Cost(wall_s=2), not_applicable="no images here"), "not run", "no images here"),
        (AttackRun(None, Cost(wall_s=2), failure="boom", trace="line 1"), "inconclusive", "the attack failed: boom"),
    ],
)
def test_an_attack_without_an_answer_has_a_reason(answer: AttackRun, status: str, reason: str) -> None:
    (finding,) = run_item(ATTACK, stand_in(), Worker(answer), ROOT)
    assert (finding.status, finding.reason, finding.cost.wall_s) == (status, reason, 2)
    assert finding.id == ATTACK.spec and finding.requested
    assert finding.details.get("trace", "") == answer.trace


def test_an_answer_is_judged_with_a_seed_of_its_own() -> None:
    output = AttackOutput(PIXELS, diagnostics={"rounds": 2}, sentence="Seen.", broke=False)
    subject, worker = stand_in(), Worker(AttackRun(output, Cost()))
    (finding,) = run_item(ATTACK, subject, worker, ROOT)
    assert finding.details == {"rounds": 2, "saw": "Seen.", "broke": False, "used": []}
    ((judged, scoring),) = subject.judged
    assert judged is finding
    ((spec, view, ctx),) = worker.asked
    assert (spec, view.knows) == (ATTACK.spec, ATTACK.knows)
    assert len({ROOT.seed, ctx.seed, scoring.seed}) == 3
    assert ctx.seed == ROOT.child("attack", ATTACK.spec).seed


def test_an_answer_that_cannot_be_judged_is_inconclusive() -> None:
    (finding,) = run_item(ATTACK, stand_in(says="odd shape"), Worker(AttackRun(AttackOutput(PIXELS), Cost())), ROOT)
    assert (finding.status, finding.reason) == ("inconclusive", "its answer could not be scored: odd shape")


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (NotApplicable("too few"), "not run", "too few"),
        (SchemeError("it died"), "inconclusive", "the scheme failed during the game: it died"),
        (KeyError("x"), "inconclusive", "the game failed (KeyError: 'x')"),
        (None, "measured", ""),
    ],
)
def test_a_game_that_goes_wrong_has_a_reason(error: Exception | None, status: str, reason: str) -> None:
    seen: list[Context] = []

    class Played:
        id, title, reference, needs, profiles = "test-game", "T", "r", frozenset[Knowledge](), ()

        def run(self, setting: GameSetting, ctx: Context) -> list[Finding]:
            seen.append(ctx)
            if error is not None:
                raise error
            return [Finding(id="test-game", kind="game", title="T", status="measured") for _ in range(2)]

    registry.load("game")
    game("test-game")(Played)
    item = Item("game", "test-game", "test-game", "T", "r", requested=True)
    try:
        findings = run_item(item, stand_in(plays=True, control=True), Worker(AttackRun(None, Cost())), ROOT)
        unplayed = run_item(item, stand_in(), Worker(AttackRun(None, Cost())), ROOT)
    finally:
        registry.unregister("game", "test-game")
    assert (findings[0].status, findings[0].reason) == (status, reason)
    assert all(f.requested for f in findings)
    assert seen[0].options == {"audit_seed": ROOT.seed, "control": True}
    assert unplayed[0].status == "not run" and "scheme itself" in unplayed[0].reason

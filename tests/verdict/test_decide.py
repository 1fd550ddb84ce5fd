"""The verdict: broken is broken, noise is not, and one statistic drives word, report and exit code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ihaudit import stats
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.control import Control
from ihaudit.contracts.traits import Traits
from ihaudit.errors import UsageError
from ihaudit.release import Release, Truth
from ihaudit.results import (
    Cost,
    Environment,
    Finding,
    GateCheck,
    Kind,
    Results,
    SchemeCard,
    Status,
    read_arrays,
    read_results,
    write_results,
)
from ihaudit.scheme import Claim
from ihaudit.scoring.reconstructions import score_attack
from ihaudit.stats import Estimate
from ihaudit.verdict.decide import _gate, decide, regate
from ihaudit.verdict.gates import GateOptions, attack_status
from ihaudit.verdict.reliability import control_finding
from tests.estimates import measured
from tests.pictures import lookalikes, pictures

N = 60
RELEASE = Release(np.zeros((4, 3)))
SETS = {"varied": pictures(3 * N), "alike": lookalikes(3 * N)}
BY_BOTH = {"columns": ["id", "kind", "status", "what was seen"]} | {
    "rows": [["a", "attack", "broken", ""], ["g", "game", "broken", ""]]
}
POSITIVE = Finding(
    id="control:identity",
    kind="control",
    title="identity",
    status="broken",
    details={"must_break": True, "table": BY_BOTH},
)
NULL = Finding(
    id="control:noise", kind="control", title="noise", status="no break found", details={"must_break": False}
)


def scored(images: np.ndarray, x: np.ndarray, id_: str, kind: Kind = "attack") -> Finding:
    s = score_attack(
        AttackOutput(images), Truth(x[:N], np.zeros(N, int)), RELEASE, decoys=x[N : 2 * N], reuse=kind == "baseline"
    )
    return Finding(
        id=id_, kind=kind, title=id_, status="measured", metrics=s.metrics, arrays=s.arrays, details=s.details
    )


def answer(what: str, x: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(1)
    noise = rng.random((N, *x.shape[1:])).astype(np.float32)
    if what == "noise":
        return noise
    if what == "mean":
        return np.repeat(x[2 * N :].mean(axis=0, keepdims=True), N, 0)
    if what == "others":
        return x[2 * N :]
    share = {"all": 1.0, "a fifth": 0.2, "one": 1 / N}[what]
    count = round(share * N)
    return np.concatenate([x[:count], noise[count:]])


_CACHE: dict[tuple[str, str], Finding] = {}


def attack(what: str, images: str = "varied", id_: str = "a", **fields: Any) -> Finding:
    if (what, images) not in _CACHE:
        _CACHE[what, images] = scored(answer(what, SETS[images]), SETS[images], "a")
    return _CACHE[what, images].model_copy(deep=True, update={"id": id_, **fields})


def baselines(images: str = "varied") -> list[Finding]:
    x = SETS[images]
    return [scored(x[2 * N :].mean(axis=0, keepdims=True), x, "mean-image", "baseline")]


def game(value: float, n: int = 1000, id_: str = "g", **fields: Any) -> Finding:
    e = stats.advantage(round((1 + value) / 2 * n), n)
    status = "broken" if e.low and e.low > 0 else "no break found"
    data = {
        "id": id_,
        "kind": "game",
        "title": id_,
        "status": status,
        "metrics": {"advantage": e},
        "primary": "advantage",
    }
    return Finding(**{**data, **fields})


def verdict(
    *findings: Finding,
    claims: Sequence[Claim] = (),
    gates: GateOptions | None = None,
    controls: Sequence[Finding] = (POSITIVE, NULL),
    played: bool = True,
) -> SimpleNamespace:
    """`played`: a game that found nothing is among the findings where the test names none."""
    quiet = [game(0.0, id_="quiet")] if played and not any(f.kind == "game" for f in findings) else []
    all_ = [f.model_copy(deep=True) for f in (*findings, *quiet, *controls)]
    judged, gate = decide(all_, claims, gates or GateOptions())
    return SimpleNamespace(claims=judged, gate=gate, findings={f.id: f for f in all_}, code=gate.exit_code)


@pytest.mark.parametrize("images", SETS)
@pytest.mark.parametrize(
    ("move", "word"), [("negative", "negatives"), ("mirror", "mirror images"), ("both", "negatives")]
)
def test_negatives_and_mirror_images_are_recovered(images: str, move: str, word: str) -> None:
    x = SETS[images]
    turned = {"negative": 1 - x, "mirror": x[:, :, ::-1], "both": 1 - x[:, :, ::-1]}[move]
    f = scored(turned[:N], x, "a")
    v = verdict(f, *baselines(images), claims=[Claim("ssim", 0.3, quantile=0.9)])
    e = f.metrics["ssim_polarity_q90"]
    assert e.value is not None and e.value > 0.99
    assert (v.code, v.findings["a"].status, v.claims[0].status) == (1, "broken", "refuted")
    if f.metrics["ssim_q90"].value < 0.5:  # type: ignore[operator]
        assert word in v.findings["a"].sentence and "as answered" in v.findings["a"].sentence
        assert "best polarity" in v.gate.statistic and v.gate.measured == e


@pytest.mark.parametrize("images", SETS)
@pytest.mark.parametrize("what", ["noise", "mean", "others"])
def test_the_best_polarity_of_a_guess_is_a_guess(images: str, what: str) -> None:
    x = SETS[images]
    v = verdict(scored(1 - answer(what, x), x, "a"), *baselines(images))
    assert (v.code, v.findings["a"].status) == (0, "no break found")


# -- attacks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("images", SETS)
@pytest.mark.parametrize(("what", "broken"), [("all", 1), ("a fifth", 1), ("noise", 0), ("mean", 0), ("others", 0)])
def test_recoveries_are_broken_and_guesses_are_not(images: str, what: str, broken: int) -> None:
    v = verdict(attack(what, images), *baselines(images))
    assert v.code == broken
    assert v.gate.status == ("missed" if broken else "met")
    assert v.findings["a"].status == ("broken" if broken else "no break found")
    assert v.gate.by == "a"


def test_pictures_that_look_alike_score_high_and_it_is_said_that_this_is_no_recovery() -> None:
    v = verdict(attack("others", "alike"), *baselines("alike"))
    assert v.gate.measured.value > v.gate.bound
    assert "no more than guessing reaches" in v.gate.statistic
    assert "not counted as a recovery" in v.findings["a"].sentence


def test_the_word_follows_the_bound() -> None:
    x = SETS["varied"]
    half = scored(np.clip(0.5 * x[:N] + 0.5 * x[2 * N :], 0, 1), x, "a")
    value = measured(half.metrics["ssim_q90"]).value
    for bound in (value - 0.02, value + 0.02):
        v = verdict(half, gates=GateOptions(max_ssim=bound, max_reid=1.0))
        assert v.code == (value > bound)
        assert v.findings["a"].status == ("broken" if value > bound else "no break found")
        assert attack_status(half.model_copy(deep=True), GateOptions(max_ssim=bound, max_reid=1.0))[0] == (
            v.findings["a"].status
        )


def test_reidentification_gates_by_itself() -> None:
    v = verdict(attack("all"), gates=GateOptions(max_ssim=1.0))
    assert v.code == 1
    assert "re-identification" in v.gate.statistic
    assert verdict(attack("all"), gates=GateOptions(max_ssim=1.0, max_reid=1.0)).code == 0


def test_a_bound_that_is_met_by_a_value_above_it_says_why() -> None:
    found = attack("noise")
    for value, low, why in ((0.075, -0.013, True), (0.03, -0.013, False)):
        found.metrics["reid_above_chance"] = Estimate(value, low, 0.292, N)
        reid = next(c for c in verdict(found).gate.checks if c.name == "reid")
        assert reid.met and reid.statistic.endswith("(95 % interval reaches below)") is why


def test_a_close_miss_does_not_stand_before_a_clear_one() -> None:
    a, wide = attack("all"), [Estimate(0.52, 0.44, 0.54, N), Estimate(0.52, 0.51, 0.54, N)]
    for measured_, named in zip(wide, ("re-identification", "SSIM"), strict=True):
        checks = [
            GateCheck(name="ssim", statistic="SSIM", measured=measured_, bound=0.5, met=False, by="a"),
            GateCheck(
                name="reid",
                statistic="re-identification",
                measured=a.metrics["reid_above_chance"],
                bound=0.05,
                met=False,
                by="a",
            ),
        ]
        assert named in _gate([], checks, [], []).sentence


def test_quantile_is_the_users() -> None:
    assert verdict(attack("a fifth"), gates=GateOptions(quantile=0.5, max_reid=1)).code == 0
    assert verdict(attack("a fifth"), gates=GateOptions(quantile=0.85, max_reid=1)).code == 1
    assert verdict(attack("one"), gates=GateOptions(quantile=0.9, max_reid=1)).code == 0
    assert verdict(attack("one"), gates=GateOptions(quantile=1.0, max_reid=1)).code == 1
    assert verdict(attack("noise"), gates=GateOptions(quantile=1.0, max_reid=1)).code == 0


def test_the_strongest_attack_decides() -> None:
    v = verdict(attack("noise", id_="weak"), attack("all", id_="strong"), attack("mean", id_="other"))
    assert v.gate.by == "strong"
    assert v.findings["weak"].status == "no break found"


def test_a_recovered_secret_gates() -> None:
    weak = attack("noise")
    weak.details |= {"broke": True, "saw": "The generator's seed is 7."}
    v = verdict(weak)
    assert v.code == 1
    assert v.findings["a"].status == "broken"
    assert v.findings["a"].sentence == "The generator's seed is 7."
    assert any(c.name == "secret" and c.met is False for c in v.gate.checks)


def of_control(name: str, must_break: bool, parts: list[Finding]) -> Finding:
    """What a control for all schemes says."""
    return control_finding(Control(name, name, must_break), Traits((8, 8, 3)), parts)


def test_an_attack_on_a_secret_neither_gates_images_nor_spoils_a_control() -> None:
    silent = Finding(
        id="prng", kind="attack", title="p", status="measured", details={"broke": False, "saw": "No seed fits."}
    )
    v = verdict(attack("noise"), silent)
    assert (v.code, v.gate.by) == (0, "a")
    assert (v.findings["prng"].status, v.findings["prng"].sentence) == ("no break found", "No seed fits.")
    assert verdict(silent).code == 3
    part_of_control = silent.model_copy(update={"status": "no break found"})
    assert of_control("identity", True, [part_of_control]).status == "not run"
    assert of_control("noise", False, [part_of_control]).status == "no break found"


def test_gain_over_the_best_baseline() -> None:
    v = verdict(attack("all"), *baselines())
    assert v.findings["a"].metrics["above_baseline"].value == pytest.approx(1)
    assert v.findings["a"].details["best_baseline"] == "mean-image"
    assert verdict(attack("noise"), *baselines()).findings["a"].metrics["above_baseline"].value < 0


# -- games ----------------------------------------------------------------------------------------------------------


def test_games_gate_only_when_asked() -> None:
    v = verdict(attack("noise"), game(0.8))
    assert v.code == 0
    assert v.gate.warning.startswith("Gate met, yet")
    assert verdict(attack("noise"), game(0.8), gates=GateOptions(max_advantage=0.05)).code == 1
    assert verdict(attack("noise"), game(0.01), gates=GateOptions(max_advantage=0.05)).code == 0


def test_strict_makes_a_broken_game_a_missed_gate() -> None:
    strict = GateOptions(strict=True)
    met = verdict(attack("noise"), game(0.8))
    assert met.code == 0 and "“g” came out broken (advantage 0.80" in met.gate.warning
    missed = verdict(attack("noise"), game(0.8), gates=strict)
    assert (missed.code, missed.gate.by, missed.gate.warning) == (1, "g", "")
    assert verdict(attack("noise"), game(0.0), gates=strict).code == 0
    # A break that was shown stands where a positive control survived, and means nothing over a loud null.
    deaf = POSITIVE.model_copy(update={"status": "inconclusive", "reason": "it survived"})
    assert verdict(attack("noise"), game(0.8), controls=(deaf, NULL)).code == 3
    assert verdict(attack("noise"), game(0.8), controls=(deaf, NULL), gates=strict).code == 1
    loud = NULL.model_copy(update={"status": "inconclusive", "reason": "it broke"})
    assert verdict(attack("noise"), game(0.8), controls=(POSITIVE, loud), gates=strict).code == 3


def test_an_attack_without_answers_is_no_strongest_attack() -> None:
    x = SETS["varied"]
    silent = scored(np.zeros((0, *x.shape[1:])), x, "silent")
    few = scored(x[:5], x, "few")
    v = verdict(silent, few)
    assert v.code == 0 and v.gate.by == "few"
    assert "answered 5 of 60" in v.gate.statistic and "answered 5 of 60" in v.findings["few"].sentence
    said = v.findings["silent"].sentence
    assert said.startswith("It answered none of 60 private images") and "re-identified" not in said
    alone = verdict(silent)
    assert alone.gate.by is None and "none of them answered" in alone.gate.statistic
    assert alone.gate.measured is not None and alone.gate.measured.value == 0
    # Twelve of sixty recovered perfectly are more than a tenth.
    assert verdict(scored(x[:12], x, "some")).code == 1


def test_a_figure_that_a_trivial_guess_reaches_says_so() -> None:
    guess = verdict(attack("mean"), *baselines())
    assert guess.code == 0 and guess.gate.statistic.endswith(" (which does no better than a trivial guess)")
    assert "trivial" not in verdict(attack("all"), *baselines()).gate.statistic


def test_a_claim_says_how_many_images_its_figure_rests_on() -> None:
    x = SETS["varied"]
    v = verdict(scored(x[:5], x, "few"), claims=[Claim("ssim", 0.3, quantile=0.9, knows=("encodings",))])
    assert v.claims[0].status == "not refuted" and "answered 5 of 60" in v.claims[0].reason


def test_no_false_alarm_at_the_bound_however_many_games() -> None:
    rng = np.random.default_rng(2)
    gates, missed, p = GateOptions(max_advantage=0.1), 0, (1 + 0.1) / 2
    quiet = attack("noise")
    for _ in range(300):
        games = [game(2 * rng.binomial(500, p) / 500 - 1, 500, f"g{i}") for i in range(4)]
        missed += verdict(quiet, *games, gates=gates).code == 1
    assert missed <= 0.025 * 300 + 3 * np.sqrt(300 * 0.025)
    # And it is not deaf: three times the bound is always seen.
    assert all(verdict(quiet, game(0.3 + d, 1000), gates=gates).code == 1 for d in (-0.03, 0, 0.03))


def test_holm_spares_one_of_many_lucky_games() -> None:
    # One game just above its bound: significant alone, not as one of eight.
    lucky = game(0.115, 1000)
    assert measured(lucky.metrics["advantage"]).low > 0.05
    gates = GateOptions(max_advantage=0.05)
    assert verdict(attack("noise"), lucky, gates=gates).code == 1
    assert verdict(attack("noise"), lucky, *[game(0.0, id_=f"g{i}") for i in range(7)], gates=gates).code == 0


# -- claims ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "what", "status"),
    [
        (Claim("ssim", 0.3), "all", "refuted"),
        (Claim("ssim", 0.3), "one", "refuted"),
        (Claim("ssim", 0.3, quantile=0.5), "one", "not refuted"),
        (Claim("ssim", 0.3), "noise", "not refuted"),
        (Claim("reid", 0.1), "all", "refuted"),
        (Claim("reid", 0.1), "noise", "not refuted"),
        (Claim("advantage", 0.05), "noise", "refuted"),
        (Claim("advantage", 0.95), "noise", "not refuted"),
        (Claim("advantage", 0.05, target="h"), "noise", "inconclusive"),
        (Claim("advantage", 0.05, knows=()), "noise", "inconclusive"),
        (Claim("epsilon", 2.0), "noise", "inconclusive"),
    ],
)
def test_claims(claim: Claim, what: str, status: str) -> None:
    v = verdict(attack(what), game(0.8, needs=["oracle"]), claims=[claim])
    assert v.claims[0].status == status
    if status == "refuted":
        assert v.code == 1
        assert v.claims[0].by
    if status == "inconclusive":
        assert v.code == 3
        assert v.claims[0].reason


@pytest.mark.parametrize(
    ("findings", "claim", "reason"),
    [
        ([attack("others", "alike")], Claim("ssim", 0.3, quantile=0.9), "guessing reaches as much on these images"),
        ([game(0.15, n=80)], Claim("advantage", 0.1), "its interval is too wide: it reaches down to −"),
        ([game(0.15, n=80, requested=True)], Claim("advantage", 0.1), "its interval is too wide"),
    ],
)
def test_a_value_beyond_a_claimed_bound_is_never_called_unbroken(
    findings: list[Finding], claim: Claim, reason: str
) -> None:
    """Refuted, or inconclusive with the one reason that applies; restricted audits too."""
    v = verdict(*findings, *baselines("alike"), claims=[claim])
    [judged] = v.claims
    assert judged.measured.value > claim.bound
    assert (judged.status, v.code) == ("inconclusive", 3)
    assert reason in judged.reason and any(judged.reason in r for r in v.gate.reasons)


def test_epsilon_claims_mind_delta() -> None:
    def eps(low: float, delta: float) -> Finding:
        return Finding(
            id="e",
            kind="game",
            title="e",
            status="no break found",
            metrics={"epsilon": Estimate(low, low, None, 100)},
            details={"epsilon": {"delta": delta}},
        )

    quiet = attack("noise")
    assert verdict(quiet, eps(3.0, 0.0), claims=[Claim("epsilon", 2.0)]).claims[0].status == "refuted"
    assert verdict(quiet, eps(1.0, 0.0), claims=[Claim("epsilon", 2.0)]).claims[0].status == "not refuted"
    claim = Claim("epsilon", 2.0, delta=1e-5)
    assert verdict(quiet, eps(3.0, 1e-5), claims=[claim]).claims[0].status == "refuted"
    assert verdict(quiet, eps(3.0, 0.0), claims=[claim]).claims[0].status == "inconclusive"


def test_a_refuted_claim_is_named_where_the_gate_alone_would_be_met() -> None:
    v = verdict(attack("one"), claims=[Claim("ssim", 0.3, text="nothing comes back")])
    assert (v.code, v.gate.status) == (1, "missed")
    assert "nothing comes back" in v.gate.sentence


# -- controls and what did not run ----------------------------------------------------------------------------------


def part(status: Status, kind: Kind = "attack") -> Finding:
    return Finding(id=f"{kind}-{status}", kind=kind, title="t", status=status, reason="why")


@pytest.mark.parametrize(
    ("must_break", "parts", "status"),
    [
        (True, [part("broken"), part("no break found")], "broken"),
        (True, [part("no break found")], "inconclusive"),
        (True, [part("broken"), part("no break found", "game")], "inconclusive"),
        (True, [part("broken"), part("broken", "game")], "broken"),
        (True, [part("inconclusive")], "inconclusive"),
        (True, [part("not run")], "not run"),
        (True, [], "not run"),
        (False, [part("no break found")], "no break found"),
        (False, [part("no break found"), part("broken", "game")], "inconclusive"),
        (False, [], "not run"),
    ],
)
def test_controls(must_break: bool, parts: list[Finding], status: str) -> None:
    f = of_control("some-scheme", must_break, parts)
    assert (f.kind, f.status) == ("control", status)
    assert f.sentence
    assert bool(f.reason) == (status in ("inconclusive", "not run"))


@pytest.mark.parametrize(
    ("parts", "failure", "status", "reason"),
    [
        ([part("broken"), part("no break found", "game")], "", "broken", ""),
        ([part("no break found"), part("broken", "game")], "", "inconclusive", "no attack of this audit broke a blur"),
        ([part("broken", "game")], "", "broken", ""),
        ([], "", "inconclusive", "of 8 x 8 x 3 images"),
        ([], "its scheme failed: 8 is odd", "inconclusive", "8 is odd"),
    ],
)
def test_a_sibling_must_be_broken_by_an_attack_and_says_what_kind_is_missing(
    parts: list[Finding], failure: str, status: str, reason: str
) -> None:
    sibling = Control("blurred", "blur", must_break=True, like=lambda t: t.resembles, words="a blur")
    f = control_finding(sibling, Traits((8, 8, 3)), parts, failure)
    assert f.status == status and reason in f.reason
    assert verdict(attack("noise"), controls=[f, POSITIVE, NULL]).code == (3 if reason else 0)
    assert verdict(attack("all"), controls=[f, POSITIVE, NULL]).code == 1  # controls only doubt "no break found"


def test_controls_go_through_the_real_scoring() -> None:
    strong, weak = attack("all", status="broken"), attack("noise", status="no break found")
    assert of_control("identity", True, [strong]).status == "broken"
    survived = of_control("identity", True, [weak])
    broke = of_control("noise", False, [strong])
    quiet, loud = attack("noise"), attack("all")
    # "No break found" by attacks that break nothing says nothing; a break that was shown stands.
    assert verdict(quiet, controls=[survived, NULL]).code == 3
    assert verdict(loud, controls=[survived, NULL]).code == 1
    # "Broken" by attacks that break noise says nothing either.
    assert verdict(loud, controls=[POSITIVE, broke]).code == 3
    assert verdict(quiet, controls=[POSITIVE, broke]).code == 3
    v = verdict(loud, claims=[Claim("ssim", 0.3)], controls=[POSITIVE, broke])
    assert v.claims[0].status == "inconclusive"
    assert verdict(quiet, claims=[Claim("ssim", 0.3)], controls=[survived]).claims[0].status == "inconclusive"


def test_an_audit_without_controls_is_inconclusive_unless_there_is_no_scheme() -> None:
    assert verdict(attack("noise"), controls=()).code == 3
    assert verdict(attack("all"), controls=()).code == 1
    assert decide([attack("noise")], [], GateOptions(), controls_required=False)[1].exit_code == 0


def rows(*kinds: str) -> dict[str, Any]:
    return {"must_break": True, "table": {"rows": [["x", kind, "broken", ""] for kind in kinds]}}


def test_a_gate_is_met_only_by_an_attack_and_a_game_with_their_controls() -> None:
    quiet = attack("noise")
    assert verdict(quiet, game(0.0)).code == 0
    lacks = "the claim's adversary lacks code (see --knows)"
    skipped = Finding(id="g", kind="game", title="g", status="not run", reason=lacks)
    for v, reason in (
        (verdict(quiet, skipped), f"no game addressed the scheme: {lacks}"),
        (verdict(quiet, played=False), "no game addressed the scheme (--game names some"),
        (verdict(game(0.0)), "no attack addressed the scheme"),
        (verdict(quiet, controls=[POSITIVE]), "no null control ran"),
        (verdict(quiet, controls=[POSITIVE.model_copy(update={"details": rows("attack")}), NULL]), "no game of this"),
        (verdict(quiet, controls=[POSITIVE.model_copy(update={"details": rows("game")}), NULL]), "no attack of this"),
    ):
        assert v.code == 3 and v.gate.status == "inconclusive"
        assert any(reason in r for r in v.gate.reasons), v.gate.reasons
    # What two controls show together counts, and a break that was shown stands whatever else did not run.
    both = [POSITIVE.model_copy(update={"id": k, "details": rows(k)}) for k in ("attack", "game")]
    assert verdict(quiet, controls=[*both, NULL]).code == 0
    assert verdict(attack("all"), skipped, controls=[POSITIVE]).code == 1
    not_run = NULL.model_copy(update={"status": "not run", "reason": "nothing addresses it"})
    assert verdict(quiet, controls=[POSITIVE, not_run]).code == 3


@pytest.mark.parametrize("status", ["not run", "inconclusive"])
def test_what_was_asked_for_and_did_not_run_is_inconclusive(status: Status) -> None:
    missing = Finding(id="m", kind="attack", title="m", status=status, reason="it needs an oracle", requested=True)
    v = verdict(attack("noise"), missing)
    assert v.code == 3
    assert any("it needs an oracle" in r for r in v.gate.reasons)
    assert verdict(attack("all"), missing).code == 1
    left_out = missing.model_copy(update={"requested": False})
    assert verdict(attack("noise"), left_out).code == (0 if status == "not run" else 3)


def test_a_claim_that_a_restricted_audit_cannot_test_does_not_turn_it_red() -> None:
    claim = Claim("advantage", 0.05, target="another-game")
    assert verdict(attack("noise"), claims=[claim]).code == 3
    v = verdict(attack("noise", requested=True), claims=[claim])
    assert (v.code, v.claims[0].status) == (0, "inconclusive")


def test_nothing_measured_is_inconclusive() -> None:
    assert verdict().code == 3
    crashed = Finding(id="c", kind="attack", title="c", status="inconclusive", reason="it failed")
    assert verdict(crashed).code == 3
    assert verdict(attack("noise"), gates=GateOptions(max_advantage=0.1), played=False).code == 3


@pytest.mark.parametrize(
    "bad",
    [
        {"max_ssim": 1.5},
        {"quantile": 0.0},
        {"quantile": 1.2},
        {"max_reid": -0.1},
        {"max_advantage": float("nan")},
        {"max_ssim": None},
    ],
)
def test_bounds_out_of_range_name_the_option(bad: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--" + next(iter(bad)).replace("_", "-")):
        GateOptions(**bad)


# -- deciding again -------------------------------------------------------------------------------------------------


def stored(
    tmp_path: Path, *findings: Finding, claims: Sequence[Claim] = (), gates: GateOptions | None = None
) -> tuple[Results, dict[str, np.ndarray]]:
    v = verdict(*findings, claims=claims, gates=gates)
    results = Results(
        name="t",
        profile="quick",
        seed=0,
        scheme=SchemeCard(name="t", source="t", sha256="0"),
        adversary=["encodings"],
        findings=list(v.findings.values()),
        claims=v.claims,
        gate=v.gate,
        cost=Cost(),
        environment=Environment(ihaudit="0", python="3", platform="x"),
    )
    arrays = {f"{f.id}/{k}": a for f in results.findings for k, a in f.arrays.items()}
    write_results(tmp_path, results, arrays)
    return read_results(tmp_path), read_arrays(tmp_path)


def test_deciding_again_with_the_same_bounds_changes_nothing(tmp_path: Path) -> None:
    claims = [Claim("ssim", 0.3, quantile=0.9), Claim("advantage", 0.1, target="g"), Claim("reid", 0.1)]
    read, arrays = stored(tmp_path, attack("a fifth"), game(0.3), *baselines(), claims=claims)
    for known in (arrays, None):
        again = regate(read, GateOptions(), known)
        assert again.gate == read.gate
        assert again.claims == read.claims
        assert [f.status for f in again.findings] == [f.status for f in read.findings]
        assert [f.sentence for f in again.findings] == [f.sentence for f in read.findings]


def test_deciding_again_with_other_bounds(tmp_path: Path) -> None:
    read, arrays = stored(tmp_path, attack("a fifth"), *baselines())
    assert read.gate.exit_code == 1
    before = read.to_json()
    lax = GateOptions(quantile=0.5, max_reid=1.0)
    again = regate(read, lax, arrays)
    assert again.gate.exit_code == 0
    found = again.finding("a")
    assert found is not None and found.status == "no break found"
    assert again.options["gates"]["quantile"] == 0.5
    assert read.to_json() == before
    # Without arrays.npz the stored quantiles do; another one says what is missing.
    assert regate(read, lax, None).gate.exit_code == 0
    assert regate(read, GateOptions(max_ssim=1.0, max_reid=1.0), None).gate.exit_code == 0
    odd = GateOptions(quantile=0.77, max_reid=1.0)
    assert regate(read, odd, arrays).gate.exit_code == 0
    blind = regate(read, odd, None)
    assert blind.gate.exit_code == 3
    assert any("arrays.npz" in r for r in blind.gate.reasons)


def test_no_produced_sentence_promises_anything(tmp_path: Path) -> None:
    """Verdicts are in four words; "private" stands only before "image" (what was encoded), never as a verdict."""
    texts = []
    for what in ("all", "noise", "one", "others"):
        for controls in ((POSITIVE, NULL), (), (of_control("noise", False, [part("broken")]),)):
            for claims in ((), [Claim("ssim", 0.3), Claim("advantage", 0.1)]):
                v = verdict(attack(what), game(0.8), claims=claims, controls=controls)
                texts += [v.gate.sentence, v.gate.statistic, *v.gate.reasons, v.gate.status]
                texts += [f.sentence for f in v.findings.values()] + [f.reason for f in v.findings.values()]
                texts += [f.status for f in v.findings.values()]
                texts += [t for c in v.claims for t in (c.text, c.reason, c.status)]
    assert len(texts) > 100
    for text in texts:
        rest = re.sub(r"private images?\b", "", text, flags=re.IGNORECASE)
        assert not re.search(
            r"\b(safe|safely|secure|private|pass(ed|es)?|succeeded|guaranteed)\b", rest, re.IGNORECASE
        ), text
        assert "  " not in text
        assert ".." not in text


def test_private_images_repeated_in_a_field_miss_the_gate() -> None:
    found = Finding(id="plain-copies", kind="check", title="t", status="broken")
    clean = Finding(id="plain-copies", kind="check", title="t", status="no break found")
    for finding, met in ((found, False), (clean, True)):
        _, gate = decide([finding], [], GateOptions(), controls_required=False)
        copies = [c for c in gate.checks if c.name == "copies"]
        assert [c.met for c in copies] == ([] if met else [False])
        assert (gate.exit_code == 1) is (not met)


def test_that_nothing_ran_is_said_before_that_no_control_broke() -> None:
    sibling = Control("blurred", "blur", must_break=True, like=lambda t: t.resembles, words="a blur")
    control = control_finding(sibling, Traits((8, 8, 3)), [], "")
    why = "no attack was asked for (--attack none)"
    left_out = Finding(id="unmix", kind="attack", title="unmix", status="not run", reason=why)
    _, gate = decide([left_out, control], [], GateOptions())
    assert gate.exit_code == 3 and gate.reasons[0].startswith("no attack addressed the scheme")
    assert any(r.startswith("control:") for r in gate.reasons[1:])

"""The essentials on the embedded images, so that they are checked where the real ones are absent; and keyed schemes."""

from __future__ import annotations

import pytest

from ihaudit.contracts.game import GameSetting
from ihaudit.schemes.identity import Identity
from ihaudit.schemes.instahide import InstaHide
from ihaudit.schemes.mixup import MixUp
from ihaudit.schemes.noise import Noise
from ihaudit.schemes.reused_pad import ReusedPad
from tests.estimates import measured
from tests.games.inprocess import play, shared_setting

OPTIONS = {"train_rows": 2000, "trials": 800}
PAD = ReusedPad()


def on_embedded(scheme: object) -> GameSetting:
    return shared_setting(scheme, "embedded")


@pytest.mark.parametrize(
    ("scheme", "low"),
    [(Identity(), 0.95), (MixUp(k=4, epochs=1), 0.5), (InstaHide(k=6, epochs=1), 0.2), (InstaHide(k=6, epochs=8), 0.2)],
    ids=["identity", "mixup4", "instahide6", "instahide6-epochs8"],
)
def test_broken_schemes_are_broken(scheme: object, low: float) -> None:
    f = play("instance", on_embedded(scheme), options=OPTIONS)[0]
    assert f.status == "broken" and measured(f.metrics["advantage"]).low >= low
    assert f.details["self_test"]["holds"]


@pytest.mark.parametrize(
    ("scheme", "status"), [(Identity(), "broken"), (MixUp(k=2, epochs=8), "broken"), (Noise(), "no break found")]
)
def test_controls_are_what_they_must_be(scheme: object, status: str) -> None:
    """As the audit plays them: ``options={"control": True}``."""
    assert play("instance", on_embedded(scheme), options={"control": True})[0].status == status


def test_the_reused_pad_passes_all_marginal_tests_and_is_fully_broken() -> None:
    marginal = play("marginals", on_embedded(PAD))[0]
    assert marginal.kind == "marginal" and marginal.status == "measured"
    assert marginal.details["rejected"] == 0 and "passing is not evidence" in marginal.sentence
    found = play("instance", on_embedded(PAD), options=OPTIONS)
    instance, keyed = found[0], next(f for f in found if f.id == "instance-keyed")
    assert instance.status == "no break found"  # one row under a fresh key is uniform noise
    assert keyed.status == "broken" and measured(keyed.metrics["advantage"]).low > 0.8
    matched, equality = play("neighbour", on_embedded(PAD), options=OPTIONS)
    assert matched.status == "no break found"
    assert equality.id == "neighbour-equality" and measured(equality.metrics["advantage"]).low > 0.9
    assert measured(play("pair", on_embedded(PAD), options=OPTIONS)[0].metrics["auc"]).low > 0.95


def test_marginal_tests_reject_what_they_can_see_and_use_it() -> None:
    f = play("marginals", on_embedded(MixUp(k=2, epochs=1)))[0]
    assert f.details["rejected"] > 0 and f.status == "broken" and measured(f.metrics["advantage"]).low > 0.05
    assert "Used as an adversary" in f.sentence

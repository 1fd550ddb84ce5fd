"""A scheme of seconds a call: trials shrink to what the profile leaves, and the findings say what that cost."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable
from ihaudit.games.trials import Trials, affordable
from ihaudit.schemes.identity import Identity
from ihaudit.schemes.noise import Noise
from ihaudit.schemes.pixel_permutation import PixelPermutation
from tests.games.inprocess import play, setting


def slow(scheme: Any, each: float = 2.0) -> Any:
    s = setting(scheme)
    s.encoder.each = each  # type: ignore[attr-defined]
    return s


@pytest.mark.parametrize(
    ("planned", "each", "room", "count"), [(300, 0.0, 10.0, 300), (300, 0.1, 20.0, 150), (300, 0.1, 2.1, 20)]
)
def test_trials_are_halved_until_they_fit(planned: int, each: float, room: float, count: int) -> None:
    found = affordable(setting(Noise()), Context(1, encoder_s=room), planned, lambda n: n * each, share=1.0)
    assert found.count == count
    assert bool(found.note) == (count < planned)
    if found.note:
        assert f"{count} trials instead of {planned}" in found.note and f"{found.smallest:.2f}" in found.note


def test_a_machine_a_little_slower_plays_as_many() -> None:
    s = setting(Noise())
    ctx = Context(1, encoder_s=10)
    a, b = affordable(s, ctx, 300, lambda n: n * 0.1, share=1.0), affordable(s, ctx, 300, lambda n: n * 0.12, share=1.0)
    assert a.count == b.count == 75


def test_too_few_are_not_played() -> None:
    with pytest.raises(NotApplicable, match="20 trials take 40 s of encoding, and the profile quick leaves 10 s"):
        affordable(setting(Noise()), Context(1, encoder_s=10), 300, lambda n: 2.0 * n, share=1.0)


def test_the_smallest_advantage_that_would_be_told() -> None:
    few, many = Trials(20, 300).smallest, Trials(300, 2000).smallest
    assert 0.4 < few < 0.65 and 0.1 < many < 0.2
    assert Trials(2, 300).smallest == 1.0


@pytest.mark.parametrize("name", ["instance", "neighbour", "one-run", "side-channel"])
@pytest.mark.parametrize("scheme", [Identity(), PixelPermutation()], ids=["fixed", "release"])
def test_games_keep_to_their_seconds(name: str, scheme: Any) -> None:
    s = slow(scheme)
    room = 10.0 if s.key == "release" else 30.0
    found = []
    with contextlib.suppress(NotApplicable):
        found = play(name, s, encoder_s=room)
    assert s.encoder.calls * 2.0 <= room + 4.0  # a probe, and a call that begins within the time
    for f in found:
        if f.status == "not run":
            assert "s of encoding, and the profile quick leaves" in f.reason
    if name == "instance" and s.key == "release":
        keyed = next(f for f in found if f.id == "instance-keyed")
        assert keyed.status == "broken" and "trials instead of" in keyed.sentence
    if name == "instance" and s.key == "fixed":
        assert found[0].status == "broken" and "trials instead of" in found[0].sentence


def test_a_fast_scheme_plays_all() -> None:
    assert all("instead of" not in f.sentence for f in play("one-run", setting(Identity()), encoder_s=60.0))


def test_utility_under_a_key_is_measured_under_it() -> None:
    found = play("instance", setting(PixelPermutation()))
    use = next(f for f in found if f.kind == "utility")
    low = use.metrics["accuracy"].low
    assert use.reference.endswith("under one key") and low is not None and low > 0.6
    assert sum(f.kind == "utility" for f in found) == 1

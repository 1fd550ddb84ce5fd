"""Where pairs come from, and releases that hold nothing to learn from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ihaudit.attacks.decoder import OPERATIONS
from ihaudit.attacks.known import refuse_constant
from ihaudit.contracts.configure import configure
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import Pairs, View
from ihaudit.errors import NotApplicable
from ihaudit.schemes.pixel_permutation import PixelPermutation
from tests.attacks.releases import photographs
from tests.games.inprocess import InProcess
from tests.pictures import pictures

Encode = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@pytest.mark.parametrize("attack", ["linear", "decoder"])
def test_equal_encodings_are_refused_at_once(attack: str) -> None:
    images, _ = photographs(40, size=16)
    same = np.full((40, 8, 24), 3.5, np.float32)
    view = View(encodings=same[:10], pairs=Pairs(images, same))
    with pytest.raises(NotApplicable, match="all encodings are the same"):
        configure(attack).run(view, Context(seed=0))


@pytest.mark.parametrize(
    ("asked", "similar", "why"), [(False, 40, "nor the oracle"), (True, 5, "16 .* has 5"), (True, 40, "several")]
)
def test_that_there_are_no_pairs_is_said_with_the_one_reason_that_holds(asked: bool, similar: int, why: str) -> None:
    images, _ = photographs(40, size=16)
    encoder = InProcess(PixelPermutation(), images[:0]) if asked else None
    mixtures = np.zeros((10, 9), np.float32) + np.arange(10)[:, None]  # of another shape than the oracle's
    with pytest.raises(NotApplicable, match=why):
        configure("linear").run(View(encodings=mixtures, similar=images[:similar], encoder=encoder), Context(seed=0))


@pytest.mark.parametrize("x", [np.zeros((1, 5)), np.eye(3), 1e3 + np.eye(3)])
def test_others_are_not(x: np.ndarray) -> None:
    refuse_constant(View(encodings=x.astype(np.float32)))


def faint(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Little of the image under noise: a mean image scores nearly what can be recovered."""
    return np.asarray(0.15 * x + 0.3 * rng.standard_normal(x.shape), np.float32)


def cipher(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.random(x.shape, dtype=np.float32)


@pytest.mark.parametrize("attack", ["linear", "decoder"])
@pytest.mark.parametrize("leaks", [True, False])
def test_released_labels_hide_no_leak_and_are_none(attack: str, leaks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten classes, few held-out pairs of each: what encodings say of the class is known, the rest is news."""
    monkeypatch.setitem(OPERATIONS, "quick", 2e10)
    labels = np.arange(320) % 10
    images = np.clip(0.6 * pictures(10, seed=5, size=16)[labels] + 0.5 * (pictures(320, size=16) - 0.4), 0, 1)
    images, rng = images.astype(np.float32), np.random.default_rng(1)
    y = images if leaks else pictures(10, seed=5, size=16)[labels]
    y = (y + (0.05 if leaks else 0.3) * rng.standard_normal(images.shape)).astype(np.float32)
    view = View(
        encodings=y[:20],
        labels=np.eye(10, dtype=np.float32)[labels[:20]],
        pairs=Pairs(images[20:120], y[20:120], labels=labels[20:120]),
        similar=images[120:],
        similar_labels=labels[120:],
    )
    out = configure(attack).run(view, Context(seed=0))
    assert len(out.images) == (20 if leaks else 0)


@pytest.mark.parametrize("attack", ["linear", "decoder"])
@pytest.mark.parametrize("encode", [faint, cipher])
def test_a_faint_leak_is_answered_and_none_is_not(attack: str, encode: Encode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPERATIONS, "quick", 2e10)
    images = pictures(320, size=16)
    y = encode(images[:120], np.random.default_rng(1))
    view = View(encodings=y[:20], pairs=Pairs(images[20:120], y[20:]), similar=images[120:])
    out = configure(attack).run(view, Context(seed=0))
    if encode is cipher:
        assert not len(out.images) and out.members is not None and (out.members == -1).all()
        assert "no image is answered" in out.sentence or "answers no image" in out.sentence
        return
    assert len(out.images) == 20
    truth = images[:20].reshape(20, -1) - images[120:].mean(0).reshape(-1)
    found = out.images.reshape(20, -1) - out.images.mean(0).reshape(-1)
    assert float((found * truth).sum(1).mean()) > 0  # they follow the images


@pytest.mark.parametrize("attack", ["linear", "decoder"])
def test_the_oracle_is_not_asked_once_known_records_give_the_map(attack: str) -> None:
    images, _ = photographs(240, size=16)
    turned = np.ascontiguousarray(images[:, ::-1])
    encoder, pairs = InProcess(PixelPermutation(), images[:0]), Pairs(images[20:80], turned[20:80])
    view = View(encodings=turned[:20], pairs=pairs, similar=images[80:], encoder=encoder)
    out = configure(attack).run(view, Context(seed=0))
    np.testing.assert_allclose(out.images, images[:20], atol=1e-3)
    assert "known images of the release" in out.sentence and encoder.calls == 0


def test_no_curve_is_drawn_of_a_control() -> None:
    images, _ = photographs(100, size=16)
    view = View(encodings=1 - images[:20], pairs=Pairs(images[20:], 1 - images[20:]))
    of_control = configure("linear").run(view, Context(seed=0, options={"control": True}))
    assert "curves" not in of_control.diagnostics
    out = configure("linear").run(view, Context(seed=0))
    assert "curves" in out.diagnostics
    np.testing.assert_array_equal(out.images, of_control.images)

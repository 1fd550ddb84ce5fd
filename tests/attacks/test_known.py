"""Where pairs come from, and releases that hold nothing to learn from."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.attacks.known import refuse_constant
from ihaudit.contracts.configure import configure
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import Pairs, View
from ihaudit.errors import NotApplicable
from ihaudit.schemes.pixel_permutation import PixelPermutation
from tests.attacks.releases import photographs
from tests.games.inprocess import InProcess


@pytest.mark.parametrize("attack", ["linear", "decoder"])
def test_equal_encodings_are_refused_at_once(attack: str) -> None:
    images, _ = photographs(40, size=16)
    same = np.full((40, 8, 24), 3.5, np.float32)
    view = View(encodings=same[:10], pairs=Pairs(images, same))
    with pytest.raises(NotApplicable, match="all encodings are the same"):
        configure(attack).run(view, Context(seed=0))


@pytest.mark.parametrize("x", [np.zeros((1, 5)), np.eye(3), 1e3 + np.eye(3)])
def test_others_are_not(x: np.ndarray) -> None:
    refuse_constant(View(encodings=x.astype(np.float32)))


def test_a_map_that_is_no_better_than_a_mean_image_answers_nothing() -> None:
    images, _ = photographs(240, size=16)
    noise = np.random.default_rng(0).random((240, 16, 16, 3), dtype=np.float32)
    view = View(encodings=noise[:20], pairs=Pairs(images[20:80], noise[20:80]), similar=images[80:])
    out = configure("linear").run(view, Context(seed=0))
    assert not len(out.images) and "no image is answered" in out.sentence
    assert out.members is not None and (out.members == -1).all()


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

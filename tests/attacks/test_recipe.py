"""What an attack's answer says in words of itself."""

from __future__ import annotations

import numpy as np

from ihaudit.attacks.recipe import COMPARED, alike_answers
from tests.attacks.releases import photographs


def test_answers_that_show_one_picture_are_counted() -> None:
    images = photographs(6)[0]
    assert alike_answers(images) is None
    rng = np.random.default_rng(0)
    near = np.clip(images[:2] + 0.01 * rng.standard_normal(images[:2].shape), 0, 1).astype(np.float32)
    assert alike_answers(np.concatenate([images, near, images[:1]])) == (5, 2)
    assert alike_answers(np.zeros((3, 16, 16, 3), np.float32)) is None  # nothing is shown: no picture
    assert alike_answers(images[:1]) is None
    assert alike_answers(np.broadcast_to(images[:1], (COMPARED + 1, *images.shape[1:]))) is None

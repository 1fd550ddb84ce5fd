"""Whether answers follow the images: exact where they do not, and sensitive where they do so faintly."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.attacks.numerics.known_pairs.dependence import ORDERS, by_chance
from ihaudit.attacks.numerics.known_pairs.learn import learn
from tests.pictures import lookalikes, pictures

IMAGES = pictures(640, size=16)


@pytest.mark.parametrize("pictures_of", [pictures, lookalikes])
@pytest.mark.parametrize("kind", ["noise", "other images", "mean and noise"])
def test_answers_that_hold_nothing_are_told_by_chance_at_the_level(pictures_of: object, kind: str) -> None:
    images = pictures(960, seed=2, size=16) if pictures_of is pictures else lookalikes(960, seed=2, size=16)
    rng, values = np.random.default_rng(0), []
    for part in np.split(images, 40):
        noise = rng.standard_normal(part.shape).astype(np.float32)
        answers = {
            "noise": noise,
            "other images": images[rng.permutation(len(images))[: len(part)]],
            "mean and noise": part.mean(0) + 0.01 * noise,
        }[kind]
        values.append(by_chance(answers, part))
    p = np.array(values)
    assert (p <= 0.05).sum() <= 7 and (p <= 0.5).sum() >= 10 and p.min() > 1e-4  # binomial, 40 trials, both sides


def test_a_little_of_the_image_under_much_noise_is_seen() -> None:
    images = IMAGES[:25]
    noise = np.random.default_rng(0).standard_normal(images.shape).astype(np.float32)
    assert by_chance(images + noise, images) < 1e-3
    assert by_chance(images, images) == 1 / (ORDERS + 1)


def test_what_all_answers_share_is_nothing() -> None:
    images = IMAGES[:25]
    assert by_chance(np.broadcast_to(images.mean(0), images.shape), images) == 1
    assert by_chance(images, np.broadcast_to(images[:1], images.shape)) == 1


def test_what_labels_say_is_no_news() -> None:
    labels = np.arange(40) % 4
    classes = pictures(4, seed=7, size=16)
    images = np.clip(0.5 * classes[labels] + 0.5 * IMAGES[:40], 0, 1).astype(np.float32)
    assert by_chance(classes[labels], images) < 1e-3
    usual = np.stack([images[labels == k].mean(0) for k in range(4)])[labels]
    assert by_chance(classes[labels], images - usual) > 0.05
    assert by_chance(images[:13], (images - usual)[:13]) < 1e-3  # few of each class are enough for what is news


@pytest.mark.parametrize("shape", [(16, 16, 3), (300,)])
@pytest.mark.parametrize("pairs", [40, 60])
def test_faint_leaks_are_shown_and_nulls_are_not(shape: tuple[int, ...], pairs: int) -> None:
    shown = {0.0: 0, 0.15: 0}
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x = IMAGES[rng.permutation(len(IMAGES))]
        turn = np.asarray(np.eye(768) if len(shape) == 3 else rng.standard_normal((768, 300)) / 8, np.float32)
        for strength in shown:
            y = strength * x[:pairs].reshape(pairs, -1) @ turn + 0.15 * rng.standard_normal(
                (pairs, turn.shape[1]), np.float32
            )
            y = np.asarray(y.reshape(pairs, *shape), np.float32)
            found = learn(x[:pairs], y, y, np.random.default_rng(seed), similar=x[pairs : pairs + 150])
            shown[strength] += found.inverse is not None and found.shown
    assert shown[0.0] == 0 and shown[0.15] == 3

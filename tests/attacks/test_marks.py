"""Marks that follow the image and not the key tell whose an encoding is; what has none gives nobody away."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ihaudit.attacks.marks import Marks
from ihaudit.attacks.numerics.released.steady import fit_bits, fit_numbers, worth
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.release import Release
from ihaudit.scheme import Knowledge

Images = NDArray[np.float32]
Labels = NDArray[np.int64]
Made = Callable[[NDArray[np.uint8], Labels, np.random.Generator], Release]
SIZE = 8 * 8


def soft(labels: Labels) -> NDArray[np.float64]:
    return np.eye(3)[labels]


def hashed(b: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What nobody can undo, of each row."""
    rows = [hashlib.shake_256(b"key" + r.tobytes()).digest(SIZE) for r in b.reshape(len(b), -1)]
    return np.frombuffer(b"".join(rows), np.uint8).reshape(len(b), -1)


def with_pads(b: NDArray[np.uint8], rng: np.random.Generator, count: int) -> NDArray[np.uint8]:
    """(count, n, 64), whose exclusive or is what is hashed."""
    pads = rng.integers(0, 256, (count - 1, len(b), SIZE), dtype=np.uint8)
    return np.concatenate([pads, (np.bitwise_xor.reduce(pads) ^ hashed(b))[None]])


LEAKING: dict[str, Made] = {
    "a hash": lambda b, y, rng: Release(hashed(b), soft(y)),
    "a hash in an array": lambda b, y, rng: Release(rng.random((len(b), SIZE)), soft(y), extra={"tag": hashed(b)}),
    "a hash in the last bits of labels": lambda b, y, rng: Release(
        rng.random((len(b), SIZE)), np.concatenate([soft(y), hashed(b)[:, :16] * 1e-6], 1)
    ),
    "half of it, and noise": lambda b, y, rng: Release(
        np.concatenate([hashed(b)[:, :32], rng.integers(0, 256, (len(b), 200), dtype=np.uint8)], 1), soft(y)
    ),
    "a table of each row's own": lambda b, y, rng: Release(
        np.stack([rng.permutation(256)[r] for r in b.reshape(len(b), -1) // 16]), soft(y)
    ),
    "three shares in as many rows": lambda b, y, rng: Release(
        with_pads(b, rng, 3).swapaxes(0, 1).reshape(-1, SIZE), soft(y).repeat(3, 0)
    ),
    "a pad beside it": lambda b, y, rng: Release((p := with_pads(b, rng, 2))[0], soft(y), extra={"p": p[1]}),
    "numbers under noise": lambda b, y, rng: Release(
        hashed(b) / 255 + 0.2 * rng.standard_normal((len(b), SIZE)), soft(y)
    ),
}
HONEST: dict[str, Made] = {
    "noise": lambda b, y, rng: Release(rng.random((len(b), SIZE)), soft(y)),
    "labels": lambda b, y, rng: Release(soft(y) @ np.random.default_rng(5).random((3, SIZE)), soft(y)),
    "a fresh pad": lambda b, y, rng: Release(
        b.reshape(len(b), -1) ^ rng.integers(0, 256, (len(b), SIZE), dtype=np.uint8), soft(y), extra={"classes": y}
    ),
    "one of two shares": lambda b, y, rng: Release(
        (b.reshape(len(b), -1) / 255 + rng.random((len(b), SIZE))) % 1, soft(y), extra={"n": np.arange(len(b))}
    ),
    "nothing": lambda b, y, rng: Release(np.zeros((len(b), SIZE)), soft(y)),
}


class Oracle:
    """Encodes in this process."""

    def __init__(self, f: Made) -> None:
        self.f = f

    def seconds(self, count: int) -> float:
        return 0.0

    def encode_many(self, calls: Sequence[tuple[Images, Labels, int]]) -> list[Release]:
        made = [(np.rint(x * 255).astype(np.uint8), y, np.random.default_rng(seed)) for x, y, seed in calls]
        return [self.f(*one) for one in made]


def told(f: Made) -> tuple[AttackOutput, Labels]:
    """What is answered, and the candidate that each of 20 images is."""
    rng = np.random.default_rng(3)
    pictures = (rng.integers(0, 256, (40, 8, 8, 1)) / 255).astype(np.float32)
    labels, who = rng.integers(0, 3, 40), rng.permutation(40)[:20]
    encoder: Any = Oracle(f)
    release = encoder.encode_many([(pictures[who], labels[who], 77)])[0]
    view = View(
        release.encodings,
        labels=release.labels,
        extra=release.extra,
        raw=release.raw,
        knows=frozenset(Knowledge),
        candidates=pictures,
        candidate_labels=labels,
        encoder=encoder,
        image_shape=(8, 8, 1),
    )
    return Marks().run(view, Context(1)), who


@pytest.mark.parametrize("name", LEAKING)
def test_marks_are_found_wherever_they_stand(name: str) -> None:
    found, who = told(LEAKING[name])
    assert found.matches is not None and not len(found.images)
    assert (found.matches[:20] == who).mean() > 0.9 or (found.matches[::3][:20] == who).mean() > 0.9


@pytest.mark.parametrize("name", HONEST)
def test_what_follows_the_key_or_the_class_alone_gives_nobody_away(name: str) -> None:
    found, _ = told(HONEST[name])
    assert found.matches is not None and (found.matches == -1).all()


def test_without_candidates_there_is_nothing_to_choose_from() -> None:
    with pytest.raises(NotApplicable, match="no candidates"):
        Marks().run(View(np.zeros((4, 8))), Context(1))


def test_steady_bits_and_numbers() -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 256, (3, 50, 20), dtype=np.uint8)
    assert fit_bits(rows) is None
    rows[:, :, 4] = rng.integers(0, 256, 50)
    found = fit_bits(rows)
    assert found is not None and (found.columns // 8 == 4).all()
    assert (found.scores(rows[0]).argmax(1) == np.arange(50)).mean() > 0.8
    assert not worth(rows[0], rows[1])
    assert worth(rows[0], np.where(rng.random((50, 20)) < 0.3, rows[1], rows[0])) is False
    assert worth(rows[0], rows[0])
    numbers = rng.standard_normal((50, 12)) + 0.1 * rng.standard_normal((3, 50, 12))
    model = fit_numbers(numbers.astype(np.float32))
    assert model is not None and (model.scores(numbers[1].astype(np.float32)).argmax(1) == np.arange(50)).all()
    assert fit_numbers(np.ones((3, 50, 4), np.float32)) is None

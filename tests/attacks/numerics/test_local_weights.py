"""Local weights: the range, what is left alone, and that they help."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ihaudit.attacks.numerics import local_weights as local
from ihaudit.attacks.numerics.demix import Demixed
from ihaudit.attacks.numerics.frame import Frame
from ihaudit.attacks.numerics.local_weights import refine, within_range
from ihaudit.attacks.numerics.shared import sharpen
from ihaudit.errors import NotApplicable
from tests.attacks.numerics.mixtures import PRIVATE, Recurring, patchy, recurring_release

pytestmark = pytest.mark.usefixtures("one_thread")


def error(images: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(((images - truth) ** 2).mean()))


def test_local_weights_beat_generalised_least_squares(recurring: Recurring) -> None:
    private, u, first, c, _ = recurring
    shared = sharpen(first, u, c)
    after = refine(shared, u, c)
    assert error(shared.images, private) < error(first.images, private)
    assert error(after.images, private) < 0.85 * error(shared.images, private)
    assert after.diagnostics["recurring_public_images"] > 50
    assert after.confidence is not None and after.confidence.shape == (PRIVATE,)


def test_public_images_drawn_once_are_weighted_too_in_any_range() -> None:
    private, u, first, c, _ = recurring_release(pool=2000, seed=5)
    moved = Demixed(
        (first.images / 2 + 0.5).astype(np.float32), first.members, first.coefficients, first.noise / 2, first.classes
    )
    after = refine(moved, u / 2 + np.float32(0.5), c, (0.0, 1.0))  # weights sum to one
    assert error(2 * after.images - 1, private) < 0.9 * error(first.images, private)


def test_images_are_brought_within_their_range() -> None:
    frame = Frame((32, 32, 3), 5)
    truth = np.stack([np.clip(patchy(1, 3)[0] + 0.9, -1, 1), 0.5 * patchy(1, 4)[0]])
    variance = np.full((2, 3072), 1e-4, np.float32)
    variance[:, frame.top] = 4.0
    shifted = frame.columns((truth + 0.06).astype(np.float32))
    after = frame.images(within_range(shifted, variance, frame))
    # white regions tell that the first image is too bright as a whole; nothing tells of the second
    assert np.abs((after - truth)[0].mean((0, 1))).max() < 0.035
    np.testing.assert_allclose(after[1], truth[1] + 0.06, atol=1e-5)


def test_what_cannot_be_refined_is_left_alone(recurring: Recurring, monkeypatch: pytest.MonkeyPatch) -> None:
    _, u, first, c, _ = recurring
    assert refine(first, u, c / c.sum(1, keepdims=True)) is first  # no public part
    few = Demixed(first.images, first.members[:20], first.coefficients[:20], first.noise[:20], first.classes)
    assert refine(few, u[:20], c[:20]) is few
    small = Demixed(first.images[:, :16], first.members, first.coefficients, first.noise, first.classes)
    assert refine(small, u[:, :16], c) is small

    def missing(path: Path | None = None, device: str = "cpu") -> None:
        raise NotApplicable("no weights")

    monkeypatch.setattr(local, "load_scales", missing)
    assert refine(first, u, c) is first

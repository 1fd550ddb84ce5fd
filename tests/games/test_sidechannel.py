"""A bit that leaks through the wrapping is caught there, and is not credited to the pixels."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.release import Provenance, Release
from tests.estimates import measured
from tests.games.inprocess import Custom, noise, one_hot, own, play, setting


def bright(images: np.ndarray) -> np.ndarray:
    result: np.ndarray = images.mean((1, 2, 3))
    return result


def by_order(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Release:
    """Rows sorted by brightness."""
    order = np.argsort(bright(images))
    return Release(noise(images, rng), one_hot(labels[order]), provenance=Provenance(order[:, None]))


def by_dtype(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Release:
    """float64 where the first image is bright."""
    kind = np.float64 if bright(images)[0] > 0.45 else np.float32
    return Release(noise(images, rng).astype(kind), one_hot(labels), provenance=own(len(images)))


def by_label_noise(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Release:
    """Soft labels whose noise follows brightness."""
    soft = one_hot(labels) * (1 - 0.01 * bright(images)[:, None]).astype(np.float32)
    return Release(noise(images, rng), soft, provenance=own(len(images)))


def by_rows(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Release:
    """One more row for every bright image."""
    who = np.r_[np.arange(len(images)), np.flatnonzero(bright(images) > 0.45)]
    return Release(noise(images[who], rng), one_hot(labels[who]), provenance=Provenance(who[:, None]))


def by_extra(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Release:
    """A further array that repeats what was hidden."""
    extra = {"statistics": np.array([bright(images)[0]], np.float32)}
    return Release(noise(images, rng), one_hot(labels), extra=extra, provenance=own(len(images)))


LEAKS = {"order": by_order, "dtype": by_dtype, "labels": by_label_noise, "rows": by_rows, "extra": by_extra}


@pytest.mark.parametrize("channel", LEAKS)
def test_a_leak_through_the_wrapping_is_caught_and_named(channel: str) -> None:
    s = setting(Custom(LEAKS[channel]))
    (f,) = play("side-channel", s)
    assert f.status == "broken", f.metrics
    assert (
        measured(f.metrics["advantage"]).low > 0.08
    )  # a single bit of a whole call, for pairs of one class, is worth little
    assert channel in f.details["channels"]
    assert channel in f.sentence


@pytest.mark.parametrize("channel", LEAKS)
def test_and_is_not_credited_to_pixels(channel: str) -> None:
    s = setting(Custom(LEAKS[channel]))
    f = play("instance", s, options={"control": True})[0]
    assert f.status == "no break found" and measured(f.metrics["advantage"]).low <= 0.05


def test_a_scheme_without_side_channels_shows_none() -> None:
    def identity(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Release:
        return Release(images.copy(), one_hot(labels), provenance=own(len(images)))

    (f,) = play("side-channel", setting(Custom(identity)))
    assert f.status == "no break found" and f.details["channels"] == []
    assert measured(f.metrics["advantage"]).low <= 0 <= measured(f.metrics["advantage"]).high

"""Rows turned round, or shifted in value, by what their label or first value says are read; noise is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ihaudit.attacks.numerics.released.keyed_shifts import as_codes, fit_shifts
from tests.attacks.test_together import pictures

IMAGES = (np.rint(pictures(150, 5) * 255) / 255).astype(np.float32)
LABELS = np.random.default_rng(6).integers(5, size=150)
CODES = np.rint(IMAGES * 255).astype(np.int64)
FIRST = CODES[:, 0, 0, 0]
ODD = np.array([3, 11, 5, 8, 0])  # no rule makes these of labels


def turned(amounts: NDArray[Any], axis: int | tuple[int, int] | None) -> NDArray[Any]:
    return np.stack([np.roll(x, s, axis) for x, s in zip(CODES, amounts, strict=True)])


RELEASED: dict[str, tuple[str, NDArray[Any]]] = {
    "axis 2 by label": ("label", turned(2 * LABELS + 1, 1)),
    "axis 1 by a table of labels": ("label", turned(ODD[LABELS], 0)),
    "all values by label": ("label", turned(31 * LABELS, None)),
    "axis 2 by first value": ("first value", turned(FIRST, 1)),
    "both axes by label": ("label", turned(np.stack([LABELS, LABELS], 1), (0, 1))),
    "right angles by label": ("label", np.stack([np.rot90(x, k) for x, k in zip(CODES, LABELS, strict=True)])),
    "right angles by first value": (
        "first value",
        np.stack([np.rot90(x, k) for x, k in zip(CODES, FIRST, strict=True)]),
    ),
    "mirrored by label": ("label", np.stack([x[:, ::-1] if k % 2 else x for x, k in zip(CODES, LABELS, strict=True)])),
    "value by label": ("label", (CODES + 50 * LABELS[:, None, None, None]) % 256),
    "value by first value": ("first value", (CODES + 2 * FIRST[:, None, None, None]) % 256),
    "axis 2 by chance": ("smoothness", turned(np.random.default_rng(7).integers(12, size=150), 1)),
}


@pytest.mark.parametrize("name", RELEASED)
def test_rows_that_are_shifted_by_what_they_say(name: str) -> None:
    by, released = RELEASED[name]
    rows = as_codes(released)
    assert rows is not None
    found = fit_shifts(IMAGES[:110], rows[:110], LABELS[:110])
    assert found is not None and by in found.words
    right = np.abs(found(rows[110:], LABELS[110:]) - IMAGES[110:]).mean((1, 2, 3)) < 1e-3
    assert right.mean() == 1 if by == "label" else right.mean() > 0.5  # several amounts may fit a row


def test_without_labels_smoothness_tells_how_rows_are_turned() -> None:
    rows = as_codes(RELEASED["axis 2 by label"][1])
    assert rows is not None
    found = fit_shifts(IMAGES[:110], rows[:110], None)
    assert found is not None and "smoothness" in found.words


def test_nothing_in_noise_in_one_shift_for_all_or_in_other_sizes() -> None:
    noise = np.random.default_rng(8).integers(0, 256, (150, CODES[0].size)).astype(np.uint8)
    same = as_codes(turned(np.full(150, 4), 1))
    assert same is not None
    for rows in (noise, same, np.zeros_like(noise), noise[:, :-1]):
        assert fit_shifts(IMAGES, rows, LABELS) is None
    assert fit_shifts(IMAGES[:10], noise[:10], LABELS[:10]) is None
    assert as_codes(np.full((3, 4), -1.0)) is None and as_codes(np.full((3, 4), np.nan)) is None

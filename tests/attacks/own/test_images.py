"""The images that `--train` trains on and measures with."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ihaudit.attacks.own.images import FEWEST, at_shape, merged, own_images
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable


@given(st.integers(FEWEST, 400), st.integers(0, 50), st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_images_to_train_on_and_to_measure_with_are_different_ones(n: int, m: int, seed: int) -> None:
    similar = np.arange(n, dtype=np.float32)[:, None, None, None] / 500 * np.ones((1, 16, 16, 3), np.float32)
    public = np.arange(m, dtype=np.float32)[:, None, None, None] / 60 * np.ones((1, 16, 16, 3), np.float32)
    view = View(encodings=similar[:2], similar=similar, similar_labels=np.arange(n) % 3, public_set=public)
    found = own_images(view, (3, 16, 16), seed)
    parts = [found.train, found.validate, found.measure]
    values = [set(p.similar[:, 0, 0, 0].tolist()) for p in parts]
    assert sum(len(p.similar) for p in parts) == n and min(len(p.similar) for p in parts) >= 0.14 * n
    assert len(set.union(*values)) == len(set(np.rint(similar[:, 0, 0, 0] * 255)))
    assert all(len(p.public) for p in parts) and all(len(p.labels) == len(p.similar) for p in parts)
    assert found.sources["public_from"] == ("the public set" if m else "embedded photographs, resized")
    assert own_images(view, (3, 16, 16), seed).digests == found.digests


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(1, 8))
def test_small_classes_are_put_together(labels: list[int], fewest: int) -> None:
    found = merged(np.array(labels), fewest)
    count = np.unique(found, return_counts=True)[1]
    assert len(found) == len(labels)
    assert count.min() >= min(fewest, len(labels))


@pytest.mark.parametrize(("have", "want"), [(3, 1), (1, 3), (3, 3), (1, 1)])
def test_images_are_brought_to_the_release_s_shape(have: int, want: int) -> None:
    x = np.full((2, 32, 32, have), 0.5, np.float32)
    found = at_shape(x, (want, 28, 20))
    assert found.shape == (2, 28, 20, want) and found.dtype == np.uint8
    assert set(np.unique(found)) <= {127, 128}
    with pytest.raises(NotApplicable, match="channels"):
        at_shape(x, (2, 32, 32))

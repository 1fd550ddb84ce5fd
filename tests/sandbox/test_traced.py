"""Which row is made of which image is found where a scheme keeps no order and says nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ihaudit.release import FloatArray, IntArray, Provenance, Release
from ihaudit.sandbox.loader import locate
from ihaudit.sandbox.traced import Traced, sources

N = 11
IMAGES = (np.random.default_rng(1).integers(0, 256, (N, 4, 4, 1)) / 255).astype(np.float32)
LABELS = np.zeros(N, np.int64)
Encode = Callable[[FloatArray, np.random.Generator], FloatArray]


def release_of(encode: Encode) -> Callable[[list[tuple[FloatArray, IntArray, int]]], list[Release]]:
    """Answers calls by a function of images and generator."""
    return lambda calls: [Release(encode(x, np.random.default_rng(seed)).astype(np.float32)) for x, _, seed in calls]


def found(encode: Encode) -> np.ndarray | None:
    """What is found of one call."""
    answers = release_of(encode)
    return sources(answers, IMAGES, LABELS, 3, answers([(IMAGES, LABELS, 3)])[0])


def shuffled(x: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Rows in an order of their own, and noise."""
    return x[rng.permutation(len(x))] + rng.normal(size=x.shape)


def test_shuffled_rows_are_told() -> None:
    expected = np.random.default_rng(3).permutation(N)
    assert np.array_equal(found(shuffled), expected)  # type: ignore[arg-type]


def test_several_rows_an_image_are_told() -> None:
    got = found(lambda x, rng: np.repeat(x, 3, axis=0) + rng.normal(size=(3 * len(x), 4, 4, 1)))
    assert got is not None and np.array_equal(got, np.arange(N).repeat(3))


@pytest.mark.parametrize(
    "encode",
    [
        lambda x, rng: x + x[rng.permutation(len(x))],
        lambda x, rng: x - x.mean(0),
        lambda x, rng: rng.normal(size=x.shape),
        lambda x, rng: x + np.random.default_rng().normal(size=x.shape),
    ],
    ids=["mixed", "batch", "noise", "not repeatable"],
)
def test_nothing_is_told_of_rows_that_follow_several_images_or_none(encode: Encode) -> None:
    assert found(encode) is None


FILE = """
import numpy as np
from ihaudit import Provenance, Release, Scheme


class Rows(Scheme):
    shuffled: bool = True

    def encode(self, images, labels, public, rng):
        order = rng.permutation(len(images)) if self.shuffled else np.arange(len(images))
        return Release(1 - images[order])
"""


@pytest.mark.parametrize("order", ["true", "false"])
def test_only_a_scheme_that_shuffles_is_traced(tmp_path, order: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "rows.py"
    path.write_text(FILE.replace("shuffled: bool = True", f"shuffled: bool = {order == 'true'}"))
    with Traced(locate(str(path)), {}) as scheme:
        release, single = scheme.encode_many([(IMAGES, LABELS, 5), (IMAGES[:1], LABELS[:1], 6)])
        once = scheme.seconds(N)
    assert scheme.shuffles is (order == "true")
    if not scheme.shuffles:
        assert release.provenance is None
        return
    assert isinstance(release.provenance, Provenance) and single.provenance is not None
    assert np.allclose(release.encodings, 1 - IMAGES[release.provenance.sources[:, 0]])
    assert once > 0

"""Private images repeated in a released field are found in every form; encodings that hide them are not accused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ihaudit.images import load
from ihaudit.release import Release
from ihaudit.sandbox import SchemeProcess
from ihaudit.sandbox.leaks import leaks
from ihaudit.sandbox.loader import locate

PRIVATE = load("embedded", role="private")
IMAGES = PRIVATE.images[:60]
N = len(IMAGES)
NOISE = np.random.default_rng(0).random((200, 32, 32, 3), dtype=np.float32)

COPIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "exact": lambda x: x,
    "flat": lambda x: x.reshape(N, -1),
    "one axis": lambda x: x.reshape(-1),
    "scaled": lambda x: 3 * x - 7,
    "negative": lambda x: 1 - x,
    "bytes": lambda x: (255 * x).round().astype(np.uint8),
    "five bits": lambda x: (31 * x).round().astype(np.uint8),
    "channels first": lambda x: x.transpose(0, 3, 1, 2),
    "grey": lambda x: x.mean(-1),
    "half size": lambda x: x.reshape(N, 16, 2, 16, 2, 3).mean((2, 4)),
    "mirrored": lambda x: x[:, :, ::-1],
    "upside down": lambda x: x[:, ::-1],
    "turned": lambda x: np.rot90(x, 3, (1, 2)),
    "turned the other way": lambda x: np.rot90(x, 1, (1, 2)),
    "one of ten, transposed": lambda x: np.where(
        (np.arange(N) % 10 == 3)[:, None, None, None], x.swapaxes(1, 2), NOISE[:N]
    ),
    "shuffled": lambda x: x[::-1],
    "masked": lambda x: (2 * x - 1) * np.sign(NOISE[:N] - 0.5),
    "a little noise": lambda x: x + 0.02 * NOISE[:N],
}


@pytest.mark.parametrize("form", list(COPIES))
@pytest.mark.parametrize("field", ["extra", "encodings"])
def test_copies_are_found_in_every_form(form: str, field: str) -> None:
    copy = COPIES[form](IMAGES)
    if field == "encodings" and copy.ndim == 1:
        pytest.skip("encodings have two or more axes")
    release = Release(NOISE, extra={"key": copy}) if field == "extra" else Release(copy)
    found = leaks(release, IMAGES)
    assert [f["field"] for f in found] == ["extra[key]" if field == "extra" else "encodings"]
    assert found[0]["images"] >= (0.1 if form.startswith("one of ten") else 0.9) * N
    assert 0.995 < found[0]["worst"] <= 1


def test_pieces_beside_noise_in_shuffled_rows_are_found() -> None:
    halves = np.concatenate([IMAGES[:, :16], IMAGES[:, :15:-1]])
    rows = np.concatenate([halves, NOISE[: 2 * N, :16]], 2)[np.random.default_rng(2).permutation(2 * N)]
    found = leaks(Release(1 - 2 * rows), IMAGES)
    assert [f["form"][:6] for f in found] == ["pieces"]
    assert found[0]["images"] > 10


def test_small_pictures_shifted_around_by_a_step_of_each_are_found() -> None:
    """Most pieces of 16 x 16 pixels are cut at the edge where they are shifted to."""
    rng = np.random.default_rng(1)
    small = load("embedded", role="private").images[:14, ::2, ::2]
    rolled = np.stack([np.roll(v, rng.integers(0, 16, 2), (0, 1)) for v in small])
    (found,) = leaks(Release(rolled), small)
    assert found["form"].startswith("pieces") and found["images"] > 9
    assert not leaks(Release(NOISE[:14, :16, :16]), small)


def test_pieces_of_other_images_are_none() -> None:
    others = load("embedded", role="public").images[:60]
    assert leaks(Release(np.concatenate([others[:, :16], NOISE[:60, :16]], 2)), IMAGES) == []
    mixed = IMAGES + 0.5 * others[: len(IMAGES)]
    assert leaks(Release(mixed), IMAGES) == []


def test_copies_in_the_labels_and_of_a_few_images_are_found() -> None:
    labels = np.random.default_rng(1).random((N, 3072), dtype=np.float32)
    labels[7] = IMAGES[3].ravel()
    found = leaks(Release(NOISE[:N], labels), IMAGES)
    assert [(f["field"], f["images"], f["rows"]) for f in found] == [("labels", 1, 1)]


@pytest.mark.parametrize("name", ["instahide", "instahide-inside", "noise", "constant", "label-only", "gaussian"])
def test_schemes_that_hide_images_are_not_accused(name: str) -> None:
    with SchemeProcess(locate(name), public=load("embedded", role="public").images[:300]) as process:
        release = process.encode(IMAGES, PRIVATE.labels[:60], seed=3)
    assert leaks(release.public_part(), IMAGES) == []


def test_a_mean_image_and_other_images_are_no_copies() -> None:
    mean = np.broadcast_to(IMAGES.mean(0), IMAGES.shape)
    others = load("embedded", role="similar").images[:200]
    mixture = 0.65 * IMAGES + 0.35 * IMAGES[::-1]
    assert leaks(Release(NOISE, extra={"mean": mean, "others": others, "mixture": mixture}), IMAGES) == []


def test_identity_is_accused() -> None:
    with SchemeProcess(locate("identity")) as process:
        found = leaks(process.encode(IMAGES, PRIVATE.labels[:60], seed=3), IMAGES)
    assert found[0]["field"] == "encodings" and found[0]["images"] == N and found[0]["worst"] > 0.9999

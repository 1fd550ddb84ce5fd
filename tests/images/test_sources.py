"""Image sources: what is given comes back, what is bad is one sentence."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ihaudit.errors import ImageError
from ihaudit.images import ImageSet, check_compatible, load
from ihaudit.images.embedded import COUNTS

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)


def npz(folder: Path, **arrays: object) -> str:
    path = folder / "set.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return str(path)


@pytest.mark.parametrize("role", list(COUNTS))
def test_embedded_sets_are_large_varied_and_the_same_every_time(role: str) -> None:
    s = load("embedded", role=role)  # type: ignore[arg-type]
    assert len(s) >= 0.8 * COUNTS[role]
    assert s.images.shape[1:] == (32, 32, 3)
    assert s.images.dtype == np.float32
    assert s.images.min() >= 0 and s.images.max() <= 1
    assert len(np.unique(s.labels)) >= 4
    assert s.images.mean(axis=3).std(axis=(1, 2)).min() > 0.05
    assert s.sha256 == load(f"embedded:{role}", role="private").sha256


def test_no_private_image_is_among_the_similar_or_public_ones() -> None:
    def prints(s: ImageSet) -> np.ndarray:
        x = s.images.reshape(len(s), -1)
        x = x - x.mean(axis=1, keepdims=True)
        return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))

    private = prints(load("embedded", role="private"))
    for role in ("similar", "public"):
        assert (private @ prints(load("embedded", role=role)).T).max() < 0.97
    own = private @ private.T - np.eye(len(private))
    assert own.max() < 0.97


def test_npz_in_bytes_floats_and_channel_first(tmp_path: Path) -> None:
    labels = np.arange(12) % 3
    a = load(npz(tmp_path, images=BYTES, labels=labels), role="private")
    b = load(npz(tmp_path, images=BYTES / 255.0, labels=labels), role="private")
    c = load(npz(tmp_path, images=BYTES.transpose(0, 3, 1, 2), labels=labels), role="private")
    np.testing.assert_allclose(a.images, BYTES / 255, atol=1e-6)
    np.testing.assert_allclose(b.images, a.images, atol=1e-6)
    np.testing.assert_array_equal(c.images, a.images)
    grey = load(npz(tmp_path, images=BYTES[..., 0]), role="public")
    assert grey.images.shape == (12, 16, 16, 1)


def test_labels_become_classes_without_gaps_and_missing_ones_pseudo_classes(tmp_path: Path) -> None:
    s = load(npz(tmp_path, images=BYTES, labels=np.repeat([3, 7, 40], 4)), role="private")
    assert np.unique(s.labels).tolist() == [0, 1, 2]
    unlabelled = load(npz(tmp_path, images=BYTES), role="private")
    assert unlabelled.pseudo
    assert len(np.unique(unlabelled.labels)) == 10


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": BYTES[:0]}, "is empty"),
        ({"images": BYTES[:1]}, "at least two"),
        ({"images": BYTES, "labels": np.zeros(12, int)}, "one class only"),
        ({"images": BYTES, "labels": np.arange(5)}, "expected \\(12,\\)"),
        ({"images": BYTES, "labels": np.arange(12) - 1}, "0 or more"),
        ({"images": BYTES * 2.0 / 255 - 1}, "scale them to"),
        ({"images": BYTES / np.nan}, "NaN"),
        ({"images": BYTES.astype(np.complex64)}, "give whole numbers"),
        ({"images": BYTES[:, :4, :4]}, "8 x 8"),
        ({"images": BYTES.reshape(12, -1)}, "have shape"),
        ({"images": np.zeros((4, 16, 16, 4), np.uint8)}, "4 channels"),
        ({"pictures": BYTES}, "no array 'images'"),
        ({"images": np.array([BYTES[0], BYTES[1, :8]], dtype=object)}, "holds objects"),
    ],
)
def test_bad_npz_is_one_sentence(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ImageError, match=message):
        load(npz(tmp_path, **arrays), role="private")


@pytest.mark.parametrize(
    ("labels", "key"),
    [
        (np.eye(3)[[0, 1, 2, 0]], "labels"),
        (np.eye(3, dtype=bool)[[0, 1, 2, 0]], "label"),
        (np.array(["cat", "dog", "emu", "cat"]), "y"),
        (np.array([[5], [6], [7], [5]]), "targets"),
    ],
)
def test_classes_in_other_forms_and_under_other_names(tmp_path: Path, labels: np.ndarray, key: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", images=images, allow_pickle=False, **{key: labels})
    found = load(str(tmp_path / "x.npz"), role="private")
    assert found.labels.tolist() == [0, 1, 2, 0]
    assert not found.pseudo
    assert bool(found.notes) == (key != "labels")


def test_what_rounding_leaves_beyond_the_range_is_cut_off(tmp_path: Path) -> None:
    images = np.linspace(-1e-6, 1 + 1e-6, 4 * 64 * 3).reshape(4, 8, 8, 3)
    np.savez(tmp_path / "x.npz", images=images)
    found = load(str(tmp_path / "x.npz"), role="private").images
    assert (found.min(), found.max()) == (0, 1)


@pytest.mark.parametrize(
    ("shape", "message"),
    [((8, 8, 3, 40), r"images\.transpose\(3, 0, 1, 2\)"), ((4, 8, 8, 4), r"images\[\.\.\., :3\]")],
)
def test_other_layouts_are_refused_with_the_remedy(tmp_path: Path, shape: tuple[int, ...], message: str) -> None:
    np.savez(tmp_path / "x.npz", images=np.zeros(shape, np.uint8))
    with pytest.raises(ImageError, match=message):
        load(str(tmp_path / "x.npz"), role="private")


def test_damaged_missing_and_foreign_files(tmp_path: Path) -> None:
    path = Path(npz(tmp_path, images=BYTES))
    path.write_bytes(path.read_bytes()[:300])
    for spec, message in (
        (str(path), "cannot be read"),
        (str(tmp_path / "nowhere"), "there are no images"),
        (__file__, "neither .* or name a folder of image files"),
        ("embedded:secret", "no embedded set"),
    ):
        with pytest.raises(ImageError, match=message):
            load(spec, role="private")


def test_folders_with_classes_sizes_alpha_grey_and_16_bits(tmp_path: Path) -> None:
    for kind in ("cat", "dog"):
        (tmp_path / kind).mkdir()
    gradient = np.linspace(0, 255, 64 * 100).reshape(64, 100).astype(np.uint8)
    Image.fromarray(np.stack([gradient] * 3, -1)).save(tmp_path / "cat" / "a.png")
    Image.fromarray(gradient).save(tmp_path / "cat" / "grey.jpg")
    Image.fromarray(gradient.astype(np.uint16) * 257).save(tmp_path / "dog" / "deep.png")
    clear = np.zeros((40, 40, 4), np.uint8)
    Image.fromarray(clear).save(tmp_path / "dog" / "alpha.png")
    s = load(str(tmp_path), role="private", size=24)
    assert s.images.shape == (4, 24, 24, 3)
    assert s.labels.tolist() == [0, 0, 1, 1]
    assert s.images[2].min() == 1  # transparent becomes white, not black
    np.testing.assert_allclose(s.images[0], s.images[3], atol=0.01)  # 16 bits keep their brightness
    np.testing.assert_allclose(s.images[0], s.images[1], atol=0.05)


def test_bad_folders_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no image files"):
        load(str(tmp_path), role="private")
    (tmp_path / "a.png").write_bytes(b"not a picture")
    with pytest.raises(ImageError, match=r"a\.png cannot be read"):
        load(str(tmp_path), role="private")
    (tmp_path / "cat").mkdir()
    Image.fromarray(BYTES[0]).save(tmp_path / "cat" / "b.png")
    with pytest.raises(ImageError, match="both in subfolders and beside"):
        load(str(tmp_path), role="private")


def cifar(folder: Path, **extra: object) -> None:
    data = RNG.integers(0, 256, (20, 3072), dtype=np.uint8)
    batch: dict[Any, Any] = {b"data": data, b"labels": (np.arange(20) % 10).tolist(), **extra}
    (folder / "data_batch_1").write_bytes(pickle.dumps(batch, protocol=2))


def test_cifar_batches_are_read_in_their_layout(tmp_path: Path) -> None:
    cifar(tmp_path)
    s = load(str(tmp_path), role="private")
    raw = pickle.loads((tmp_path / "data_batch_1").read_bytes())[b"data"]
    assert s.images.shape == (20, 32, 32, 3)
    assert s.images[3, 5, 7, 2] == pytest.approx(raw[3, 2048 + 5 * 32 + 7] / 255)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('ran')",))


def test_a_pickle_that_runs_code_is_refused_without_running_it(tmp_path: Path) -> None:
    cifar(tmp_path, **{"x": Evil()})
    with pytest.raises(ImageError, match=r"asks for __builtin__\.exec"):
        load(str(tmp_path), role="private")


def test_sets_of_different_shapes_do_not_go_together(tmp_path: Path) -> None:
    a = load(npz(tmp_path, images=BYTES), role="private")
    b = load(npz(tmp_path, images=BYTES[:, :, :12]), role="public")
    with pytest.raises(ImageError, match="16 x 16 x 3"):
        check_compatible(a, b)
    check_compatible(a, b.empty((9, 9, 3)))
    assert len(a.concat(a)) == 24
    assert a.subset(np.array([3, 1])).labels.tolist() == [a.labels[3], a.labels[1]]

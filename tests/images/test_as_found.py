"""Sets as they lie on disks: splits and links, clinics' files without suffixes, batches that were saved anew."""

from __future__ import annotations

import importlib.util
import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ihaudit.errors import ImageError
from ihaudit.images import sources
from ihaudit.images.sources import load

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (6, 16, 16, 3), np.uint8)
DEEP = RNG.integers(0, 4096, (6, 16, 16)).astype(np.uint16)
ROWS = RNG.integers(0, 256, (6, 3072)).astype(np.uint8)
LABELS = [0, 1] * 3

parquet = pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed")
dicom = pytest.mark.skipif(importlib.util.find_spec("pydicom") is None, reason="pydicom is not installed")


def png(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def tree(folder: Path, *names: str) -> None:
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(BYTES[i % len(BYTES)]))


@pytest.mark.parametrize(
    ("names", "inner"),
    [
        (("train/cat/0.png", "train/dog/1.png", "test/cat/2.png", "test/dog/3.png"), "train"),
        (("images/cat/0.png", "images/dog/1.png"), "images"),
    ],
)
def test_classes_one_level_down_are_named(tmp_path: Path, names: tuple[str, ...], inner: str) -> None:
    tree(tmp_path, *names)
    with pytest.raises(ImageError, match=rf"name the folder whose subfolders they are: .*{inner}$"):
        load(str(tmp_path), role="private")
    assert len(np.unique(load(str(tmp_path / inner), role="private").labels)) == 2


def test_files_of_patients_within_classes_are_read(tmp_path: Path) -> None:
    tree(tmp_path, "ill/p1/0.png", "ill/p2/1.png", "well/p3/2.png", "well/p4/3.png")
    assert load(str(tmp_path), role="private").labels.tolist() == [0, 0, 1, 1]


def test_links_that_lead_nowhere_and_pipes_are_said(tmp_path: Path) -> None:
    tree(tmp_path, "a/0.png", "b/1.png")
    (tmp_path / "a" / "gone.png").symlink_to("/nowhere")
    os.mkfifo(tmp_path / "b" / "pipe.png")
    assert "2 with names of image files are none" in " ".join(load(str(tmp_path), role="private").notes)


@pytest.mark.parametrize(
    ("name", "data", "way"),
    [
        ("x.nii.gz", b"x", r"1 \.nii\.gz files were not read; convert"),
        ("cifar-10-python.tar.gz", b"x", r"1 \.gz files were not read; unpack them"),
        ("train-images-idx3-ubyte", b"x", "numpy.savez"),
        ("deep/x.npz", b"x", r"name the file of arrays itself: .*x\.npz"),
        ("x.png", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    ],
)
def test_folders_of_something_else_name_the_way_out(tmp_path: Path, name: str, data: bytes, way: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ImageError, match=way):
        load(str(tmp_path), role="private")


def test_stated_bits_that_no_picture_has_are_said(tmp_path: Path) -> None:
    tree(tmp_path, "a/0.png", "b/1.png")
    assert "--bits 12 was not used" in " ".join(load(str(tmp_path), role="private", bits=12).notes)


def test_names_of_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=BYTES)
    (tmp_path / "a.npz").rename(tmp_path / "A.NPZ")
    assert len(load(f"{tmp_path / 'A.NPZ'}:images", role="private")) == 6
    np.save(tmp_path / "a.npy", BYTES)
    with pytest.raises(ImageError, match="leave out ':images'"):
        load(f"{tmp_path / 'a.npy'}:images", role="private")


@pytest.mark.parametrize(
    ("shape", "message"), [((16, 16, 3), "looks like one image"), ((5, 4, 16, 16), r"images\[:, :3\]")]
)
def test_shapes(tmp_path: Path, shape: tuple[int, ...], message: str) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros(shape, np.uint8))
    with pytest.raises(ImageError, match=message):
        load(str(tmp_path / "a.npz"), role="private")


@pytest.mark.parametrize("inner", ["", "cifar-10-batches-py"])
@pytest.mark.parametrize(
    ("batch", "protocol"),
    [
        ({b"data": ROWS, b"labels": LABELS}, 2),
        ({"data": ROWS, "labels": LABELS}, 2),
        ({b"data": ROWS.astype(np.int64), b"labels": np.array(LABELS)}, 5),
    ],
)
def test_cifar_batches_saved_anew(tmp_path: Path, batch: dict[Any, Any], protocol: int, inner: str) -> None:
    (tmp_path / inner).mkdir(exist_ok=True)
    (tmp_path / inner / "data_batch_1").write_bytes(pickle.dumps(batch, protocol=protocol))
    s = load(str(tmp_path), role="private")
    np.testing.assert_array_equal(s.images, ROWS.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).astype(np.float32) / 255)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({b"data": ROWS / 255, b"labels": LABELS}, "data is float64"),
        ({b"data": ROWS.astype(np.int64) + 100, b"labels": LABELS}, r"0\.\.255"),
        ({b"data": ROWS[:, :3000], b"labels": LABELS}, r"\(6, 3000\)"),
        ({b"data": ROWS, b"labels": LABELS[:4]}, r"labels are int64 of shape \(4,\)"),
        ({b"data": ROWS}, "needs data and labels, and has data"),
        ([1, 2], "holds a list"),
    ],
)
def test_other_pickles_under_the_name_of_a_batch(tmp_path: Path, batch: object, message: str) -> None:
    """Floats became black images, and numbers beyond a byte were taken modulo 256."""
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(batch, protocol=2))
    with pytest.raises(ImageError, match=message):
        load(str(tmp_path), role="private")


def test_a_folder_that_may_not_be_read_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr(sources, "folder", refused)
    with pytest.raises(ImageError, match=r"Permission denied.*may be read"):
        load(str(tmp_path), role="private")


def table(path: Path, **columns: list[Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), path)


@parquet
def test_deep_and_transparent_pictures_in_parquet_are_read_as_in_folders(tmp_path: Path) -> None:
    """They were clipped at 255, and shown without their transparency."""
    clear = np.dstack([BYTES[0], np.zeros((16, 16), np.uint8)])
    for name, pictures in (("deep", [*DEEP]), ("clear", [clear, BYTES[1]])):
        (tmp_path / name).mkdir()
        for i, p in enumerate(pictures):
            (tmp_path / name / f"{i}.png").write_bytes(png(p))
        table(tmp_path / f"{name}.parquet", image=[{"bytes": png(p), "path": None} for p in pictures])
        found = load(str(tmp_path / f"{name}.parquet"), role="private", size=16)
        np.testing.assert_array_equal(found.images, load(str(tmp_path / name), role="private", size=16).images)


@parquet
@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": [None] * 6, "label": LABELS}, "row 0 of a.parquet holds nothing"),
        ({"image": [{"bytes": None, "path": "x"}] * 6, "label": LABELS}, "only a path"),
        ({"image": [b.tolist() for b in BYTES]}, "a list in place of a picture"),
        ({"image": [png(BYTES[0])] * 6, "label": [None, 1] * 3}, "3 of 6 labels"),
        ({"image": [png(BYTES[0])[:60]] * 6}, "the picture in row 0 of .* cannot be read"),
        ({"text": ["a"]}, "rename the column"),
    ],
)
def test_parquet_that_holds_no_pictures(tmp_path: Path, columns: dict[str, list[Any]], message: str) -> None:
    table(tmp_path / "a.parquet", **columns)
    with pytest.raises(ImageError, match=message):
        load(str(tmp_path), role="private")


@parquet
def test_splits_of_parquet_are_named_and_their_labels_must_go_together(tmp_path: Path) -> None:
    cells = [png(b) for b in BYTES]
    table(tmp_path / "train.parquet", image=cells, label=LABELS)
    table(tmp_path / "test.parquet", image=cells, label=LABELS)
    (tmp_path / "0.png").write_bytes(cells[0])
    notes = " ".join(load(str(tmp_path), role="private").notes)
    assert "2 parquet files were read as one set: test.parquet, train.parquet" in notes
    assert "1 image files beside parquet files were not read" in notes
    table(tmp_path / "test.parquet", image=cells)
    with pytest.raises(ImageError, match=r"test\.parquet has no column of labels"):
        load(str(tmp_path), role="private")


def clinical(stored: np.ndarray, path: Path, change: Callable[[Any], None]) -> None:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(path.name, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Rows, data.Columns, data.SamplesPerPixel = *stored.shape, 1
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
    data.PhotometricInterpretation = "MONOCHROME2"
    data.PixelData = stored.tobytes()
    change(data)
    data.save_as(path, enforce_file_format=True)


@dicom
def test_dicom_without_suffix_and_signed_negatives(tmp_path: Path) -> None:
    def signed(data: Any) -> None:
        data.PixelRepresentation, data.PhotometricInterpretation = 1, "MONOCHROME1"

    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    for i in range(3):
        clinical(DEEP[i], tmp_path / f"IM{i}", signed)
    s = load(str(tmp_path), role="private", size=16)
    low, high = float(DEEP[:3].min()), float(DEEP[:3].max())
    np.testing.assert_allclose(s.images[0, ..., 0], (high - DEEP[0]) / (high - low), atol=1e-5)


@dicom
def test_a_dicom_scale_of_nothing_is_refused(tmp_path: Path) -> None:
    def flat(data: Any) -> None:
        data.RescaleSlope, data.RescaleIntercept = 0, 0

    clinical(DEEP[0], tmp_path / "0.dcm", flat)
    with pytest.raises(ImageError, match="rescale slope 0"):
        load(str(tmp_path), role="private")

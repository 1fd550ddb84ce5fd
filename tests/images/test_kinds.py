"""Kinds of sources that people of the field bring: read, or refused with what to do."""

from __future__ import annotations

import importlib.util
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ihaudit.errors import ImageError
from ihaudit.images import load

BYTES = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
LABELS = np.arange(12) % 3


def test_an_array_of_an_archive_by_name(tmp_path: Path) -> None:
    """MedMNIST's names: the arrays of one part of the set, with their labels in a column."""
    path = tmp_path / "medmnist.npz"
    parts = {f"{p}_images": BYTES + i for i, p in enumerate(("train", "val", "test"))}
    np.savez(path, **parts, **{f"{p}_labels": LABELS[:, None] for p in ("train", "val", "test")})  # type: ignore[arg-type]
    s = load(str(path), role="private")
    np.testing.assert_allclose(s.images, BYTES / 255, atol=1e-6)
    assert s.labels.tolist() == LABELS.tolist()
    assert "train_images and train_labels" in " ".join(s.notes)
    t = load(f"{path}:test_images", role="private")
    np.testing.assert_allclose(t.images, (BYTES + 2) / 255, atol=1e-6)
    assert not t.pseudo
    with pytest.raises(ImageError, match=r"no array 'nothing' .* medmnist.npz:NAME"):
        load(f"{path}:nothing", role="private")


def test_a_single_array(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", BYTES)
    np.testing.assert_allclose(load(str(tmp_path / "x.npy"), role="private").images, BYTES / 255, atol=1e-6)
    (tmp_path / "y.npy").write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(ImageError, match=r"y\.npy cannot be read"):
        load(str(tmp_path / "y.npy"), role="private")


def test_shapes_that_are_not_read_name_the_way_out(tmp_path: Path) -> None:
    for images, way in ((BYTES[None], r"images\.reshape\(-1"), (BYTES.reshape(12, -1), r"len\(images\), H, W, C")):
        np.savez(tmp_path / "x.npz", images=images)
        with pytest.raises(ImageError, match=way):
            load(str(tmp_path / "x.npz"), role="private")


@pytest.mark.parametrize(
    ("name", "way"), [("x.zip", "unpack"), ("x.pt", "numpy.savez"), ("x.png", "folder that it lies in"), ("x", "savez")]
)
def test_other_files_name_the_way_out(tmp_path: Path, name: str, way: str) -> None:
    (tmp_path / name).write_bytes(b"some")
    with pytest.raises(ImageError, match=way):
        load(str(tmp_path / name), role="private")


def test_avif_and_what_is_not_read(tmp_path: Path) -> None:
    Image.fromarray(BYTES[0]).save(tmp_path / "a.png")
    Image.fromarray(BYTES[1]).resize((64, 64)).save(tmp_path / "b.avif")
    (tmp_path / "c.heic").write_bytes(b"some")
    s = load(str(tmp_path), role="similar", size=16)
    assert len(s) == 2
    assert "1 .heic files were not read" in " ".join(s.notes)
    for p in ("a.png", "b.avif"):
        (tmp_path / p).unlink()
    with pytest.raises(ImageError, match=r"no image files .* \.heic files were not read; convert"):
        load(str(tmp_path), role="similar")


def test_every_page_of_a_tiff_and_the_first_frame_of_an_animation(tmp_path: Path) -> None:
    pages = [Image.fromarray(b) for b in BYTES[:3]]
    pages[0].save(tmp_path / "a.tiff", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "b.gif", save_all=True, append_images=pages[1:])
    s = load(str(tmp_path), role="similar", size=16)
    assert len(s) == 4
    np.testing.assert_allclose(s.images[:3], BYTES[:3] / 255, atol=0.01)
    assert "2 files hold 4 pages" in " ".join(s.notes)
    assert "of 1 animated pictures the first frame" in " ".join(s.notes)


def test_one_cifar_batch(tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(0, 256, (6, 3072), dtype=np.uint8)
    (tmp_path / "test_batch").write_bytes(pickle.dumps({b"data": data, b"labels": [0, 1, 2, 0, 1, 2]}, protocol=2))
    assert load(str(tmp_path / "test_batch"), role="private").images.shape == (6, 32, 32, 3)


def test_parquet(tmp_path: Path) -> None:
    if importlib.util.find_spec("pyarrow") is None:
        (tmp_path / "a.parquet").write_bytes(b"PAR1")
        for spec in (tmp_path, tmp_path / "a.parquet"):
            with pytest.raises(ImageError, match=r"install ihaudit\[parquet\]"):
                load(str(spec), role="private")
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    cells = []
    for image in BYTES:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        cells.append({"bytes": buffer.getvalue(), "path": None})
    pq.write_table(pa.table({"image": cells, "label": LABELS}), tmp_path / "a.parquet")
    s = load(str(tmp_path), role="private", size=16)
    np.testing.assert_allclose(s.images, BYTES / 255, atol=1e-6)
    assert s.labels.tolist() == LABELS.tolist()


def test_dicom(tmp_path: Path) -> None:
    if importlib.util.find_spec("pydicom") is None:
        (tmp_path / "a.dcm").write_bytes(b"DICM")
        with pytest.raises(ImageError, match=r"install ihaudit\[dicom\]"):
            load(str(tmp_path), role="private")
        return
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    stored = np.linspace(0, 4000, 24 * 24).reshape(24, 24).astype(np.uint16)
    for i in range(2):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data = FileDataset(f"{i}.dcm", {}, file_meta=meta, preamble=b"\0" * 128)
        data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        data.Rows, data.Columns, data.SamplesPerPixel = 24, 24, 1
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
        data.PhotometricInterpretation, data.RescaleSlope, data.RescaleIntercept = "MONOCHROME2", 1, -1024
        data.PixelData = stored.tobytes()
        data.save_as(tmp_path / f"{i}.dcm", enforce_file_format=True)
    s = load(str(tmp_path), role="private", size=24)
    np.testing.assert_allclose(s.images[0, ..., 0], stored / 4000, atol=0.01)
    assert "-1024 was read as black" in " ".join(s.notes)

"""Pictures whose reader takes them for something else: 16-bit colours, signed bytes, white zeros, other programs."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from ihaudit.errors import ImageError
from ihaudit.images import load
from tests.images.test_as_found import BYTES, DEEP, LABELS, clinical, dicom, parquet, png, table

GREY = BYTES[..., 0]


def png16(values: np.ndarray) -> bytes:
    """A PNG of 16 bits with 2 (grey, alpha), 3 or 4 channels; Pillow writes none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    h, w, c = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", w, h, 16, {2: 4, 3: 2, 4: 6}[c], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def saved(folder: Path, write: Callable[[Path, int], object], suffix: str) -> str:
    for i in range(4):
        (folder / f"c{i // 2}").mkdir(exist_ok=True, parents=True)
        write(folder / f"c{i // 2}" / f"{i}{suffix}", i)
    return str(folder)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colours_of_16_bits_that_use_12_are_refused_and_full_ones_are_read(tmp_path: Path, channels: int) -> None:
    """They were read by their high byte, nearly black, without a word."""
    clear = np.full((16, 16, 1), 65535)

    def values(i: int, times: int) -> np.ndarray:
        colours = BYTES[i].astype(np.int64) * times
        kinds: dict[int, np.ndarray] = {
            2: np.dstack([colours[..., :1], clear]),
            3: colours,
            4: np.dstack([colours, clear]),
        }
        return kinds[channels]

    for times in (16, 257):
        spec = saved(tmp_path / str(times), lambda p, i, t=times: p.write_bytes(png16(values(i, t))), ".png")  # type: ignore[misc]
        if times == 16:
            with pytest.raises(ImageError, match=r"only 12 bits are used; divide all values by 16"):
                load(spec, role="private", size=16)
            continue
        s = load(spec, role="private", size=16)
        wanted = np.repeat(BYTES[:4, ..., :1], 3, 3) if channels == 2 else BYTES[:4]
        np.testing.assert_allclose(s.images, wanted / 255, atol=1e-6)
        assert "the 8 highest bits were read" in " ".join(s.notes)


@pytest.mark.parametrize(
    ("arrays", "options", "wanted"),
    [
        ((GREY.astype(np.int16) - 128).astype(np.int8), {}, GREY / 255),
        (GREY.astype(np.uint32) << 24, {}, GREY / 256),
        (GREY.astype(np.uint16) * 16, {"photometric": "miniswhite"}, 1 - GREY * 16.0 / 4095),
        (GREY, {"photometric": "miniswhite"}, 1 - GREY / 255),
        (GREY.astype(np.uint16) * 16, {"byteorder": ">"}, GREY * 16.0 / 4095),
        (BYTES, {"bigtiff": True}, BYTES / 255),
        (BYTES.transpose(0, 3, 1, 2), {"photometric": "rgb", "planarconfig": "separate"}, BYTES / 255),
    ],
    ids=["signed", "32 bits", "white zero, 16 bits", "white zero", "big endian", "BigTIFF", "planes"],
)
def test_kinds_of_tiff(tmp_path: Path, arrays: np.ndarray, options: dict[str, Any], wanted: np.ndarray) -> None:
    """The first three were read wrapped, negative and inverted."""
    spec = saved(tmp_path, lambda p, i: tifffile.imwrite(p, arrays[i], **options), ".tif")
    images = load(spec, role="private", size=16).images
    np.testing.assert_allclose(images if wanted.ndim == 4 else images[..., 0], wanted[:4], atol=0.005)


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        (BYTES.astype(np.uint16).transpose(0, 3, 1, 2), {"photometric": "rgb"}, "numbers of 16 bits"),
        ((BYTES // 2).astype(np.int8), {"photometric": "rgb"}, "signed numbers of 8 bits|cannot be read"),
        (BYTES / np.float32(255), {"photometric": "rgb"}, "cannot be read"),
        (GREY / np.float64(255), {}, "cannot be read"),
        (BYTES.astype(np.uint16) * 16, {"photometric": "rgb"}, "only 12 bits are used"),
        (np.repeat(GREY[..., None], 13, 3), {"photometric": "minisblack", "planarconfig": "contig"}, "cannot be read"),
    ],
)
def test_kinds_of_tiff_that_are_refused(
    tmp_path: Path, arrays: np.ndarray, options: dict[str, Any], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    spec = saved(tmp_path, lambda p, i: tifffile.imwrite(p, arrays[i], **options), ".tif")
    with pytest.raises(ImageError, match=message):
        load(spec, role="private", size=16)
    assert not capfd.readouterr().err


def test_smaller_copies_in_a_tiff_are_no_images(tmp_path: Path) -> None:
    def write(path: Path, i: int) -> None:
        with tifffile.TiffWriter(path) as f:
            f.write(BYTES[i], photometric="rgb")
            f.write(BYTES[i, ::2, ::2], photometric="rgb", subfiletype=1)

    images = load(saved(tmp_path, write, ".tif"), role="private", size=16).images
    np.testing.assert_allclose(images, BYTES[:4] / 255, atol=1e-6)


def test_postscript_under_the_name_of_a_picture_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess

    def never(*_: object, **__: object) -> None:
        raise AssertionError("another program was started")

    monkeypatch.setattr(subprocess, "check_call", never)
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\n")
    with pytest.raises(ImageError, match="of a kind that is not read"):
        load(str(tmp_path), role="private")


def test_names_of_pictures(tmp_path: Path) -> None:
    """Pictures of some names were passed over, and with them half of a set."""
    kinds = {".jfif": "JPEG", ".jpe": "JPEG", ".tga": "TGA", ".pbm": "PPM", ".dib": "DIB", ".apng": "PNG"}
    for i, (suffix, kind) in enumerate(kinds.items()):
        Image.fromarray(BYTES[i]).save(tmp_path / f"{i}{suffix}", kind)
    (tmp_path / "x.pcx").write_bytes(b"some")
    (tmp_path / "labels.csv").write_text("0.jfif,1")
    s = load(str(tmp_path), role="private", size=16)
    assert len(s) == len(kinds)
    assert "1 .pcx files were not read" in " ".join(s.notes)
    assert "labels.csv was not read, and images are dealt into pseudo-classes" in " ".join(s.notes)


def test_copies_that_programs_keep_are_no_images(tmp_path: Path) -> None:
    saved(tmp_path, lambda p, i: p.write_bytes(png(BYTES[i])), ".png")
    for name in ("c0/.ipynb_checkpoints/0-checkpoint.png", "__MACOSX/c0/0.png", "c1/._2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(png(BYTES[0]))
    assert load(str(tmp_path), role="private").labels.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("images", "masks"), "no classes; name the folder of the pictures: .*images$"),
        (("train", "test"), "parts of a set and no classes"),
    ],
)
def test_folders_that_are_no_classes(tmp_path: Path, names: tuple[str, str], message: str) -> None:
    for i, name in enumerate(names):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(png(BYTES[i]))
    with pytest.raises(ImageError, match=message):
        load(str(tmp_path), role="private")


def test_pictures_too_small_and_too_long(tmp_path: Path) -> None:
    spec = saved(tmp_path, lambda p, i: p.write_bytes(png(np.tile(BYTES[i], (1, 3, 1)))), ".png")
    notes = " ".join(load(spec, role="private", size=24).notes)
    assert "of 4 pictures more than twice as long as wide only the middle square" in notes
    assert "4 pictures were enlarged to 24 x 24 pixels (--size 16 keeps" in notes
    (tmp_path / "c0" / "9.png").write_bytes(png(BYTES[0][:, :3]))
    with pytest.raises(ImageError, match=r"9\.png holds a picture of 16 x 3 pixels"):
        load(spec, role="private")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 12, 16, 16), r"transpose\(1, 2, 3, 0\)"),
        ((12, 16, 16, 16), r"slices: images\.reshape\(-1, 16, 16\)"),
        ((12, 13, 16, 16), r"images\[:, :3\]"),
        ((12, 16, 16, 2), r"images\[\.\.\., :1\]"),
        ((16, 16, 12), r"images\.transpose\(2, 0, 1\) where they are last"),
    ],
)
def test_layouts_name_the_way_out(tmp_path: Path, shape: tuple[int, ...], message: str) -> None:
    """The last was read as 16 pictures of 16 x 12."""
    np.savez(tmp_path / "a.npz", images=np.zeros(shape, np.uint8))
    with pytest.raises(ImageError, match=message):
        load(str(tmp_path / "a.npz"), role="private")


def test_arrays_beside_the_images_are_said(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=BYTES, classes=LABELS)
    assert "and not classes; labels of images are called" in " ".join(
        load(str(tmp_path / "a.npz"), role="private").notes
    )
    (tmp_path / "b.npz:c").mkdir()
    np.savez(tmp_path / "b.npz:c" / "d.npz", images=BYTES)
    assert len(load(str(tmp_path / "b.npz:c" / "d.npz"), role="private")) == 6


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([-1, 0, 1] * 2), "leave out images without a class, and number"),
        (np.array([0, 1e300, 2] * 2), r"0\.\.1e\+300"),
        (np.eye(2)[LABELS].T, r"the first axis: labels\.T"),
        (np.eye(2)[LABELS] * 255, r"labels\.argmax\(1\)"),
    ],
)
def test_labels_name_the_way_out(tmp_path: Path, labels: np.ndarray, message: str) -> None:
    np.savez(tmp_path / "a.npz", images=BYTES, labels=labels)
    with pytest.raises(ImageError, match=message):
        load(str(tmp_path / "a.npz"), role="private")


@parquet
def test_parquet_columns_that_are_not_read_are_said(tmp_path: Path) -> None:
    cells = [png(b) for b in BYTES]
    table(tmp_path / "a.parquet", image=cells, kind=LABELS)
    assert "not the columns kind" in " ".join(load(str(tmp_path / "a.parquet"), role="private").notes)
    table(tmp_path / "a.parquet", image=cells, target=LABELS)
    assert load(str(tmp_path / "a.parquet"), role="private").labels.tolist() == LABELS
    table(tmp_path / "a.parquet", image=cells, labels=[[0], [1, 2]] * 3)
    with pytest.raises(ImageError, match="lists of different lengths"):
        load(str(tmp_path / "a.parquet"), role="private")


def test_files_named_by_numbers_are_asked_what_they_are(tmp_path: Path) -> None:
    """On disks of clinics a file is called after its number, whose last part is no suffix."""
    (tmp_path / "1.2.840.113619.2.5").write_bytes(b"\0" * 128 + b"DICM")
    with pytest.raises(ImageError, match=r"cannot be read|install ihaudit"):
        load(str(tmp_path), role="private")


def palette(data: Any) -> None:
    data.PhotometricInterpretation = "PALETTE COLOR"


def high(data: Any) -> None:
    data.BitsStored, data.HighBit = 12, 15


@dicom
@pytest.mark.parametrize(("change", "message"), [(palette, "holds PALETTE COLOR"), (high, "12 stored bits")])
def test_dicom_that_is_no_plain_grey(tmp_path: Path, change: Callable[[Any], None], message: str) -> None:
    clinical(DEEP[0], tmp_path / "0.dcm", change)
    with pytest.raises(ImageError, match=message):
        load(str(tmp_path), role="private")


def inverse(data: Any) -> None:
    data.BitsStored, data.HighBit, data.PresentationLUTShape = 12, 11, "INVERSE"


def empty(data: Any) -> None:
    data.add_new(0x00281053, "DS", "")
    data.add_new(0x00281052, "DS", "")


def looked_up(data: Any) -> None:
    from pydicom.dataset import Dataset

    entry = Dataset()
    entry.LUTDescriptor, entry.ModalityLUTType = [4096, 0, 16], "US"
    entry.LUTData = np.arange(4096)[::-1].astype(np.uint16).tobytes()
    data.ModalityLUTSequence = [entry]


def floats(data: Any) -> None:
    stored = np.frombuffer(data.PixelData, np.uint16).astype("<f4") / 4095
    del data.PixelData
    data.add_new(0x7FE00008, "OF", stored.tobytes())
    data.BitsAllocated = 32


@dicom
@pytest.mark.parametrize(("change", "negative"), [(inverse, True), (empty, False), (looked_up, True), (floats, False)])
def test_what_the_header_of_dicom_says(tmp_path: Path, change: Callable[[Any], None], negative: bool) -> None:
    """Inverse tables were left out, an empty slope refused, fractions cut to whole numbers."""
    for i in range(3):
        clinical(DEEP[i], tmp_path / f"1.2.840.{i}", change)
    s = load(str(tmp_path), role="private", size=16)
    plain = DEEP[:3] / 4095
    np.testing.assert_allclose(s.images[..., 0], 1 - plain if negative else plain, atol=1e-3)


@dicom
def test_padding_of_dicom_is_as_dark_as_the_darkest(tmp_path: Path) -> None:
    def padded(data: Any) -> None:
        stored = np.frombuffer(data.PixelData, np.uint16).copy()
        stored[:20] = 63536
        data.PixelData, data.PixelPaddingValue = stored.tobytes(), 63536

    for i in range(2):
        clinical(DEEP[i], tmp_path / f"{i}.dcm", padded)
    s = load(str(tmp_path), role="private", size=16)
    np.testing.assert_allclose(s.images[:, 2:, :, 0], DEEP[:2, 2:] / 4095, atol=1e-3)

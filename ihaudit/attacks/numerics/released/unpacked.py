"""What arrays become when they are unpacked: compressed, spelled out as text, archives, files of pictures, run lengths.

Whole arrays and single rows are tried, also where every byte was combined with one constant, bytes are stored as other
numbers or bit by bit, and something stands before them.  What is compressed says itself that it was read to its end, so
that noise unpacks into nothing.
"""

from __future__ import annotations

import base64
import binascii
import bz2
import contextlib
import io
import lzma
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]
Bytes = NDArray[np.uint8]
Step = tuple[str, Callable[[bytes], bytes]]

#: Bytes that something may become; what is smaller is not looked at.
MAX_BYTES, LEAST = 256 << 20, 32
#: How often something is unpacked that was unpacked.
DEPTH = 3
#: Bytes before what is packed, in an array and in a row.
BEFORE, ROW_BEFORE = 4096, 64
#: Pixels of a picture at most.
MAX_PIXELS = 1 << 24
#: First bytes of what the standard library decompresses, and of files of pictures.
HEADS: tuple[tuple[bytes, str], ...] = (
    (b"\x78\x01", "zlib"),
    (b"\x78\x5e", "zlib"),
    (b"\x78\x9c", "zlib"),
    (b"\x78\xda", "zlib"),
    (b"\x1f\x8b\x08", "gzip"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ", "lzma"),
    (b"PK\x03\x04", "zip"),
)
PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"II*\0", b"MM\0*")
#: Pictures that one file may hold, one after the other.
MAX_FRAMES = 4096
#: Bytes of an array that is looked at, at most, and values that say how many different ones there are.
LARGEST, SOME = 64 << 20, 4096


def unpacked(a: Array) -> Iterator[tuple[str, Array]]:
    """Words, and what the array becomes: bytes (d,), rows of bytes (n, d), or pictures (n, H, W, C)."""
    seen = set()
    for words, data in _streams(a):
        for said, out in _opened(data.tobytes(), DEPTH, BEFORE):
            if out not in seen:
                seen.add(out)
                yield f"{words}{said}", np.frombuffer(out, np.uint8)
        shown = _pictures(data.tobytes())
        if shown is not None:
            yield f"{words}pictures in it", shown
        if data.ndim == 2 and len(data) >= 4 and data.shape[1] >= LEAST:
            yield from _by_row(words, data)


def _streams(a: Array) -> Iterator[tuple[str, Bytes]]:
    """The array's bytes, as stored and in other forms, by row where there are rows."""
    rows = np.ascontiguousarray(a.reshape(len(a), -1) if a.ndim > 1 else a.reshape(-1))
    if not rows.size or rows.nbytes > LARGEST:
        return
    if rows.dtype != bool:
        yield "", rows.view(np.uint8)
        yield "backwards, ", np.ascontiguousarray(rows.view(np.uint8)[..., ::-1])
    some = rows.reshape(-1)[:LEAST].astype(np.float64)
    if rows.dtype.itemsize > 1:
        for words, scale in (("", 1), ("times 255, ", 255), ("times 256, ", 256)):
            if _bytewise(some * scale) and _bytewise(all_ := rows.astype(np.float64) * scale):
                yield f"numbers {words}as bytes, ", np.rint(all_).astype(np.uint8)
                break
        else:
            levels = np.unique(rows.reshape(-1)[:SOME])
            levels = np.unique(rows) if len(levels) <= 256 else levels
            step = float(np.diff(levels).min()) if 2 < len(levels) <= 256 else 0.0
            if step > 0 and _bytewise((levels - levels[0]) / step):
                yield "steps of numbers as bytes, ", np.rint((rows - levels[0]) / step).astype(np.uint8)
    if np.isin(some, (0, 1)).all() and np.isin(rows, (0, 1)).all() and rows.shape[-1] % 8 == 0:
        yield "bits as bytes, ", np.packbits(rows.astype(bool), axis=-1)
        yield "bits as bytes, the lowest first, ", np.packbits(rows.astype(bool), axis=-1, bitorder="little")


def _bytewise(x: Array) -> bool:
    return bool(x.min() >= 0 and x.max() <= 255.01 and np.abs(x - np.rint(x)).max() < 1e-3)


def _by_row(words: str, rows: Bytes) -> Iterator[tuple[str, Array]]:
    """What every row becomes by itself, where all become equally long."""
    first = rows[0].tobytes()
    for said, out in _opened(first, DEPTH, ROW_BEFORE):
        found = [out]
        for row in rows[1:]:
            other = next((o for s, o in _opened(row.tobytes(), DEPTH, ROW_BEFORE) if s == said), None)
            if other is None or len(other) != len(out):
                break
            found.append(other)
        if len(found) == len(rows):
            yield f"{words}row by row {said}", np.stack([np.frombuffer(f, np.uint8) for f in found])
    if rows.shape[1] % 2 == 0:
        lengths = rows[:, 1::2].sum(1, dtype=np.int64)
        if lengths[0] >= LEAST and (lengths == lengths[0]).all() and lengths[0] <= MAX_BYTES // len(rows):
            runs = [np.repeat(r[0::2], r[1::2]) for r in rows]
            yield f"{words}run lengths undone", np.stack(runs)


def _opened(data: bytes, depth: int, before: int) -> Iterator[tuple[str, bytes]]:
    """Words, and what bytes become; what came out is unpacked too."""
    if len(data) < LEAST or not depth:
        return
    for words, out in (*_text(data), *_decompressed(data, before)):
        if len(out) >= LEAST:
            yield words, out
            for more, inner in _opened(out, depth - 1, before):
                yield f"{words}, {more}", inner


def _text(data: bytes) -> list[tuple[str, bytes]]:
    """What stands there as text: hexadecimal, base 64, 85 or 32, numbers up to 255."""
    text = data.rstrip(b"\0")
    if len(text) < LEAST or re.fullmatch(rb"[\t\n\r\x20-\x7e]+", text) is None:
        return []
    found = []
    for words, f in _ALPHABETS:
        with contextlib.suppress(ValueError, binascii.Error):
            found.append((words, f(text)))
    numbers = re.findall(rb"\d+", text[:400])
    if len(numbers) > LEAST // 4 and max(map(int, numbers)) < 256:
        with contextlib.suppress(ValueError):
            found.append(("numbers spelled out", bytes(map(int, re.findall(rb"\d+", text)))))
    return found


_ALPHABETS: tuple[Step, ...] = (
    ("from hexadecimal", lambda t: bytes.fromhex(t.decode())),
    ("from base 64", lambda t: base64.b64decode(t, validate=True)),
    ("from base 32", base64.b32decode),
    ("from base 85", base64.b85decode),
    ("from base 85", base64.a85decode),
)


def _decompressed(data: bytes, before: int) -> Iterator[tuple[str, bytes]]:
    start = np.frombuffer(data[:8], np.uint8)
    for words, combine in (("exclusive or with", np.bitwise_xor), ("less", np.subtract)):
        for key in range(1, 256):
            head = combine(start, np.uint8(key)).tobytes()
            for mark, name in HEADS:
                if head.startswith(mark):
                    out = _unpack(name, combine(np.frombuffer(data, np.uint8), np.uint8(key)).tobytes())
                    if out:
                        yield f"unpacked by {name} after {words} {key}", out
    for mark, name in HEADS:
        at = data.find(mark, 0, before)
        while at >= 0:
            out = _unpack(name, data[at:])
            if out:
                yield f"unpacked by {name}{', from within' if at else ''}", out
                break
            at = data.find(mark, at + 1, before)
    raw = zlib.decompressobj(-15)
    with contextlib.suppress(zlib.error):
        out = raw.decompress(data, MAX_BYTES)
        used = len(data) - len(raw.unused_data)
        if raw.eof and len(out) > 0.9 * used > LEAST and not raw.unused_data[8:].strip(b"\0"):
            yield "unpacked by deflate", out


_READERS: dict[str, Callable[[], Any]] = {
    "zlib": lambda: zlib.decompressobj(15),
    "gzip": lambda: zlib.decompressobj(31),
    "bz2": lambda: bz2.BZ2Decompressor(),
    "lzma": lambda: lzma.LZMADecompressor(memlimit=MAX_BYTES),
}


def _unpack(name: str, data: bytes) -> bytes:
    """What comes out, empty where it does not come to its end."""
    with contextlib.suppress(Exception):  # a few bytes look alike by chance
        if name == "zip":
            with zipfile.ZipFile(io.BytesIO(data)) as z:
                if sum(i.file_size for i in z.infolist()) > MAX_BYTES:
                    return b""
                return b"".join(z.read(i) for i in z.infolist())
        d = _READERS[name]()
        out: bytes = d.decompress(data, MAX_BYTES)
        return out if d.eof else b""
    return b""


def _pictures(data: bytes) -> Array | None:
    """uint8 (n, H, W, C): pictures of one size whose files stand in it, one after the other, or that one file holds.

    None where no file is found, or none that can be read.
    """
    for mark in PICTURES:
        if mark not in data:
            continue
        starts = [m.start() for m in re.finditer(re.escape(mark), data)][: 4 * MAX_FRAMES]
        shown = _frames(data[starts[0] :])
        if len(shown) < 2 and len(starts) > 1:
            pieces = [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]
            shown = [frame for piece in pieces for frame in _frames(piece)]
        if shown and len({p.shape for p in shown}) == 1:
            return np.stack(shown)
    return None


def _frames(data: bytes) -> list[Array]:
    """The pictures (H, W, C) of a file; none where it is damaged."""
    found = []
    with warnings.catch_warnings(), contextlib.suppress(Exception):  # whatever a damaged file raises
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data)) as image:
            count = min(MAX_FRAMES, getattr(image, "n_frames", 1))
            for i in range(count if image.width * image.height * count <= MAX_PIXELS else 0):
                image.seek(i)
                shown = np.asarray(image.convert("RGB" if image.mode not in ("L", "1") else "L"))
                found.append(shown if shown.ndim == 3 else shown[..., None])
    return found

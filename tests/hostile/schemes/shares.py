"""Images in shares, differences and other numbers that no linear map of one row undoes, and packed in files."""

import base64
import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ihaudit import Release, Scheme


def _file(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def _rows(chunks):
    out = np.zeros((len(chunks), max(map(len, chunks)) // 4096 * 4096 + 4096), np.uint8)
    for row, chunk in zip(out, chunks, strict=True):
        row[: len(chunk)] = np.frombuffer(chunk, np.uint8)
    return out


@dataclass
class Shared(Scheme):
    """Publishes what makes the image once two things in it are put together, or unpacked."""

    how: str = "halves"

    def encode(self, images, labels, public, rng):
        n, h, w, c = images.shape
        size = h * w * c
        fixed = np.random.default_rng(77)
        soft = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        b = np.round(images * 255).astype(np.uint8)
        flat = b.reshape(n, -1)
        pad, other = rng.integers(0, 256, (2, *b.shape), dtype=np.uint8)
        uniform = rng.random(images.shape)
        y, span, extra = rng.random(images.shape), (0.0, 1.0), {}
        how = self.how
        # shares in one row
        if how == "halves":
            y, span = np.concatenate([pad, pad ^ b], 1), (0, 255)
        elif how == "halves-shuffled":
            y = np.concatenate([pad, pad ^ b], 3).reshape(n, -1)[:, fixed.permutation(2 * size)]
            span = (0, 255)
        elif how == "channels":
            y, span = np.concatenate([pad, pad ^ b], 3)[..., fixed.permutation(2 * c)], (0, 255)
        elif how == "halves-modulo":
            y = np.concatenate([uniform, (images + uniform) % 1], 2)
        elif how == "quotient":
            y = np.concatenate([0.3 + uniform, images * (0.3 + uniform)], 2)
        elif how == "signs":
            s = rng.choice([-1, 1], images.shape)
            y = np.concatenate([s * uniform, (images + 0.2) * s], 2)
        elif how == "parity":
            bits = np.unpackbits(flat[:, ::2], axis=1)
            y = rng.integers(0, 256, (n, bits.shape[1], 2))
            y[..., 1] = (y[..., 1] & ~1) | ((y[..., 0] & 1) ^ bits)
            y, span = y.reshape(n, -1), (0, 255)
        elif how == "larger":
            bits = np.unpackbits(flat[:, ::2], axis=1).astype(bool)
            y = np.sort(rng.random((n, bits.shape[1], 2)), -1)
            y[bits] = y[bits][:, ::-1]
            y = y.reshape(n, -1)
        # shares in two parts
        elif how == "extras":
            extra = {"a": pad, "b": (pad ^ b).reshape(n, -1)[:, fixed.permutation(size)]}
        elif how == "extras-three":
            extra = {"a": pad, "b": other, "c": pad ^ other ^ b}
        elif how == "mantissa":
            bits = y.astype(np.float32).view(np.uint32)
            y, extra = (bits & ~np.uint32(255) | pad).view(np.float32), {"a": pad ^ b}
        elif how == "order":
            p = np.argsort(flat, 1, kind="stable")
            y, span, extra = np.take_along_axis(flat, p, 1), (0, 255), {"order": p.astype(np.int16)}
        # differences
        elif how == "differences":
            y, span = np.diff(flat, axis=1, prepend=np.uint8(0)), (0, 255)
        elif how == "sums":
            y, span = np.add.accumulate(flat, 1, dtype=np.uint8), (0, 255)
        elif how == "exclusive-sums":
            y, span = np.bitwise_xor.accumulate(flat, 1), (0, 255)
        elif how == "from-row-to-row":
            y, span = np.bitwise_xor.accumulate(np.concatenate([pad[:1], b]), 0)[1:], (0, 255)
        # pads that several rows have
        elif how == "pad-by-place":
            y, span = b ^ fixed.integers(0, 256, b.shape, dtype=np.uint8), (0, 255)
        elif how == "pad-by-label":
            y = (images + np.random.default_rng(5).random((1000, h, w, c))[labels]) % 1
        elif how == "pad-of-few":
            y, span = b + fixed.integers(0, 256, (8, *b.shape[1:]), dtype=np.uint8)[rng.integers(8, size=n)], (0, 255)
        elif how == "seed-beside":
            nonces = rng.integers(0, 2**31, n)
            pads = [np.random.default_rng(int(s)).integers(0, 256, b.shape[1:], dtype=np.uint8) for s in nonces]
            y, span, extra = b ^ np.stack(pads), (0, 255), {"nonce": nonces}
        # what two pixels make
        elif how == "two-pixels":
            y, span = (flat ^ np.roll(flat, 1, 1))[:, fixed.permutation(size)], (0, 255)
        elif how == "own-byte":
            y, span = (flat ^ rng.integers(0, 256, (n, 1), dtype=np.uint8))[:, fixed.permutation(size)], (0, 255)
        elif how == "own-key":
            key = rng.integers(0, 256, (n, 16), dtype=np.uint8)
            y, span, extra = flat ^ np.tile(key, (1, size // 16)), (0, 255), {"key": key}
        elif how == "places-beside-values":
            y = rng.permuted(np.arange(size) * 256 + flat.astype(np.int64), axis=1).astype(np.int32)
            span = (0, 256 * size)
        elif how == "filtered":
            ahead = np.pad(b, ((0, 0), (1, 0), (1, 0), (0, 0))).astype(np.int64)
            y, span = (b - (ahead[:, 1:, :-1] + ahead[:, :-1, 1:]) // 2).astype(np.uint8), (0, 255)
        # files
        elif how == "sheet":
            sheet = np.zeros((-(-n // 8) * 8, h, w, c), np.uint8)
            sheet[:n] = b
            file = io.BytesIO()
            tiled = sheet.reshape(-1, 8, h, w, c).swapaxes(1, 2).reshape(-1, 8 * w, c)
            Image.fromarray(tiled).save(file, "PNG")
            extra = {"v": np.frombuffer(file.getvalue(), np.uint8)}
        elif how == "files":
            extra = {"v": _rows([_file(i) for i in b])}
        elif how == "files-joined":
            extra = {"v": np.frombuffer(b"".join(struct.pack("<I", len(f)) + f for f in map(_file, b)), np.uint8)}
        elif how == "base64":
            extra = {"v": np.frombuffer(base64.b64encode(b.tobytes()), np.uint8)}
        elif how == "prefixed":
            extra = {"v": np.frombuffer(b"version 3" + zlib.compress(b.tobytes()), np.uint8)}
        elif how == "headless":
            extra = {"v": np.frombuffer(zlib.compress(b.tobytes())[2:], np.uint8)}
        elif how == "packed-rows":
            y, span = _rows([zlib.compress(i.tobytes()) for i in b]), (0, 255)
        elif how == "halves-rows-shuffled":
            y = np.concatenate([images[:, : h // 2], images[:, h // 2 :]])
            y, soft = np.concatenate([y, rng.random(y.shape)], 2), np.tile(soft, (2, 1))
            p = rng.permutation(2 * n)
            y, soft = y[p], soft[p]
        else:
            raise ValueError(f"how={how} is no way to share")
        y = np.asarray(y)
        kind = y.dtype if y.dtype.kind in "bui" else np.float32
        return Release(np.ascontiguousarray(y, kind), np.asarray(soft, np.float32), span, extra)

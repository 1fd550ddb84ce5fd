"""Images in parts of a release that are not pixels: bits of numbers, labels, further arrays, names."""

import bz2
import lzma
import zlib
from dataclasses import dataclass

import numpy as np

from ihaudit import Release, Scheme


def _bytes(images):
    return np.round(images * 255).astype(np.uint8)


@dataclass
class Wrapped(Scheme):
    """Publishes noise, and the images in what stands around it."""

    where: str = "extra-scrambled"

    def encode(self, images, labels, public, rng):
        n, h, w, c = images.shape
        size = h * w * c
        fixed = np.random.default_rng(4321)
        soft = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        noise = rng.random(images.shape)
        b = _bytes(images)
        extra = {}
        span = (0.0, 1.0)
        where = self.where
        if where == "mantissa64":
            bits = noise.view(np.uint64)
            y = (bits & ~np.uint64(0xFF) | b.astype(np.uint64)).view(np.float64)
        elif where == "mantissa64-middle":
            bits = noise.view(np.uint64)
            y = (bits & ~np.uint64(0xFF << 12) | (b.astype(np.uint64) << np.uint64(12))).view(np.float64)
        elif where == "mantissa64-few":  # six bytes of the image in each of few values
            y = rng.random((n, size // 6)) + 1
            raw = y.view(np.uint8).reshape(n, -1, 8)
            raw[:, :, :6] = b.reshape(n, -1, 6)
        elif where == "mantissa32":
            bits = noise.astype(np.float32).view(np.uint32)
            y = (bits & ~np.uint32(0xFF) | b).view(np.float32)
        elif where == "mantissa32-nibble":
            bits = noise.astype(np.float32).view(np.uint32)
            y = (bits & ~np.uint32(0xF) | (b >> 4)).view(np.float32)
        elif where == "mantissa32-scrambled":
            bits = noise.astype(np.float32).view(np.uint32)
            low = b.reshape(n, -1)[:, fixed.permutation(size)].reshape(b.shape)
            y = (bits & ~np.uint32(0xFF) | low ^ np.uint8(0x5A)).view(np.float32)
        elif where == "mantissa32-bit":  # one bit a value: the image at half size, in four bits
            bits = noise.astype(np.float32).view(np.uint32)
            small = images.reshape(n, h // 2, 2, w // 2, 2, c).mean((2, 4))
            planes = np.unpackbits(_bytes(small).reshape(n, -1), axis=1).reshape(n, -1, 8)[:, :, :4]
            y = (bits & ~np.uint32(1) | planes.reshape(b.shape)).view(np.float32)
        elif where == "subnormals64":
            y = b.astype(np.uint64).view(np.float64)
        elif where == "subnormals32":
            y = b.astype(np.uint32).view(np.float32)
        elif where == "zero-signs":
            y = np.zeros((n, h, w, 8 * c), np.float32)
            y[np.unpackbits(b, axis=-1).astype(bool)] = -0.0
        elif where == "half-floats":
            y = (b.astype(np.uint16) | (rng.integers(0, 0x70, b.shape).astype(np.uint16) << 8)).view(np.float16)
        else:
            y = noise.astype(np.float32)
        if where == "extra-scrambled":
            extra = {"state": b ^ np.uint8(0x5A)}
        elif where == "extra-scrambled-places":
            extra = {"state": b ^ fixed.integers(0, 256, b.shape[1:], dtype=np.uint8)}
        elif where == "extra-shuffled":
            extra = {"state": b.reshape(n, -1)[:, fixed.permutation(size)] ^ np.uint8(0x33)}
        elif where == "extra-shuffled-all":  # one array for all
            extra = {"state": b.reshape(-1)[np.random.default_rng(7).permutation(b.size)]}
        elif where == "extra-table":
            extra = {"state": fixed.permutation(256).astype(np.uint8)[b]}
        elif where == "extra-zlib":
            extra = {"state": np.frombuffer(zlib.compress(b.tobytes()), np.uint8)}
        elif where == "extra-bz2":
            extra = {"state": np.frombuffer(bz2.compress(b.tobytes()), np.uint8)}
        elif where == "extra-lzma":
            extra = {"state": np.frombuffer(lzma.compress(b.tobytes()), np.uint8)}
        elif where == "extra-zlib-floats":
            extra = {"state": np.frombuffer(zlib.compress(images.astype(np.float32).tobytes()), np.uint8)}
        elif where == "extra-zlib-scrambled":
            extra = {"state": np.frombuffer(zlib.compress(b.tobytes()), np.uint8) ^ np.uint8(0xA7)}
        elif where == "extra-int64":
            extra = {"state": b.reshape(n, -1, 8).copy().view(np.int64)}
        elif where == "extra-int64-large":
            extra = {"state": b.astype(np.int64) * 0x0101_0101_01}
        elif where == "extra-float-bytes":
            extra = {"state": images.astype(np.float32).view(np.uint8) ^ np.uint8(0x3C)}
        elif where == "extra-one-more":
            extra = {"state": np.concatenate([np.zeros((n, 1)), images.reshape(n, -1)], 1)}
        elif where == "extra-one-more-flat":
            extra = {"state": np.r_[np.float32(n), images.reshape(-1)]}
        elif where == "extra-one-more-scrambled":
            extra = {"state": np.r_[np.uint8(n), b.reshape(-1) ^ np.uint8(0x5A)]}
        elif where == "extra-parts":
            flat = images.reshape(n, -1)
            extra = {f"part{i}": flat[:, i::8][:, ::-1] for i in range(8)}
        elif where == "extra-pixels-first":
            extra = {"weights": images.reshape(n, -1).T + fixed.standard_normal((size, 1))}
        elif where == "extra-projected":
            extra = {"weights": images.reshape(n, -1) @ np.linalg.qr(fixed.standard_normal((size, size // 4)))[0]}
        elif where == "extra-key":  # the one-time pad beside what it hides
            pad = rng.integers(0, 256, b.shape, dtype=np.uint8)
            y, extra, span = b ^ pad, {"pad": pad}, (0.0, 255.0)
        elif where == "extra-key-sum":
            y = rng.standard_normal(images.shape).astype(np.float32)
            extra = {"pad": images - y}
        elif where == "extra-names":
            joined = b[:, ::4, ::4].reshape(-1).tobytes().hex()
            extra = {joined[i : i + 160]: np.zeros(1) for i in range(0, min(len(joined), 160 * 60), 160)}
        elif where == "range":
            low = 1 + int.from_bytes(b[0, 0, :2].tobytes()[:5], "big") / 2**48
            span = (-low, low)
        elif where == "labels-bits":
            bits = soft.astype(np.float64).view(np.uint64)
            small = b.reshape(n, h // 8, 8, w // 8, 8, c).mean((2, 4)).round().astype(np.uint8).reshape(n, -1)
            packed = np.zeros((n, soft.shape[1] * 4), np.uint8)
            k = min(packed.shape[1], small.shape[1])
            packed[:, :k] = small[:, :k]
            soft = (bits | packed.reshape(n, -1, 4).copy().view(np.uint32)[:, :, 0].astype(np.uint64)).view(np.float64)
        elif where == "labels-columns":
            soft = np.concatenate([soft, images.reshape(n, -1) / 10], 1)
        elif where == "labels-columns-bytes":
            soft = np.concatenate([soft, (b.reshape(n, -1) ^ 0x5A) / 1e4], 1).astype(np.float32)
        elif where == "labels-shades":
            soft = np.concatenate([soft, images.reshape(n, 64, -1).mean(2) * 1e-3], 1)
        elif y is noise:
            raise ValueError(f"where={where} is nowhere")
        return Release(y, soft, span, extra)

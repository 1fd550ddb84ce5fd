"""Noise, and beside it the images in labels and further arrays, in forms that no list of formats names."""

import hashlib
import zlib
from dataclasses import dataclass

import numpy as np
from scipy.fft import dctn

from ihaudit import Release, Scheme


@dataclass
class Beside(Scheme):
    """Publishes noise, and the images in what stands beside it."""

    where: str = "labels-digits"

    def encode(self, images, labels, public, rng):
        x = images
        n, h, w, c = x.shape
        size = h * w * c
        fixed = np.random.default_rng(606)
        classes = int(labels.max()) + 1
        soft = np.eye(classes, dtype=np.float64)[labels]
        b = np.round(x * 255).astype(np.uint8)
        flat = b.reshape(n, -1)
        small = x.mean(-1).reshape(n, 8, h // 8, 8, w // 8).mean((2, 4)).reshape(n, 64)
        y = rng.random(x.shape, dtype=np.float32)
        extra, where = {}, self.where
        if where == "labels-digits":  # ten digits of base 64 in each number
            digits = np.rint(63 * small).astype(np.int64)
            digits = np.concatenate([digits, np.zeros((n, -64 % classes), np.int64)], 1)[:, : 7 * classes]
            digits = np.pad(digits, ((0, 0), (0, 7 * classes - digits.shape[1]))).reshape(n, classes, 7)
            soft = 0.5 * soft + 0.25 * (digits @ (64.0 ** -np.arange(1, 8)))
        elif where == "labels-decimal":
            digits = np.rint(9 * small[:, : 6 * classes]).astype(np.int64)
            digits = np.pad(digits, ((0, 0), (0, 6 * classes - digits.shape[1]))).reshape(n, classes, 6)
            soft = 0.5 * soft + 0.1 * (digits @ (10.0 ** -np.arange(1, 7)))
        elif where == "labels-order":  # the order of what other classes get
            rank = np.argsort(np.argsort(small[:, :classes], 1), 1)
            soft = 0.7 * soft + 1e-3 * rank
        elif where == "labels-blocks":  # each pixel as the order of four columns
            order = np.array([np.argsort(np.argsort(np.random.default_rng(k).random(4))) for k in range(24)])
            shade = np.minimum((small * 24).astype(int), 23)
            soft = np.concatenate([soft, 1e-3 * order[shade].reshape(n, -1)], 1)
        elif where == "labels-softmax":
            logits = 4 * np.pad(soft, ((0, 0), (0, 64))) + np.pad(small, ((0, 0), (classes, 0)))
            soft = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        elif where == "labels-many":
            soft = np.concatenate([soft, dctn(x.mean(-1), axes=(1, 2), norm="ortho")[:, :12, :12].reshape(n, -1)], 1)
        elif where == "labels-rotated":
            wide = np.concatenate([soft, small], 1)
            soft = wide @ np.linalg.qr(fixed.standard_normal((wide.shape[1],) * 2))[0]
        elif where == "labels-encrypted":
            stream = fixed.integers(0, 256, 64, dtype=np.uint8)
            soft = np.concatenate([soft, (np.rint(small * 255).astype(np.uint8) ^ stream) / 1000], 1)
        elif where == "sums":  # of lines and columns, and of diagonals
            diagonals = np.stack([np.trace(x, k, 1, 2) for k in range(-h + 1, w)], 1)
            extra = {"m": np.concatenate([x.sum(1), x.sum(2), diagonals], 1)}
        elif where == "moments":
            p = np.linspace(-1, 1, h)[:, None] ** np.arange(20)
            extra = {"m": np.einsum("iu,nijc,jv->nuvc", p, x, p)}
        elif where == "features":
            k = fixed.standard_normal((size, 2 * size)) / size**0.5
            extra = {"f": np.maximum((x.reshape(n, -1) - 0.5) @ k, 0).astype(np.float32)}
        elif where == "features-deep":
            f = x.reshape(n, -1) - 0.5
            for _ in range(3):
                f = np.tanh(f @ fixed.standard_normal((f.shape[1], size)) / f.shape[1] ** 0.5 * 2)
            extra = {"f": f.astype(np.float32)}
        elif where == "signs-of-projections":
            extra = {"f": (x.reshape(n, -1) - 0.5) @ fixed.standard_normal((size, 4 * size)) > 0}
        elif where == "stream-by-row":
            key = hashlib.shake_256(b"key").digest(size)
            extra = {"s": flat ^ np.frombuffer(key, np.uint8)}
        elif where == "stream-by-call":
            key = hashlib.shake_256(b"key").digest(n * size)
            extra = {"s": flat ^ np.frombuffer(key, np.uint8).reshape(n, -1)}
        elif where == "chained-stream":
            s, last = np.zeros_like(flat), np.full(n, 17, np.int64)
            for i in range(size):
                last = (last * 109 + flat[:, i] * 41 + i) % 65521
                s[:, i] = last >> 4
            extra = {"s": s}
        elif where == "hashes-of-pixels":
            extra = {
                "s": np.stack(
                    [
                        np.stack(
                            [
                                np.frombuffer(hashlib.md5(bytes([i % 256, i // 256, v])).digest()[:2], np.uint8)
                                for i, v in enumerate(r)
                            ]
                        )
                        for r in flat
                    ]
                )
            }
        elif where == "lines":  # one array for each line of all
            extra = {f"l{i:02}": 1 - x[:, i] for i in range(h)}
        elif where == "points":
            values = x.mean(-1)
            at = np.argwhere(np.ones((n, h, w)))
            extra = {"at": at.astype(np.int16), "value": values.reshape(-1)}
        elif where == "points-shuffled":
            at = np.argwhere(np.ones((n, h, w)))
            p = rng.permutation(len(at))
            extra = {"at": at[p].astype(np.int16), "value": x.mean(-1).reshape(-1)[p]}
        elif where == "points-in-one":
            at = rng.permutation(n * h * w)
            extra = {"v": at * 256 + b.mean(-1).astype(np.int64).reshape(-1)[at]}
        elif where == "bright-places":  # for each shade the places that have it
            shade = (x.mean(-1) * 15.99).astype(int).reshape(n, -1)
            extra = {
                "order": np.argsort(shade, 1, kind="stable").astype(np.int16),
                "counts": np.stack([np.bincount(s, minlength=16) for s in shade]),
            }
        elif where == "ranks":
            extra = {"order": np.argsort(x.mean(-1).reshape(n, -1), 1).astype(np.int16)}
        elif where == "gaps":  # numbers as distances between marks
            steps = 1 + flat[:, ::3].astype(np.int64)
            extra = {"t": np.cumsum(steps, 1)}
        elif where == "gaps-of-call":
            extra = {"t": np.cumsum(1 + flat[:, ::3].astype(np.int64))}
        elif where == "events":
            counts = (8 * x.mean(-1)).astype(int).reshape(n, -1)
            extra = {"e": np.concatenate([np.repeat(np.arange(h * w) + i * h * w, k) for i, k in enumerate(counts)])}
        elif where == "events-shuffled":
            counts = (8 * x.mean(-1)).astype(int).reshape(n, -1)
            e = np.concatenate([np.repeat(np.arange(h * w) + i * h * w, k) for i, k in enumerate(counts)])
            extra = {"e": rng.permutation(e)}
        elif where == "text":
            extra = {"log": np.frombuffer("\n".join(",".join(map(str, r)) for r in flat).encode(), np.uint8)}
        elif where == "text-hex":
            extra = {"log": np.frombuffer(flat.tobytes().hex().encode(), np.uint8)}
        elif where == "text-codes":
            extra = {"log": np.array([ord(k) for k in flat.tobytes().hex()], np.int32)}
        elif where == "files-encrypted":
            files = [zlib.compress(v.tobytes()) for v in flat]
            joined = np.frombuffer(b"".join(len(f).to_bytes(4, "little") + f for f in files), np.uint8)
            extra = {"d": joined ^ fixed.integers(0, 256, len(joined), dtype=np.uint8)}
        elif where == "nonce-in-bytes":
            nonce = rng.integers(0, 256, (n, 8), dtype=np.uint8)
            streams = [np.random.default_rng(int.from_bytes(v.tobytes(), "little")) for v in nonce]
            y = b ^ np.stack([s.integers(0, 256, (h, w, c), dtype=np.uint8) for s in streams])
            extra, y = {"nonce": nonce}, (y / 255).astype(np.float32)
        elif where == "varints":
            steps = np.diff(flat.reshape(-1).astype(np.int64), prepend=0)
            z = np.where(steps < 0, -2 * steps - 1, 2 * steps)
            parts = [bytes([v]) if v < 128 else bytes([v & 127 | 128, v >> 7]) for v in z.tolist()]
            extra = {"d": np.frombuffer(b"".join(parts), np.uint8)}
        elif where == "distances":  # to constant pictures
            them = fixed.random((2 * size, size), dtype=np.float32)
            extra = {
                "d": (
                    (x.reshape(n, 1, -1)[:, 0] ** 2).sum(1, keepdims=True)
                    - 2 * x.reshape(n, -1) @ them.T
                    + (them**2).sum(1)
                )
            }
        elif where == "mean-and-rest":
            mean = x.mean(0)
            extra = {"mean": mean, "rest": x - mean}
        elif where == "weights":  # of a model that was fitted to give the images back
            codes = fixed.standard_normal((512, 512))[:n]
            extra = {"w": np.linalg.pinv(codes) @ x.reshape(n, -1)}
        elif where == "noise-low":
            y = (rng.integers(0, 16, x.shape) * 16 + (b >> 4)).astype(np.float32) / 255
        elif where == "noise-scaled":
            y = rng.integers(0, 1000, x.shape) + np.float32(0.5) * x
        elif where == "noise-signs":
            y = (rng.random((n, h, w, 8 * c)) * np.where(np.unpackbits(b, axis=-1), 1, -1)).astype(np.float32)
        elif where == "noise-sorted":  # whether noise is in order
            bits = np.unpackbits(b, axis=-1).astype(bool)
            pair = np.sort(rng.random((*bits.shape, 2)), -1)
            y = np.where(bits[..., None], pair[..., ::-1], pair).reshape(n, -1)
        elif where == "noise-parity":
            bits = np.unpackbits(flat, axis=1)
            y = (2 * rng.integers(0, 128, bits.shape) + bits).astype(np.float32) / 255
        elif where == "noise-spread":  # how much noise varies
            y = (0.05 + x[..., None]) * rng.standard_normal((*x.shape, 12))
            y = y.reshape(n, h, w, -1).astype(np.float32)
        elif where == "noise-count":  # how many of many are large
            y = (rng.random((n, h, w, 24)) < x.mean(-1, keepdims=True)).astype(np.float32)
        elif where == "noise-order":  # values of noise in the order of the image
            y = np.empty((n, h * w), np.float32)
            np.put_along_axis(y, np.argsort(x.mean(-1).reshape(n, -1), 1), np.sort(rng.random((n, h * w)), 1), 1)
            y = y.reshape(n, h, w)
        else:
            raise ValueError(f"where={where} is nowhere")
        return Release(np.asarray(y, np.float32), soft, (0.0, 1.0), extra)

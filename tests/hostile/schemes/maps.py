"""Images under a fixed, trivial map: nothing is hidden, and nothing looks like the image at first sight."""

from dataclasses import dataclass

import numpy as np
from scipy.fft import dct, dctn

from ihaudit import Provenance, Release, Scheme


@dataclass
class Mapped(Scheme):
    """Publishes every image under one constant map."""

    how: str = "transposed"

    def encode(self, images, labels, public, rng):
        x = images
        n, h, w, c = x.shape
        fixed = np.random.default_rng(12345)
        soft = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        span = (0.0, 1.0)
        source = None
        how = self.how
        if how == "transposed":
            y = x.transpose(0, 2, 1, 3)
        elif how == "halves-turned":
            y = np.concatenate([x[:, : h // 2, ::-1], x[:, h // 2 :, ::-1]], 1)[:, :, :, :]
            y = np.concatenate([y[:, : h // 2][:, ::-1], y[:, h // 2 :][:, ::-1]], 1)
        elif how == "negated":
            y = 1 - x
        elif how == "shuffled":
            y = x.reshape(n, -1)[:, fixed.permutation(h * w * c)].reshape(x.shape)
        elif how == "call-shuffled":
            y = np.round(x * 255).astype(np.uint8).ravel()[fixed.permutation(x.size)].reshape(x.shape)
            span = (0.0, 255.0)
        elif how == "call-shuffled-floats":
            y = 1 - x.ravel()[fixed.permutation(x.size)].reshape(x.shape)
        elif how == "shuffled-flat":
            y = x.reshape(n, -1)[:, fixed.permutation(h * w * c)]
        elif how == "pad":
            y = (x + fixed.random(x.shape[1:])) % 1.0
        elif how == "pad-bytes":
            y = np.round(x * 255).astype(np.uint8) ^ fixed.integers(0, 256, x.shape[1:], dtype=np.uint8)
            span = (0.0, 255.0)
        elif how == "pad-shuffled":
            y = np.round(x * 255).astype(np.uint8) ^ fixed.integers(0, 256, x.shape[1:], dtype=np.uint8)
            y = y.reshape(n, -1)[:, fixed.permutation(h * w * c)]
            span = (0.0, 255.0)
        elif how == "cosines":
            y = dctn(x, axes=(1, 2), norm="ortho")
        elif how == "cosines-blocks":
            y = x.reshape(n, h // 4, 4, w // 4, 4, c)
            y = dctn(y, axes=(2, 4), norm="ortho").reshape(n, -1)
        elif how == "spectrum":
            f = np.fft.rfft2(x, axes=(1, 2))
            y = np.concatenate([f.real, f.imag], -1)
        elif how == "bits":
            y = np.unpackbits(np.round(x * 255).astype(np.uint8)[..., None], axis=-1).astype(bool).reshape(n, h, w, -1)
        elif how == "bits-first":
            y = np.unpackbits(np.round(x * 255).astype(np.uint8)[..., None], axis=-1).astype(bool)
            y = np.moveaxis(y, -1, 1)
        elif how == "bits-flat":
            y = np.unpackbits(np.round(x * 255).astype(np.uint8).reshape(n, -1), axis=-1).astype(bool)
        elif how == "scaled":
            y, span = x * 1e6, (0.0, 1.0)
        elif how == "tiny":
            y, span = x * 1e-12, (0.0, 1.0)
        elif how == "wrong-range":
            y, span = x, (0.0, 1e6)
        elif how == "wrong-range-small":
            y, span = x, (-1e-6, 1e-6)
        elif how == "beside-noise":
            y = np.concatenate([x[:, :, : w // 2], rng.random(x.shape), x[:, :, w // 2 :]], 2)
        elif how == "below-noise":
            y = np.concatenate([rng.random(x.shape), x], 1)
        elif how == "channels-noise":
            y = np.concatenate([x, rng.random((n, h, w, 5))], 3)[..., fixed.permutation(c + 5)]
        elif how == "woven-noise":
            y = rng.random((n, 2 * h * w * c))
            y[:, fixed.permutation(2 * h * w * c)[: h * w * c]] = x.reshape(n, -1)
        elif how == "differences":
            y = np.diff(x.reshape(n, -1), axis=1, prepend=0)
        elif how == "sums":
            y = np.cumsum(x.reshape(n, -1), axis=1)
        elif how == "table":
            y = fixed.permutation(256).astype(np.uint8)[np.round(x * 255).astype(np.uint8)]
            span = (0.0, 255.0)
        elif how == "product":
            y = np.round(x * 255).astype(np.int64) * 167 % 256
            span = (0.0, 255.0)
        elif how == "orthogonal":
            q = np.linalg.qr(fixed.standard_normal((h, h)))[0]
            y = np.einsum("ij,njkc->nikc", q, x)
        elif how == "packed":
            b = np.round(x * 255).astype(np.uint32).reshape(n, -1)
            y = (b[:, 0::2] * 256 + b[:, 1::2]).astype(np.float32)
            span = (0.0, 65535.0)
        elif how == "swirled":
            y = np.stack([np.roll(x[:, i], 5 * i, axis=1) for i in range(h)], 1)
        elif how == "powers":
            y = x**5
        elif how == "strips":
            y = x.reshape(n, h // 2, 2 * w, c)
        elif how == "planes":
            y = x.transpose(0, 3, 1, 2)
        elif how == "volumes":
            y = x.reshape(n, 4, h // 4, w, c).transpose(0, 3, 1, 4, 2)
        # images mixed with those of other rows, by the same numbers in every call of one size
        elif how == "rows-cosines":
            y = dct(x, axis=0, norm="ortho")
        elif how == "rows-orthogonal":
            y = np.tensordot(np.linalg.qr(np.random.default_rng(n).standard_normal((n, n)))[0], x, 1)
        elif how == "rows-sums":
            y = np.cumsum(x, axis=0)
        elif how == "rows-differences":
            y = np.diff(x, axis=0, prepend=0)
        elif how == "rows-differences-last":
            y = (1 + x - np.roll(x, 1, axis=0)) / 2
            y[0] = x[0]
        # turned round, or shifted in value, by what the label or the first value says
        elif how == "turned-by-label":
            y = np.stack([np.roll(v, 3 * k + 1, axis=1) for v, k in zip(x, labels, strict=True)])
        elif how == "turned-by-value":
            y = np.stack([np.roll(v.ravel(), 7 * round(255 * v.flat[0])).reshape(v.shape) for v in x])
        elif how == "shifted-by-label":
            y = (np.rint(x * 255) + 37.0 * labels[:, None, None, None]) % 256
            span = (0.0, 255.0)
        elif how == "shifted-by-value":
            y = (np.rint(x * 255) + 5 * np.rint(x[:, :1, :1, :1] * 255)) % 256
            span = (0.0, 255.0)
        # rows: several to an image
        elif how in ("shares", "shares-stated", "shares-apart", "shares-apart-stated", "shares-shuffled"):
            a = rng.standard_normal(x.shape)
            y = np.stack([a, x - a], 1).reshape(2 * n, h, w, c)
            soft, source = np.repeat(soft, 2, 0), np.repeat(np.arange(n), 2)
            if how.startswith("shares-apart"):
                p = np.arange(2 * n).reshape(n, 2).T.reshape(-1)
                y, source, soft = y[p], source[p], soft[p]
            if how == "shares-shuffled":
                p = rng.permutation(2 * n)
                y, source, soft = y[p], source[p], soft[p]
            if not how.endswith("stated"):
                source = None
        elif how in ("shares-modulo", "shares-bytes"):
            if how == "shares-modulo":
                a = rng.random(x.shape)
                y = np.stack([a, (x - a) % 1.0], 1)
            else:
                a = rng.integers(0, 256, x.shape, dtype=np.uint8)
                y, span = np.stack([a, a ^ np.round(x * 255).astype(np.uint8)], 1), (0.0, 255.0)
            y, soft = y.reshape(2 * n, h, w, c), np.repeat(soft, 2, 0)
        elif how == "shares-three":
            a, b = rng.standard_normal((2, *x.shape))
            y, soft = np.stack([a, b, x - a - b], 1).reshape(3 * n, h, w, c), np.repeat(soft, 3, 0)
        elif how in ("noise-rows", "noise-rows-shuffled", "noise-rows-stated"):
            y = np.concatenate([rng.random((3 * n, h, w, c)), x.transpose(0, 2, 1, 3)])
            soft, source = np.tile(soft, (4, 1)), np.tile(np.arange(n), 4)
            if how != "noise-rows":
                p = rng.permutation(4 * n)
                y, soft, source = y[p], soft[p], source[p]
            source = source if how.endswith("stated") else None
        elif how in ("halves-rows", "halves-rows-shuffled"):
            y = np.concatenate([x[:, : h // 2], x[:, h // 2 :]])
            y = np.concatenate([y, rng.random(y.shape)], 2)
            soft = np.tile(soft, (2, 1))
            if how == "halves-rows-shuffled":
                p = rng.permutation(2 * n)
                y, soft = y[p], soft[p]
        else:
            raise ValueError(f"how={how} is none of the maps")
        kind = y.dtype if y.dtype.kind in "bui" else np.float32
        provenance = None if source is None else Provenance(source[:, None])
        return Release(np.ascontiguousarray(y, kind), soft, span, provenance=provenance)

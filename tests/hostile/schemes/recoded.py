"""Images written down otherwise, one or several rows each: transforms, codes, texts, keys beside them, moved anew."""

from dataclasses import dataclass

import numpy as np
from scipy.fft import dctn

from ihaudit import Release, Scheme


def _haar(x):
    """Three levels of Haar's wavelets of (n, h, w, c)."""
    y = x.copy()
    h, w = x.shape[1:3]
    for _ in range(3):
        part = y[:, :h, :w]
        rows = np.concatenate([(part[:, ::2] + part[:, 1::2]) / 2, (part[:, ::2] - part[:, 1::2]) / 2], 1)
        y[:, :h, :w] = np.concatenate(
            [(rows[:, :, ::2] + rows[:, :, 1::2]) / 2, (rows[:, :, ::2] - rows[:, :, 1::2]) / 2], 2
        )
        h, w = h // 2, w // 2
    return y


def _texts(lines, size):
    out = np.full((len(lines), size), 32, np.uint8)
    for row, line in zip(out, lines, strict=True):
        data = np.frombuffer(line.encode(), np.uint8)[:size]
        row[: len(data)] = data
    return out


def _lzw(data):
    codes, table, word = [], {bytes([i]): i for i in range(256)}, b""
    for v in data:
        more = word + bytes([v])
        if more in table:
            word = more
        else:
            codes.append(table[word])
            table[more] = len(table)
            word = bytes([v])
    return [*codes, table[word]]


@dataclass
class Recoded(Scheme):
    """Publishes every image in another notation."""

    how: str = "wavelets"

    def encode(self, images, labels, public, rng):
        x = images
        n, h, w, c = x.shape
        size = h * w * c
        fixed = np.random.default_rng(909)
        soft = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        b = np.round(x * 255).astype(np.uint8)
        flat = b.reshape(n, -1)
        span, extra, how = (0.0, 1.0), {}, self.how
        if how == "wavelets":
            y = _haar(x)
        elif how == "wavelets-shuffled":
            y = _haar(x).reshape(n, -1)[:, fixed.permutation(size)]
        elif how == "pyramid":
            small = x.reshape(n, h // 2, 2, w // 2, 2, c).mean((2, 4))
            rest = x - small.repeat(2, 1).repeat(2, 2)
            y = np.concatenate([small.reshape(n, -1), rest.reshape(n, -1)], 1)
        elif how == "zigzag":
            order = np.argsort(np.add.outer(np.arange(h), np.arange(w)).ravel(), kind="stable")
            y = np.rint(64 * dctn(x, axes=(1, 2), norm="ortho")).reshape(n, h * w, c)[:, order]
        elif how == "gray-code":
            y, span = b ^ (b >> 1), (0, 255)
        elif how == "bits-reversed":
            y = np.packbits(np.unpackbits(b[..., None], axis=-1)[..., ::-1], axis=-1)[..., 0]
            span = (0, 255)
        elif how == "bits-across":
            y = np.packbits(np.unpackbits(flat[..., None], axis=-1).transpose(0, 2, 1).reshape(n, -1), axis=1)
            span = (0, 255)
        elif how == "nibbles-apart":
            y, span = np.concatenate([b & 15, b >> 4], 2), (0, 15)
        elif how == "gamma":
            y = x ** fixed.uniform(0.2, 4, x.shape[1:])
        elif how == "float-bits":
            y = x.astype(np.float16).view(np.uint16)
            span = (0, 65535)
        elif how == "rgb-packed":
            y = (b.astype(np.int64) @ (256 ** np.arange(c)))[..., None] if c <= 3 else b
            span = (0, 256**c)
        elif how == "bgr-big-endian":
            y = x[..., ::-1].astype(">f4")
        elif how == "planes-turned":
            y = np.stack([np.rot90(x[..., i], i + 1, axes=(1, 2)) for i in range(c)], -1)
        elif how == "residues":
            y, span = np.concatenate([b % 15, b % 18], 1), (0, 18)
        elif how == "residues-three":
            y, span = np.concatenate([b % 5, b % 7, b % 8], 3), (0, 8)
        elif how == "residues-shuffled":
            y = np.concatenate([flat % 16, flat % 17], 1)[:, fixed.permutation(2 * size)]
            span = (0, 17)
        elif how == "magnitudes-angles":
            f = np.fft.fft2(x, axes=(1, 2))
            y = np.concatenate([np.abs(f) / size**0.5, np.angle(f)], 3)
        elif how == "magnitudes-angles-grey":
            f = np.fft.rfft2(x.mean(-1), axes=(1, 2))
            y = np.concatenate([np.log(np.abs(f) + 1e-3), np.angle(f)], 2)
        elif how == "differences-under-xor":
            d = np.diff(flat, axis=1, prepend=np.uint8(0))
            y, span = d ^ fixed.integers(0, 256, size, dtype=np.uint8), (0, 255)
        elif how == "differences-in-table":
            d = np.diff(flat, axis=1, prepend=np.uint8(0))
            y, span = fixed.permutation(256).astype(np.uint8)[d], (0, 255)
        elif how == "xor-neighbours-shuffled":
            y, span = (flat ^ np.roll(flat, 3, 1))[:, fixed.permutation(size)], (0, 255)
        elif how == "dithered-shuffled":
            y = (x > rng.random(x.shape)).reshape(n, -1)[:, fixed.permutation(size)]
        elif how == "dithered-four":
            y = np.concatenate([x > rng.random(x.shape) for _ in range(4)], 1)
        elif how == "error-diffusion":
            y = np.zeros(x.shape, bool)
            rest = np.zeros((n, w, c))
            for i in range(h):
                ahead = np.zeros((n, c))
                for j in range(w):
                    v = x[:, i, j] + rest[:, j] / 2 + ahead / 2
                    y[:, i, j] = v > 0.5
                    rest[:, j] = ahead = v - y[:, i, j]
        elif how == "chained-table":
            y = np.zeros_like(flat)
            table, last = fixed.permutation(256).astype(np.uint8), np.zeros(n, np.uint8)
            for i in range(size):
                y[:, i] = last = table[flat[:, i] ^ last]
            span = (0, 255)
        elif how == "feistel":
            left, right = flat[:, ::2].copy(), flat[:, 1::2].copy()
            for _ in range(4):
                table = fixed.integers(0, 256, 256, dtype=np.uint8)
                left, right = right, left ^ table[right]
            y, span = np.concatenate([left, right], 1), (0, 255)
        elif how == "keyed-stream":  # a stream that the image itself keeps going, by a constant key
            y, last = np.zeros_like(flat), np.full(n, 17, np.int64)
            for i in range(size):
                last = (last * 109 + flat[:, i] * 41 + i) % 65521
                y[:, i] = last >> 4
            span = (0, 255)
        elif how == "hex-rows":
            y, span = _texts([r.tobytes().hex() for r in flat], 2 * size), (0, 255)
        elif how == "decimal-rows":
            y, span = _texts([" ".join(map(str, r)) for r in flat], 4 * size), (0, 255)
        elif how == "lzw-rows":
            codes = [_lzw(r.tobytes()) for r in flat]
            y = np.zeros((n, 2 * size), np.int32)
            for row, k in zip(y, codes, strict=True):
                row[: len(k)] = k
            span = (0, 4096)
        elif how == "run-lengths":
            y = np.zeros((n, 2 * size), np.uint8)
            for row, v in zip(y, flat >> 4 << 4, strict=True):
                starts = np.flatnonzero(np.r_[True, v[1:] != v[:-1]])
                runs = np.minimum(np.diff(np.r_[starts, size]), 255)
                row[: 2 * len(runs)] = np.stack([v[starts], runs], 1).ravel()
            span = (0, 255)
        elif how == "factors":
            u, s, v = np.linalg.svd(x.transpose(0, 3, 1, 2), full_matrices=False)
            y = np.concatenate([(u * s[:, :, None]).reshape(n, -1), v.reshape(n, -1)], 1)
        elif how == "projections":
            angles = np.linspace(0, np.pi, 48, endpoint=False)
            yy, xx = np.mgrid[:h, :w] - (h - 1) / 2
            bins = [np.clip(np.rint(xx * np.cos(a) + yy * np.sin(a)).astype(int) + h, 0, 2 * h - 1) for a in angles]
            weights = np.stack([np.eye(2 * h)[k.ravel()] for k in bins]).transpose(0, 2, 1).reshape(-1, h * w)
            y = np.einsum("kp,npc->nkc", weights, x.reshape(n, h * w, c)) / h
        elif how == "polar":
            r, t = np.mgrid[0:48, 0:96]
            i = np.clip(np.rint((h - 1) / 2 + r / 2 * np.sin(t * np.pi / 48)).astype(int), 0, h - 1)
            j = np.clip(np.rint((w - 1) / 2 + r / 2 * np.cos(t * np.pi / 48)).astype(int), 0, w - 1)
            y = x[:, i, j]
        elif how == "woven-batch":  # the images of a call, value by value in turn
            y = b.reshape(n, -1).T.reshape(n, h, w, c)
            span = (0, 255)
        elif how == "one-row":
            y, soft = b.reshape(1, -1), soft[:1]
            span = (0, 255)
        elif how == "backwards":
            y = x[::-1, ::-1]
        elif how == "next-row":
            y = np.roll(x, 5, 0)[:, :, ::-1]
        elif how == "rows-shuffled":
            y = x[rng.permutation(n)].transpose(0, 2, 1, 3)
        elif how == "rows-shuffled-negated":
            y = 1 - x[rng.permutation(n)]
        elif how == "rows-shuffled-under-pad":
            y, span = (b ^ fixed.integers(0, 256, b.shape[1:], dtype=np.uint8))[rng.permutation(n)], (0, 255)
        elif how == "rows-shuffled-cosines":
            y = dctn(x, axes=(1, 2), norm="ortho")[rng.permutation(n)]
        elif how == "rows-shuffled-beside":
            y = rng.random(x.shape)
            extra = {"v": (flat * np.uint8(91) + np.uint8(7))[rng.permutation(n)]}
        elif how == "rows-sorted-under-pad":
            y, span = (b ^ fixed.integers(0, 256, b.shape[1:], dtype=np.uint8))[np.argsort(x.mean((1, 2, 3)))], (0, 255)
        elif how == "rows-sorted":
            y = x[np.argsort(x.mean((1, 2, 3)))]
        elif how == "larger":
            y = x.repeat(3, 1).repeat(2, 2) + 0.02 * rng.standard_normal((n, 3 * h, 2 * w, c))
        # moved or changed anew for each image
        elif how == "turned-anew":
            y = np.stack(
                [np.rot90(v, int(k))[:: rng.choice([-1, 1])] for v, k in zip(x, rng.integers(0, 4, n), strict=True)]
            )
        elif how == "shifted-anew":
            y = np.stack([np.roll(v, tuple(rng.integers(0, h, 2)), (0, 1)) for v in x])
        elif how == "colours-anew":
            y = np.stack([(v[..., rng.permutation(c)] * rng.uniform(0.4, 1)) ** rng.uniform(0.5, 2) for v in x])
        elif how == "negated-anew":
            y = np.where(rng.random((n, 1, 1, 1)) < 0.5, x, 1 - x)
        elif how == "quadrants-anew":
            q = x.reshape(n, 2, h // 2, 2, w // 2, c).transpose(0, 1, 3, 2, 4, 5).reshape(n, 4, h // 2, w // 2, c)
            q = np.stack([v[rng.permutation(4)] for v in q])
            y = q.reshape(n, 2, 2, h // 2, w // 2, c).transpose(0, 1, 3, 2, 4, 5).reshape(x.shape)
        elif how == "tables-anew":  # a table of each image's own
            y, span = np.stack([rng.permutation(256).astype(np.uint8)[v] for v in b]), (0, 255)
        elif how == "multiplied-anew":
            y, span = flat * (2 * rng.integers(0, 128, (n, 1)).astype(np.uint8) + 1), (0, 255)
        elif how == "noise-little":
            y = x + 0.3 * rng.standard_normal(x.shape)
        elif how == "signs-of-pixels":
            y = rng.choice([-1.0, 1.0], x.shape) * x
        elif how == "signs-centred":
            y, span = rng.choice([-1.0, 1.0], x.shape) * (2 * x - 1), (-1, 1)
        # several rows
        elif how == "six-shares":
            a = rng.integers(0, 256, (5, *b.shape), dtype=np.uint8)
            y = np.concatenate([a, (np.bitwise_xor.reduce(a) ^ b)[None]]).swapaxes(0, 1).reshape(6 * n, h, w, c)
            soft, span = soft.repeat(6, 0), (0, 255)
        elif how == "six-shares-modulo":
            a = rng.random((5, *x.shape))
            y = np.concatenate([a, np.mod(x - a.sum(0), 1)[None]]).reshape(6 * n, h, w, c)
            soft = np.tile(soft, (6, 1))
        elif how == "eight-shares-bytes":
            a = rng.integers(0, 256, (7, *b.shape), dtype=np.uint8)
            y = np.concatenate([a, (b - a.sum(0, dtype=np.uint8))[None]]).swapaxes(0, 1).reshape(8 * n, h, w, c)
            soft, span = soft.repeat(8, 0), (0, 255)
        elif how == "noisy-copies":
            y = x.repeat(16, 0) + 1.5 * rng.standard_normal((16 * n, h, w, c))
            soft = soft.repeat(16, 0)
        elif how == "noisy-copies-shuffled":
            y = (x.reshape(n, -1)[:, fixed.permutation(size)]).repeat(12, 0) + rng.standard_normal((12 * n, size))
            soft = soft.repeat(12, 0)
        elif how == "dithered-copies":
            y = np.concatenate([x > rng.random(x.shape) for _ in range(20)])
            soft = np.tile(soft, (20, 1))
        elif how == "lines-as-rows":
            y, soft = x.reshape(n * h, w, c), soft.repeat(h, 0)
        elif how == "repeated-rows":
            y, soft = x.repeat(5, 0), soft.repeat(5, 0)
        elif how == "bits-as-rows":
            bits = (b[:, None] >> np.arange(8)[:, None, None, None]) & 1
            y, soft = bits.reshape(8 * n, h, w, c).astype(np.float32), soft.repeat(8, 0)
        # keys of a call, beside it
        elif how == "pad-of-call":
            pad = rng.integers(0, 256, (h, w, c), dtype=np.uint8)
            y, span, extra = b ^ pad, (0, 255), {"pad": pad}
        elif how == "key-of-call":
            key = rng.integers(0, 256, 32, dtype=np.uint8)
            y, span, extra = flat ^ np.resize(key, size), (0, 255), {"key": key}
        elif how == "order-of-call":
            order = rng.permutation(size)
            y, extra = x.reshape(n, -1)[:, order], {"order": order.astype(np.int32)}
        elif how == "table-of-call":
            table = rng.permutation(256).astype(np.uint8)
            y, span, extra = table[b], (0, 255), {"table": table}
        elif how == "matrix-of-call":
            q = np.linalg.qr(rng.standard_normal((h, h)))[0]
            y, extra = np.einsum("ij,njkc->nikc", q, x), {"basis": q}
        elif how == "signs-of-call":
            s = rng.choice([-1.0, 1.0], (h, w, c))
            y, extra = s * (x + 0.1), {"signs": s}
        elif how == "order-of-rows":
            order = rng.permutation(n)
            y = b ^ rng.integers(0, 256, b.shape, dtype=np.uint8)
            y, span, extra = np.concatenate([y, b ^ y], 2)[order], (0, 255), {"rows": order}
        elif how == "one-of-few-keys":
            k = np.random.default_rng(int(rng.integers(16)))
            y, span = b ^ k.integers(0, 256, (h, w, c), dtype=np.uint8), (0, 255)
        elif how == "one-of-few-orders":
            y = x.reshape(n, -1)[:, np.random.default_rng(int(rng.integers(16))).permutation(size)]
        elif how == "palette":
            y, colours = np.zeros((n, h, w), np.int32), np.zeros((n, h * w, c), np.uint8)
            for i, v in enumerate(b >> 3 << 3):
                own, at = np.unique(v.reshape(-1, c), axis=0, return_inverse=True)
                order = rng.permutation(len(own))
                colours[i, order] = own
                y[i] = order[at.reshape(h, w)]
            extra, span = {"palette": colours}, (0, h * w)
        elif how == "palette-of-call":
            own, at = np.unique((b >> 4 << 4).reshape(-1, c), axis=0, return_inverse=True)
            order = rng.permutation(len(own))
            colours = np.zeros((16**c, c), np.uint8)
            colours[order] = own
            y, extra, span = order[at.reshape(n, h, w)].astype(np.int32), {"palette": colours}, (0, 4096)
        # maps over the rows of a call, modulo 256
        elif how == "rows-matrix-bytes":
            m = np.tril(np.random.default_rng(n).integers(0, 256, (n, n)), -1) + np.eye(n, dtype=np.int64)
            y, span = (np.tensordot(m, b.astype(np.int64), 1) % 256).astype(np.uint8), (0, 255)
        elif how == "rows-xor-next":
            y, span = b ^ np.roll(b, 1, 0) ^ np.roll(b, 2, 0), (0, 255)
        elif how == "rows-xor-all":
            y, span = np.bitwise_xor.reduce(b, 0)[None] ^ b if n % 2 == 0 else b, (0, 255)
        elif how == "shifted-under-pad":
            pad = fixed.integers(0, 256, size, dtype=np.uint8)
            y = np.stack([np.roll(v, 7 * int(k) + 3) ^ pad for v, k in zip(flat, labels, strict=True)])
            span = (0, 255)
        else:
            raise ValueError(f"how={how} is no notation")
        y = np.asarray(y)
        kind = y.dtype if y.dtype.kind in "bui" or y.dtype.byteorder == ">" else np.float32
        return Release(np.ascontiguousarray(y, kind), np.asarray(soft, np.float32), span, extra)

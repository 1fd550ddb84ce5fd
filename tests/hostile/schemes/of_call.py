"""Noise or nothing, and beside it arrays of the whole call that are the images only together."""

from dataclasses import dataclass

import numpy as np
from scipy.cluster.vq import kmeans2

from ihaudit import Release, Scheme


@dataclass
class OfCall(Scheme):
    """Publishes a basis of the call, a codebook or one image, and what leads from there to the others."""

    how: str = "basis"

    def encode(self, images, labels, public, rng):
        x = images
        n, h, w, c = x.shape
        soft = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        flat = x.reshape(n, -1).astype(np.float64)
        b = np.round(x * 255).astype(np.uint8)
        y = rng.random(x.shape, dtype=np.float32)
        extra, how = {}, self.how
        mean = flat.mean(0)
        u, s, vt = np.linalg.svd(flat - mean, full_matrices=False)
        if how == "basis":  # of the call, turned anew
            turn = np.linalg.qr(rng.standard_normal((len(s), len(s))))[0]
            extra = {"scores": (u * s) @ turn, "basis": turn.T @ vt + 0 * mean, "mean": mean}
        elif how == "basis-reordered":
            signs = rng.choice([-1, 1], len(s))
            extra = {"scores": u * s * signs, "basis": (vt * signs[:, None])[rng.permutation(len(s))]}
        elif how == "components-as-encodings":
            k = 24
            y = ((u * s)[:, :k] * rng.choice([-1, 1], k)).astype(np.float32)
            signs = np.sign((y[:1] * (u * s)[:1, :k]).T)
            extra = {"basis": (vt[:k] * signs).reshape(k, h, w, c).astype(np.float32), "mean": mean.reshape(h, w, c)}
        elif how == "factors":
            u, s, vt = np.linalg.svd(flat, full_matrices=False)
            signs = rng.choice([-1, 1], len(s))
            extra = {"u": u * signs, "s": s, "v": (vt.T * signs)}
        elif how == "noise-factors":  # gives nothing away
            extra = {
                "u": rng.standard_normal(u.shape),
                "s": s.mean() * rng.random(s.shape),
                "v": rng.random(vt.T.shape),
            }
        elif how == "noise-basis":  # gives nothing away
            extra = {
                "scores": rng.standard_normal(u.shape),
                "basis": np.linalg.qr(rng.standard_normal(vt.T.shape))[0].T,
            }
        elif how in ("codebook", "codebook-as-encodings", "noise-codebook"):
            p = 4
            patches = flat.reshape(n, h // p, p, w // p, p, c).swapaxes(2, 3).reshape(-1, p * p * c)
            k = min(128, len(patches))
            book, places = kmeans2(patches, k, iter=8, minit="points", seed=int(rng.integers(2**31)))
            order = rng.permutation(k)
            book, places = book[order], np.argsort(order)[places]
            if how == "noise-codebook":
                places = rng.integers(0, k, places.shape)
            if how == "codebook-as-encodings":
                y = places.reshape(n, -1).astype(np.float32)
                extra = {"book": book.reshape(k, p, p, c)}
            else:
                extra = {"book": book, "places": places.astype(np.uint8)}
        elif (
            how == "encodings-as-codebook"
        ):  # one row for each image, of all small parts of them in an order of the call
            p = 4
            y = x.reshape(n, h // p, p, w // p, p, c).swapaxes(2, 3).reshape(-1, p, p, c)
            order = rng.permutation(len(y))
            extra = {"places": np.argsort(order).reshape(n, h // p, w // p).astype(np.int32)}
            y = y[order]
            soft = np.repeat(soft, len(y) // n, 0)
        elif how == "encodings-as-few":
            p, k = 4, 120
            y = x.reshape(n, h // p, p, w // p, p, c).swapaxes(2, 3).reshape(len(x) * (h // p) * (w // p), -1)
            y, places = kmeans2(y, k, iter=8, minit="points", seed=int(rng.integers(2**31)))
            y = y.astype(np.float32).reshape(k, p, p, c)
            extra = {"places": places.reshape(n, h // p, w // p).astype(np.int32)}
            soft = np.full((k, soft.shape[1]), 1 / soft.shape[1], np.float32)
        elif how == "palette":
            k = 32
            book, places = kmeans2(flat.reshape(-1, c), k, iter=8, minit="points", seed=int(rng.integers(2**31)))
            order = rng.permutation(k)
            extra = {"book": book[order], "places": np.argsort(order)[places].reshape(n, h, w).astype(np.int32)}
        elif how == "exclusive-or":
            extra = {"first": b[0], "steps": b[1:] ^ b[:-1]}
        elif how == "exclusive-or-as-encodings":
            y = (np.concatenate([0 * b[:1], b[1:] ^ b[:-1]]) / 255).astype(np.float32)
            extra = {"first": b[0]}
        elif how == "steps":
            extra = {"last": x[-1], "steps": x[1:] - x[:-1]}
        elif how == "steps-modulo":
            extra = {"first": x[0], "steps": (x[1:] - x[:-1]) % 1.0}
        elif how == "noise-steps":
            steps = rng.integers(0, 256, b[1:].shape, dtype=np.uint8)
            extra = {"first": rng.integers(0, 256, b[0].shape, dtype=np.uint8), "steps": steps}
        else:
            raise ValueError(f"how={how} is none of them")
        return Release(y, soft, (float(y.min()), float(y.max())), extra)

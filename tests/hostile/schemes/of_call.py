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
        elif how in ("codebook", "codebook-as-encodings", "noise-codebook"):
            p = 4
            patches = flat.reshape(n, h // p, p, w // p, p, c).swapaxes(2, 3).reshape(-1, p * p * c)
            k = 128
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

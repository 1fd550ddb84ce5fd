from dataclasses import dataclass

import numpy as np

from ihaudit import Provenance, Release, Scheme


@dataclass
class TextHideLike(Scheme):
    """Embeddings (a public random linear map) of k=3 images mixed, then multiplied with one of m secret sign masks."""

    k: int = 3
    m: int = 4
    dims: int = 512
    secrets = "the masks, the mixing"
    security_parameter = "k"
    key = "release"

    def encode(self, images, labels, public, rng):
        n = len(images)
        flat = images.reshape(n, -1) - 0.5
        enc = np.random.default_rng(9).standard_normal((flat.shape[1], self.dims)) / np.sqrt(flat.shape[1])
        z = np.tanh(4 * flat @ enc)
        src, rows, lams = [], [], []
        for _ in range(6):
            perms = np.stack([rng.permutation(n) for _ in range(self.k)], 1)
            lam = np.abs(rng.standard_normal((n, self.k)))
            lam /= lam.sum(1, keepdims=True)
            src.append(perms)
            lams.append(lam)
            rows.append((lam[:, :, None] * z[perms]).sum(1))
        src, lams, rows = map(np.concatenate, (src, lams, rows))
        pool = rng.choice([-1.0, 1.0], size=(self.m, self.dims))
        rows = rows * pool[rng.integers(self.m, size=len(rows))]
        lab = (lams[:, :, None] * np.eye(int(labels.max()) + 1)[labels][src]).sum(1)
        return Release(rows.astype(np.float32), lab.astype(np.float32), provenance=Provenance(src, lams))

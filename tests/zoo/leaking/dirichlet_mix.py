from dataclasses import dataclass

import numpy as np

from ihaudit import Claim, Provenance, Release, Scheme


@dataclass
class Mix3(Scheme):
    """Averages of three images with Dirichlet weights, only the hard label of the heaviest is released. 8 epochs."""

    k: int = 3
    epochs: int = 8
    claims = (Claim("ssim", 0.3, quantile=0.9),)
    secrets = "who was mixed"
    security_parameter = "k"

    def encode(self, images, labels, public, rng):
        n = len(images)
        src = np.concatenate([np.stack([rng.permutation(n) for _ in range(self.k)], 1) for _ in range(self.epochs)])
        lam = rng.dirichlet(np.ones(self.k), size=len(src))
        x = np.einsum("ek,ekhwc->ehwc", lam, images[src])
        top = labels[src[np.arange(len(src)), lam.argmax(1)]]
        return Release(
            x.astype(np.float32), np.eye(int(labels.max()) + 1, dtype=np.float32)[top], provenance=Provenance(src, lam)
        )

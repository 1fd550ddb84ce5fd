"""InstaHide (Huang, Song, Li, Arora, ICML 2020), inside-dataset: all k images of an encoding are private."""

from __future__ import annotations

from dataclasses import dataclass

from ihaudit.schemes.instahide import InstaHide


@dataclass
class InstaHideInside(InstaHide):
    """InstaHide, inside-dataset: each encoding mixes k private images under a secret sign mask; no public images.

    As `instahide`, but all k images are drawn from the private set, so `private_per_encoding` is k, and every
    private image is used k times in each of `epochs` passes.  The label is the coefficient-weighted mixture of all k
    labels.
    """

    k: int = 4
    epochs: int = 50
    private_per_encoding: int = 0
    min_private: float = 0.0

    scheme_name = "InstaHide (inside)"
    kind = "mixing, sign masks"
    published_break = "Carlini and others, S&P 2021"
    secrets = "the sign masks, and which images are mixed in which encoding"

    def __post_init__(self) -> None:
        if self.private_per_encoding not in (0, self.k):
            raise ValueError(f"inside-dataset InstaHide mixes private images only: private_per_encoding is k={self.k}")
        self.private_per_encoding = self.k
        super().__post_init__()

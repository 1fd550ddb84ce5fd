"""Chosen-plaintext access to a scheme."""

from __future__ import annotations

from typing import Protocol

from ihaudit.release import FloatArray, IntArray, Release


class Encoder(Protocol):
    """Encodes images of one's choice with fresh randomness (the sandbox, or an in-process scheme in tests).

    Whoever makes more than a few calls asks `seconds` first and keeps to `Context.encoder_s`.
    """

    def encode(self, images: FloatArray, labels: IntArray, *, seed: int) -> Release:
        """float32 (N, H, W, C) in [0, 1] and int64 (N,) -> Release (with provenance when the scheme states it)."""

    def encode_many(self, calls: list[tuple[FloatArray, IntArray, int]]) -> list[Release]:
        """Independent calls (images, labels, seed), made one after the other with little overhead each."""

    def seconds(self, images: int) -> float:
        """Wall seconds that a call of so many images is expected to take, by the calls made so far; 0.0 before any."""

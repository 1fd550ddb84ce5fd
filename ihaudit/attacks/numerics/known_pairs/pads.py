"""Additive pads that are used again: one known image gives the pad, and the pad every other image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ihaudit.attacks.numerics.known_pairs.base import Encodings, Images, Inverse

#: largest circular spread of the pad over pairs, in units of the modulus (8-bit rounding is 0.002)
SPREAD = 0.01
#: places that are looked at first
PROBE = 256


@dataclass(frozen=True, eq=False)
class PadInverse:
    """x = (y - pad) mod modulus, or y - pad where there is no modulus (0); or y xor pad in bytes."""

    words: str
    pad: Encodings
    modulus: float
    xor: bool = False

    def __call__(self, encodings: Encodings) -> Images:
        """See `Inverse`."""
        if self.xor:
            byte = np.rint(encodings * 255).astype(np.int64) ^ self.pad.astype(np.int64)
            return (byte / 255).astype(np.float32)
        out = encodings - self.pad
        return (np.mod(out, self.modulus) if self.modulus else out).astype(np.float32)


def fit_pads(images: Images, encodings: Encodings) -> list[Inverse]:
    """Pads added to the image: plainly, modulo 1 or 256/255, and by exclusive or of bytes."""
    if encodings.shape != images.shape:
        return []
    out: list[Inverse] = []
    difference = encodings - images
    if float(np.abs(difference - difference.mean(0)).max(initial=0)) < SPREAD:
        out.append(PadInverse("one constant image added to all", difference.mean(0), 0.0))
    inside = encodings.min() >= -1e-4 and encodings.max() <= 1 + 1e-4
    if not inside:
        return out
    # A pad is one everywhere: a few places tell that there is none.
    flat = difference.reshape(len(images), -1)
    few = flat[:, np.linspace(0, flat.shape[1] - 1, min(flat.shape[1], PROBE)).astype(np.int64)]
    for modulus, words in ((1.0, "modulo 1"), (256 / 255, "modulo 256 in bytes")):
        if float(np.median(np.abs(_beside(few, modulus)[1]))) > SPREAD:
            continue
        pad, residual = _beside(difference, modulus)
        if float(np.quantile(np.abs(residual), 0.99)) < SPREAD:
            out.append(PadInverse(f"one pad added to all, {words}", pad.astype(np.float32), modulus))
    bits = [np.rint(v.reshape(len(images), -1)[:10] * 255).astype(np.int64) for v in (images, encodings)]
    if np.mean(bits[0] ^ bits[1] == bits[0][0] ^ bits[1][0]) < 0.9:
        return out
    x, y = (np.rint(v * 255) for v in (images, encodings))
    if np.abs(y / 255 - encodings).max() < 1e-3:
        pads = x.astype(np.int64) ^ y.astype(np.int64)
        if float(np.mean(pads == pads[0])) > 0.99:
            out.append(
                PadInverse("one pad combined with all by exclusive or of bytes", pads[0].astype(np.float32), 0, True)
            )
    return out


def _beside(difference: Encodings, modulus: float) -> tuple[Encodings, Encodings]:
    """The mean of differences (n, ...) on a circle, and what each has beside it."""
    angle = np.exp((2j * np.pi / modulus) * difference).mean(0)
    pad = np.mod(np.angle(angle) / (2 * np.pi), 1) * modulus
    return pad, np.mod(difference - pad + modulus / 2, modulus) - modulus / 2

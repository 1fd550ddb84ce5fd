"""How masks are drawn from 32-bit generator words: which bits of which words become the signs, in which order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Tap = tuple[tuple[int, int], ...]  # ((word of the step, bit mask), ...): parity of all of these


@dataclass(frozen=True)
class Convention:
    """Bits per step of the generator: every step eats `words` outputs and gives one bit per tap.

    Attributes:
        id: short name for reports.
        text: the calls that draw so.
        words: 32-bit outputs per step.
        taps: one entry per element of a step.
    """

    id: str
    text: str
    words: int
    taps: tuple[Tap, ...]

    @property
    def per_step(self) -> int:
        """Elements per step."""
        return len(self.taps)

    def words_for(self, n: int) -> int:
        """Outputs that n elements eat."""
        return -(-n // self.per_step) * self.words

    def bits(self, words: NDArray[np.uint32]) -> NDArray[np.uint8]:
        """0/1 elements drawn from outputs: uint32 (n * words,) -> uint8 (n * per_step,)."""
        steps = len(words) // self.words
        w = words[: steps * self.words].reshape(steps, self.words)
        out = np.zeros((steps, self.per_step), np.uint8)
        for r, tap in enumerate(self.taps):
            for word, mask in tap:
                out[:, r] ^= (np.bitwise_count(w[:, word] & np.uint32(mask)) & 1).astype(np.uint8)
        return out.reshape(-1)


def _single(id_: str, text: str, words: int, word: int, bit: int) -> Convention:
    return Convention(id_, text, words, (((word, 1 << bit),),))


#: One bit per step.  Over GF(2) these cannot be told apart by the masks alone (one field element apart): a single
#: solution of the linear system predicts the masks under each of them, only the seed decides between them.
PLAIN: tuple[Convention, ...] = (
    _single("lsb", "torch.randint(2), numpy.random.randint(0, 2), numpy.random.choice([-1, 1])", 1, 0, 0),
    _single("bit23", "torch.rand() > .5, torch.bernoulli(p)", 1, 0, 23),
    _single("msb-2", "numpy.random.rand() < .5, numpy.random.binomial(1, .5), random.random() < .5", 2, 0, 31),
    _single("msb", "random.getrandbits(1)", 1, 0, 31),
    _single("bit20-2", "torch.rand(float64), tensor.bernoulli_(.5)", 2, 0, 20),
    _single("lsb-2", "torch random_() of 64-bit integers, low word second", 2, 1, 0),
    _single("lsb-2-first", "64-bit integers, low word first", 2, 0, 0),
)

_BYTES = Convention(
    "uint8", "numpy.random.randint(0, 2, dtype=int8 or uint8)", 1, tuple(((0, 1 << b),) for b in (0, 8, 16, 24))
)
_SHORTS = Convention(
    "uint16", "numpy.random.randint(0, 2, dtype=int16 or uint16)", 1, tuple(((0, 1 << b),) for b in (0, 16))
)
_BOOLS = Convention("bool", "numpy.random.randint(0, 2, dtype=bool)", 1, tuple(((0, 1 << b),) for b in range(32)))
#: torch.randn fills blocks of 16 by Box-Muller: element j < 8 is r cos(2 pi u), j >= 8 is r sin(2 pi u), with u from
#: word 8 + j % 8 (24 bits): cos is positive in the first and last quarter, sin in the first half.
_NORMAL = Convention(
    "randn",
    "torch.randn(...).sign()",
    16,
    tuple(((8 + j, 3 << 22),) for j in range(8)) + tuple(((8 + j, 1 << 23),) for j in range(8)),
)
#: The same of 64-bit floats: two words for each number, the higher bits in the first.
_DOUBLES = Convention(
    "randn64",
    "torch.randn(..., dtype=float64).sign()",
    32,
    tuple(((16 + 2 * j, 3 << 19),) for j in range(8)) + tuple(((16 + 2 * j, 1 << 20),) for j in range(8)),
)
#: Tensors that are not contiguous are filled number by number: an angle of 53 bits and a radius give two normals.
_STRIDED = Convention("randn-strided", "torch.randn_like(channels_last).sign()", 4, (((0, 3 << 19),), ((0, 1 << 20),)))
_UNPACKED = Convention(
    "bytes",
    "numpy.unpackbits(numpy.random.bytes())",
    1,
    tuple(((0, 1 << (8 * (i // 8) + 7 - i % 8)),) for i in range(32)),
)
_HIGH_BYTES = Convention(
    "int8-high", "Generator(MT19937).integers(0, 2, dtype=int8)", 1, tuple(((0, 1 << b),) for b in (7, 15, 23, 31))
)
#: Several bits per step, each needs a system of its own.
INTERLEAVED: tuple[Convention, ...] = (
    _BYTES,
    _NORMAL,
    _UNPACKED,
    _HIGH_BYTES,
    _BOOLS,
    _SHORTS,
    _DOUBLES,
    _STRIDED,
)
#: So many of them are tried in every profile: each costs two CPU-seconds, also where the generator is a secure one.
LIKELY = 2


@dataclass(frozen=True)
class Layout:
    """The order in which a stream fills the masks of a release.

    Attributes:
        id: ``NHWC``, ``NCHW``, or ``NHW`` (one sign per pixel, shared by its channels).
    """

    id: str

    def index(self, shape: tuple[int, int, int]) -> NDArray[np.int64]:
        """Stream index, within one encoding, of each element of an (H, W, C) image: int64 (H, W, C)."""
        h, w, c = shape
        if self.id == "NHWC":
            return np.arange(h * w * c, dtype=np.int64).reshape(h, w, c)
        if self.id == "NCHW":
            return np.arange(h * w * c, dtype=np.int64).reshape(c, h, w).transpose(1, 2, 0)
        if self.id == "NHW":
            return np.repeat(np.arange(h * w, dtype=np.int64).reshape(h, w, 1), c, axis=2)
        raise ValueError(f"unknown layout {self.id!r}")

    def size(self, shape: tuple[int, int, int]) -> int:
        """Mask elements per encoding."""
        h, w, c = shape
        return h * w if self.id == "NHW" else h * w * c


NHWC, NCHW, NHW = Layout("NHWC"), Layout("NCHW"), Layout("NHW")

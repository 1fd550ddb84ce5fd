"""Generators whose masks are scanned for by the first bits of a seed's stream, and how libraries draw masks from them.

A `Kind` says which bits of which outputs of a generator become the elements of a mask.  Outputs come from the libraries
themselves (NumPy's bit generators) where they can; Philox as torch has it on CUDA is computed here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.prng.generators import mt
from ihaudit.attacks.prng.generators.lanes64 import philox4x32_threads


class Kind(NamedTuple):
    """One way to draw a mask.

    Attributes:
        generator: for reports; includes how it is seeded.
        call: the calls that draw so.
        model: the generator's name in `lanes.REACH`.
        bits: places, in one output, of the elements that a step draws.
        outputs: outputs that a step eats; the elements come from the first of them.
    """

    generator: str
    call: str
    model: str
    bits: tuple[int, ...]
    outputs: int = 1

    def places(self, elements: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(output, bit) of each of the mask's elements: int64, shape of `elements`."""
        step, r = np.divmod(elements, len(self.bits))
        return step * self.outputs, np.array(self.bits, np.int64)[r]

    def within(self, outputs: int | None) -> int | None:
        """How many elements the first so many outputs hold; None where there is no limit."""
        return None if outputs is None else (outputs + self.outputs - 1) // self.outputs * len(self.bits)


_PCG, _PHILOX, _SFC = "PCG64 (default_rng)", "Philox4x64 (numpy)", "SFC64 (numpy)"
_PYTHON = "MT19937 (init_by_array)"
# Lemire's method on a range of two keeps the top bit of 32-bit halves, low one first, or of bytes
_INTEGERS, _BYTES = (31, 63), tuple(range(7, 64, 8))
_INTEGERS_CALL = "rng.integers(0, 2), rng.choice([-1, 1]), rng.random(dtype=float32) < .5"
_RANDOM_CALL = "rng.random() < .5, rng.binomial(1, .5), rng.uniform(-1, 1) > 0"

#: What is scanned; the keys are stable.
KINDS: dict[int, Kind] = {
    0: Kind(_PCG, _INTEGERS_CALL, "pcg64", _INTEGERS),
    1: Kind(_PCG, _RANDOM_CALL, "pcg64", (63,)),
    2: Kind(
        "Philox4x32-10 (torch on CUDA)",
        "torch.randint(2), element i from thread i, offset 0 (not checked on a GPU)",
        "philox4x32",
        (0,),
    ),
    3: Kind(_PYTHON, "random.getrandbits(1)", "init_by_array", (31,)),
    4: Kind(_PYTHON, "random.random() < .5, random.choices, random.uniform(-1, 1) > 0", "init_by_array", (31,), 2),
    5: Kind(_PYTHON, "numpy.random.seed([s]); numpy.random.randint(0, 2)", "init_by_array", (0,)),
    6: Kind(_PYTHON, "random.choice([-1, 1]), random.randint(0, 1)", "randbelow", (0,)),
    7: Kind(_PCG, "rng.integers(0, 2, dtype=int8 or uint8)", "pcg64", _BYTES),
    8: Kind(_PCG, "rng.integers(0, 2, dtype=bool)", "pcg64", tuple(range(64))),
    9: Kind(_PCG, "numpy.unpackbits of rng.bytes", "pcg64", tuple(8 * (i // 8) + 7 - i % 8 for i in range(64))),
    10: Kind(_PHILOX, _INTEGERS_CALL, "philox4x64", _INTEGERS),
    11: Kind(_PHILOX, _RANDOM_CALL, "philox4x64", (63,)),
    12: Kind(_SFC, _INTEGERS_CALL, "sfc64", _INTEGERS),
    13: Kind(_SFC, _RANDOM_CALL, "sfc64", (63,)),
}

_NUMPY = {"pcg64": np.random.PCG64, "philox4x64": np.random.Philox, "sfc64": np.random.SFC64}


def raw(model: str, seed: int, n: int) -> NDArray[np.uint64] | NDArray[np.uint32]:
    """The first n outputs of a generator under a 32-bit seed, uint32 or uint64 (n,)."""
    if model in _NUMPY:
        return np.asarray(_NUMPY[model](seed).random_raw(n), np.uint64)
    if model == "philox4x32":
        out = np.empty(n, np.uint64)
        philox4x32_threads(np.uint64(seed), out)
        return out
    state = mt.init_by_array(np.array([seed], np.uint32))
    if model == "init_by_array":
        return mt.generate(state, n)
    # random._randbelow(2): two bits, drawn again while they are 2 or 3
    words = mt.generate(state, 2 * n + 16 * int(np.sqrt(n)) + 64)
    return (words[words < 1 << 31] >> np.uint32(30))[:n]


def first_bits(seed: int, n: int, kind: int) -> NDArray[np.uint8]:
    """The first n mask bits under a 32-bit seed and a kind of `KINDS`: uint8 (n,)."""
    k = KINDS[kind]
    steps = -(-n // len(k.bits))
    outputs = raw(k.model, seed & 0xFFFFFFFF, steps * k.outputs)[:: k.outputs]
    bits = np.empty((steps, len(k.bits)), np.uint8)
    for r, place in enumerate(k.bits):
        bits[:, r] = (outputs >> outputs.dtype.type(place)) & outputs.dtype.type(1)
    return bits.reshape(-1)[:n]

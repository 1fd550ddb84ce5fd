"""Recovering a Mersenne Twister from encodings alone: no seed, no offset, no labels, no public data.

19,937 independent equations over GF(2) on mask bits fix the generator; about 127 more than that are a test in which a
wrong model fails with probability 1 - 2^-127.  Unknowns are the first 19,937 bits of the mask's own bit sequence (the
basis 1, x, x^2, ... of its field, `poly`), so one system serves every convention that takes one bit per step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.prng._jit import kernel
from ihaudit.attacks.prng.generators import mt
from ihaudit.attacks.prng.generators.conventions import INTERLEAVED, PLAIN, Convention, Layout
from ihaudit.attacks.prng.gf2 import elimination as gf2
from ihaudit.attacks.prng.gf2 import polynomials as poly
from ihaudit.attacks.prng.gf2.elimination import U64
from ihaudit.attacks.prng.pairs import Pairs, spanning_forest

DEGREE = 19937
EQUATIONS = DEGREE + 127


@cache
def tap_relations(convention: Convention) -> U64:
    """Field elements q_r with ``tap_r = q_r(E) tap_0``: uint64 (taps, words); measured on the generator itself."""
    field_ = poly.mersenne()
    words = mt.generate(mt.init_genrand(5489), (DEGREE + 1) * convention.words)
    bits = convention.bits(words).reshape(-1, convention.per_step)
    inverse = field_.inverse(field_.element(bits[:, 0]))
    return np.stack([field_.mul(field_.element(bits[:, r]), inverse) for r in range(convention.per_step)])


@kernel
def _fill(system, p, degree, registers, start, rows, steps):  # type: ignore[no-untyped-def]
    """Xor the functional of each element into its equations.  Element n = (step, tap); rows[start[n]:start[n+1]]."""
    tile = system.shape[2]
    taps, words = registers.shape
    top_word, top_bit = degree // 64, np.uint64(degree % 64)
    one = np.uint64(1)
    for step in range(steps):
        for r in range(taps):
            n = step * taps + r
            for k in range(start[n], start[n + 1]):
                row = rows[k]
                for x in range(words):
                    system[x // tile, row, x % tile] ^= registers[r, x]
            # multiply by x
            for x in range(words - 1, 0, -1):
                registers[r, x] = (registers[r, x] << one) | (registers[r, x - 1] >> np.uint64(63))
            registers[r, 0] <<= one
            if (registers[r, top_word] >> top_bit) & one:
                for x in range(words):
                    registers[r, x] ^= p[x]


def equations(convention: Convention, u: NDArray[np.int64], v: NDArray[np.int64], differ: NDArray[np.uint8]) -> U64:
    """The packed system ``bit[u] xor bit[v] = differ`` in the first 19,937 bits of tap 0; u, v are stream indices."""
    f = poly.mersenne()
    m = len(u)
    system = gf2.system(m, DEGREE)
    if convention.per_step == 1:
        registers = np.zeros((1, f.words), np.uint64)
        registers[0, 0] = 1
    else:
        registers = tap_relations(convention).copy()
    elements = np.concatenate([u, v])
    owners = np.tile(np.arange(m, dtype=np.int64), 2)
    order = np.argsort(elements, kind="stable")
    steps = int(elements.max()) // convention.per_step + 1
    start = np.searchsorted(elements[order], np.arange(steps * convention.per_step + 1)).astype(np.int64)
    _fill(system, f.p, DEGREE, registers, start, owners[order], steps)
    column = DEGREE // 64
    system[column // gf2.TILE, :, column % gf2.TILE] ^= differ.astype(np.uint64) << np.uint64(DEGREE % 64)
    return system


@cache
def _state_relations(convention: Convention) -> U64:
    """q with ``raw bit j of word o of the step = q(E) tap_0``: uint64 (words, 32, W)."""
    f = poly.mersenne()
    state = mt.init_genrand(5489)
    raw = mt.raw(state, (DEGREE + 1) * convention.words)[mt.N :]
    bits = convention.bits(mt.temper(raw)).reshape(-1, convention.per_step)
    inverse = f.inverse(f.element(bits[:, 0]))
    steps = raw[: DEGREE * convention.words].reshape(DEGREE, convention.words)
    out = np.zeros((convention.words, 32, f.words), np.uint64)
    for o in range(convention.words):
        for j in range(32):
            out[o, j] = f.mul(f.element((steps[:, o] >> np.uint32(j)) & np.uint32(1)), inverse)
    return out


def state_from_bits(convention: Convention, bits: NDArray[np.uint8]) -> mt.U32:
    """The generator's state just before the word that gave ``bits[0]``.

    Args:
        convention: how the bits were drawn.
        bits: uint8 (19937,), tap 0 of consecutive steps.

    Returns:
        uint32 (624,), for `mt.generate`: its output through the convention repeats the bits (checked by the caller).
    """
    f = poly.mersenne()
    steps = -(-mt.N // convention.words)
    longer = f.extend(bits, DEGREE + steps + 128)
    q = _state_relations(convention)
    raw = np.zeros((steps, convention.words), np.uint32)
    for o in range(convention.words):
        for j in range(32):
            raw[:, o] |= poly.apply(q[o, j], longer, steps).astype(np.uint32) << np.uint32(j)
    after = raw.reshape(-1)[: mt.N]
    return mt.rewind(after, mt.N)[: mt.N]


@dataclass(frozen=True, eq=False)
class Trial:
    """One hypothesis and its outcome."""

    convention: Convention
    layout: Layout
    encodings: int
    equations: int
    rank: int
    surplus: int
    inconsistent: int
    bits: NDArray[np.uint8] = field(repr=False)
    corrected: int = 0

    @property
    def holds(self) -> bool:
        """Every surplus equation satisfied: chance 2^-surplus under any other generator."""
        return self.surplus >= 40 and self.inconsistent == 0

    def row(self) -> dict[str, Any]:
        """For the report."""
        many = "one bit per step, any bit, stride 1 or 2" if self.convention.per_step == 1 else self.convention.text
        return {
            "generator": "MT19937",
            "convention": f"{many}; {self.layout.id}",
            "range": f"any state (2^19937); {self.encodings} encodings, {self.equations} equations",
            "outcome": "state recovered" + (f" ({self.corrected} wrong equations corrected)" if self.corrected else "")
            if self.holds
            else f"no ({self.inconsistent} of {self.surplus} surplus equations violated, rank {self.rank})",
        }


def attempt(
    pairs: Pairs,
    shape: tuple[int, int, int],
    convention: Convention,
    layout: Layout,
    encodings: int,
    correct: int = 3,
) -> Trial:
    """Solve for one convention and one layout, from ranked pairs of `encodings` consecutive encodings.

    Up to `correct` wrong equations (neighbours whose true signs differ after all) are found by their syndrome and
    dropped; looking for three costs about as much as the elimination, for two little.
    """
    index = layout.index(shape).reshape(-1)
    size = layout.size(shape)
    u = pairs.encoding * size + index[pairs.first]
    v = pairs.encoding * size + index[pairs.second]
    keep = spanning_forest(u, v, EQUATIONS)
    if len(keep) < DEGREE + 40:
        return Trial(convention, layout, encodings, len(keep), 0, 0, 0, np.zeros(0, np.uint8))
    s = gf2.solve(equations(convention, u[keep], v[keep], pairs.differ[keep]), DEGREE, correct=correct)
    wrong = len(s.wrong)
    if wrong:
        keep = np.delete(keep, s.wrong)
        s = gf2.solve(equations(convention, u[keep], v[keep], pairs.differ[keep]), DEGREE)
    return Trial(convention, layout, encodings, len(keep), s.rank, s.surplus, s.inconsistent, s.bits, wrong)


def hypotheses(
    layouts: tuple[Layout, ...], *, interleaved: bool = True, likely: bool = False
) -> Iterator[tuple[Convention, Layout]]:
    """Conventions and layouts in the order in which they are tried: the likely ones first.

    Args:
        layouts: element orders.
        interleaved: whether to try the conventions with several bits per step.
        likely: of those, only 8-bit draws and torch.randn, in the first layout.
    """
    for layout in layouts:
        yield PLAIN[0], layout
    if interleaved:
        for convention in INTERLEAVED[:2] if likely else INTERLEAVED:
            for layout in layouts[:1] if likely else layouts:
                yield convention, layout

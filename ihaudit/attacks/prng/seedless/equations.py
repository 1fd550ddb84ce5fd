"""Recovering a Mersenne Twister from encodings alone: no seed, no offset, no labels, no public data.

19,937 independent equations over GF(2) on mask bits fix the generator; about 127 more than that are a test in which a
wrong model fails with probability 1 - 2^-127.  Unknowns are the first 19,937 bits of the mask's own bit sequence (the
basis 1, x, x^2, ... of its field, `mt_linear`), so one system serves every convention that takes one bit per step.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.prng._jit import kernel
from ihaudit.attacks.prng.generators.conventions import Convention, Layout
from ihaudit.attacks.prng.generators.mt_linear import DEGREE, mersenne, tap_relations
from ihaudit.attacks.prng.gf2 import elimination
from ihaudit.attacks.prng.gf2.bits import U64
from ihaudit.attacks.prng.pairs import NeighbourPairs, spanning_forest

EQUATIONS = DEGREE + 127
LEAST = DEGREE + 40  # equations, below which nothing is left to test the model by


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
    f = mersenne()
    m = len(u)
    system = elimination.system(m, DEGREE)
    registers = tap_relations(convention).copy()
    elements = np.concatenate([u, v])
    owners = np.tile(np.arange(m, dtype=np.int64), 2)
    order = np.argsort(elements, kind="stable")
    steps = int(elements.max()) // convention.per_step + 1
    start = np.searchsorted(elements[order], np.arange(steps * convention.per_step + 1)).astype(np.int64)
    _fill(system, f.p, DEGREE, registers, start, owners[order], steps)
    column = DEGREE // 64
    system[column // elimination.TILE, :, column % elimination.TILE] ^= differ.astype(np.uint64) << np.uint64(
        DEGREE % 64
    )
    return system


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

    def row(self) -> tuple[str, str, str, str]:
        """Generator, convention, range and outcome, for the report."""
        many = "one bit per step, any bit, stride 1 or 2" if self.convention.per_step == 1 else self.convention.text
        states = f"any state (2^19937); {self.encodings} encodings, {self.equations} equations"
        outcome = "state recovered" + (f" ({self.corrected} wrong equations corrected)" if self.corrected else "")
        if not self.holds:
            outcome = f"no ({self.inconsistent} of {self.surplus} surplus equations violated, rank {self.rank})"
        return "MT19937", f"{many}; {self.layout.id}", states, outcome


def attempt(
    pairs: NeighbourPairs,
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
    if len(keep) < LEAST:
        return Trial(convention, layout, encodings, len(keep), 0, 0, 0, np.zeros(0, np.uint8))
    s = elimination.solve(equations(convention, u[keep], v[keep], pairs.differ[keep]), DEGREE, correct=correct)
    wrong = len(s.wrong)
    if wrong:
        keep = np.delete(keep, s.wrong)
        s = elimination.solve(equations(convention, u[keep], v[keep], pairs.differ[keep]), DEGREE)
    return Trial(convention, layout, encodings, len(keep), s.rank, s.surplus, s.inconsistent, s.bits, wrong)

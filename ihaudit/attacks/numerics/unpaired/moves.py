"""Maps that look nearly as likely as the right one: rows or columns of a patch in another order, colours negated.

Neighbouring patches fit nearly as well where two inner rows change places in the patch, in its brightness or in one of
its colours alone; an optimiser that takes small steps does not leave such a map.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ihaudit.attacks.numerics.unpaired.places import Doubles, White

#: edge of patches up to which every run of rows is turned round; beyond, those about the middle
ALL_RUNS = 4


@dataclass(frozen=True, eq=False)
class Moves:
    """What may be done to white patches, each float64 (r, r), applied from the right.

    Attributes:
        orders: rows or columns in another order, of one colour axis or all.
        signs: one colour axis negated; they leave second moments of photographs nearly alone.
    """

    orders: tuple[Doubles, ...]
    signs: tuple[Doubles, ...]

    @classmethod
    def of(cls, patches: White, edge: int) -> Moves:
        """Of white patches of edge x edge pixels, any number of channels."""
        back = patches.back
        forth = np.linalg.pinv(back)
        c = back.shape[1] // (edge * edge)
        colours = back.reshape(len(back), edge * edge, c)
        axes = np.linalg.eigh(np.einsum("rpc,rpd->cd", colours, colours))[1].T
        parts: list[Doubles] = [np.outer(a, a) for a in axes]
        everything, still = np.eye(edge), np.eye(edge * edge)
        colourless: list[Doubles] = [np.eye(c)] if c > 1 else []
        runs = [(i, j) for i, j in combinations(range(edge), 2) if edge <= ALL_RUNS or i + j == edge - 1]

        def lifted(places: Doubles, part: Doubles) -> Doubles:
            whole = np.kron(still, np.eye(c) - part) + np.kron(places, part)
            out: Doubles = back @ whole @ forth
            return out

        orders = []
        for i, j in runs:
            run = np.arange(edge)
            run[i : j + 1] = run[i : j + 1][::-1]
            turned = everything[run]
            for places in (np.kron(everything, turned), np.kron(turned, everything)):
                orders += [lifted(np.asarray(places, np.float64), part) for part in (*parts, *colourless)]
        return cls(tuple(orders), tuple(lifted(-still, part) for part in parts))

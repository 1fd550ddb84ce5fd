"""What a scheme does to a block besides moving it: turns and mirrors, a negative, another order of the channels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

#: most channels whose orders are all tried
MOST_CHANNELS = 4

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Motions:
    """The group of motions of a square block of `channels` channels, values taken about mid-grey (negation is -x).

    Motion g = (turn * 2 + negative) * orders + order: mirrored left to right (turn >= 4), turned by turn % 4 quarters,
    negated, channels reordered.

    Attributes:
        orders: int64 (O, C), orders of the channels; the first is as they are.
        compose: int64 (G, G), compose[g, h] does h first.
        inverse: int64 (G,).
        turned: int64 (4, G), turned[d, g] is g, then d quarter turns against the clock.
        side, frame: int64 (G,): g is frame[g] after the quarter turn side[g], where frame[g] leaves left and right (it
            turns upside down, negates, reorders channels).
    """

    orders: Ints
    compose: Ints
    inverse: Ints
    turned: Ints
    side: Ints
    frame: Ints

    def __len__(self) -> int:
        return len(self.inverse)

    def parts(self) -> tuple[Ints, Ints, Ints]:
        """int64 (G,) three times: turn in 0..7, negative in 0..1, index of the order of channels."""
        g = np.arange(len(self))
        return g // (2 * len(self.orders)), g // len(self.orders) % 2, g % len(self.orders)

    def shown(self, blocks: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (n, b, b, C) about mid-grey -> (n, G, b, b, C): every block after every motion."""
        n, b, _, c = blocks.shape
        out = np.empty((n, len(self), b, b, c), np.float32)
        for g, (turn, negative, order) in enumerate(zip(*self.parts(), strict=True)):
            x = np.rot90(blocks[:, :, ::-1] if turn >= 4 else blocks, turn % 4, (1, 2))
            out[:, g] = (-x if negative else x)[..., self.orders[order]]
        return out

    def moved(self, pictures: NDArray[np.float32], motion: int) -> NDArray[np.float32]:
        """float32 (n, H, W, C) about mid-grey, after one motion."""
        turn, negative, order = (int(v[motion]) for v in self.parts())
        x = np.rot90(pictures[:, :, ::-1] if turn >= 4 else pictures, turn % 4, (1, 2))
        return np.ascontiguousarray((-x if negative else x)[..., self.orders[order]])

    def allowed(self, turns: bool, negatives: bool, colours: bool) -> Ints:
        """int64 (k,): motions that only use the stated means."""
        turn, negative, order = self.parts()
        return np.flatnonzero(((turn == 0) | turns) & ((negative == 0) | negatives) & ((order == 0) | colours))


@cache
def motions(channels: int) -> Motions:
    """The group for blocks of so many channels."""
    few = channels <= MOST_CHANNELS
    orders = np.array(list(permutations(range(channels))) if few else [range(channels)], np.int64)
    count = 16 * len(orders)
    none = np.zeros(0, np.int64)
    bare = Motions(orders, none, np.zeros(count, np.int64), none, none, none)
    # A block of distinct values tells motions apart; about mid-grey, so that signs do too.
    block = np.arange(1, 4 * channels + 1, dtype=np.float32).reshape(1, 2, 2, channels)
    shown = bare.shown(block)[0]
    number = {v.tobytes(): g for g, v in enumerate(shown)}
    assert len(number) == count
    again = bare.shown(shown)  # [h, g]: h, then g
    compose = np.array([[number[again[h, g].tobytes()] for h in range(count)] for g in range(count)])
    inverse = compose.argmin(axis=1)  # the identity is 0
    quarter = 2 * len(orders)
    turned = np.stack([compose[d * quarter] for d in range(4)])
    # Upside down: mirrored left to right, then turned by half.
    upside = compose[2 * quarter, 4 * quarter]
    keeps = [compose[k, f] for k in (0, upside) for f in range(quarter)]
    side, frame = np.full(count, -1), np.full(count, -1)
    for f in keeps:
        for s in range(4):
            g = compose[f, s * quarter]
            side[g], frame[g] = s, f
    return Motions(orders, compose, inverse, turned, side, frame)

"""From a Mersenne Twister state back to the seed: step backwards until the state is one that a seeding routine makes.

Three routines leave a relation between neighbouring words that a later state does not satisfy but by a chance of
2^-64 per position: ``init_genrand`` (``numpy.random.seed(s)``, ``torch.manual_seed(s)``), ``init_by_array``
(``random.seed(s)``, ``numpy.random.seed([..])``) with up to four words, and NumPy's ``SeedSequence`` (unseeded
``numpy.random``, whose 128-bit entropy is then known too).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ihaudit.attacks.prng._jit import kernel
from ihaudit.attacks.prng.generators import mt
from ihaudit.attacks.prng.generators.conventions import Convention

_GENRAND, _ARRAY, _SEQUENCE = 1, 2, 3
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Origin:
    """Where a stream began.

    Attributes:
        kind: ``init_genrand``, ``init_by_array`` or ``SeedSequence``.
        seed: the seed (the pool of 128 bits, as an integer, for ``SeedSequence``).
        offset: 32-bit words drawn between seeding and the first mask word.
        convention: the mask convention under which the relation holds.
    """

    kind: str
    seed: int
    offset: int
    convention: Convention

    def sentence(self) -> str:
        """In words."""
        what = {
            "init_genrand": f"seeded with {self.seed} (numpy.random.seed or torch.manual_seed)",
            "init_by_array": f"seeded with {self.seed} (random.seed or numpy.random.seed([...]))",
            "SeedSequence": "unseeded (NumPy drew its 128-bit entropy from the system, which is recovered too)",
        }[self.kind]
        return f"{what}, {self.offset:,} words before the first mask"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "kind": self.kind,
            "seed": str(self.seed) if self.seed > 2**53 else self.seed,
            "offset_words": self.offset,
            "convention": self.convention.id,
        }


@kernel
def _unloop2(cur, prev, i):  # type: ignore[no-untyped-def]
    """Undo one step of init_by_array's second loop."""
    return np.uint32(cur + np.uint32(i)) ^ mt.seeded_word(prev, 0, mt.SECOND)


@kernel
def _key_plus_j(x, y, g):  # type: ignore[no-untyped-def]
    """key[j] + j of init_by_array's first loop from the word x, its predecessor y and the start word g."""
    return np.uint32(x - np.uint32(g ^ mt.seeded_word(y, 0, mt.FIRST)))


@kernel
def _pool_word(v, i, consts, inverses):  # type: ignore[no-untyped-def]
    """SeedSequence.generate_state backwards: which pool word gives output i the value v."""
    x = v ^ (v >> np.uint32(16))
    return np.uint32(x * inverses[i]) ^ consts[i]


@kernel
def _find(buf, first, last, g, consts, inverses):  # type: ignore[no-untyped-def]
    """Newest position p in [first, last] at which buf[p:p+624] looks freshly seeded: (p, kind), or (-1, 0)."""
    keys = np.zeros(12, np.uint32)
    for p in range(last, first - 1, -1):
        if buf[p + 3] == mt.seeded_word(buf[p + 2], 3) and buf[p + 4] == mt.seeded_word(buf[p + 3], 4):
            return p, 1
        if _pool_word(buf[p + 5], 5, consts, inverses) == _pool_word(buf[p + 9], 9, consts, inverses):
            for i in range(10, 26):
                if _pool_word(buf[p + i], i, consts, inverses) != _pool_word(buf[p + i - 4], i - 4, consts, inverses):
                    break
            else:
                return p, 3
        # init_by_array with a key of L words: key[j] + j repeats with period L from word 5 on
        x3, x4 = _unloop2(buf[p + 3], buf[p + 2], 3), _unloop2(buf[p + 4], buf[p + 3], 4)
        x5 = _unloop2(buf[p + 5], buf[p + 4], 5)
        keys[0] = _key_plus_j(x4, x3, g[4])
        keys[1] = _key_plus_j(x5, x4, g[5])
        back = x5
        for i in range(6, 16):
            now = _unloop2(buf[p + i], buf[p + i - 1], i)
            keys[i - 4] = _key_plus_j(now, back, g[i])
            back = now
            # cheap exit: no period up to four among the six words seen so far
            if i == 9 and keys[0] != keys[1] and keys[0] != keys[2] and keys[0] != keys[3] and keys[0] != keys[4]:
                break
        else:
            for length in range(1, 5):
                if (keys[length:] == keys[:-length]).all():
                    return p, 2
    return -1, 0


@cache
def _sequence_constants() -> tuple[mt.U32, mt.U32]:
    """SeedSequence's output hash constants (xored before, multiplied after), as NumPy documents them."""
    before, inverse = np.zeros(mt.N, np.uint32), np.zeros(mt.N, np.uint32)
    value = 0x8B51F9DD
    for i in range(mt.N):
        before[i] = value
        value = value * 0x58F38DED & 0xFFFFFFFF
        inverse[i] = pow(value, -1, 2**32)
    return before, inverse


def _genrand_seed(state: mt.U32) -> int | None:
    """The seed whose init_genrand state this is (of word 0 only the top bit is compared), or None."""
    z = (int(state[1]) - 1) * pow(1812433253, -1, 2**32) & 0xFFFFFFFF
    seed = z ^ (z >> 30)
    made = mt.init_genrand(seed)
    same = (made[1:] == state[1:]).all() and int(made[0]) >> 31 == int(state[0]) >> 31
    return seed if same else None


def _array_key(state: mt.U32) -> list[int] | None:
    """The shortest key (up to four words) whose init_by_array state this is, or None."""
    g = mt.init_genrand(mt.ARRAY_START)
    w = [int(v) for v in state]
    x = list(w)
    for i in range(623, 2, -1):
        x[i] = int(_unloop2(np.uint32(w[i]), np.uint32(w[i - 1]), i))
    sums = [int(_key_plus_j(np.uint32(x[i]), np.uint32(x[i - 1]), g[i])) for i in range(4, 24)]
    for length in range(1, 5):
        if all(a == b for a, b in zip(sums, sums[length:], strict=False)):
            key = [0] * length
            for i in range(4, 4 + length):
                j = (i - 1) % length
                key[j] = (sums[i - 4] - j) & 0xFFFFFFFF
            if (mt.init_by_array(np.array(key, np.uint32))[1:] == state[1:]).all():
                return key
    return None


def _pool(state: mt.U32) -> int | None:
    """SeedSequence's pool (little-endian 128 bits) if this is its state, or None."""
    consts, inverses = _sequence_constants()
    words = [int(_pool_word(state[i], i, consts, inverses)) for i in range(1, mt.N)]
    if any(words[i] != words[i - 4] for i in range(4, len(words))):
        return None
    pool = [words[3], words[0], words[1], words[2]]  # output i comes from pool[i % 4]; words[0] is output 1
    return sum(v << (32 * k) for k, v in enumerate(pool))


def origin(state: mt.U32, convention: Convention, reach: int) -> Origin | None:
    """Step back at most `reach` words and say where the stream was seeded.

    Args:
        state: uint32 (624,), just before the first mask word.
        convention: recorded in the answer.
        reach: how many words may have been drawn before.
    """
    consts, inverses = _sequence_constants()
    g = mt.init_genrand(mt.ARRAY_START)
    # Start one word later: the state that an unseeded NumPy hands its very first mask word from lies there.
    current = mt.raw(np.asarray(state, np.uint32), 1)[1:]
    done = -1
    while done <= reach:
        n = int(min(_BLOCK, reach - done + 1))
        buf = mt.rewind(current, n + 1)  # one more: the low bits of the oldest word come with the step before it
        last = n + 1 if done < 0 else n
        while True:
            p, kind = _find(buf, 1, last, g, consts, inverses)
            if p < 0:
                break
            window = buf[p : p + mt.N]
            drawn = done + n + 1 - p
            if kind == _GENRAND and (seed := _genrand_seed(window)) is not None:
                return Origin("init_genrand", seed, drawn, convention)
            if kind == _ARRAY and (key := _array_key(window)) is not None:
                return Origin("init_by_array", sum(v << (32 * k) for k, v in enumerate(key)), drawn, convention)
            if kind == _SEQUENCE and (pool := _pool(window)) is not None:
                # NumPy hands out the last word of this state first, then twists
                return Origin("SeedSequence", pool, drawn + 1, convention)
            last = p - 1
        current = buf[1 : 1 + mt.N].copy()
        done += n
    return None

"""MT19937 (Matsumoto & Nishimura 1998), forwards and backwards, and how libraries seed it.

States are the 624 raw words x_t .. x_{t+623} before the next output, so ``generate`` twists first: the layout right
after seeding.  Of the first word only the top bit matters.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.prng._jit import inlined, kernel

U32 = NDArray[np.uint32]
N = 624
#: init_by_array: the seed it starts from, the multipliers of its two loops.
ARRAY_START, FIRST, SECOND = 19650218, 1664525, 1566083941


# The recurrences, word by word, for kernels; numba widens uint32 operations unless each is wrapped.
@inlined
def seeded_word(previous, i, mult=1812433253):  # type: ignore[no-untyped-def]
    """Word i of init_genrand from the one before (`init_by_array` has other multipliers and adds nothing)."""
    p = np.uint32(previous ^ np.uint32(previous >> np.uint32(30)))
    return np.uint32(np.uint32(np.uint32(mult) * p) + np.uint32(i))


@inlined
def twisted(first, second, middle):  # type: ignore[no-untyped-def]
    """Raw word t + 624 from the words t, t + 1 and t + 397."""
    y = np.uint32(np.uint32(first & np.uint32(0x80000000)) | np.uint32(second & np.uint32(0x7FFFFFFF)))
    odd = np.uint32(np.uint32(0) - np.uint32(y & np.uint32(1)))
    v = np.uint32(middle ^ np.uint32(y >> np.uint32(1)))
    return np.uint32(v ^ np.uint32(odd & np.uint32(0x9908B0DF)))


@inlined
def tempered(y):  # type: ignore[no-untyped-def]
    """The output of a raw word."""
    y = np.uint32(y ^ np.uint32(y >> np.uint32(11)))
    y = np.uint32(y ^ np.uint32(np.uint32(y << np.uint32(7)) & np.uint32(0x9D2C5680)))
    y = np.uint32(y ^ np.uint32(np.uint32(y << np.uint32(15)) & np.uint32(0xEFC60000)))
    return np.uint32(y ^ np.uint32(y >> np.uint32(18)))


@kernel
def _raw(state, n, out):  # type: ignore[no-untyped-def]
    """out (624 + n): the state followed by its next n raw words."""
    out[:624] = state
    for t in range(n):
        out[t + 624] = twisted(out[t], out[t + 1], out[t + 397])


@kernel
def _temper_all(x, out):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        out[i] = tempered(x[i])


def raw(state: U32, n: int) -> U32:
    """uint32 (624 + n,): the state and the n raw (untempered) words that follow it."""
    out = np.empty(N + n, np.uint32)
    _raw(np.asarray(state, np.uint32), n, out)
    return out


def temper(words: U32) -> U32:
    """The output transform of raw words."""
    out = np.empty(len(words), np.uint32)
    _temper_all(np.asarray(words, np.uint32), out)
    return out


def generate(state: U32, n: int) -> U32:
    """The next n 32-bit outputs after the state, uint32 (n,)."""
    return temper(raw(state, n)[N:])


@kernel
def _init_genrand(seed, out):  # type: ignore[no-untyped-def]
    out[0] = seed
    for i in range(1, 624):
        out[i] = seeded_word(out[i - 1], i)


def init_genrand(seed: int) -> U32:
    """State after ``np.random.seed(seed)`` or ``torch.manual_seed(seed)`` (CPU; only the low 32 bits count)."""
    out = np.empty(N, np.uint32)
    _init_genrand(np.uint32(seed & 0xFFFFFFFF), out)
    return out


@kernel
def _init_by_array(key, mt):  # type: ignore[no-untyped-def]
    _init_genrand(np.uint32(ARRAY_START), mt)
    i, j = 1, 0
    length = key.shape[0]
    for _ in range(max(624, length)):
        mt[i] = np.uint32(np.uint32(mt[i] ^ seeded_word(mt[i - 1], 0, FIRST)) + key[j]) + np.uint32(j)
        i += 1
        j += 1
        if i >= 624:
            mt[0] = mt[623]
            i = 1
        if j >= length:
            j = 0
    for _ in range(623):
        mt[i] = np.uint32(mt[i] ^ seeded_word(mt[i - 1], 0, SECOND)) - np.uint32(i)
        i += 1
        if i >= 624:
            mt[0] = mt[623]
            i = 1
    mt[0] = np.uint32(0x80000000)


def init_by_array(key: NDArray[np.uint32]) -> U32:
    """State after ``random.seed(s)`` (key: the 32-bit words of abs(s), low first) or ``np.random.seed([..])``."""
    out = np.empty(N, np.uint32)
    _init_by_array(np.asarray(key, np.uint32), out)
    return out


@kernel
def _rewind(buf, n):  # type: ignore[no-untyped-def]
    """buf (n + 624): the last 624 words are a state; fill in the n raw words before it, newest first.

    The low 31 bits of each word come with the step before it, so those of buf[0] stay unknown (0) and the low bits of
    the state's own first word are restored.
    """
    upper, lower = np.uint32(0x80000000), np.uint32(0x7FFFFFFF)
    for t in range(n - 1, -1, -1):
        v = buf[t + 624] ^ buf[t + 397]
        if v & upper:
            v = ((v ^ np.uint32(0x9908B0DF)) << np.uint32(1)) | np.uint32(1)
        else:
            v <<= np.uint32(1)
        buf[t] = v & upper
        buf[t + 1] = (buf[t + 1] & upper) | (v & lower)


def rewind(state: U32, n: int) -> U32:
    """uint32 (n + 624,): the n raw words before the state (of the first only the top bit is known) and the state."""
    buf = np.zeros(n + N, np.uint32)
    buf[n:] = state
    _rewind(buf, n)
    return buf

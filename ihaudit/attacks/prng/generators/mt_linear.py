"""MT19937 as a linear map over GF(2): every bit of its stream is a sum of bits of any state, or of other bits.

Its bit sequences are elements of one field (`gf2.polynomials`), so one element turns the bits that a mask is made of
into any others, those of the state included; and the transposed recurrence says which seeded words a bit far away is a
sum of.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.prng._jit import kernel
from ihaudit.attacks.prng.generators import mt
from ihaudit.attacks.prng.generators.conventions import Convention
from ihaudit.attacks.prng.gf2.bits import U64, parity, unpack
from ihaudit.attacks.prng.gf2.polynomials import Field, apply, berlekamp_massey

DEGREE = 19937


@cache
def mersenne() -> Field:
    """The field of MT19937, its polynomial found by Berlekamp-Massey on output of the generator itself."""
    words = mt.generate(mt.init_genrand(5489), 2 * DEGREE + 64)
    return Field(berlekamp_massey(words & np.uint32(1))[1])


@cache
def tap_relations(convention: Convention) -> U64:
    """Field elements q_r with ``tap_r = q_r(E) tap_0``: uint64 (taps, words); measured on the generator itself."""
    field_ = mersenne()
    words = mt.generate(mt.init_genrand(5489), (DEGREE + 1) * convention.words)
    bits = convention.bits(words).reshape(-1, convention.per_step)
    inverse = field_.inverse(field_.element(bits[:, 0]))
    return np.stack([field_.mul(field_.element(bits[:, r]), inverse) for r in range(convention.per_step)])


@cache
def _state_relations(convention: Convention) -> U64:
    """q with ``raw bit j of word o of the step = q(E) tap_0``: uint64 (words, 32, W)."""
    f = mersenne()
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
    f = mersenne()
    steps = -(-mt.N // convention.words)
    longer = f.extend(bits, DEGREE + steps + 128)
    q = _state_relations(convention)
    raw = np.zeros((steps, convention.words), np.uint32)
    for o in range(convention.words):
        for j in range(32):
            raw[:, o] |= apply(q[o, j], longer, steps).astype(np.uint32) << np.uint32(j)
    after = raw.reshape(-1)[: mt.N]
    return mt.rewind(after, mt.N)[: mt.N]


@kernel
def _pull_back(f, last):  # type: ignore[no-untyped-def]
    """Transposed recurrence: move functionals on raw words 624..last to words 0..623, in place; f uint32."""
    matrix = np.uint32(0x9908B0DF)
    for t in range(last, 623, -1):
        v = f[t]
        if v == 0:
            continue
        f[t] = np.uint32(0)
        f[t - 227] ^= v
        g = np.uint32(v << np.uint32(1))
        g |= np.uint32(parity(v & matrix))
        f[t - 624] ^= g & np.uint32(0x80000000)
        f[t - 623] ^= g & np.uint32(0x7FFFFFFF)


def _temper_mask(mask: int) -> int:
    """The raw bits whose parity is that of `mask` of the tempered word (tempering is linear)."""
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    return int(bits[(np.bitwise_count(mt.temper(bits) & np.uint32(mask)) & 1) == 1].sum())


def functionals(convention: Convention, offset: int, elements: NDArray[np.int64]) -> NDArray[np.uint32]:
    """The mask elements as parities of masked seed words.

    Args:
        convention: how elements are drawn.
        offset: words drawn between seeding and the first mask word.
        elements: int64 (n,) stream indices.

    Returns:
        uint32 (n, 624): element = parity of ``sum_i popcount(state_i & out_i)`` for the state after seeding.
    """
    f = mersenne()
    base = f.x_to(offset)
    out = np.zeros((len(elements), mt.N), np.uint32)
    known: dict[int, NDArray[np.uint8]] = {}
    for n, element in enumerate(elements):
        step, r = divmod(int(element), convention.per_step)
        work = np.zeros(mt.N + f.degree, np.uint32)
        for word, mask in convention.taps[r]:
            place = step * convention.words + word
            if place not in known:
                known[place] = unpack(f.mul(base, f.x_to(place)), f.degree)
            work[mt.N :] ^= known[place].astype(np.uint32) * np.uint32(_temper_mask(mask))
        _pull_back(work, len(work) - 1)
        out[n] = work[: mt.N]
    return out

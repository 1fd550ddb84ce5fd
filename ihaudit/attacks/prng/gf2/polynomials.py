"""Polynomials over GF(2), bit-packed (bit i of word i // 64 is the coefficient of x^i), and sequences they generate.

A bit sequence s with irreducible minimal polynomial P of degree L is one element of the field GF(2)[x] / P, with the
shift (E s)_t = s_{t+1} acting as x.  Hence, for the Mersenne Twister (Matsumoto & Nishimura 1998: L = 19937, P
primitive), any two single bits of its output words, at any offset, with any stride that is a power of two, are related
by one field element: ``d = q(E) c``.  So masks can be solved for without knowing which bit they come from.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.prng._jit import inlined, kernel
from ihaudit.attacks.prng.gf2.bits import U64, pack, parity, unpack


@inlined
def _window_parity(q, bits, start, words):  # type: ignore[no-untyped-def]
    """The parity of q and bits[start:], over so many words."""
    w, s = start // 64, np.uint64(start % 64)
    acc = np.uint64(0)
    if s == 0:
        for i in range(words):
            acc ^= q[i] & bits[w + i]
    else:
        up = np.uint64(64) - s
        for i in range(words):
            acc ^= q[i] & ((bits[w + i] >> s) | (bits[w + i + 1] << up))
    return parity(acc)


@inlined
def _add_shifted(a, b, shift, words):  # type: ignore[no-untyped-def]
    """a ^= b << shift, reading `words` words of b; what goes beyond the end of a is dropped."""
    w, s = shift // 64, np.uint64(shift % 64)
    n = a.shape[0]
    if s == 0:
        for i in range(min(words, n - w)):
            a[w + i] ^= b[i]
    else:
        down = np.uint64(64) - s
        a[w] ^= b[0] << s
        for i in range(1, min(words, n - w)):
            a[w + i] ^= (b[i] << s) | (b[i - 1] >> down)
        if w + words < n:
            a[w + words] ^= b[words - 1] >> down


@kernel
def _berlekamp_massey(s, n, c, b):  # type: ignore[no-untyped-def]
    """s: packed REVERSED sequence (bit n-1-t is s_t), c, b: zeroed work arrays.  Returns the linear complexity."""
    width = c.shape[0]
    c[0] = b[0] = np.uint64(1)
    length = 0
    m = 1
    tmp = np.zeros_like(c)
    for t in range(n):
        # discrepancy = sum_i c_i s_{t-i}: the window of s starting at s_t, read towards the past
        if not _window_parity(c, s, n - 1 - t, min(length // 64 + 1, width)):
            m += 1
            continue
        longer = 2 * length <= t
        if longer:
            tmp[:] = c
        _add_shifted(c, b, m, width)
        if longer:
            length = t + 1 - length
            b[:] = tmp
            m = 1
        else:
            m += 1
    return length


def berlekamp_massey(bits: NDArray[Any]) -> tuple[int, NDArray[np.uint8]]:
    """Linear complexity and connection polynomial of a bit sequence (Massey 1969).

    Args:
        bits: 0/1 (n,).

    Returns:
        (L, c): c uint8 (L + 1,) with ``sum_i c[i] s[t - i] = 0`` for all t >= L, c[0] = 1.  For random bits L is about
        n / 2; much less means that a linear recurrence makes them.
    """
    bits = np.asarray(bits, np.uint8)
    n = len(bits)
    width = n // 64 + 2
    s = np.zeros(2 * width + 1, np.uint64)
    packed = pack(bits[::-1])
    s[: len(packed)] = packed
    c, b = np.zeros(width, np.uint64), np.zeros(width, np.uint64)
    length = int(_berlekamp_massey(s, n, c, b))
    return length, unpack(c, width * 64)[: length + 1]


@kernel
def _mul(a, b, out):  # type: ignore[no-untyped-def]
    """out (zeroed, len(a) + len(b) + 1) = a b, by bytes of a and a table of the 256 multiples of b."""
    na, nb = a.shape[0], b.shape[0]
    w = nb + 1
    table = np.zeros((256, w), np.uint64)
    table[1, :nb] = b
    for k in range(1, 8):
        half = 1 << (k - 1)
        size = 1 << k
        for x in range(w):
            low = table[half, x - 1] >> np.uint64(63) if x > 0 else np.uint64(0)
            table[size, x] = (table[half, x] << np.uint64(1)) | low
        for s in range(1, size):
            for x in range(w):
                table[size + s, x] = table[size, x] ^ table[s, x]
    for k in range(7, -1, -1):
        if k < 7:
            for x in range(out.shape[0] - 1, 0, -1):
                out[x] = (out[x] << np.uint64(8)) | (out[x - 1] >> np.uint64(56))
            out[0] <<= np.uint64(8)
        for i in range(na):
            row = table[np.int64((a[i] >> np.uint64(8 * k)) & np.uint64(255))]
            for x in range(w):
                out[i + x] ^= row[x]


@kernel
def _mod(a, p, degree):  # type: ignore[no-untyped-def]
    """a mod p in place; p has the given degree."""
    one = np.uint64(1)
    words = degree // 64 + 1
    for top in range(a.shape[0] * 64 - 1, degree - 1, -1):
        if (a[top // 64] >> np.uint64(top % 64)) & one:
            _add_shifted(a, p, top - degree, words)


@kernel
def _degree(a):  # type: ignore[no-untyped-def]
    for w in range(a.shape[0] - 1, -1, -1):
        if a[w]:
            k = 63
            while not (a[w] >> np.uint64(k)) & np.uint64(1):
                k -= 1
            return w * 64 + k
    return -1


@kernel
def _inverse(a, p):  # type: ignore[no-untyped-def]
    """a^-1 mod p by the extended Euclidean algorithm; both (W,), a of lower degree, p irreducible."""
    n = a.shape[0]
    r0, r1 = p.copy(), a.copy()
    t0, t1 = np.zeros(n + 1, np.uint64), np.zeros(n + 1, np.uint64)
    t1[0] = np.uint64(1)
    d0, d1 = _degree(r0), _degree(r1)
    while d1 > 0:
        while d0 >= d1:
            _add_shifted(r0, r1, d0 - d1, d1 // 64 + 1)
            _add_shifted(t0, t1, d0 - d1, n + 1)
            d0 = _degree(r0[: d0 // 64 + 1])
        r0, r1 = r1, r0
        t0, t1 = t1, t0
        d0, d1 = d1, d0
    return t1[:n]


@kernel
def _extend(s, taps, degree):  # type: ignore[no-untyped-def]
    for t in range(degree, s.shape[0]):
        v = np.uint8(0)
        for k in taps:
            v ^= s[t - degree + k]
        s[t] = v


class Field:
    """GF(2)[x] / P for an irreducible P given by its connection polynomial (as `berlekamp_massey` returns it)."""

    def __init__(self, connection: NDArray[np.uint8]) -> None:
        self.degree = len(connection) - 1
        self.words = self.degree // 64 + 1
        self.p: U64 = pack(connection[::-1])  # characteristic polynomial: the reciprocal
        self._squares = [self._element(2)]  # x, x^2, x^4, ..., as far as they were needed

    def reduce(self, a: U64) -> U64:
        """``a mod P`` as (words,)."""
        a = np.pad(a, (0, max(0, self.words - len(a))))
        _mod(a, self.p, self.degree)
        return a[: self.words].copy()

    def mul(self, a: U64, b: U64) -> U64:
        """``a b mod P``."""
        out = np.zeros(len(a) + len(b) + 1, np.uint64)
        _mul(a, b, out)
        return self.reduce(out)

    def inverse(self, a: U64) -> U64:
        """``a^-1 mod P``; a must not be zero."""
        out: U64 = _inverse(self.reduce(a), self.p)
        return out

    def x_to(self, exponent: int) -> U64:
        """``x^exponent mod P``: the shift by `exponent` >= 0, from powers whose exponents are powers of two."""
        out = self._element(1)
        for i in range(exponent.bit_length()):
            if i == len(self._squares):
                self._squares.append(self.mul(self._squares[-1], self._squares[-1]))
            if exponent >> i & 1:
                out = self.mul(out, self._squares[i])
        return out

    def _element(self, low: int) -> U64:
        out = np.zeros(self.words, np.uint64)
        out[0] = low
        return out

    def element(self, sequence: NDArray[Any]) -> U64:
        """The field element of a sequence: the polynomial part of ``P(x) * sum_t s_t x^(-t-1)``.

        Args:
            sequence: 0/1, the first `degree` bits or more of a sequence whose recurrence is P.
        """
        s = pack(np.asarray(sequence, np.uint8)[: self.degree][::-1])
        out = np.zeros(self.words + len(s) + 1, np.uint64)
        _mul(self.p, s, out)
        bits = unpack(out, len(out) * 64)[self.degree : 2 * self.degree]
        return np.pad(pack(bits), (0, self.words - -(-self.degree // 64)))

    def relation(self, source: NDArray[Any], target: NDArray[Any]) -> U64:
        """q with ``target = q(E) source``, from the first `degree` bits of both sequences."""
        return self.mul(self.element(target), self.inverse(self.element(source)))

    def extend(self, bits: NDArray[Any], n: int) -> NDArray[np.uint8]:
        """The first n terms of the sequence whose first `degree` terms are `bits`."""
        out = np.zeros(max(n, self.degree), np.uint8)
        out[: self.degree] = np.asarray(bits, np.uint8)[: self.degree]
        taps = np.flatnonzero(unpack(self.p, self.degree + 1)[: self.degree]).astype(np.int64)
        _extend(out, taps, self.degree)
        return out[:n]


@kernel
def _apply(q, bits, n, out):  # type: ignore[no-untyped-def]
    """out[t] = parity(q . bits[t:]) for t < n; bits packed, long enough."""
    for t in range(n):
        out[t] = _window_parity(q, bits, t, q.shape[0])


def apply(q: U64, bits: NDArray[np.uint8], n: int) -> NDArray[np.uint8]:
    """The first n terms of ``q(E) bits``; needs ``n + 64 * len(q)`` bits or is padded with zeros past their end."""
    packed = pack(bits)
    packed = np.pad(packed, (0, max(0, n // 64 + len(q) + 2 - len(packed))))
    out = np.zeros(n, np.uint8)
    _apply(q, packed, n, out)
    return out

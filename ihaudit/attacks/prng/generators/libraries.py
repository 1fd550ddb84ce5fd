"""How libraries draw masks, by the libraries themselves where they are installed, else by what they were seen to do.

A `Draw` gives the first mask bits under a seed.  They are too many ways, and most of them too slow, to be scanned
through all seeds; a few thousand seeds that people choose are tried.  NumPy, PyTorch and Python draw their own bits.
JAX, TensorFlow, ONNX Runtime, Paddle and OpenCV are modelled here, and tested against known answers of theirs.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ihaudit.attacks.prng._jit import kernel

Bits = NDArray[np.uint8]
U32 = NDArray[np.uint32]
#: Lengths of a shuffle that is often drawn before the masks.
SHUFFLES = (100, 1000)


@dataclass(frozen=True)
class Draw:
    """One way to draw a mask after seeding.

    Attributes:
        generator: for reports; includes how it is seeded.
        call: the calls that draw so.
        bits: (seed, number of the encoding, n) -> the first n bits; draws that know no number ignore it.
        each: every encoding has a generator of its own, derived from the seed and the encoding's number.
    """

    generator: str
    call: str
    bits: Callable[[int, int, int], Bits]
    each: bool = False


# -- NumPy and Python, by themselves ------------------------------------------------------------------------------

Call = Callable[[np.random.Generator, int], object]
_CALLS: dict[str, Call] = {
    "rng.integers(0, 2), rng.choice([-1, 1])": lambda r, n: r.integers(0, 2, n),
    "rng.random() < .5": lambda r, n: r.random(n) >= 0.5,
    "rng.standard_normal().sign()": lambda r, n: r.standard_normal(n) > 0,
    "rng.integers(0, 2, dtype=int8)": lambda r, n: r.integers(0, 2, n, dtype=np.int8),
}


def _numpy(generator: str, source: Callable[[int], np.random.BitGenerator]) -> list[Draw]:
    def draw(call: Call) -> Callable[[int, int, int], Bits]:
        return lambda s, i, n: np.asarray(call(np.random.Generator(source(s)), n), np.uint8)

    return [Draw(generator, words, draw(call)) for words, call in _CALLS.items()]


def _derived(words: str, entropy: Callable[[int, int], np.random.SeedSequence]) -> list[Draw]:
    """default_rng with a sequence of seeds of its own for every encoding."""

    def draw(call: Call) -> Callable[[int, int, int], Bits]:
        return lambda s, i, n: np.asarray(call(np.random.default_rng(entropy(s, i)), n), np.uint8)

    return [Draw(f"PCG64 ({words})", name, draw(call), each=True) for name, call in _CALLS.items()]


def _legacy(call: Callable[[np.random.RandomState, int], object]) -> Callable[[int, int, int], Bits]:
    return lambda s, i, n: np.asarray(call(np.random.RandomState(s & 0xFFFFFFFF), n), np.uint8)


def _unpacked(data: bytes, n: int) -> Bits:
    return np.unpackbits(np.frombuffer(data, np.uint8))[:n]


def _python(call: Callable[[random.Random], bool]) -> Callable[[int, int, int], Bits]:
    def draw(s: int, i: int, n: int) -> Bits:
        source = random.Random(s)
        return np.fromiter((call(source) for _ in range(n)), np.uint8, n)

    return draw


def _after_shuffle(m: int) -> Callable[[int, int, int], Bits]:
    def draw(s: int, i: int, n: int) -> Bits:
        rng = np.random.default_rng(s)
        rng.permutation(m)
        return rng.integers(0, 2, n).astype(np.uint8)

    return draw


# -- PyTorch on the CPU, by itself -----------------------------------------------------------------------------------


def _torch(call: Callable[[torch.Generator, int], torch.Tensor]) -> Callable[[int, int, int], Bits]:
    def draw(s: int, i: int, n: int) -> Bits:
        source = torch.Generator()
        source.manual_seed(s)
        return call(source, n).numpy().astype(np.uint8)

    return draw


def _strided(g: torch.Generator, n: int) -> torch.Tensor:
    """Normals of a tensor that is not contiguous in memory, as ``randn_like`` of a channels-last one."""
    return torch.empty(n, 2)[:, 0].normal_(generator=g) > 0


# -- JAX: Threefry-2x32 (Salmon and others, 2011), counters split over the array (jax_threefry_partitionable) ----------


def threefry(key: tuple[int, int], high: U32, low: U32) -> tuple[U32, U32]:
    """Threefry-2x32-20 of counters (high, low) under a key."""
    k = [np.uint32(key[0]), np.uint32(key[1]), np.uint32(key[0] ^ key[1] ^ 0x1BD11BDA)]
    x, y = high + k[0], low + k[1]
    for block in range(5):
        for turn in ((13, 15, 26, 6), (17, 29, 16, 24))[block % 2]:
            x = x + y
            y = ((y << np.uint32(turn)) | (y >> np.uint32(32 - turn))) ^ x
        x = x + k[(block + 1) % 3]
        y = y + k[(block + 2) % 3] + np.uint32(block + 1)
    return x, y


def jax_key(seed: int) -> tuple[int, int]:
    """``jax.random.key(seed)``."""
    return (seed >> 32) & 0xFFFFFFFF, seed & 0xFFFFFFFF


def jax_child(key: tuple[int, int], i: int) -> tuple[int, int]:
    """``fold_in(key, i)``, which is ``split(key, n)[i]`` too."""
    x, y = threefry(key, np.zeros(1, np.uint32), np.array([i], np.uint32))
    return int(x[0]), int(y[0])


def jax_words(key: tuple[int, int], n: int) -> U32:
    """``jax.random.bits(key, (n,))``."""
    x, y = threefry(key, np.zeros(n, np.uint32), np.arange(n, dtype=np.uint32))
    return x ^ y


def _jax(call: str, bits: Callable[[tuple[int, int], int], Bits]) -> list[Draw]:
    return [
        Draw("Threefry (jax.random.key)", call, lambda s, i, n: bits(jax_key(s), n)),
        Draw(
            "Threefry (jax.random.fold_in(key, i), split(key, n)[i])",
            call,
            lambda s, i, n: bits(jax_child(jax_key(s), i), n),
            each=True,
        ),
    ]


# -- TensorFlow: Philox4x32-10 with the seed as its counter ------------------------------------------------------------


def philox_counters(counter: int, n: int) -> U32:
    """The first n words of Philox4x32-10 under the key 0, from a 64-bit counter on, four to each."""
    blocks = -(-n // 4)
    at = np.uint64(counter & (2**64 - 1)) + np.arange(blocks, dtype=np.uint64)
    mask, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    c = [at & mask, at >> half, np.zeros(blocks, np.uint64), np.zeros(blocks, np.uint64)]
    k0, k1 = 0, 0
    for _ in range(10):
        a, b = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(b >> half) ^ c[1] ^ np.uint64(k0), b & mask, (a >> half) ^ c[3] ^ np.uint64(k1), a & mask]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c, 1).astype(np.uint32).reshape(-1)[:n]


def _box_muller(seed: int, n: int) -> Bits:
    """Signs of TensorFlow's normals: of every two words the second is an angle of 23 bits, sine first."""
    angle = philox_counters(seed, n + n % 2)[1::2]
    half, quarter = ((angle >> np.uint32(p)) & np.uint32(1) for p in (22, 21))
    return np.stack([1 - half, 1 - (half ^ quarter)], 1).reshape(-1)[:n].astype(np.uint8)


# -- ONNX Runtime, Paddle, OpenCV --------------------------------------------------------------------------------------


@kernel
def _minstd(seed, out):  # type: ignore[no-untyped-def]
    """std::minstd_rand0 of the C++ library: x -> 16807 x mod 2^31 - 1."""
    x = seed
    for i in range(out.shape[0]):
        x = x * 16807 % 2147483647
        out[i] = x


def minstd(seed: int, n: int) -> NDArray[np.int64]:
    """The first n outputs of std::default_random_engine of GNU's library."""
    out = np.empty(n, np.int64)
    _minstd(seed % 2147483647 or 1, out)
    return out


def _polar(seed: int, n: int) -> Bits:
    """Signs of std::normal_distribution: Marsaglia's polar method, the second of each pair first."""
    u = (minstd(seed, 4 * n + 256) - 1).astype(np.float64) * 2 - 2147483645.0
    x, y = u[0::2], u[1::2]
    inside = x * x + y * y <= 2147483646.0**2
    return np.stack([y[inside] > 0, x[inside] > 0], 1).reshape(-1)[:n].astype(np.uint8)


@kernel
def _seed_sequence(value, b):  # type: ignore[no-untyped-def]
    """std::seed_seq of one 32-bit value, generating b.shape[0] >= 623 words."""
    n, s, t = b.shape[0], 1, 11
    p = (n - t) // 2
    q = p + t
    b[:] = np.uint32(0x8B8B8B8B)
    for k in range(n):
        x = np.uint32(b[k % n] ^ b[(k + p) % n] ^ b[(k - 1) % n])
        r1 = np.uint32(np.uint32(1664525) * np.uint32(x ^ np.uint32(x >> np.uint32(27))))
        more = np.uint32(s) if k == 0 else np.uint32(np.uint32(k % n) + (value if k <= s else np.uint32(0)))
        r2 = np.uint32(r1 + more)
        b[(k + p) % n] = np.uint32(b[(k + p) % n] + r1)
        b[(k + q) % n] = np.uint32(b[(k + q) % n] + r2)
        b[k % n] = r2
    for k in range(n, 2 * n):
        x = np.uint32(b[k % n] + b[(k + p) % n] + b[(k - 1) % n])
        r3 = np.uint32(np.uint32(1566083941) * np.uint32(x ^ np.uint32(x >> np.uint32(27))))
        r4 = np.uint32(r3 - np.uint32(k % n))
        b[(k + p) % n] = np.uint32(b[(k + p) % n] ^ r3)
        b[(k + q) % n] = np.uint32(b[(k + q) % n] ^ r4)
        b[k % n] = r4


@kernel
def _seeded64(seed, mt):  # type: ignore[no-untyped-def]
    mt[0] = seed
    for i in range(1, 312):
        mt[i] = np.uint64(6364136223846793005) * (mt[i - 1] ^ (mt[i - 1] >> np.uint64(62))) + np.uint64(i)


@kernel
def _mt64(mt, out):  # type: ignore[no-untyped-def]
    """MT19937-64 (Nishimura 2000)."""
    at = 312
    for k in range(out.shape[0]):
        if at == 312:
            for i in range(312):
                x = (mt[i] & np.uint64(0xFFFFFFFF80000000)) | (mt[(i + 1) % 312] & np.uint64(0x7FFFFFFF))
                v = mt[(i + 156) % 312] ^ (x >> np.uint64(1))
                if x & np.uint64(1):
                    v ^= np.uint64(0xB5026F5AA96619E9)
                mt[i] = v
            at = 0
        x = mt[at]
        at += 1
        x ^= (x >> np.uint64(29)) & np.uint64(0x5555555555555555)
        x ^= (x << np.uint64(17)) & np.uint64(0x71D67FFFEDA60000)
        x ^= (x << np.uint64(37)) & np.uint64(0xFFF7EEE000000000)
        x ^= x >> np.uint64(43)
        out[k] = x


def mt64(seed: int, n: int) -> NDArray[np.uint64]:
    """The first n outputs of std::mt19937_64 under a seed."""
    state, out = np.empty(312, np.uint64), np.empty(n, np.uint64)
    _seeded64(np.uint64(seed & (2**64 - 1)), state)
    _mt64(state, out)
    return out


def paddle(seed: int, n: int) -> NDArray[np.uint64]:
    """The first n outputs after ``paddle.seed(seed)`` on the CPU: std::mt19937_64 under a std::seed_seq."""
    words, out = np.empty(624, np.uint32), np.empty(n, np.uint64)
    _seed_sequence(np.uint32(seed & 0xFFFFFFFF), words)
    _mt64(words.view(np.uint64).copy(), out)
    return out


@kernel
def _carry(seed, out):  # type: ignore[no-untyped-def]
    """OpenCV's RNG: multiply with carry."""
    state = seed
    for i in range(out.shape[0]):
        state = (state & np.uint64(0xFFFFFFFF)) * np.uint64(4164903690) + (state >> np.uint64(32))
        out[i] = np.uint32(state & np.uint64(0xFFFFFFFF))


def opencv(seed: int, n: int) -> U32:
    """The first n words after ``cv2.setRNGSeed(seed)``."""
    out = np.empty(n, np.uint32)
    _carry(np.uint64(seed & (2**64 - 1) if seed else 2**64 - 1), out)
    return out


def _taken(words: NDArray[np.integer], places: tuple[int, ...], n: int) -> Bits:
    """Bits at `places` of each word, in turns."""
    return (
        np.stack([(words >> words.dtype.type(p)) & words.dtype.type(1) for p in places], 1)
        .reshape(-1)[:n]
        .astype(np.uint8)
    )


_OPENCV_PLACES = (0, 8, 16, 24)

#: Every draw that is tried, in order.
DRAWS: tuple[Draw, ...] = (
    Draw("MT19937 (torch.manual_seed)", "torch.randint(2)", _torch(lambda g, n: torch.randint(2, (n,), generator=g))),
    Draw("MT19937 (torch.manual_seed)", "torch.rand() > .5", _torch(lambda g, n: torch.rand(n, generator=g) >= 0.5)),
    Draw("MT19937 (torch.manual_seed)", "torch.randn().sign()", _torch(lambda g, n: torch.randn(n, generator=g) > 0)),
    Draw(
        "MT19937 (torch.manual_seed)",
        "torch.randn(dtype=float64).sign()",
        _torch(lambda g, n: torch.randn(n, dtype=torch.float64, generator=g) > 0),
    ),
    Draw("MT19937 (torch.manual_seed)", "torch.randn_like(channels_last).sign()", _torch(_strided)),
    Draw(
        "MT19937 (numpy.random.seed)",
        "numpy.random.randint(0, 2), numpy.random.choice([-1, 1])",
        _legacy(lambda r, n: r.randint(0, 2, n)),
    ),
    Draw("MT19937 (numpy.random.seed)", "numpy.random.rand() < .5", _legacy(lambda r, n: r.rand(n) >= 0.5)),
    Draw("MT19937 (numpy.random.seed)", "numpy.sign(numpy.random.randn())", _legacy(lambda r, n: r.randn(n) > 0)),
    Draw(
        "MT19937 (numpy.random.seed)",
        "numpy.unpackbits(numpy.random.bytes())",
        _legacy(lambda r, n: _unpacked(r.bytes(-(-n // 8)), n)),
    ),
    Draw(
        "MT19937 (numpy.random.seed)",
        "numpy.random.randint(0, 2, dtype=int8)",
        _legacy(lambda r, n: r.randint(0, 2, n, dtype=np.int8)),
    ),
    *_numpy("PCG64 (default_rng)", np.random.PCG64),
    *_numpy("PCG64DXSM", np.random.PCG64DXSM),
    *_numpy("MT19937 (numpy Generator)", np.random.MT19937),
    *_numpy("Philox4x64 (numpy)", np.random.Philox),
    *_numpy("SFC64 (numpy)", np.random.SFC64),
    *[
        Draw("PCG64 (default_rng)", f"rng.permutation({m}), then rng.integers(0, 2)", _after_shuffle(m))
        for m in SHUFFLES
    ],
    *_derived("default_rng(s).spawn(n)[i]", lambda s, i: np.random.SeedSequence(s, spawn_key=(i,))),
    *_derived("default_rng([s, i])", lambda s, i: np.random.SeedSequence([s, i])),
    *_derived("default_rng([i, s])", lambda s, i: np.random.SeedSequence([i, s])),
    Draw("MT19937 (random.seed)", "random.gauss(0, 1) > 0", _python(lambda r: r.gauss(0, 1) > 0)),
    Draw("MT19937 (random.seed)", "random.choice([-1, 1])", _python(lambda r: r.choice((False, True)))),
    Draw("MT19937 (random.seed)", "random.random() < .5", _python(lambda r: r.random() >= 0.5)),
    *_jax(
        "jax.random.rademacher, bernoulli, normal() < 0",
        lambda k, n: _taken(jax_words(k, n), (31,), n) ^ np.uint8(1),
    ),
    *_jax("jax.random.randint(0, 2)", lambda k, n: _taken(jax_words(jax_child(k, 1), n), (0,), n)),
    Draw(
        "Philox4x32 (tensorflow Generator.from_seed)",
        "uniform(maxval=2, dtype=int32)",
        lambda s, i, n: _taken(philox_counters(s, n), (0,), n),
    ),
    Draw(
        "Philox4x32 (tensorflow Generator.from_seed)",
        "uniform() > .5",
        lambda s, i, n: _taken(philox_counters(s, n), (22,), n),
    ),
    Draw("Philox4x32 (tensorflow Generator.from_seed)", "normal() > 0", lambda s, i, n: _box_muller(s, n)),
    Draw(
        "minstd_rand0 (onnxruntime, attribute seed)",
        "RandomUniform > .5",
        lambda s, i, n: (minstd(s, n) > 1073741824).astype(np.uint8),
    ),
    Draw("minstd_rand0 (onnxruntime, attribute seed)", "RandomNormal > 0", lambda s, i, n: _polar(s, n)),
    Draw(
        "MT19937-64 (paddle.seed)",
        "paddle.rand() > .5, paddle.randint(0, 2)",
        lambda s, i, n: _taken(paddle(s, n), (63,), n),
    ),
    Draw(
        "multiply-with-carry (cv2.setRNGSeed)",
        "cv2.randu(uint8, 0, 2)",
        lambda s, i, n: _taken(opencv(s, -(-n // 4)), _OPENCV_PLACES, n),
    ),
)

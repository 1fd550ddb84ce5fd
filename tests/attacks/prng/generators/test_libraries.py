"""Draws of libraries that are not installed here, against what they drew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ihaudit.attacks.prng.generators.libraries import DRAWS, mt64, threefry

#: The first 256 mask bits under seed 42 (of encoding 3 where each has a generator of its own), of 3,072 drawn at once.
#: jax 0.10.2, tensorflow-cpu 2.21.0, onnxruntime 1.32.0, paddlepaddle 3.3.1 and opencv-python-headless 5.0.0.93, on
#: Linux x86-64, Python 3.11; the third column says which call.
KNOWN: list[tuple[str, bool, str, str]] = [
    (
        "jax.random.rademacher, bernoulli, normal() < 0",
        False,
        "jax rademacher",
        "8a222eb193a459cdd7668e1a933c91e44ca8c361a99a316ed8f9c3e88cb12d8b",
    ),
    (
        "jax.random.rademacher, bernoulli, normal() < 0",
        False,
        "jax bernoulli",
        "8a222eb193a459cdd7668e1a933c91e44ca8c361a99a316ed8f9c3e88cb12d8b",
    ),
    (
        "jax.random.rademacher, bernoulli, normal() < 0",
        True,
        "jax fold 3 rademacher",
        "e9545a900a9f77cca6c9f052f8ff3854e7525cfacdaffdc6e191798af8eeadea",
    ),
    (
        "jax.random.randint(0, 2)",
        False,
        "jax randint",
        "3f0cb556a3b8d5b8c5c3a833da8fb990a6ba3e96176515a774f8fbb343d38e14",
    ),
    (
        "jax.random.randint(0, 2)",
        True,
        "jax fold 3 randint",
        "298b98d70a3e6aaf46f7fbcd2d669252efe166bf1a6113b2b6f781db82cfa115",
    ),
    (
        "uniform(maxval=2, dtype=int32)",
        False,
        "tf int",
        "c7665d592d08b1e26da01065b41d7676ae8aec2004ae47889d7104edd72a51b0",
    ),
    (
        "uniform() > .5",
        False,
        "tf uniform",
        "c6ed1dd411a286fa6449429696b1efa44cbe678e4e409a6bb473a046f4f3fb8f",
    ),
    (
        "normal() > 0",
        False,
        "tf normal",
        "22259012ccfba75e32286ec393dc24b723c725a6323b9e79c65cbb7207191ca0",
    ),
    (
        "RandomUniform > .5",
        False,
        "ort uniform",
        "63981ea07e120d5a589ab2bf0c240cc484b83c0117aeee2a2d8b16d1d0f53645",
    ),
    (
        "RandomNormal > 0",
        False,
        "ort normal",
        "4d4354d213a69971fc306033212343008a5f151e4729eb83e39ab740f03398a1",
    ),
    (
        "paddle.rand() > .5, paddle.randint(0, 2)",
        False,
        "pd rand",
        "f37ef115ebb00922c69ce5f3c4206a155cbc0a5044cd1f56ec43c3b57d9e29ba",
    ),
    (
        "paddle.rand() > .5, paddle.randint(0, 2)",
        False,
        "pd randint",
        "f37ef115ebb00922c69ce5f3c4206a155cbc0a5044cd1f56ec43c3b57d9e29ba",
    ),
    (
        "cv2.randu(uint8, 0, 2)",
        False,
        "cv2 randu",
        "41bf74e2ac1af651adf953fd163194107ca6b6968df148e29ee5beafb239ddea",
    ),
]


@pytest.mark.parametrize(("call", "each", "seen", "bits"), KNOWN, ids=[k[2] for k in KNOWN])
def test_known_answers(call: str, each: bool, seen: str, bits: str) -> None:
    draw = next(d for d in DRAWS if d.call == call and d.each == each)
    drawn = draw.bits(42, 3 if each else 0, 3072)
    assert drawn.shape == (3072,)
    assert np.packbits(drawn[:256]).tobytes().hex() == bits


def test_published_vectors() -> None:
    """Threefry's of Random123 (kat_vectors), and the 10,000th output that the C++ standard demands of mt19937_64."""
    word = np.full(1, 0xFFFFFFFF, np.uint32)
    assert [hex(int(v[0])) for v in threefry((0xFFFFFFFF, 0xFFFFFFFF), word, word)] == ["0x1cb996fc", "0xbb002be7"]
    assert int(mt64(5489, 10_000)[-1]) == 9981545732273789042


def _jax() -> dict[tuple[str, bool], Callable[[int, int, int], Any]]:
    jax = pytest.importorskip("jax")

    def child(s: int, i: int) -> Any:
        return jax.random.fold_in(jax.random.key(s), i)

    heads, coins = "jax.random.rademacher, bernoulli, normal() < 0", "jax.random.randint(0, 2)"
    return {
        (heads, False): lambda s, i, n: jax.random.normal(jax.random.key(s), (n,)) < 0,
        (heads, True): lambda s, i, n: jax.random.bernoulli(child(s, i), 0.5, (n,)),
        (coins, False): lambda s, i, n: jax.random.randint(jax.random.key(s), (n,), 0, 2),
        (coins, True): lambda s, i, n: jax.random.randint(child(s, i), (n,), 0, 2),
    }


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 7, 2**31])
def test_jax_itself(seed: int) -> None:
    for (call, each), theirs in _jax().items():
        draw = next(d for d in DRAWS if d.call == call and d.each == each)
        np.testing.assert_array_equal(draw.bits(seed, 5, 1000), np.asarray(theirs(seed, 5, 1000), np.uint8))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 7, 2**31 - 1])
def test_opencv_itself(seed: int) -> None:
    cv2 = pytest.importorskip("cv2")
    cv2.setRNGSeed(seed)
    drawn = np.zeros((40, 40), np.uint8)
    cv2.randu(drawn, 0, 2)
    draw = next(d for d in DRAWS if d.call.startswith("cv2"))
    np.testing.assert_array_equal(draw.bits(seed, 0, 1600), drawn.reshape(-1))

"""`decoder`: it learns inverses of encodings of any shape, and answers nothing where there is nothing to learn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import ihaudit.attacks.decoder as module
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.configure import configure
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import Pairs, View
from ihaudit.errors import NotApplicable
from ihaudit.images.embedded import embedded
from ihaudit.metrics.ssim import ssim
from ihaudit.release import Provenance, Release
from ihaudit.scheme import Scheme
from tests.games.inprocess import InProcess

Encode = Callable[[np.ndarray, np.random.Generator], np.ndarray]
N, PAIRS = 24, 160


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module.OPERATIONS, "quick", 8e10)
    monkeypatch.setitem(module.PER_CALL, "quick", 60)


def pictures(count: int, edge: int = 16, channels: int = 3) -> np.ndarray:
    """Crops of photographs, edge x edge, grey where there is one channel."""
    images = embedded("similar").images
    x = images[np.random.default_rng(0).permutation(len(images))[:count]]
    step = x.shape[1] // min(edge, x.shape[1])
    x = x.reshape(count, x.shape[1] // step, step, x.shape[2] // step, step, 3).mean((2, 4))
    x = x.repeat(max(1, edge // x.shape[1]), 1).repeat(max(1, edge // x.shape[2]), 2)[:, :edge, :edge]
    return np.ascontiguousarray(x if channels == 3 else x.mean(-1, keepdims=True), np.float32)


class Encoded(Scheme):
    """A scheme made of a function."""

    def __init__(self, encode: Encode) -> None:
        self.function = encode

    def encode(self, images, labels, public, rng):  # type: ignore[no-untyped-def]
        return Release(self.function(images, rng), provenance=Provenance(np.arange(len(images))[:, None]))


def view_of(encode: Encode, x: np.ndarray, *, oracle: bool = False, key: int = 5) -> View:
    """The first `N` images released, as known pairs those after them; the rest is similar."""
    y = encode(x[: N + PAIRS], np.random.default_rng(key))
    return View(
        encodings=y[:N],
        similar=x[N + PAIRS :],
        pairs=None if oracle else Pairs(x[N : N + PAIRS], y[N:]),
        encoder=InProcess(Encoded(encode), x[:0]) if oracle else None,
    )


def run(view: View, seed: int = 3) -> AttackOutput:
    return configure("decoder").run(view, Context(seed=seed))


def client(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Feature maps of half the resolution."""
    n, h, w, c = x.shape
    cells = x.reshape(n, h // 2, 2, w // 2, 2, c).swapaxes(2, 3).reshape(n, h // 2, w // 2, 4 * c)
    hidden = np.maximum((cells - 0.5) @ rng.standard_normal((4 * c, 24)), 0)
    return np.maximum(hidden @ rng.standard_normal((24, 12)), 0).astype(np.float32)


def projected(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Vectors of half the length."""
    flat = x.reshape(len(x), -1)
    return (flat @ rng.standard_normal((flat.shape[1], flat.shape[1] // 2))).astype(np.float32)


def saturated(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Integers of another size than the image: contrast beyond the range, enlarged."""
    y = np.rint(np.clip(3 * x - 1, 0, 1) * 200).astype(np.int16)
    return np.asarray(y.repeat(2, 1).repeat(2, 2))


def noise(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal(x.shape).astype(np.float32)


def cipher_tokens(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A fresh pad for every image, as tokens."""
    return ((x + rng.random(x.shape)) % 1).reshape(len(x), 16, -1).astype(np.float32)


@pytest.mark.parametrize(
    ("encode", "edge", "channels", "least"),
    [(client, 16, 3, 0.6), (projected, 16, 3, 0.5), (saturated, 16, 3, 0.5), (client, 28, 1, 0.6)],
)
def test_it_decodes_what_pairs_show(encode: Encode, edge: int, channels: int, least: float) -> None:
    x = pictures(700, edge, channels)
    out = run(view_of(encode, x))
    assert out.images.shape == (N, edge, edge, channels) and out.images.dtype == np.float32
    reached = float(ssim(out.images, x[:N]).mean())
    assert reached > least
    assert out.confidence is not None and abs(float(out.confidence.mean()) - reached) < 0.15
    assert out.diagnostics["mean_image"] < reached - 0.2


def test_the_oracle_serves_where_the_key_does_not_matter() -> None:
    x = pictures(700)
    out = run(view_of(saturated, x, oracle=True))
    assert float(ssim(out.images, x[:N]).mean()) > 0.5 and "encoded afresh" in out.sentence


def test_of_fresh_keys_only_invariants_are_learned() -> None:
    assert not len(run(view_of(projected, pictures(700), oracle=True)).images)


@pytest.mark.parametrize("encode", [noise, cipher_tokens])
@pytest.mark.parametrize("oracle", [False, True])
@pytest.mark.parametrize("seed", [3, 4, 5])
def test_nothing_is_learned_from_noise_and_no_image_answered(encode: Encode, oracle: bool, seed: int) -> None:
    out = run(view_of(encode, pictures(500), oracle=oracle, key=seed), seed)
    assert out.images.shape == (0, 16, 16, 3) and out.members is not None and (out.members == -1).all()
    assert out.sentence.startswith("Nothing was learned")


def test_what_is_exact_needs_no_network() -> None:
    x = pictures(500)
    out = run(view_of(lambda x, rng: x[:, ::-1], x))
    np.testing.assert_allclose(out.images, x[:N], atol=1e-3)
    assert "steps" not in out.diagnostics


def test_the_same_seed_gives_the_same_answer() -> None:
    view = view_of(client, pictures(500))
    np.testing.assert_array_equal(run(view).images, run(view).images)


def test_few_pairs_are_refused() -> None:
    view = view_of(client, pictures(500))
    assert view.pairs is not None
    few = View(encodings=view.encodings, pairs=Pairs(view.pairs.images[:9], view.pairs.encodings[:9]))
    with pytest.raises(NotApplicable, match="9 pairs are too few"):
        run(few)


def test_rows_of_several_images_are_refused() -> None:
    class Mixed(Encoded):
        def encode(self, images, labels, public, rng):  # type: ignore[no-untyped-def]
            order = rng.permutation(len(images))
            sources = np.stack([np.arange(len(images)), order], 1)
            return Release((images + images[order]) / 2, provenance=Provenance(sources))

    x = pictures(500)
    view = View(encodings=x[:N], similar=x[N:], encoder=InProcess(Mixed(noise), x[:0]))
    with pytest.raises(NotApplicable, match="several images"):
        run(view)

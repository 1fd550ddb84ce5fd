"""Networks of other shapes, and that those of the shipped shape are what they were."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ihaudit.nn import transfer, weights
from ihaudit.nn.axes import colour_axes
from ihaudit.nn.mixtures import MixtureConfig, Mixtures
from ihaudit.nn.releases import ReleaseConfig, Releases
from ihaudit.nn.shipped import load_membership, load_similarity, load_unmix
from ihaudit.nn.similarity import SHAPE, Facts, PairConfig, PairNet, block_dct
from ihaudit.nn.tasks.similarity import balanced_loss, chosen_pairs
from ihaudit.nn.unet import padded
from ihaudit.nn.unmask import UnmaskConfig, UnmaskNet
from tests.nn.samples import SMALL

#: what the networks of the shipped shape answered before there were others (see `golden`)
FILLED_ODDS = [41.940346, 55.320915, 50.160477, 45.130066, 22.3351, 51.865692]
FILLED_FIRST = [
    *(0.0807264, -0.1024508, -0.0357646, -1.3499089, -0.113747, -0.0114228, -0.1431034, 0.2560843, -0.0020116),
    *(-0.1432357, -0.2344856, -0.0825604, -0.2137172, -0.0096028, 0.0129937, -0.0232638),
]
FILLED_SIGNS = [0.918773, -0.819324, 5.932322, 1.606495, -6.424222, 0.882471]
UNMIX_SIGNS = [-1.076196, -0.125154, -1.977416, -1.522165, -1.403741, -1.970086]
#: SHA-256 of names and shapes of all parameters
KEYS = {"similarity": "0ec02abaeb4c7ed4", "mask recovery": "1fb1cec848899b81", "membership": "133abc8fe2e382fb"}


def filled(net: nn.Module) -> nn.Module:
    """The network with parameters that hang on numpy's generator alone."""
    rng = np.random.default_rng(7)
    with torch.no_grad():
        for _, v in sorted(net.state_dict().items()):
            fan = max(1, int(np.prod(v.shape[1:])))
            v.copy_(torch.from_numpy(rng.normal(size=tuple(v.shape)) / fan**0.5))
    return net.eval()


def seeded(n: int = 6) -> tuple[torch.Tensor, Facts]:
    rng = np.random.default_rng(5)
    x = torch.from_numpy(np.abs(rng.normal(size=(n, *SHAPE))).astype(np.float32))
    mass = torch.from_numpy(rng.uniform(0.1, 0.5, n).astype(np.float32))
    return x, Facts(mass, 1 - 1.5 * mass, torch.from_numpy(rng.random(n) < 0.3))


def odds(net: nn.Module) -> tuple[torch.Tensor, list[torch.Tensor]]:
    assert isinstance(net, PairNet)
    x, facts = seeded()
    with torch.no_grad():
        z = net.embed(x)
        return net.compare(z, z, facts, facts)[0], z


def keys(net: nn.Module) -> str:
    text = json.dumps([[k, list(v.shape)] for k, v in net.state_dict().items()])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def test_the_shipped_shape_has_the_parameters_and_answers_it_had() -> None:
    assert keys(PairNet()) == keys(load_similarity()) == KEYS["similarity"]
    assert keys(UnmaskNet()) == keys(load_unmix()) == KEYS["mask recovery"]
    assert keys(load_membership()[0]) == KEYS["membership"]
    found, z = odds(filled(PairNet()))
    np.testing.assert_allclose(found, FILLED_ODDS, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose([float(v[0, 0, 0]) for v in z], FILLED_FIRST, rtol=1e-5, atol=1e-5)
    x, _ = seeded(2)
    with torch.no_grad():
        for net, golden in ((filled(UnmaskNet()), FILLED_SIGNS), (load_unmix(), UNMIX_SIGNS)):
            signs = net(x, torch.zeros_like(x))[1, :, 5, 7:9].flatten()
            np.testing.assert_allclose(signs, golden, rtol=1e-5, atol=1e-5)


def test_descriptions_of_the_shipped_shape_are_those_of_older_cards_and_checkpoints() -> None:
    assert PairConfig().as_dict() == {
        "kind": "encoder",
        "unmask": {"widths": (48, 96, 128), "blocks": 2, "groups": 8},
        "learned": 32,
        "groups": 4,
        "hidden": 64,
    }
    card = weights.card(weights.FOLDER / "similarity.safetensors")
    assert json.loads(json.dumps(PairConfig().as_dict())) == card["network"]


@given(st.integers(1, 5), st.integers(16, 70), st.integers(16, 70))
@settings(max_examples=20, deadline=None)
def test_descriptions_of_other_shapes_come_back_from_json(c: int, h: int, w: int) -> None:
    config = PairConfig(unmask=UnmaskConfig(channels=c), shape=(c, h, w))
    assert PairConfig.of(json.loads(json.dumps(config.as_dict()))) == config


@pytest.mark.parametrize("shape", [(3, 15, 32), (1, 32, 32)])
def test_shapes_that_cannot_be_are_one_sentence(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="no pair network for shape"):
        PairConfig(shape=shape)


@given(st.integers(1, 6))
@settings(max_examples=6, deadline=None)
def test_channels_and_blocks_are_transformed_orthonormally(channels: int) -> None:
    axes = colour_axes(channels)
    torch.testing.assert_close(axes @ axes.T, torch.eye(channels, dtype=torch.float64))
    torch.testing.assert_close(axes[0], torch.full((channels,), channels**-0.5, dtype=torch.float64))
    basis = block_dct(channels).flatten(1)
    torch.testing.assert_close(basis @ basis.T, torch.eye(64 * channels), atol=1e-5, rtol=0)


@given(st.integers(1, 4), st.integers(16, 41), st.integers(16, 41), st.integers(0, 99))
@settings(max_examples=12, deadline=None)
def test_any_size_and_channels_give_finite_symmetric_odds(c: int, h: int, w: int, seed: int) -> None:
    torch.manual_seed(seed)
    small = UnmaskConfig(widths=(8, 16, 16), blocks=1, groups=4, channels=c)
    net = PairNet(PairConfig(unmask=small, learned=8, groups=4, hidden=16, shape=(c, h, w)))
    nn.init.normal_(net.head.last.weight)
    x = torch.rand(3, c, h, w)
    assert net.unmask(x, -x).shape == x.shape
    z = net.embed(x)
    assert sum(v.shape[0] for v in z) == net.head.first.in_features == net.blocks * net.views
    for v in z:
        assert v.shape[1] == 3
    facts = Facts(torch.full((3,), 0.3), torch.full((3,), 0.4), torch.zeros(3, dtype=torch.bool))
    s = net.compare(z, z, facts, facts)
    assert torch.isfinite(s).all()
    torch.testing.assert_close(s, s.T, atol=1e-3, rtol=1e-3)


@given(st.integers(2, 6), st.integers(2, 6))
@settings(max_examples=10, deadline=None)
def test_sides_that_are_multiples_of_eight_are_left_alone(a: int, b: int) -> None:
    x = torch.rand(1, 1, 8 * a, 8 * b)
    assert padded(x) is x
    y = padded(x[..., :-3, :-1])
    assert y.shape == x.shape
    torch.testing.assert_close(y[..., -3, :-1], x[..., -5, :-1])  # the last row but one, mirrored


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 48, 48), (1, 17, 30), (4, 16, 16)])
def test_gradients_reach_every_parameter(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    c, h, w = shape
    images = np.random.default_rng(0).integers(0, 256, (40, h, w, c)).astype(np.uint8)
    sampler = Releases(images[:20], np.arange(20) % 2, images[20:], ReleaseConfig(k=(2, 3), per_image=6))
    small = UnmaskConfig(widths=(8, 16, 16), blocks=1, groups=4, channels=c)
    net = PairNet(PairConfig(unmask=small, learned=8, groups=4, hidden=16, shape=shape))
    for layer in (net.head.last, net.head.direct):
        nn.init.normal_(layer.weight)
    for module in net.unmask.modules():  # blocks begin as the identity, which hides their first layers
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.1)
    batch = sampler.draw(np.random.default_rng(1), 24)
    assert batch.magnitude.shape == (24, *shape)
    net.whiten(batch.magnitude)
    i, j, truth = chosen_pairs(batch, 50)
    balanced_loss(net.compare_some(net.embed(batch.magnitude), batch.facts, i, j), truth).backward()
    for name, p in net.named_parameters():
        assert p.grad is not None and torch.isfinite(p.grad).all() and p.grad.abs().sum() > 0, name


def test_the_colour_network_serves_grey_as_it_would_three_equal_channels() -> None:
    colour = load_unmix()
    state = transfer.unmask_start(colour.state_dict(), 1)
    assert state is not None
    grey = UnmaskNet(UnmaskConfig(channels=1))
    grey.load_state_dict(state)
    x = torch.rand(2, 1, 24, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wide = colour(x.expand(-1, 3, -1, -1), -x.expand(-1, 3, -1, -1)).mean(1, keepdim=True)
        torch.testing.assert_close(grey(x, -x), wide, atol=1e-3, rtol=1e-4)
    same = transfer.unmask_start(colour.state_dict(), 3)
    assert same is not None and all(torch.equal(v, same[k]) for k, v in colour.state_dict().items())
    assert transfer.unmask_start(colour.state_dict(), 4) is None


def test_the_similarity_head_is_stretched_over_the_blocks_and_keeps_the_sum_of_its_evidence() -> None:
    shipped = load_similarity()
    assert isinstance(shipped, PairNet)
    same = transfer.pair_start(shipped, PairConfig())
    assert same is not None and all(torch.equal(v, shipped.state_dict()[k]) for k, v in same.items())
    for shape in ((3, 48, 40), (1, 28, 28)):
        config = PairConfig(unmask=UnmaskConfig(channels=shape[0]), shape=shape)
        own = transfer.pair_start(shipped, config)
        assert own is not None
        net = PairNet(config)
        missing = net.load_state_dict(own, strict=False)
        assert not missing.unexpected_keys
        assert {k.split(".")[0] for k in missing.missing_keys} == {"unmask", "centre", "gain"}
        assert own["head.first.weight"].shape == net.head.first.weight.shape
    whole = shipped.head.first.weight.detach().view(64, 16, 16).sum(2)
    stretched = transfer.pair_start(shipped, PairConfig(shape=(3, 64, 64)))
    assert stretched is not None
    torch.testing.assert_close(stretched["head.first.weight"].view(64, 16, 64).sum(2), whole, atol=5e-2, rtol=5e-2)
    assert transfer.pair_start(shipped, PairConfig(unmask=UnmaskConfig(channels=2), shape=(2, 32, 32))) is None
    assert transfer.pair_start(shipped, PairConfig(unmask=SMALL)) is None


@given(st.floats(-3, 1), st.floats(0.1, 4), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_ranges_of_images_move_mixtures_linearly(low: float, width: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pool = rng.integers(0, 256, (12, 16, 16, 1)).astype(np.uint8)
    high = low + width

    def draw(image_range: tuple[float, float]) -> torch.Tensor:
        sampler = Mixtures(pool[:8], pool[8:], MixtureConfig(image_range=image_range))
        return sampler.draw(np.random.default_rng(seed), 6).mixture

    moved = draw((-1.0, 1.0)) * (width / 2) + (low + high) / 2
    torch.testing.assert_close(draw((low, high)), moved, atol=1e-5, rtol=1e-5)
    config = ReleaseConfig(image_range=(low, high), plain=1.0, k=(2, 4))
    magnitude = Releases(pool[:8], np.zeros(8, int), pool[8:], config).draw(np.random.default_rng(seed), 16).magnitude
    assert float(magnitude.max()) <= max(abs(low), abs(high)) + 1e-4
    if low >= 0:
        assert float(magnitude.min()) >= low - 1e-4

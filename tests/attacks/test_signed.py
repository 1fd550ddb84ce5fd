"""Parts of the attack `unmix` against direct, slow computations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ihaudit.attacks.numerics.least_squares import weighted
from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.negated import turn_negated
from ihaudit.attacks.numerics.pictures import to_pictures
from ihaudit.attacks.numerics.standard_errors import standard_errors
from ihaudit.attacks.numerics.transforms import low_frequencies
from ihaudit.attacks.numerics.unmasking import Unmasker
from ihaudit.attacks.recipe import start
from ihaudit.attacks.stages.recovery import unmask
from ihaudit.attacks.stages.sharpening import local
from ihaudit.attacks.stages.similarity import unmasked
from ihaudit.attacks.stages.state import Recovered
from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.context import Context, ProfileName
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.metrics.ssim import ssim_challenge
from ihaudit.nn.confidence import FEATURES, Confidence
from ihaudit.training.restorer import uniform_ssim
from tests.attacks.releases import instahide
from tests.attacks.states import correlation

CTX = Context(seed=3)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_sparse_and_dense_mixing_agree(seed: int) -> None:
    rng = np.random.default_rng(seed)
    e, n = 30, 200  # above the number of columns up to which products are dense
    members = torch.from_numpy(rng.integers(-1, n, (e, 2)))
    mixing = Mixing(members, torch.rand(e, 2), torch.rand(e), n)
    values, weights = torch.randn(e, 7), torch.rand(e)
    torch.testing.assert_close(
        mixing.adjoint(values, slice(0, e), weights), mixing.dense.T @ (values * weights[:, None]), rtol=1e-4, atol=1e-5
    )
    gram = mixing.dense.T @ (mixing.dense * weights[:, None])
    torch.testing.assert_close(mixing.normal(weights, ridge=0.0), gram, rtol=1e-4, atol=1e-5)
    rows = torch.tensor([3, 1])
    torch.testing.assert_close(mixing.some(rows).dense, mixing.dense[rows])


def test_least_squares_and_its_standard_errors_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    e, n, p = 400, 4, 500
    members = torch.from_numpy(np.stack([rng.integers(0, n, e), rng.integers(0, n, e)], 1))
    mixing = Mixing(members, torch.rand(e, 2) * 0.5, torch.rand(e) * 0.1, n)
    truth = torch.randn(n + 1, p)
    noise = torch.rand(e) * 0.05 + 0.02
    x = mixing.dense @ truth + noise.sqrt()[:, None] * torch.randn(e, p)
    estimate = weighted(x.abs(), mixing, torch.ones(e), signs=torch.sign(x))
    error, doubt = standard_errors(x.abs(), torch.sign(x), mixing, estimate)
    reached = (estimate.images[:-1] - truth[:-1]).square().mean(1).sqrt()
    torch.testing.assert_close(reached, error, rtol=0.15, atol=0)
    assert doubt.abs().max() == 0
    torch.testing.assert_close(estimate.noise.mean(), noise.mean(), rtol=0.05, atol=0)
    _, more = standard_errors(x.abs(), 0.5 * torch.sign(x), mixing, Reconstruction(estimate.images, estimate.noise))
    assert more.min() > 0


def test_negated_images_are_turned_back() -> None:
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    e, n, p = 300, 6, 200
    members = torch.from_numpy(np.stack([rng.integers(0, n, e), rng.integers(-1, n, e)], 1))
    mixing = Mixing(members, torch.rand(e, 2) * 0.5, torch.rand(e) * 0.1, n)
    truth = torch.randn(n + 1, p) + 0.5  # a mean, so that negating the image and negating its contrast differ
    values = (mixing.dense @ truth + 0.2 * torch.randn(e, p)).abs()
    noise = torch.full((e,), 0.04)
    wrong = truth.clone()
    wrong[2] *= -1
    images, turned = turn_negated(values, mixing, Reconstruction(wrong, noise))
    assert turned == 1
    torch.testing.assert_close(images, truth)
    assert turn_negated(values, mixing, Reconstruction(truth, noise))[1] == 0


def test_low_frequencies_hold_the_lower_triangle() -> None:
    keep = low_frequencies((3, 32, 32))
    assert len(keep) == 3 * 32 * 33 // 2
    assert set(low_frequencies((1, 8, 8)).tolist()) == {8 * i + j for i in range(8) for j in range(8) if i + j < 8}


def test_unmasker_takes_grey_and_odd_sizes_and_refuses_others() -> None:
    for shape in ((1, 20, 20), (3, 17, 23)):
        unmask = Unmasker(shape, (-1.0, 1.0), "cpu")
        signs = unmask(torch.rand(5, int(np.prod(shape))))
        assert signs.shape == (5, np.prod(shape)) and signs.abs().max() <= 1
    for shape, image_range in (
        ((2, 32, 32), (-1, 1)),
        ((3, 8, 8), (-1, 1)),
        ((3, 32, 32), (0, 1)),
        ((3, 32, 32), (-0.1, 1)),
    ):
        with pytest.raises(NotApplicable):
            Unmasker(shape, image_range, "cpu")


def test_unmasker_beats_chance_and_knowledge_helps() -> None:
    sample = instahide(n=8, epochs=4, k=4, size=32, mask=False)
    x = torch.from_numpy(sample.encodings.transpose(0, 3, 1, 2).reshape(len(sample.encodings), -1))
    unmask = Unmasker((3, 32, 32), (-1.0, 1.0), "cpu")

    def right(signs: torch.Tensor) -> float:
        agree = ((signs.float() * x > 0) * x.abs()).sum(1) / x.abs().sum(1)
        return float(torch.maximum(agree, 1 - agree).mean())

    blind, known = right(unmask(x.abs())), right(unmask(x.abs(), 0.7 * x))
    assert 0.8 < blind < known


def test_differentiable_ssim_is_the_challenge_convention() -> None:
    a, b = torch.rand(6, 3, 32, 32) * 2 - 1, torch.rand(6, 3, 32, 32) * 2 - 1
    b = 0.7 * a + 0.3 * b
    shown = [((v + 1) / 2).permute(0, 2, 3, 1).numpy() for v in (a, b)]
    np.testing.assert_allclose(uniform_ssim(a, b, 2.0).numpy(), ssim_challenge(*shown), atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_confidence_rises_with_its_score_and_is_a_similarity(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    net = Confidence()
    net.weight.copy_(torch.randn(FEATURES, generator=g))
    net.scores.copy_(torch.sort(torch.randn(len(net.scores), generator=g)).values)
    net.values.copy_(torch.sort(torch.rand(len(net.values), generator=g)).values)
    features = 3 * torch.randn(50, FEATURES, generator=g)
    said = net(features)
    assert said.min() >= 0 and said.max() <= 1
    order = net.score(features).argsort()
    assert bool((said[order].diff() >= -1e-6).all())


def test_known_masks_stay_as_they_are_and_need_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = instahide(n=8, epochs=12, k=4, size=32, mask=False)
    for module in (unmasked, unmask, local):
        monkeypatch.setattr(module, "Unmasker", lambda *_: pytest.fail("masks are known"))
    view = View(encodings=sample.encodings, labels=sample.labels, image_range=(-1.0, 1.0))
    state = start(view, CTX, signs=np.sign(sample.encodings))
    solved = Unmix().solve(state, replace(CTX, profile="standard")).require(Recovered)
    torch.testing.assert_close(solved.signs, state.observed.signs)
    images = to_pictures(solved.estimate.images[:-1], state.observed.shape, (-1.0, 1.0))
    assert solved.confidence is not None and solved.confidence.shape == (len(images),)
    assert correlation(images, sample.images) > 0.9


def test_local_weights_improve_on_recurring_images(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = instahide(n=12, epochs=30, k=4, size=32)
    view = View(encodings=sample.encodings, labels=sample.labels, image_range=(-1.0, 1.0), hints={"n_private": 12})
    before = Unmix(sharpening="none").solve(start(view, CTX), CTX)
    runs: list[tuple[str, ProfileName]] = [
        ("none", "quick"),
        ("recurring", "quick"),
        ("local", "quick"),
        ("local", "standard"),
    ]
    found = {}
    for name, profile in runs:
        after = before.run(replace(CTX, profile=profile), "sharpening", name)
        solved = after.require(Recovered)
        found[name, profile] = to_pictures(solved.estimate.images[:-1], after.observed.shape, (-1.0, 1.0))
    assert after.records[-1].diagnostics["recurring_public_images"] > 0 and solved.confidence is None
    score = {k: correlation(v, sample.images) for k, v in found.items()}
    assert score["local", "standard"] > score["none", "quick"]
    assert score["local", "quick"] > score["none", "quick"]
    slots = replace(before.observed.slots, informative=False)
    none = replace(before, observed=replace(before.observed, slots=slots)).run(CTX, "sharpening", "local")
    assert "recurring_public_images" not in none.records[-1].diagnostics

"""Identification of public images against direct computations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls as scipy_nnls

from ihaudit.attacks.numerics import public_fit
from ihaudit.attacks.numerics.candidates import Candidates
from ihaudit.attacks.numerics.transforms import Basis
from tests.attacks.releases import photographs


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 12))
def test_weights_are_those_of_nnls_where_none_is_within_the_noise(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    a, y = rng.standard_normal((40, n)), rng.standard_normal(40)
    got = public_fit.nonnegative(a.T @ a, a.T @ y, float(y @ y), 40, 0.0)
    want, _ = scipy_nnls(a, y)
    kept = want > public_fit.LEAST
    if (kept == (want > 0)).all():
        assert np.allclose(got, want, atol=1e-6)


def test_images_that_add_up_to_nothing_are_weighted_though_their_products_are_rounded() -> None:
    """Of a small public set, less its mean, each image is a sum of the others; float32 products are not definite."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((3, 300)).astype(np.float32)
    images -= images.mean(0)
    seen = 0.3 * images[0] + 0.1 * images[1]
    gram = (images @ images.T).astype(np.float64)
    gram[0, 1] = gram[1, 0] = gram[0, 1] * (1 + 1e-5)
    with pytest.raises(np.linalg.LinAlgError):
        np.linalg.cholesky(gram)
    weight = public_fit.nonnegative(gram, (images @ seen).astype(np.float64), float(seen @ seen), 300, 2.0)
    np.testing.assert_allclose(weight @ images, seen, atol=1e-4)


def test_channels_of_public_images_have_levels_of_their_own() -> None:
    public, _ = photographs(20, 0, 8)
    basis = Basis((3, 8, 8))
    plain = Candidates(public, basis)
    gain, offset = torch.tensor([0.5, 1.0, 2.0]), torch.tensor([0.1, 0.0, -0.3])
    other = plain.levelled(gain, offset)
    index = torch.tensor([3, 7])
    want = plain.images(index) * gain[:, None, None] + offset[:, None, None]
    torch.testing.assert_close(other.images(index), want)
    again = Candidates(public, basis, other.low.flatten().numpy(), other.high.flatten().numpy())
    torch.testing.assert_close(again.images(index), want)


def test_merge_keeps_each_candidate_once() -> None:
    known, fresh = torch.tensor([[3, 5, -1], [-1, -1, -1]]), torch.tensor([[5, 7], [-1, 2]])
    found = public_fit.merge(known, fresh)
    assert sorted(found[0].tolist()) == [-1, -1, 3, 5, 7]
    assert sorted(found[1].tolist()) == [-1, -1, -1, -1, 2]


@pytest.mark.parametrize("kept", [True, False])
def test_search_and_fit_find_what_was_mixed(kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """True images with their weights are found in noisy sums, whether or not the index fits into memory."""
    if not kept:
        monkeypatch.setattr(public_fit, "KEPT_BYTES", 0)
        monkeypatch.setattr(public_fit, "BLOCK", 64)
    rng = np.random.default_rng(0)
    public, _ = photographs(300, 9, 16)
    candidates = Candidates(public, Basis((3, 16, 16)))
    true = np.stack([rng.choice(300, 3, replace=False) for _ in range(40)])
    weight = rng.uniform(0.1, 0.3, true.shape).astype(np.float32)
    x = np.einsum("es,eshwc->ehwc", weight, public[true] * 2 - 1).transpose(0, 3, 1, 2)
    x = x - weight.sum(1)[:, None, None, None] * candidates.mean.numpy()
    x = torch.from_numpy((x + rng.normal(0, 0.02, x.shape)).astype(np.float32))
    left = candidates.basis.forward(x)
    none = torch.full((40, 1), -1, dtype=torch.int64)
    response = public_fit.measure_response(left, candidates)
    index = public_fit.Index(candidates, response)
    assert 0.5 < index.share <= 1
    pool = public_fit.merge(none, index.search(left, none, response))
    found, amount = public_fit.joint_fit(left, pool, candidates, response, left)
    hit = (found[:, :, None].numpy() == true[:, None]).any(1)
    assert hit.mean() > 0.8
    for e in range(40):
        for j, w in zip(true[e], weight[e]):
            at = np.flatnonzero(found[e].numpy() == j)
            if len(at) and hit[e].all():
                assert abs(float(amount[e, at[0]]) - w) < 0.05
    # nothing is found twice, and what is known is not sought again
    again = index.search(left, found, response)
    assert not (again[:, :, None].eq(found[:, None]) & (again >= 0)[:, :, None]).any()


def test_strangers_are_not_found() -> None:
    """Null control: residuals of images that are not in the set."""
    public, _ = photographs(300, 9, 16)
    candidates = Candidates(public, Basis((3, 16, 16)))
    noise = torch.from_numpy(np.random.default_rng(1).normal(0, 0.1, (60, 3, 16, 16)).astype(np.float32))
    left = candidates.basis.forward(noise)
    none = torch.full((60, 1), -1, dtype=torch.int64)
    response = public_fit.measure_response(left, candidates)
    pool = public_fit.merge(none, public_fit.Index(candidates, response).search(left, none, response))
    found, _ = public_fit.joint_fit(left, pool, candidates, response, left)
    assert (found >= 0).any(1).float().mean() < 0.1


def test_weights_add_up_to_what_is_left_at_most() -> None:
    """Images that are much alike stand for what is none of theirs, unless there is no room; less is always allowed."""
    rng = np.random.default_rng(0)
    images = np.ones((4, 200)) + 0.1 * rng.standard_normal((4, 200))
    y = images[0] * 0.3 + np.ones(200) * 0.4  # 0.4 of something else, much like them
    gram, dots, energy = images @ images.T, images @ y, float(y @ y)
    free = public_fit.nonnegative(gram, dots, energy, 200, 0.0)
    held = public_fit.nonnegative(gram, dots, energy, 200, 0.0, most=0.3)
    roomy = public_fit.nonnegative(gram, dots, energy, 200, 0.0, most=2.0)
    assert free.sum() > 0.6 and abs(held.sum() - 0.3) < 0.01
    np.testing.assert_allclose(roomy, free, atol=1e-4)

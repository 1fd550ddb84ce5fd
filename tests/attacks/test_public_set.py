"""Identification of public images: its parts against direct computations, and the whole on a small release."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls as scipy_nnls

from ihaudit.attacks.numerics import public_fit
from ihaudit.attacks.numerics.candidates import Candidates
from ihaudit.attacks.numerics.transforms import Basis
from ihaudit.attacks.phase_public import PhasePublic
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.metrics.ssim import ssim_challenge
from ihaudit.scheme import Knowledge
from tests.attacks.releases import photographs
from tests.benchmarks.attacks import scores


@dataclass(frozen=True)
class Mixed:
    """A release made from a known public set, with its truth."""

    encodings: np.ndarray
    labels: np.ndarray
    images: np.ndarray
    public: np.ndarray
    members: np.ndarray
    public_members: np.ndarray
    lambdas: np.ndarray


def mixed(n: int = 12, epochs: int = 40, k: int = 4, seed: int = 5, count: int = 300, size: int = 16) -> Mixed:
    """Cross-dataset InstaHide, both private images of an encoding of their own, on [-1, 1]."""
    rng = np.random.default_rng(seed)
    images, labels = photographs(n, seed, size)
    public, _ = photographs(count, seed + 1000, size)
    members = np.concatenate([np.stack([rng.permutation(n) for _ in range(2)], 1) for _ in range(epochs)])
    lambdas = rng.dirichlet(np.ones(k), 20 * len(members)).astype(np.float32)
    lambdas = lambdas[(lambdas.max(1) <= 0.65) & (lambdas[:, :2].sum(1) >= 0.3)][: len(members)]
    chosen = np.stack([rng.choice(count, k - 2, replace=False) for _ in members])
    x = np.einsum("es,eshwc->ehwc", lambdas[:, :2], images[members] * 2 - 1)
    x += np.einsum("es,eshwc->ehwc", lambdas[:, 2:], public[chosen] * 2 - 1)
    x *= rng.integers(0, 2, x.shape) * 2 - 1
    soft = np.zeros((len(x), 4), np.float32)
    for j in range(2):
        np.add.at(soft, (np.arange(len(x)), labels[members[:, j]]), lambdas[:, j])
    return Mixed(x.astype(np.float32), soft, images, public, members, chosen, lambdas)


def run(m: Mixed, public: np.ndarray, profile: str = "quick"):  # type: ignore[no-untyped-def]
    view = View(
        m.encodings,
        m.labels,
        image_range=(-1.0, 1.0),
        knows=frozenset({Knowledge.ENCODINGS, Knowledge.LABELS, Knowledge.PUBLIC_SET}),
        public_set=public,
        hints={"n_private": len(m.images)},
    )
    return PhasePublic().run(view, Context(seed=1, profile=profile))  # type: ignore[arg-type]


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


@pytest.mark.slow
def test_images_are_nearly_exact_with_the_public_set() -> None:
    m = mixed()
    out = run(m, m.public)
    assert scores(out.images, m.images).mean() > 0.97
    assert out.diagnostics["encodings_explained"] > 0.8
    record = next(s for s in out.stages if s.name == "public")
    assert record.variant == "identify"
    assert 1.5 < out.diagnostics["public_per_encoding"] < 2.3


@pytest.mark.slow
def test_a_wrong_public_set_explains_nothing_and_does_no_harm() -> None:
    """Null control: other photographs than those mixed in; wrong identifications are rejected by the fit."""
    m = mixed()
    other, _ = photographs(300, 4321, 16)
    rng = np.random.default_rng(0)
    other = rng.permuted(other.reshape(len(other), -1), axis=0).reshape(other.shape)  # spectra of their own
    out = run(m, other)
    assert out.diagnostics["encodings_explained"] < 0.05
    assert out.diagnostics["public_per_encoding"] < 0.5


def test_what_lacks_or_does_not_fit_is_not_applicable() -> None:
    m = mixed(epochs=4)
    with pytest.raises(NotApplicable, match="no public images"):
        run(m, m.public[:0])
    with pytest.raises(NotApplicable, match="8 x 8 x 3"):
        run(m, m.public[:, ::2, ::2])


def test_scores_helper_is_one_for_the_truth() -> None:
    images, _ = photographs(6, 1, 16)
    assert np.allclose(scores(images[::-1].copy(), images), 1, atol=1e-5)
    assert np.allclose(ssim_challenge(images, images), 1, atol=1e-6)

"""Each stage against a direct slow implementation or a property it must have."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.fft import dctn

from ihaudit.attacks.numerics import (
    em,
    features,
    labels,
    least_squares,
    masks,
    mixing,
    parallel,
    restarts,
    sizes,
    spectral,
    transforms,
)
from ihaudit.attacks.numerics.mixing import Reconstruction
from tests.attacks.releases import instahide, photographs


def random_mixing(rows: int = 40, unknowns: int = 5, seed: int = 0) -> mixing.Mixing:
    g = torch.Generator().manual_seed(seed)
    members = torch.stack([torch.randperm(unknowns, generator=g)[:2] for _ in range(rows)])
    lam = torch.rand(rows, 2, generator=g) * 0.4 + 0.1
    return mixing.Mixing(members, lam, 1 - lam.sum(1), unknowns)


def test_slots_read_lambdas_and_mark_equal_classes() -> None:
    soft = np.array([[0.3, 0.1, 0.0], [0.0, 0.5, 0.0], [0.0, 0.2, 0.25]], np.float32)
    slots = labels.read_slots(soft, 3)
    assert slots.label.tolist() == [[0, 1], [1, 1], [2, 1]]
    np.testing.assert_allclose(slots.mass, [[0.3, 0.1], [0.25, 0.25], [0.25, 0.2]])
    assert slots.shared.tolist() == [False, True, False]
    assert slots.totals().tolist() == [1, 4, 1]


def test_no_labels_give_one_class() -> None:
    slots = labels.read_slots(None, 4)
    assert slots.classes == 1 and not slots.informative and slots.label.shape == (4, 2)


def test_dct_matches_scipy() -> None:
    x = np.random.default_rng(0).normal(size=(2, 1, 8, 12)).astype(np.float32)
    ours = transforms.dct(torch.from_numpy(x.reshape(2, -1)), (1, 8, 12)).numpy()
    theirs = dctn(x[:, 0], axes=(1, 2), norm="ortho").reshape(2, -1)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_regress_out_leaves_nothing_of_the_design_even_when_rank_deficient() -> None:
    g = torch.Generator().manual_seed(0)
    one = torch.ones(30)
    design = torch.stack([one, 2 * one, torch.rand(30, generator=g)], 1)
    rest = features.regress_out(torch.randn(30, 4, generator=g), design)
    assert float((design.T @ rest).abs().max()) < 1e-4


@pytest.mark.parametrize("unknowns", [5, 300])
def test_mixing_products_equal_dense_ones(unknowns: int) -> None:
    m = random_mixing(unknowns=unknowns)
    images = torch.randn(unknowns + 1, 7, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(m.forward(images, slice(3, 20)), (m.dense @ images)[3:20])
    values = torch.randn(40, 7, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(m.adjoint(values, slice(0, 40)), m.dense.T @ values)


def test_number_of_images_is_found_from_counts_and_scores() -> None:
    slots = instahide_slots([40, 60, 80])
    true = {0: 2, 1: 3, 2: 4}
    found = sizes.infer_sizes(slots, lambda c, k, exact: 100.0 * min(k, true[c]) + 2.0 * k)
    assert found.per_class.tolist() == [2, 3, 4] and found.exact and found.multiplicity == 20


def test_a_stated_number_of_images_is_kept() -> None:
    found = sizes.infer_sizes(instahide_slots([41, 60, 80]), lambda c, k, exact: 0.0, n_private=9)
    assert int(found.per_class.sum()) == 9


def instahide_slots(counts: list[int]) -> labels.Slots:
    rows = np.concatenate([np.full(n, c) for c, n in enumerate(counts)])
    soft = np.zeros((len(rows), len(counts)), np.float32)
    soft[np.arange(len(rows)), rows] = np.random.default_rng(0).random(len(rows)) + 0.1
    return labels.read_slots(soft, len(rows))


def test_em_step_equals_the_direct_formula() -> None:
    m = random_mixing(rows=60)
    g = torch.Generator().manual_seed(3)
    truth = torch.randn(6, 9, generator=g)
    y = (m.dense @ truth).abs()
    start = truth + 0.1 * torch.randn(6, 9, generator=g)
    noise = torch.full((60,), 0.05)
    ours = em.folded_em(y, m, Reconstruction(start, noise), temperatures=[1.0], batch=7).images
    expected = torch.tanh(y * (m.dense @ start) / 0.05) * y
    direct = torch.linalg.solve(m.normal(1 / noise), m.dense.T @ (expected / 0.05))
    torch.testing.assert_close(ours, direct, rtol=1e-3, atol=1e-4)


def test_cross_fit_leaves_its_fold_out() -> None:
    m = random_mixing(rows=60)
    y = torch.rand(60, 9, generator=torch.Generator().manual_seed(0))
    estimate = Reconstruction(torch.randn(6, 9, generator=torch.Generator().manual_seed(1)), torch.full((60,), 0.1))
    before = em.cross_fit(y, m, estimate, folds=3)[1]
    changed = y.clone()
    changed[1::3] = 7.0
    torch.testing.assert_close(em.cross_fit(changed, m, estimate, folds=3)[1], before)


def test_neighbours_equal_a_direct_sum() -> None:
    shape = (2, 5, 6)
    coupling = em.Coupling(sigma=1.0, channels=0.5)
    x = torch.randn(1, 60, generator=torch.Generator().manual_seed(0))
    ours = em.Neighbours(shape, coupling, x)(x).view(shape)
    field = x.view(shape)
    for c, i, j in [(0, 0, 0), (1, 2, 3), (0, 4, 5)]:
        total = 0.0
        for d in range(2):
            for a in range(5):
                for b in range(6):
                    if abs(a - i) <= 2 and abs(b - j) <= 2:
                        weight = np.exp(-((a - i) ** 2 + (b - j) ** 2) / 2) * (1.0 if c == d else 0.5)
                        total += float(field[d, a, b]) * weight
        assert float(ours[c, i, j]) == pytest.approx(total - float(field[c, i, j]), abs=1e-4)


def test_negated_patches_are_turned_back() -> None:
    images, _ = photographs(12, size=16)
    truth = torch.from_numpy((images * 2 - 1).transpose(0, 3, 1, 2).reshape(12, -1).copy())
    truth = torch.cat([truth, truth.mean(0, keepdim=True)])
    patch = torch.ones(3, 16, 16)
    patch[:, 4:9, 6:12] = -1
    patch[1, 0, 0] = -1
    found, share = spectral.resynchronise(truth * patch.reshape(-1), (3, 16, 16))
    torch.testing.assert_close(found, truth)
    assert share == pytest.approx(float((patch < 0).float().mean()))


def test_restarts_never_lower_the_likelihood() -> None:
    m = random_mixing(rows=60)
    g = torch.Generator().manual_seed(4)
    y = (m.dense @ torch.randn(6, 48, generator=g)).abs()
    before = Reconstruction(torch.randn(6, 48, generator=g), torch.full((60,), 0.1))
    after, _ = restarts.restart_pixels(y, m, before, (3, 4, 4))
    old, new = (restarts.pixel_likelihood(y, m, e) for e in (before, after))
    assert bool((new >= old - 1e-3).all())


def test_least_squares_equals_numpy() -> None:
    m = random_mixing(rows=60)
    truth = torch.randn(6, 9, generator=torch.Generator().manual_seed(0))
    found = least_squares.weighted(m.dense @ truth, m, rounds=1, ridge=0.0)
    torch.testing.assert_close(found.images, truth, rtol=1e-3, atol=1e-3)


def test_masks_are_told_apart() -> None:
    signed = instahide(n=8, epochs=4, mask=False).encodings
    assert masks.detect_mask(signed)[0] == "signed"
    assert masks.detect_mask(instahide(n=8, epochs=4).encodings)[0] == "masked"
    assert masks.detect_mask(np.abs(signed))[0] == "absolute"
    rng = np.random.default_rng(0)
    assert masks.detect_mask(rng.normal(size=(50, 16, 16, 3)))[0] == "masked"
    assert masks.detect_mask(signed + rng.normal(size=signed.shape))[0] == "signed"


def test_jobs_keep_their_order() -> None:
    assert parallel.run_jobs(lambda x: x * x, list(range(20))) == [x * x for x in range(20)]

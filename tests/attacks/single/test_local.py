"""What is left of a mixture, judged place by place: gradients, signs, the faintest public image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from ihaudit.attacks.numerics.candidates import Candidates
from ihaudit.attacks.numerics.transforms import Basis
from ihaudit.attacks.single.finish import Finisher, calibrate
from ihaudit.attacks.single.local import LocalFilter, LocalPrior, applies
from ihaudit.attacks.single.match import Matches
from ihaudit.attacks.single.posterior import Recolourer
from ihaudit.nn.shipped import load_scales, load_unmask
from tests.attacks.single.photographs import crops

N, M, LIMIT = 8, 300, 4
FAINT = 0.06


def pictures(role: str, n: int) -> Tensor:
    """(n, 3, 32, 32) on [-1, 1]."""
    return torch.from_numpy(2 * crops(role, n) - 1).permute(0, 3, 1, 2).contiguous()


@pytest.fixture(scope="module")
def finisher() -> Finisher:
    recolourer = Recolourer(load_unmask())
    candidates = Candidates(crops("public", M), Basis((3, 32, 32)))
    search = LocalFilter(LocalPrior(load_scales(), (3, 32, 32)), candidates)
    calibrate(recolourer, search, np.random.default_rng(0))
    return Finisher(recolourer, search)


def begun(faint: float) -> tuple[Matches, Tensor]:
    """Mixtures of a private image and three public ones, the two strong ones known: images 3 e, 3 e + 1 of 3 e + 2."""
    public, private = pictures("public", M), pictures("private", N)
    e = torch.arange(N)
    x = public[torch.stack([3 * e, 3 * e + 1], 1)]
    rest = 0.4 - faint
    known = 0.2 * (2 * x[:, 0] + x[:, 1])
    mixture = known + faint * public[3 * e + 2] + rest * private
    members = torch.full((N, LIMIT), -1)
    members[:, :2] = torch.stack([3 * e, 3 * e + 1], 1)
    c = torch.zeros(N, LIMIT)
    c[:, 0], c[:, 1] = 0.4, 0.2
    logits = torch.zeros_like(mixture)
    return Matches(members, c, 10.0 * (c > 0), logits, known, logits), mixture


def test_the_faintest_image_is_found(finisher: Finisher) -> None:
    matches, mixture = begun(FAINT)
    found = finisher.run(matches, mixture.abs(), torch.full((N,), 0.4 - FAINT))
    hits = [3 * e + 2 in row for e, row in enumerate(found.members.tolist())]
    assert np.mean(hits) >= 0.7
    assert all({3 * e, 3 * e + 1} <= set(row) for e, row in enumerate(found.members.tolist()))
    right = ((found.logits > 0) == (mixture > 0)).float() * mixture.abs()
    assert float(right.sum() / mixture.abs().sum()) > 0.97
    assert float((found.coefficients.sum(1) - 0.6 - FAINT).abs().median()) < 0.02
    assert (matches.members[:, 2] < 0).all()  # what is handed over stays as it was


@pytest.mark.parametrize("told", [True, False])
def test_where_none_is_left_none_is_found(finisher: Finisher, told: bool) -> None:
    matches, mixture = begun(0.0)
    found = finisher.run(matches, mixture.abs(), torch.full((N,), 0.4) if told else None)
    assert float((found.members >= 0).sum(1).float().mean()) < 2.2


def test_one_that_is_not_in_a_mixture_is_dropped(finisher: Finisher) -> None:
    matches, mixture = begun(0.0)
    matches.members[:, 2], matches.coefficients[:, 2] = 290, 0.03
    found = finisher.run(matches, mixture.abs(), torch.full((N,), 0.4))
    assert np.mean([290 in row for row in found.members.tolist()]) < 0.2


def test_no_more_are_sought_than_there_is_room_for(finisher: Finisher) -> None:
    matches, mixture = begun(FAINT)
    full = Matches(matches.members[:, :2], matches.coefficients[:, :2], matches.scores[:, :2], *_rest(matches))
    assert finisher.run(full, mixture.abs()).members.shape == (N, 2)


def _rest(matches: Matches) -> tuple[Tensor, Tensor, Tensor]:
    return matches.logits, matches.known, matches.network


def test_a_faint_image_is_believed_where_something_is_missing() -> None:
    search = LocalFilter(LocalPrior(load_scales(), (3, 32, 32)), Candidates(crops("public", 20), Basis((3, 32, 32))))
    finisher = Finisher(Recolourer(load_unmask()), search)
    c, rows = torch.full((3, 1), 0.5), torch.arange(3)
    finisher.private_sum = None
    unknown = finisher._threshold(c, rows)
    finisher.private_sum = torch.tensor([0.3, 0.5, 0.6])
    told = finisher._threshold(c, rows)
    assert told[0] < unknown[0] < told[1] == told[2]
    # nothing of this public set is in the mixture so far
    assert (finisher._threshold(torch.zeros(3, 1), rows) == told[1]).all()


def named(wrong: bool) -> tuple[Matches, Tensor]:
    """Mixtures of two private pictures, or of a private and a public one: each is said to hold its public image e."""
    public, other, private = pictures("public", M), pictures("other", N), pictures("private", N)
    mixture = 0.3 * (other if wrong else public[:N]) + 0.7 * private
    members, c, scores = torch.full((N, LIMIT), -1), torch.zeros(N, LIMIT), torch.zeros(N, LIMIT)
    members[:, 0], c[:, 0], scores[:, 0] = torch.arange(N), 0.3, 6.0
    known = 0.3 * public[:N]
    # signs by which what is claimed is there
    logits = 10.0 * torch.where(known.abs() > 0.1, known, mixture).sign()
    return Matches(members, c, scores, logits, known, logits), mixture


def test_what_a_search_made_stand_out_is_asked_anew(finisher: Finisher) -> None:
    chance = []
    for wrong in (False, True):
        matches, mixture = named(wrong)
        score, by_chance = finisher.stand_out(matches, mixture.abs())
        threshold = finisher.exceeded_by_chance(by_chance, 0.01)
        assert float((score > threshold).float().mean()) <= 0.2 if wrong else float(score.median()) > threshold
        chance.append(by_chance)
        assert (matches.members[:, 0] == torch.arange(N)).all()
    assert float(torch.cat(chance).max()) < finisher.chance + 3  # what is there is no chance
    emptied = finisher.emptied(matches, mixture.abs(), torch.tensor([1]))
    assert (emptied.members[1] == -1).all() and float(emptied.known[1].abs().max()) == 0
    assert (emptied.members[0] == matches.members[0]).all()


def test_mirrored_copies_in_the_set_are_not_taken_for_chance() -> None:
    public = crops("public", M)
    recolourer = Recolourer(load_unmask())
    candidates = Candidates(np.concatenate([public, public[:, :, ::-1]]), Basis((3, 32, 32)))
    search = LocalFilter(LocalPrior(load_scales(), (3, 32, 32)), candidates)
    calibrate(recolourer, search, np.random.default_rng(0))
    matches, mixture = named(False)
    score, chance = Finisher(recolourer, search).stand_out(matches, mixture.abs())
    assert float(score.median()) > 2 * float(chance.median())


def test_the_share_that_chance_exceeds_is_as_stated(finisher: Finisher) -> None:
    rng = np.random.default_rng(0)
    drawn = torch.from_numpy(rng.standard_normal((2000, 500)).max(1)).float()
    for level in (0.1, 0.01):
        thresholds = [finisher.exceeded_by_chance(drawn[i : i + 100], level) for i in range(0, 2000, 100)]
        share = np.mean([float((drawn > t).float().mean()) for t in thresholds])
        assert 0.5 * level < share < 1.5 * level
    more = torch.cat([drawn[:95], torch.full((5,), 30.0)])
    assert abs(finisher.exceeded_by_chance(more, 0.01) - finisher.exceeded_by_chance(drawn[:100], 0.01)) < 0.5
    assert finisher.exceeded_by_chance(drawn[:3], 0.01) > finisher.chance + 1


def test_signs_that_make_a_likelier_picture_are_preferred() -> None:
    x = 0.5 * pictures("private", N)
    rng = torch.Generator().manual_seed(0)
    wrong = torch.rand(x.shape, generator=rng) < 0.1
    logits = torch.where(wrong, -0.5, 1.0) * x.sign()
    after = LocalPrior(load_scales(), (3, 32, 32)).resigned(logits, x.abs(), torch.zeros_like(x))
    lost = (((after > 0) != (x > 0)) * x.abs()).sum() / (wrong * x.abs()).sum()
    assert float(lost) < 0.5


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 32, 32), (3, 28, 30)])
def test_curvature_and_gradient(shape: tuple[int, int, int]) -> None:
    prior = LocalPrior(load_scales(), shape)
    x = 0.5 * pictures("private", 3)[:, : shape[0], : shape[1], : shape[2]].contiguous()
    g = prior.gradient(x)
    assert g.values.shape == x.shape and bool(torch.isfinite(g.values).all())
    assert float((g.values * x).sum()) > 0  # a stronger picture is less likely
    dot = torch.zeros_like(x)
    dot[:, 0, 5, 7] = 1
    expected = (prior.columns(dot).square() * g.weights).sum(1)
    assert torch.allclose(prior.curvature(g.weights)[:, 0, 5, 7], expected, rtol=1e-4)


def test_shapes() -> None:
    assert applies((3, 32, 32), 5) and applies((1, 28, 28), 5) and applies((3, 64, 64), 5)
    assert not applies((3, 48, 48), 5) and not applies((3, 16, 16), 5)

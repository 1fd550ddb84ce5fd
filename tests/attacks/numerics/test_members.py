"""Members of encodings: against direct sums over all choices, and planted mixtures."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ihaudit.attacks.numerics import members as members_module
from ihaudit.attacks.numerics.labels import Slots, read_slots
from ihaudit.attacks.numerics.members import (
    TEMPER,
    Linear,
    Products,
    Squares,
    Whitening,
    assign,
    by_labels,
    conditional_modes,
    split_pair,
    split_shared,
)
from ihaudit.attacks.numerics.mixing import Mixing
from ihaudit.attacks.numerics.transforms import dct
from tests.attacks.releases import instahide


def tiny(seed: int = 0) -> tuple[Slots, torch.Tensor, torch.Tensor, torch.Tensor, list[np.ndarray], torch.Tensor]:
    rng = np.random.default_rng(seed)
    e, n, p = 8, 5, 3 * 8 * 8
    of_class = [np.array([0, 1, 2]), np.array([3, 4])]
    label = np.stack([np.zeros(e, int), np.ones(e, int)], 1)
    mass = rng.uniform(0.1, 0.4, (e, 2)).astype(np.float32)
    slots = Slots(label, mass, np.zeros(e, bool), 2, True)
    images = torch.from_numpy(rng.standard_normal((n + 1, p)).astype(np.float32))
    values = torch.from_numpy(rng.uniform(0, 1, (e, p)).astype(np.float32))
    signs = torch.from_numpy(rng.uniform(-1, 1, (e, p)).astype(np.float32))
    noise = torch.from_numpy(rng.uniform(5, 9, e).astype(np.float32))
    return slots, images, values, signs, of_class, noise


def test_pairs_are_the_most_likely_of_all() -> None:
    slots, images, values, signs, of_class, noise = tiny()
    shape = (3, 8, 8)
    whitening = Whitening(torch.full((192,), 0.8), 1 / torch.linspace(0.5, 2, 192))
    observed = Linear(signs, values, noise, [images], slots, shape).whitened(whitening)
    found = assign(observed, of_class, np.full((8, 2), -1))
    predicted = dct(images, shape) * whitening.gain / whitening.deviation
    z = dct(signs * values, shape) / whitening.deviation
    for i in range(8):
        scores = {}
        for a, b in itertools.product(of_class[0], of_class[1]):
            l1, l2 = slots.mass[i]
            rest = z[i] - (1 - l1 - l2) * predicted[-1] - l1 * predicted[a] - l2 * predicted[b]
            scores[a, b] = float(-TEMPER / noise[i] * (rest**2).sum() / 2)
        best = max(scores, key=scores.__getitem__)
        assert tuple(found.members[i]) == best
        total = np.exp(np.array(list(scores.values())) - scores[best]).sum()
        assert found.certainty[i] == pytest.approx(1 / total, rel=1e-3)


def test_images_that_no_label_allows_need_not_be_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    slots, images, values, signs, of_class, noise = tiny()
    plain = Whitening(torch.ones(192), torch.ones(192))
    observed = Linear(signs, values, noise, [images], slots, (3, 8, 8)).whitened(plain)
    every = assign(observed, of_class, np.full((8, 2), -1))
    monkeypatch.setattr(members_module, "DENSE_COLUMNS", 0)
    some = assign(observed, of_class, np.full((8, 2), -1))
    np.testing.assert_array_equal(some.members, every.members)
    np.testing.assert_allclose(some.certainty, every.certainty, rtol=1e-4)


def test_slots_one_by_one_agree_with_pairs_where_images_are_orthogonal() -> None:
    slots, images, values, signs, of_class, noise = tiny(1)
    images = torch.linalg.qr(images.T).Q.T[: len(images)].contiguous()
    plain = Whitening(torch.ones(192), torch.ones(192))
    one = np.zeros((8, 1), int)
    three = Slots(
        np.hstack([slots.label, one - 1]), np.hstack([slots.mass, one]).astype(np.float32), slots.shared, 2, True
    )
    pairs, single = (
        assign(
            Linear(signs, values, noise, [images], s, (3, 8, 8)).whitened(plain), of_class, np.full((8, s.count), -1)
        )
        for s in (slots, three)
    )
    np.testing.assert_array_equal(single.members[:, :2], pairs.members)
    assert (single.members[:, 2] == -1).all()


def test_pairs_of_squares_score_as_slots_do_one_by_one() -> None:
    sample = instahide(n=8, epochs=6, size=8)
    y = torch.from_numpy(np.abs(sample.encodings).transpose(0, 3, 1, 2).reshape(len(sample.encodings), -1).copy())
    slots = read_slots(sample.labels, len(y))
    mass = torch.from_numpy(slots.mass)
    m = Mixing(torch.from_numpy(sample.members.astype(np.int64)), mass, 1 - mass.sum(1), 8)
    images = torch.randn(9, y.shape[1], generator=torch.Generator().manual_seed(0)) * 0.3
    noise = torch.full((len(y),), 0.05)
    observed = Squares(y, noise, [images], slots, (3, 8, 8), known=np.arange(len(y))).fit(m)
    of_class = [np.nonzero(np.arange(8) % 4 == c)[0] for c in range(4)]
    block = next(b for b in observed.pairs(of_class) if b.part is None)
    first, second, score = block.first[0], block.second[0], block.score[0]
    one = observed.given(0, block.rows[:1])
    for b in range(len(second)):
        others = torch.tensor([[-1, int(second[b])]])
        direct = one.scores(torch.zeros(1, dtype=torch.long), 0, first, mass[block.rows[:1]], others)[0]
        torch.testing.assert_close(score[:, b] - score[0, b], direct - direct[0], rtol=1e-2, atol=0.5)
    for a in range(len(first)):
        others = torch.tensor([[int(first[a]), -1]])
        direct = one.scores(torch.zeros(1, dtype=torch.long), 1, second, mass[block.rows[:1]], others)[0]
        torch.testing.assert_close(score[a] - score[a, 0], direct - direct[0], rtol=1e-2, atol=0.5)


def test_one_by_one_and_splits_find_what_was_mixed() -> None:
    rng = np.random.default_rng(3)
    images = torch.from_numpy(rng.standard_normal((8, 60)).astype(np.float32))
    class_of, of_class = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]), [np.arange(4), np.arange(4, 8)]
    true = torch.tensor([[0, 4], [1, 7], [2, 3], [5, 6]])
    lam = torch.tensor([[0.3, 0.2], [0.2, 0.4], [0.35, 0.15], [0.1, 0.3]])
    target = torch.einsum("es,esp->ep", lam, images[true]) + 0.01 * torch.from_numpy(
        rng.standard_normal((4, 60)).astype(np.float32)
    )
    start = torch.tensor([[1, 5], [1, 6], [0, 1], [4, -1]])
    given = lam.clone()
    given[2:] = given[2:].sum(1, keepdim=True) / 2
    observed = Products(target @ images.T, images @ images.T, torch.full((4,), 1e4))
    alone, _ = conditional_modes(observed, class_of[true], given, start, of_class, sweeps=2)
    assert alone[:2].tolist() == true[:2].tolist()
    members, coefficients = split_shared(observed, class_of[true], given, alone, of_class, margin=3.0)
    assert members[:2].tolist() == true[:2].tolist() and torch.equal(coefficients[:2], lam[:2])
    for e in (2, 3):
        order, want = members[e].argsort(), true[e].argsort()
        assert members[e][order].tolist() == true[e][want].tolist()
        assert torch.allclose(coefficients[e][order], lam[e][want], atol=0.02)
    # nothing moves that is right already
    same, _ = split_shared(observed, class_of[true], coefficients, members, of_class, margin=3.0)
    assert torch.equal(same, members)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_the_best_split_is_the_best_of_a_grid(seed: int) -> None:
    rng = np.random.default_rng(seed)
    images, z, total = rng.standard_normal((2, 6)), rng.standard_normal(6), rng.uniform(0.1, 1)
    gram, dots = torch.from_numpy(images @ images.T), torch.from_numpy(images @ z)
    a, b = torch.tensor([[0]]), torch.tensor([[1]])
    t, value = split_pair(dots[:1, None], dots[1:, None], gram, a, b, torch.tensor([[total]], dtype=torch.float64))
    grid = np.linspace(0, total, 1001)
    left = z - grid[:, None] * images[0] - (total - grid[:, None]) * images[1]
    explained = ((z**2).sum() - (left**2).sum(1)) / 2
    assert abs(float(t) - grid[explained.argmax()]) <= total / 1000
    assert float(value) >= explained.max() - 1e-9


def test_labels_alone_tell_members_of_three_slots_one_of_which_shares_its_class() -> None:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((9, 80)).astype(np.float32)
    classes = np.repeat(np.arange(3), 3)
    true = np.array([[0, 4, 8], [1, 2, 5], [3, 7, 6]])
    lam = np.array([[0.3, 0.2, 0.1], [0.25, 0.15, 0.2], [0.2, 0.3, 0.15]])
    labels = np.zeros((3, 3))
    for slot in range(3):
        np.add.at(labels, (np.arange(3), classes[true[:, slot]]), lam[:, slot])
    z = np.einsum("es,esp->ep", lam, centres[true]) + 0.01 * rng.standard_normal((3, 80))
    members, weights = by_labels(z.astype(np.float32), labels, centres, classes, 3)
    for e in range(3):
        found = dict(zip(members[e].tolist(), weights[e].tolist()))
        assert found == pytest.approx(dict(zip(true[e].tolist(), lam[e].tolist())), abs=0.03)


@pytest.mark.parametrize(("undecided", "second"), [(True, 1), (False, 0)])
def test_what_an_undecided_slot_takes_counts_for_the_others_or_not(undecided: bool, second: int) -> None:
    # 0.6 of the first image and 0.4 of the second, both of one class
    observed = Products(torch.tensor([[0.6, 0.4]]), torch.eye(2), torch.ones(1))
    label, mass, none = torch.zeros(1, 2, dtype=torch.int64), torch.full((1, 2), 0.5), torch.full((1, 2), -1)
    members, _ = conditional_modes(observed, label, mass, none, [np.arange(2)], sweeps=1, undecided=undecided)
    assert members.tolist() == [[0, second]]


def test_a_split_that_gave_the_second_slot_everything_is_open_again() -> None:
    observed = Products(torch.tensor([[0.3, 0.2]]), torch.eye(2), torch.full((1,), 1e4))
    label, members, of_class = torch.zeros(1, 2, dtype=torch.int64), torch.tensor([[0, 1]]), [np.arange(2)]
    found, mass = split_shared(observed, label, torch.tensor([[0.0, 0.5]]), members, of_class, margin=3.0)
    assert found.tolist() == [[0, 1]]
    torch.testing.assert_close(mass, torch.tensor([[0.3, 0.2]]))

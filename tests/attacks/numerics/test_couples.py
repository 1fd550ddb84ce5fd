"""Couples of images, planted: few encodings each, one class, unknown splits, and nothing at all."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ihaudit.attacks.numerics.couples import Couples, affordable, best_from, levels, reassigned_jointly
from ihaudit.attacks.numerics.labels import Slots, read_slots

CLASSES, EACH, EPOCHS, WIDTH = 3, 3, 5, 400


def planted(seed: int, *, turned: float = 0.1) -> tuple[torch.Tensor, Slots, list[np.ndarray], np.ndarray, np.ndarray]:
    """Mixtures (E, D) of two of nine images, a share of them `turned`, what their labels say, images by class, and
    members (E, 2) of each slot with their coefficients."""
    rng = np.random.default_rng(seed)
    count = CLASSES * EACH
    images = rng.standard_normal((count, WIDTH))
    members = np.concatenate([np.stack([rng.permutation(count) for _ in range(2)], 1) for _ in range(EPOCHS)])
    members = members[members[:, 0] != members[:, 1]]
    mass = rng.uniform(0.1, 0.4, members.shape)
    sign = np.where(rng.random(len(members)) < turned, -1, 1)
    x = (mass[:, :, None] * images[members]).sum(1) + 0.3 * rng.standard_normal((len(members), WIDTH))
    x /= np.sqrt((x**2).mean())
    labels = np.zeros((len(members), CLASSES))
    for slot in range(2):
        np.add.at(labels, (np.arange(len(labels)), members[:, slot] // EACH), mass[:, slot])
    slots = read_slots(labels, len(labels), per_encoding=2)
    swap = members[:, 0] // EACH != slots.label[:, 0]
    members[swap], mass[swap] = members[swap, ::-1], mass[swap, ::-1]
    of_class = [np.arange(c * EACH, (c + 1) * EACH, dtype=np.int64) for c in range(CLASSES)]
    return torch.from_numpy((x * sign[:, None]).astype(np.float32)), slots, of_class, members, mass


def right(found: np.ndarray, members: np.ndarray) -> float:
    """Share of slots whose image is the one that most slots of their true image were given (in either order)."""
    overlap = np.zeros((CLASSES * EACH, CLASSES * EACH))
    for true, given in zip(members, found):
        for t in true:
            overlap[given, t] += 1
    name = overlap.argmax(1)[found]
    return float((np.sort(name, 1) == np.sort(members, 1)).mean())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_images_with_few_encodings_are_told_apart_from_nothing(seed: int) -> None:
    rows, slots, of_class, members, mass = planted(seed)
    assert affordable(slots, of_class)
    couples = Couples.of(rows, slots, of_class, target=2.0 * EPOCHS)
    found = couples.answer(best_from(couples, seed, restarts=3))
    assert right(found.members, members) > 0.9
    alone = slots.shared & (np.sort(found.members, 1) == np.sort(members, 1)).all(1)
    assert np.abs(np.sort(found.coefficients[alone], 1) - np.sort(mass[alone], 1)).mean() < 0.12
    assert found.coefficients[~slots.shared] == pytest.approx(slots.mass[~slots.shared])


def test_an_assignment_with_errors_is_mended() -> None:
    rows, slots, of_class, members, _ = planted(3, turned=0.0)
    wrong = members.copy()
    swapped = np.flatnonzero(~slots.shared)[:8]
    wrong[swapped, 0] = members[swapped, 0] // EACH * EACH + (members[swapped, 0] + 1) % EACH
    couples = Couples.of(rows, slots, of_class, target=None)
    found = reassigned_jointly(couples, wrong).members
    assert (found[swapped, 0] == members[swapped, 0]).mean() > 0.7


def test_noise_is_explained_by_no_images() -> None:
    rows, slots, of_class, _, _ = planted(0)
    empty = torch.from_numpy(np.random.default_rng(1).standard_normal(rows.shape).astype(np.float32))
    scores = []
    for z in (rows, empty):
        couples = Couples.of(z, slots, of_class, target=2.0 * EPOCHS)
        scores.append(best_from(couples, 0).score)
    assert scores[1] < 0.2 * scores[0]


def test_couples_are_left_alone_where_labels_do_not_tell_or_encodings_are_many() -> None:
    _, slots, of_class, _, _ = planted(0)
    hard = read_slots(np.eye(CLASSES)[np.arange(30) % CLASSES], 30)
    assert affordable(slots, of_class)
    assert not affordable(hard, of_class)
    assert not affordable(slots, [np.arange(1, dtype=np.int64)])
    assert not affordable(slots, [ids[:1] for ids in of_class])


def test_levels_of_noise_are_the_same_to_the_bit_whatever_memory_held_before() -> None:
    rng = np.random.default_rng(0)
    rows = torch.from_numpy(rng.standard_normal((96, 30)).astype(np.float32))
    mass = torch.from_numpy(rng.uniform(0.05, 0.4, (96, 2)).astype(np.float32))
    seen = set()
    for call in range(200):
        # freed, for whatever the next call asks for and does not fill
        held = [torch.full((1 + i % 8,), (call + i) % 3, dtype=torch.int32) for i in range(call)]
        del held
        noise, energy = levels(rows.clone(), mass.clone())
        seen.add((noise.numpy().tobytes(), energy))
    assert len(seen) == 1

"""Images that were moved anew for every use: motions, least squares through them, clusters and assignment."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from ihaudit.attacks.numerics.labels import read_slots
from ihaudit.attacks.numerics.least_squares import weighted
from ihaudit.attacks.numerics.motions import Motions, shifts
from ihaudit.attacks.numerics.moved_grouping import SEEN, MovedGrouping, Seen, group_moved, seen
from ihaudit.attacks.numerics.moved_members import Moved, assign_moved
from ihaudit.attacks.numerics.moved_mixing import MovedMixing
from ihaudit.attacks.numerics.sizes import Sizes, fewer_images
from tests.attacks.releases import photographs

SHAPE = (3, 24, 24)
CPU = torch.device("cpu")
REACH = 2


def rows_of(images: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1))


class Made:
    """Mixtures of two moved private images of four classes and faint public ones, without masks."""

    def __init__(self, n: int = 8, epochs: int = 30, *, move: bool = True, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        pictures, _ = photographs(n + 60, seed, SHAPE[1])
        every = rows_of(2 * pictures - 1)
        self.images, public = every[:n], every[n:]
        classes = np.arange(n) % 4
        self.motions = shifts(SHAPE, REACH, mirror=True, fill=-1.0)
        count = n * epochs
        self.members = np.concatenate([np.stack([rng.permutation(n) for _ in range(2)], 1) for _ in range(epochs)])
        self.moved = torch.from_numpy(rng.integers(0, len(self.motions), (count, 2)))
        if not move:
            self.moved[:] = len(self.motions) // 4
        lam = rng.dirichlet(np.ones(4), count).astype(np.float32)
        lam[:, :2] = lam[:, :2] * 0.7 / lam[:, :2].sum(1, keepdims=True)
        lam[:, 2:] = lam[:, 2:] * 0.3 / lam[:, 2:].sum(1, keepdims=True)
        lam[:, :2] = -np.sort(-lam[:, :2], axis=1)  # in the order in which labels are read
        soft = np.zeros((count, 4), np.float32)
        for s in range(2):
            np.add.at(soft, (np.arange(count), classes[self.members[:, s]]), lam[:, s])
        self.slots = read_slots(soft, count)
        self.mixing = MovedMixing(
            torch.from_numpy(self.members),
            torch.from_numpy(lam[:, :2].copy()),
            torch.from_numpy(lam[:, 2:].sum(1)),
            n,
            motions=self.motions,
            moved=self.moved,
        )
        zero = torch.cat([self.images, torch.zeros(1, self.images.shape[1])])
        self.values = self.mixing.forward(zero, slice(None))
        used = rng.integers(0, len(public), (count, 2))
        for s in range(2):
            self.values += torch.from_numpy(lam[:, 2 + s, None]) * public[used[:, s]]


def angles() -> Motions:
    turn = [np.deg2rad(a) for a in (-20.0, 0.0, 7.0)]
    theta = [[[np.cos(a), np.sin(a), 0.5], [-np.sin(a), 0.9 * np.cos(a), -1.2]] for a in turn]
    return Motions(torch.tensor(theta, dtype=torch.float32), SHAPE, None)


@pytest.mark.parametrize("motions", [shifts(SHAPE, 2, mirror=True, fill=0.0), angles(), replace(angles(), fill=0.0)])
def test_back_is_the_adjoint_of_move(motions: Motions) -> None:
    generator = torch.Generator().manual_seed(0)
    x, v = (torch.randn(9, 3 * 24 * 24, generator=generator) for _ in range(2))
    ids = torch.arange(9) % len(motions)
    torch.testing.assert_close((motions.move(x, ids) * v).sum(), (x * motions.back(v, ids)).sum(), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("motions", [shifts(SHAPE, 2, mirror=True, fill=0.0), angles()])
def test_no_image_and_no_copy_move_without_a_fault(motions: Motions) -> None:
    """A cluster that no encoding speaks for has none to be made of."""
    nothing, ids = torch.zeros(0, 3 * 24 * 24), torch.zeros(0, dtype=torch.int64)
    assert motions.move(nothing, ids).shape == motions.back(nothing, ids).shape == nothing.shape


def test_whole_shifts_are_crops_of_a_padded_image() -> None:
    motions = shifts(SHAPE, 2, mirror=True, fill=-1.0)
    x = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(x, (2, 2, 2, 2), value=-1.0)
    for g, (m, y, r) in enumerate((m, y, r) for m in (0, 1) for y in range(-2, 3) for r in range(-2, 3)):
        source = torch.nn.functional.pad(x.flip(3), (2, 2, 2, 2), value=-1.0) if m else padded
        expected = source[:, :, 2 - y : 26 - y, 2 - r : 26 - r]
        moved = motions.move(x.flatten(1), torch.tensor([g]))
        torch.testing.assert_close(moved, expected.reshape(1, -1))
    general = replace(motions, theta=motions.theta + 1e-5)
    assert motions.whole and not general.whole
    ids = torch.arange(len(motions))
    torch.testing.assert_close(
        general.move(x.flatten(1).expand(len(ids), -1), ids),
        motions.move(x.flatten(1).expand(len(ids), -1), ids),
        atol=1e-3,
        rtol=1e-3,
    )


def test_least_squares_through_motions_finds_the_images() -> None:
    made = Made()
    found = weighted(made.values, made.mixing)
    error = (found.images[:-1] - made.images).square().mean(1).sqrt()
    assert float(error.max()) < 0.12
    # taken as if nothing had moved, averages of moved copies come out
    still = replace(made.mixing, moved=torch.full_like(made.moved, len(made.motions) // 4))
    blurred = weighted(made.values, still)
    assert float((blurred.images[:-1] - made.images).square().mean(1).sqrt().mean()) > 2 * float(error.mean())


def test_a_release_that_nothing_determines_is_solved_without_a_fault() -> None:
    """Encodings without members, and an image in none of them: grey, not a singular matrix."""
    made = Made(n=4, epochs=4)
    mixing = replace(made.mixing, unknowns=6)
    assert bool(torch.isfinite(weighted(made.values, mixing).images).all())
    nobody = replace(made.mixing, members=torch.full_like(made.mixing.members, -1))
    assert bool(torch.isfinite(weighted(made.values, nobody).images).all())


def test_motion_is_seen_where_there_is_one_and_only_there() -> None:
    moving, still = Made(), Made(move=False)
    how = seen(moving.values.__getitem__, moving.slots, SHAPE, CPU)
    assert how.any and how.reach == REACH and 0.35 < how.mirrored < 0.65
    assert how.group().words() == "mirrored, shifted by up to 2 pixels"
    none = seen(still.values.__getitem__, still.slots, SHAPE, CPU)
    assert not none.any and none.reach == 0 and none.pairs > 30
    noise = torch.randn(moving.values.shape, generator=torch.Generator().manual_seed(0))
    assert not seen(noise.__getitem__, moving.slots, SHAPE, CPU).any


@pytest.mark.parametrize("move", [False, True])
def test_pairs_that_chance_finds_are_no_motion_where_a_class_has_more_images_than_are_looked_at(move: bool) -> None:
    """Of the 150 encodings of a class ten pairs show the same image, as where a class has a thousand images."""
    rng = np.random.default_rng(5)
    images = gaussian_filter(rng.standard_normal((3 * 140, 24, 24, 3)), (0, 1, 1, 0)).astype(np.float32)
    members = np.concatenate([np.arange(140) + 140 * c for c in range(3)] + [np.arange(10) + 140 * c for c in range(3)])
    shown = images[members]
    if move:
        shown[:420] = np.roll(shown[:420], 2, axis=2)
    values = rows_of(shown / shown.std() + 0.3 * rng.standard_normal(shown.shape).astype(np.float32))
    slots = read_slots(np.eye(3, dtype=np.float32)[members // 140], len(members))
    how = seen(values.__getitem__, slots, SHAPE, CPU)
    assert 20 <= how.pairs <= 40 and how.mirrored < SEEN
    assert how.moved > 0.8 if move else how.moved == how.reach == 0 and not how.any


def test_two_encodings_that_look_like_many_elsewhere_are_no_motion() -> None:
    """Of some forty pairs that look alike a third do under shifts, and all of these are of the same two encodings."""
    rng = np.random.default_rng(1)
    images = gaussian_filter(rng.standard_normal((100, 24, 24, 3)), (0, 1, 1, 0)).astype(np.float32)
    images /= images.std()
    members = np.concatenate([np.arange(100), np.arange(24)])
    shown = images[members]
    steps = rng.integers(-4, 5, (18, 2))
    for row, of in ((98, range(0, 18, 2)), (99, range(1, 18, 2))):
        shown[row] = np.sum([np.roll(images[50 + k], tuple(steps[k]), (0, 1)) for k in of], axis=0)
        shown[row] /= shown[row].std()
    values = rows_of(shown + 0.1 * rng.standard_normal(shown.shape).astype(np.float32))
    how = seen(values.__getitem__, read_slots(np.ones((len(members), 1), np.float32), len(members)), SHAPE, CPU)
    assert how.pairs >= 30 and how.moved > 2 * SEEN and how.error > 0.2 and not how.any


def test_without_labels_as_many_encodings_are_compared_as_with_them() -> None:
    made = Made()
    told = seen(made.values.__getitem__, made.slots, SHAPE, CPU)
    untold = seen(made.values.__getitem__, read_slots(None, len(made.values)), SHAPE, CPU)
    assert untold.any and untold.reach == REACH and untold.pairs > told.pairs / 4


def test_the_furthest_shift_is_seen_though_few_pairs_are_so_far_apart() -> None:
    """Of 60 pairs three are six pixels apart and the others two; chance finds up to 17, half of them beyond four."""
    rng = np.random.default_rng(6)
    images = gaussian_filter(rng.standard_normal((3 * 130, 24, 24, 3)), (0, 1, 1, 0)).astype(np.float32)
    members = np.concatenate([np.arange(150) % 130 + 130 * c for c in range(3)])
    shown = images[members]
    for c in range(3):
        shown[150 * c + 130 : 150 * (c + 1)] = np.roll(shown[150 * c + 130 : 150 * (c + 1)], 2, axis=1)
        shown[150 * c] = np.roll(shown[150 * c], -4, axis=0)
    values = rows_of(shown / shown.std() + 0.3 * rng.standard_normal(shown.shape).astype(np.float32))
    slots = read_slots(np.eye(3, dtype=np.float32)[members // 130], len(members))
    how = seen(values.__getitem__, slots, SHAPE, CPU)
    assert 40 <= how.pairs <= 80 and how.moved > 0.5
    assert how.reach == 3


def right(grouped: np.ndarray, made: Made) -> float:
    """Share of decided slots whose cluster's most frequent image is theirs."""
    decided = grouped >= 0
    counts = np.zeros((grouped.max() + 1, len(made.images)))
    by_slot = np.where(made.members[:, :1] % 4 == made.slots.label[:, :1], made.members, made.members[:, ::-1])
    alone = ~made.slots.shared[:, None] & decided
    np.add.at(counts, (grouped[alone], by_slot[alone]), 1)
    return float(counts.max(1).sum() / counts.sum())


def grouped(made: Made) -> MovedGrouping:
    return group_moved(made.values, made.slots, SHAPE, Seen(100, 0.9, 0.5, REACH), fill=-1.0)


def test_grouping_assignment_and_least_squares_in_turn_find_images_and_motions() -> None:
    made = Made()
    signs = torch.ones_like(made.values)
    first = grouped(made)
    assert first.found.sizes.per_class.tolist() == [2, 2, 2, 2]
    assert right(first.found.members, made) > 0.8
    mixing = replace(
        made.mixing,
        members=torch.from_numpy(first.found.members),
        coefficients=torch.from_numpy(made.slots.mass),
        moved=torch.from_numpy(first.moved),
    )
    use = torch.nonzero((mixing.members >= 0).all(1))[:, 0]
    estimate = weighted(made.values[use], mixing.some(use))
    noise = torch.full((len(made.values),), float(estimate.noise.mean()))
    for _ in range(2):
        known = Moved(signs, made.values, noise, estimate.images, mixing, made.slots)
        result = assign_moved(known, first.found.of_class)
        mixing = replace(mixing, members=torch.from_numpy(result.found.members), moved=result.moved)
        estimate = weighted(made.values, mixing, start=estimate.images)
        noise = estimate.noise
    assert right(result.found.members, made) > 0.9
    # each image comes out once, in one of its poses: least squares of the true members through found motions
    correlation = np.corrcoef(
        np.concatenate(
            [
                m.reshape(len(m), -1)
                for m in (
                    estimate.images[:-1].numpy(),
                    made.images.numpy(),
                    made.images.view(-1, *SHAPE).flip(3).flatten(1).numpy(),
                )
            ]
        )
    )[:8, 8:]
    best = np.maximum(correlation[:, :8], correlation[:, 8:])
    assert sorted(best.argmax(1).tolist()) == list(range(8))


def test_encodings_that_hold_nothing_in_common_are_grouped_without_a_fault() -> None:
    made = Made(n=4, epochs=6)
    noise = torch.randn(made.values.shape, generator=torch.Generator().manual_seed(0))
    result = group_moved(noise, made.slots, SHAPE, Seen(100, 0.9, 0.5, REACH), fill=None)
    assert result.found.members.shape == (24, 2) and bool(torch.isfinite(result.polarity).all())


@pytest.mark.parametrize("twice", [True, False])
def test_images_found_twice_are_one_and_different_ones_never_are(twice: bool) -> None:
    """Half as many images are taken where every image was found in two poses, and only there."""
    made = Made()
    n = len(made.images)
    by_slot = np.where(made.members[:, :1] % 4 == made.slots.label[:, :1], made.members, made.members[:, ::-1])
    images, members, count = made.images, torch.from_numpy(by_slot.copy()), n
    if twice:  # the second half are their mirror images
        images = torch.cat([images, images.view(-1, *SHAPE).flip(3).flatten(1)])
        members = members + n * (torch.arange(len(members))[:, None] % 2)
        count = 2 * n
    images = torch.cat([images, torch.zeros(1, images.shape[1])])
    mixing = replace(made.mixing, members=members, coefficients=torch.from_numpy(made.slots.mass), unknowns=count)
    known = Moved(
        torch.ones_like(made.values), made.values, torch.full((len(members),), 0.02), images, mixing, made.slots
    )
    of_class = [np.flatnonzero(np.arange(count) % 4 == c) for c in range(4)]
    fewer = [np.full(4, count // 8), np.full(4, count // 16)] if twice else [np.full(4, 1)]
    result = assign_moved(known, of_class, target=len(members) * 2 / count, fewer=fewer)
    assert len(result.kept) == n
    assert sorted((result.kept % n).tolist()) == list(range(n))
    assert set(np.unique(result.found.members)) <= {-1, *result.kept.tolist()}


def test_smaller_numbers_that_fit_the_label_counts_are_tried_after_some_images_were_made_one_too() -> None:
    slots = Made().slots
    source = "divisor of the label counts with the best grouping"
    for per_class, exact in (([4, 4, 4, 4], True), ([4, 3, 4, 4], False)):
        each = float(np.mean(slots.totals()[:4] / per_class))
        numbers = fewer_images(slots, Sizes(np.array(per_class), each, exact, source))
        assert [2, 2, 2, 2] in [n.tolist() for n in numbers]
    assert not fewer_images(slots, Sizes(np.array([4, 4, 4, 4]), 30.0, True, "stated number of private images"))

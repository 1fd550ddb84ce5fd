"""Signs of parts of images from magnitudes alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.sign_fields import bonds, proposed, settled

SHAPE = (3, 16, 16)
RANGE = (-1.0, 1.0)


def release(count: int = 12, *, noise: float = 0.2, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, Mixing]:
    """One image of a bright and a dark half in mixtures with smooth public parts: image (P,), magnitudes, mixing."""
    rng = np.random.default_rng(seed)
    image = np.full(SHAPE, 0.6, np.float32)
    image[:, :, 8:] = -0.6
    image += 0.05 * rng.standard_normal(SHAPE).astype(np.float32)
    # smooth, and nearly the same in all channels, as photographs are
    public = gaussian_filter(rng.standard_normal((count, *SHAPE)), (0, 1, 2, 2), mode="nearest")
    public *= noise / public.std((1, 2, 3), keepdims=True)
    lam = rng.uniform(0.35, 0.6, count).astype(np.float32)
    mixtures = lam[:, None] * image.ravel() + public.reshape(count, -1).astype(np.float32)
    mixing = Mixing.of(np.zeros((count, 1), np.int64), lam[:, None], 1 - lam, 1)
    return torch.from_numpy(image.ravel()), torch.from_numpy(np.abs(mixtures).astype(np.float32)), mixing


def estimate(image: torch.Tensor, count: int, noise: float = 0.2) -> Reconstruction:
    return Reconstruction(torch.stack([image, torch.zeros_like(image)]), torch.full((count,), noise**2))


def test_a_half_of_the_wrong_sign_is_proposed_the_other_way_round() -> None:
    truth, values, mixing = release()
    wrong = truth.abs()  # the dark half came out bright
    found = proposed(0, values, mixing, estimate(wrong, len(values)), RANGE, bonds(SHAPE))
    assert found is not None and found.gain > 0.1 and 0.3 < found.changed < 0.7
    likeness = torch.nn.functional.cosine_similarity(found.image, truth, 0).abs()
    assert likeness > 0.9 > torch.nn.functional.cosine_similarity(wrong, truth, 0).abs()


def test_nothing_changes_where_signs_are_right() -> None:
    truth, values, mixing = release()
    found = proposed(0, values, mixing, estimate(truth, len(values)), RANGE, bonds(SHAPE))
    assert found is not None and found.gain < 0.03 and found.changed < 0.02


def test_units_of_values_make_no_difference() -> None:
    truth, values, mixing = release()
    wrong = truth.abs()
    one = proposed(0, values, mixing, estimate(wrong, len(values)), RANGE, bonds(SHAPE))
    many = estimate(100 * wrong, len(values), 20.0)
    other = proposed(0, 100 * values, mixing, many, (-100.0, 100.0), bonds(SHAPE))
    assert one is not None and other is not None
    assert torch.allclose(other.image, 100 * one.image, rtol=1e-3, atol=0.1)
    assert (other.gain, other.changed) == pytest.approx((one.gain, one.changed), abs=1e-3)


def test_an_image_of_few_encodings_is_left_alone() -> None:
    truth, values, mixing = release(3)
    assert proposed(0, values, mixing, estimate(truth, 3), RANGE, bonds(SHAPE)) is None


def test_bonds_join_neighbours_and_channels_once() -> None:
    pairs = bonds((3, 4, 5))
    assert len(pairs) == 3 * (3 * 5 + 4 * 4) + 3 * 20
    assert len({tuple(sorted(p)) for p in pairs.tolist()}) == len(pairs)
    assert len(bonds((1, 4, 5))) == 3 * 5 + 4 * 4


def test_settled_signs_are_those_of_least_energy() -> None:
    rng = np.random.default_rng(4)
    pairs = bonds((1, 3, 4))
    signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * 12)).reshape(12, -1)
    for _ in range(20):  # bonds that agree with hidden signs but for noise, against all 4,096 answers
        hidden = rng.choice([-1.0, 1.0], 12)
        strength = 3 * hidden[pairs[:, 0]] * hidden[pairs[:, 1]] + rng.standard_normal(len(pairs))
        alone = 0.3 * hidden + 0.1 * rng.standard_normal(12)
        energies = (strength[:, None] * signs[pairs[:, 0]] * signs[pairs[:, 1]]).sum(0) + alone @ signs
        found, gain = settled(strength, alone, pairs, hidden)
        reached = (strength * found[pairs[:, 0]] * found[pairs[:, 1]]).sum() + alone @ found
        assert reached >= energies.max() - 1e-9 and gain >= -1e-9

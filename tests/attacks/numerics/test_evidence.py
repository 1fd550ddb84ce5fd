"""What the encodings of images say of them."""

from __future__ import annotations

import numpy as np
import torch

from ihaudit.attacks.numerics.evidence import COUNTS, SHARE, blank, by_encodings, counts
from ihaudit.attacks.numerics.least_squares import weighted
from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.nn.confidence import EVIDENCE
from ihaudit.nn.polarity import Polarity
from tests.attacks.numerics.test_moved import SHAPE, Made

#: columns of `by_encodings`
RESTS, OTHERS, TURNED, UPRIGHT, ODDS = 2, 4, 5, 6, 7


def release() -> tuple[torch.Tensor, Mixing]:
    """Mixtures float32 (E, P) of eight images, and how they are mixed."""
    made = Made(n=8, epochs=12, move=False)
    return made.values, Mixing(made.mixing.members, made.mixing.coefficients, made.mixing.share, 8)


class Says(Polarity):
    """Says the same of all mixtures that the network would be asked about."""

    def __init__(self, odds: float) -> None:
        super().__init__()
        self.odds = odds

    def forward(self, mixtures: torch.Tensor) -> torch.Tensor:
        return torch.full((len(mixtures),), self.odds)


def asked(
    values: torch.Tensor,
    signs: torch.Tensor,
    mixing: Mixing,
    guesses: torch.Tensor | None,
    polarity: Polarity | None = None,
) -> torch.Tensor:
    """The evidence of images solved with these signs."""
    estimate = weighted(values, mixing, signs=signs)
    return by_encodings(values, signs, mixing, estimate, SHAPE, guesses, polarity)


def test_an_image_that_was_turned_with_its_encodings_is_denied_by_the_others_in_them() -> None:
    mixtures, mixing = release()
    values, signs = mixtures.abs(), torch.sign(mixtures)
    right = asked(values, signs, mixing, signs)
    assert bool((right[:, OTHERS] > 0.4).all()) and float(right[:, UPRIGHT].median()) > 0.9
    led = mixing.coefficients.argmax(1) == (mixing.members == 2).float().argmax(1)
    turned = torch.where(((mixing.members == 2).any(1) & led)[:, None], -signs, signs)
    wrong = asked(values, turned, mixing, signs)
    assert float(wrong[2, OTHERS]) < 0 < 0.9 < float(right[2, UPRIGHT])
    assert float(wrong[2, UPRIGHT]) < 0 and float(wrong[[0, 1, 4, 5], UPRIGHT].min()) > 0.9
    assert bool(torch.isnan(asked(values, signs, mixing, None)[:, UPRIGHT]).all())


def test_an_image_of_one_strong_encoding_rests_on_little() -> None:
    mixtures, mixing = release()
    coefficients = mixing.coefficients.clone()
    rows, slots = torch.nonzero(mixing.members == 2, as_tuple=True)
    coefficients[rows[1:], slots[1:]] *= 0.05
    weak = Mixing(mixing.members, coefficients, mixing.share, 8)
    found = asked(mixtures.abs(), torch.sign(mixtures), weak, None)
    assert float(found[2, RESTS]) < 0.2 < 1 < float(found[0, RESTS])


def test_evidence_has_its_columns() -> None:
    mixtures, mixing = release()
    numbers = counts(mixing, torch.full((len(mixtures),), 0.04), told=True, labels=False)
    assert numbers.shape == (8, COUNTS) and blank(8).shape == (8, EVIDENCE)
    assert asked(mixtures.abs(), torch.sign(mixtures), mixing, None).shape == (8, EVIDENCE - SHARE - COUNTS)
    torch.testing.assert_close(numbers[:, 2], torch.full((8,), 0.2).log())
    assert isinstance(weighted(mixtures, mixing), Reconstruction)


def test_more_encodings_and_images_than_many_make_no_difference() -> None:
    many = Mixing.of(np.arange(4000)[:, None] % 2 * 39, np.ones((4000, 1)), np.zeros(4000), 40)
    numbers = counts(many, torch.ones(4000), told=True, labels=True)
    torch.testing.assert_close(numbers[0, [0, 3]], torch.tensor([200.0, 30.0]).log())
    torch.testing.assert_close(numbers[1, 0], torch.tensor(0.5).log())  # an image of no encoding


def test_either_vote_against_an_image_counts() -> None:
    """An image whose contrast alone came out negated: its mean outvotes that in one of the two votes."""
    count, times = 4, 6
    pixels = SHAPE[0] * SHAPE[1] * SHAPE[2]
    draw = torch.Generator().manual_seed(0)
    images = 1 + 0.3 * torch.randn(count, pixels, generator=draw)
    members = torch.arange(count).repeat(times)[:, None]
    mixing = Mixing(members, torch.ones(len(members), 1), torch.zeros(len(members)), count)
    values = (images[members[:, 0]] + 0.05 * torch.randn(len(members), pixels, generator=draw)).abs()
    found = images.clone()
    found[2] = 2 * images[2].mean() - images[2]
    estimate = Reconstruction(torch.cat([found, torch.zeros(1, pixels)]), torch.full((len(members),), 0.0025))
    signs = torch.ones_like(values)
    said = by_encodings(values, signs, mixing, estimate, SHAPE, signs, None)
    rest = [0, 1, 3]
    assert float(said[2, TURNED]) > 0.9 and float(said[rest, TURNED].max()) < 0.1
    assert float(said[2, UPRIGHT]) < -0.9 and float(said[rest, UPRIGHT].min()) > 0.9


def test_public_images_are_asked_which_way_up_an_image_is_where_they_are_photographs() -> None:
    mixtures, mixing = release()
    values, signs = mixtures.abs(), torch.sign(mixtures)

    def odds(polarity: Polarity | None) -> torch.Tensor:
        return asked(values, signs, mixing, None, polarity)[:, ODDS]

    sure, unsure = odds(Says(100.0)), odds(Says(1.0))
    torch.testing.assert_close(sure, torch.full((8,), 20.0))  # more makes no difference
    assert bool(((unsure > 1) & (unsure < 16)).all())  # each of up to 16 encodings by the image's share of it
    assert bool(torch.isnan(odds(Says(0.5))).all()) and bool(torch.isnan(odds(None)).all())
    assert bool(torch.isnan(odds(Says(-2.0))).all())  # eight images are not all negatives: the public ones are


def test_of_few_images_all_may_be_negatives() -> None:
    values = torch.randn(12, SHAPE[0] * SHAPE[1] * SHAPE[2], generator=torch.Generator().manual_seed(0))
    mixing = Mixing(torch.zeros(12, 1, dtype=torch.int64), torch.full((12, 1), 0.5), torch.full((12,), 0.5), 1)
    assert float(asked(values.abs(), torch.sign(values), mixing, None, Says(-2.0))[0, ODDS]) == -20.0

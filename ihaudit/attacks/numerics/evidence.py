"""What an attack knows about each image besides how it looks: whether its encodings bear it out."""

from __future__ import annotations

import torch
from torch import Tensor

from ihaudit.attacks.numerics.held_out import explained, grounds
from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.negated import votes_by_guesses, votes_to_turn
from ihaudit.attacks.numerics.public_polarity import FEWEST_IMAGES, ORDINARY, odds_of_images
from ihaudit.attacks.numerics.transforms import Shape
from ihaudit.nn.confidence import EVIDENCE
from ihaudit.nn.polarity import Polarity

#: columns: `second_image`, then `by_encodings`, of which this is the share, then so many of `counts`
SECOND, SHARE, COUNTS = 0, 1, 6
#: numbers of encodings and of images beyond which more make no difference
_MANY_ENCODINGS, _MANY_IMAGES = 200.0, 30.0
#: log odds beyond which more make no difference
_SURE = 20.0


def blank(images: int) -> Tensor:
    """Evidence float32 (N, EVIDENCE) where none was asked for."""
    return torch.full((images, EVIDENCE), float("nan"))


def counts(mixing: Mixing, noise: Tensor, *, told: bool, labels: bool) -> Tensor:
    """float32 (N, 6): logarithms of the number of encodings of each image, of their coefficients' squares, of their
    noise and of the number of images; whether labels tell the coefficients, and whether there are any.

    Args:
        noise: float32 (E,) variances.
    """
    n, there = mixing.unknowns, mixing.members >= 0
    ids = mixing.members.clamp_min(0).flatten()
    squares = torch.where(there, mixing.coefficients, 0.0).square()

    def total(amounts: Tensor) -> Tensor:
        return torch.zeros(n, device=noise.device).index_add_(0, ids, amounts.float().flatten())

    strength = total(squares)
    level = (total(squares * noise[:, None]) / strength.clamp_min(1e-9)).clamp_min(1e-12).sqrt()
    facts = [
        torch.full((n,), v, device=noise.device) for v in (min(float(n), _MANY_IMAGES), float(told), float(labels))
    ]
    logs = [total(squares > 0).clamp(0.5, _MANY_ENCODINGS), strength.clamp_min(1e-3), level, facts[0]]
    return torch.stack([*(v.log() for v in logs), *facts[1:]], 1)


def by_encodings(
    values: Tensor,
    signs: Tensor,
    mixing: Mixing,
    estimate: Reconstruction,
    shape: Shape,
    guesses: Tensor | None,
    polarity: Polarity | None,
) -> Tensor:
    """float32 (N, 8): `grounds`; by how many encodings each image would rather be turned (`votes_to_turn`, the larger),
    how many say that it is the right way up (`votes_by_guesses`, the smaller; nan without `guesses`), and the log odds
    by the public images beside it that it is (`odds_of_images`; nan without `polarity`, and where most public images
    are not the right way up, so that they are no photographs: of few images all may have come out as negatives, so
    that this is asked of many alone)."""
    rests = grounds(*explained(values, signs, mixing, estimate, shape), mixing)
    turned = votes_to_turn(values, mixing, estimate)[0].amax(0)
    upright, odds = (torch.full_like(turned, float("nan")) for _ in range(2))
    if guesses is not None:
        upright = votes_by_guesses(values, guesses, mixing, estimate.images).amin(0)
    if polarity is not None:
        found, average = odds_of_images(values, signs, mixing, estimate.images, shape, polarity)
        if average > ORDINARY or (mixing.unknowns < FEWEST_IMAGES and average < -ORDINARY):
            odds = found.clamp(-_SURE, _SURE)
    return torch.cat([rests, torch.stack([turned, upright, odds])]).T

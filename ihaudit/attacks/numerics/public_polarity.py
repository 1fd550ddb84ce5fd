"""Which way up encodings are, by what is left of them once their private images are taken out.

A release does not tell an image from its negative if signs are secret: turned, it explains the same magnitudes by
turned public parts.  But these are mixtures of photographs, and a photograph's negative is none
(`ihaudit.nn.polarity`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ihaudit.attacks.numerics.mixing import Mixing
from ihaudit.attacks.numerics.scratch import Rows
from ihaudit.nn.polarity import Polarity

Shape = tuple[int, int, int]

#: encodings of an image that are asked, those that hold it strongest
ASKED = 16
#: share of the mean public image that is taken out: where few encodings tell it from private images its error is as
#: large as it is, and turned images would be judged by one that is not
MEAN = 0.5
#: log odds that encodings must reach on average, or else public images are not known for photographs (0.9 to 1.9 where
#: they are, 0.6 and less where half of them are negatives)
ORDINARY = 0.75
#: of fewer images than this an average says nothing
FEWEST_IMAGES = 4
_ROWS = 256


@torch.no_grad()
def odds_of_images(
    values: Rows, signs: Tensor, mixing: Mixing, images: Tensor, shape: Shape, net: Polarity
) -> tuple[Tensor, float]:
    """Log odds that images are the right way up, at even prior odds, float32 (N,), 0 where nothing was asked; and the
    average of the encodings that were asked.

    The sum over an image's strongest encodings of `odds_of_encodings`, each by the image's share of all squared
    coefficients there: what is left of an encoding is turned with the strongest of its images.

    Args:
        values: (E, P) magnitudes; signs: (E, P) expected signs; images: float32 (N + 1, P); shape: (C, H, W).
    """
    n, e = mixing.unknowns, len(mixing)
    squares = torch.where(mixing.members >= 0, mixing.coefficients, 0.0).square()
    share = squares / squares.sum(1, keepdim=True).clamp_min(1e-9)
    ids, encoding = mixing.members.clamp_min(0).flatten(), torch.arange(e, device=squares.device)
    encoding = encoding[:, None].expand_as(mixing.members).flatten()
    # slots by image, strongest first, and which of its image's each one is
    order = torch.argsort(squares.flatten(), descending=True, stable=True)
    order = order[squares.flatten()[order] > 0]
    order = order[torch.argsort(ids[order], stable=True)]
    held = torch.bincount(ids[order], minlength=n)
    rank = torch.arange(len(order), device=order.device) - (held.cumsum(0) - held)[ids[order]]
    asked = order[rank < ASKED]
    which, place = encoding[asked].unique(return_inverse=True)
    odds = odds_of_encodings(values, signs, mixing, images, shape, net, which)
    out = torch.zeros(n, device=odds.device)
    average = float(odds.mean()) if len(odds) else 0.0
    return out.index_add_(0, ids[asked], share.flatten()[asked] * odds[place]), average


@torch.no_grad()
def odds_of_encodings(
    values: Rows, signs: Tensor, mixing: Mixing, images: Tensor, shape: Shape, net: Polarity, which: Tensor
) -> Tensor:
    """Log odds float32 (n,) that the public parts of encodings `which`, int64 (n,), are the right way up; further
    arguments as of `odds_of_images`."""
    known = torch.cat([images[:-1], MEAN * images[-1:]])
    out = torch.empty(len(which), device=images.device)
    for start in range(0, len(which), _ROWS):
        rows = which[start : start + _ROWS]
        part = mixing.some(rows)
        left = values[rows].float() * signs[rows].float() - part.forward(known, slice(None))
        out[start : start + _ROWS] = net(left.reshape(-1, *shape))
    return out

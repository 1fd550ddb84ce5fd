"""Whether an image's encodings predict each other: what a private image does, an average of unlike ones not.

Least squares makes an image of any encodings, and where coefficients are unknowns they are fitted to it as well:
classes of mixtures of public images came out as smooth averages that were said to be right.  Made without one of its
encodings, an image still explains that one; an average of unlike pictures does not.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.transforms import Shape, dct, low_frequencies

#: shares of what an image should explain, below which it is not believed and from which it wholly is.  Measured: up to
#: 0.16 for averages of mixtures of public images (a few above), 0.27 to 0.95 for images (reports/measurements/few.md)
NOTHING, ENOUGH = 0.16, 0.32
#: encodings up to which it is asked: averages of many are not sharp, and are told by their standard errors
MOST = 3000


def believed_held_out(share: Tensor) -> Tensor:
    """What is left of confidence in images that explain this share of what they should, in [0, 1]."""
    return ((share - NOTHING) / (ENOUGH - NOTHING)).clamp(0, 1)


def held_out_share(values: Tensor, signs: Tensor, mixing: Mixing, estimate: Reconstruction, shape: Shape) -> Tensor:
    """How much of an encoding's part in an image the image explains that was made without it, float32 (N,): about 1
    where it is as it should be, 0 where its encodings have nothing in common.

    Args:
        values: (E, P) magnitudes; signs: (E, P) expected signs; mixing: of the images, standing still.
        estimate: images (N + 1, P) and noise variances (E,).
    """
    count, members = mixing.unknowns, mixing.members
    level = estimate.noise.float().sqrt()[:, None]
    low = low_frequencies(shape).to(values.device)
    rows = dct(signs.float() * values.float(), shape)[:, low] / level
    rows = rows / rows.square().mean(0).sqrt().clamp_min(1e-12)
    held = torch.zeros(len(rows), count + 1, device=values.device)
    held.scatter_add_(1, members.clamp_min(0), torch.where(members >= 0, mixing.coefficients, 0.0))
    held[:, count] = mixing.share
    held /= level
    gram = held.T @ held
    gram += 1e-3 * gram.diagonal().mean().clamp_min(1e-8) * torch.eye(count + 1, device=values.device)
    inverse = torch.linalg.inv(gram)
    images = inverse @ (held.T @ rows)
    leverage = ((held @ inverse) * held).sum(1).clamp_max(0.9)
    left = (rows - held @ images) / (1 - leverage)[:, None]  # of what was made without the encoding
    out = torch.zeros(count, device=values.device)
    for image in range(count):
        own = torch.nonzero(held[:, image] > 0)[:, 0]
        if not len(own):
            continue
        amount = held[own, image, None]
        without = images[image] - (held[own] @ inverse[image])[:, None] * left[own]
        part = amount * without
        out[image] = ((left[own] + part) * part).sum() / part.square().sum().clamp_min(1e-9)
    return out

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
    where it is as it should be, 0 where its encodings have nothing in common; arguments as of `explained`."""
    told, whole = explained(values, signs, mixing, estimate, shape)
    return _by_image(told, mixing) / _by_image(whole, mixing).clamp_min(1e-9)


def explained(
    values: Tensor, signs: Tensor, mixing: Mixing, estimate: Reconstruction, shape: Shape
) -> tuple[Tensor, Tensor]:
    """What the image in each slot, made without the encoding, explains of it, and what it should, float32 (E, s) each,
    in units of the noise's variance; both 0 in slots without an image.

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
    pull = held @ inverse
    leverage = (pull * held).sum(1).clamp_max(0.9)
    left = (rows - held @ images) / (1 - leverage)[:, None]  # of what was made without the encoding
    told, whole = (torch.zeros(members.shape, device=values.device) for _ in range(2))
    for slot in range(members.shape[1]):
        # an image in two slots of an encoding is one part of it
        there = (members[:, slot] >= 0) & (members[:, :slot] != members[:, slot, None]).all(1)
        ids = members[:, slot].clamp_min(0)[:, None]
        without = images[ids[:, 0]] - pull.gather(1, ids) * left
        part = held.gather(1, ids) * without
        told[:, slot] = ((left + part) * part).sum(1) * there
        whole[:, slot] = part.square().sum(1) * there
    return told, whole


def grounds(told: Tensor, whole: Tensor, mixing: Mixing) -> Tensor:
    """On what the share of `held_out_share` rests, float32 (5, N), from the answers of `explained`.

    The share itself; how uneven it is from encoding to encoding, as a logarithm of the variance over what noise makes;
    the logarithm of the number of encodings that it rests on, strong ones alone counting; the part of what should be
    explained that lies in encodings of which little is; and the share of the *other* images in encodings in which an
    image is the strongest: where an image is negated, whole encodings were turned with it, so that their other images
    are there with the wrong sign.
    """
    total = _by_image(whole, mixing)
    floor = total.clamp_min(1e-9)
    share = _by_image(told, mixing) / floor
    own = told / whole.clamp_min(1e-9)
    count = _by_image((whole > 0).float(), mixing)
    off = own - share[mixing.members.clamp_min(0)]
    uneven = _by_image(off.square() * whole, mixing) / (count - 1).clamp_min(1)
    effective = total.square() / _by_image(whole.square(), mixing).clamp_min(1e-9)
    little = _by_image(whole * (own < ENOUGH), mixing) / floor
    led = whole > whole.sum(1, keepdim=True) / 2
    beside = [_by_image((v.sum(1, keepdim=True) - v) * led, mixing) for v in (told, whole)]
    nan = torch.full_like(share, float("nan"))
    other = torch.where(beside[1] > 0, beside[0] / beside[1].clamp_min(1e-9), nan)
    return torch.stack([share, (uneven + 1e-2).log(), effective.clamp_min(0.5).log(), little, other])


def _by_image(amounts: Tensor, mixing: Mixing) -> Tensor:
    """Sums float32 (N,) of amounts (E, s) over the slots that hold each image."""
    out = torch.zeros(mixing.unknowns, device=amounts.device)
    return out.index_add_(0, mixing.members.clamp_min(0).flatten(), (amounts * (mixing.members >= 0)).flatten())

"""Whether the encodings of an image hold one image: what a second one among them leaves in their residuals.

Least squares makes of a cluster with encodings of two images, or of two poses of one, the average of both, and small
standard errors say that it is well known.  The residuals know better: those of one image's encodings have its
difference from the average in common, those of the other's the same difference with the other sign.  One such
component stands out of residuals that are otherwise independent.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.moved_mixing import MovedMixing
from ihaudit.attacks.numerics.scratch import Rows, hand_back_pages
from ihaudit.attacks.numerics.transforms import MAX_FREQUENCIES, Shape, dct, low_frequencies

#: encodings of an image that are looked at, the strongest ones, and fewest
EACH, FEWEST = 120, 6
#: frequencies that are looked at, as a share of all: two poses of one image differ in the finer ones, which matter less
COARSE = 0.3
#: strengths between which an image is ever less believed, and what is left of its confidence then.  Measured: at most
#: 0.23 where images reach SSIM 0.8 to 0.99, 0.43 to 0.66 where they are averages of two images or poses and reach 0.45
#: to 0.88 (reports/measurements/augmented.md)
NONE, HALVES, BELIEVED = 0.2, 0.5, 0.63
#: strength from which an image is said to be an average
AVERAGE = 0.4
#: the same of the `SCATTERED` strongest components together, where images move: at most 0.24 for 19 of 20 images that
#: reach 0.92 to 0.98, 0.20 to 1.47 for 20 averages of copies in many poses that reach 0.20 to 0.73
SCATTERED, FROM, TO, LEFT = 10, 0.2, 0.55, 0.4
_ROWS = 512


def believed(strength: Tensor) -> Tensor:
    """What is left of confidence in images beside which there is a second one of such strength, in [`BELIEVED`, 1]."""
    return 1 - (1 - BELIEVED) * ((strength - NONE) / (HALVES - NONE)).clamp(0, 1)


def believed_moving(strength: Tensor) -> Tensor:
    """`believed` by the strength of `SCATTERED` components, where images move; in [`LEFT`, 1]."""
    return 1 - (1 - LEFT) * ((strength - FROM) / (TO - FROM)).clamp(0, 1)


def second_image(
    values: Rows, signs: Rows, mixing: Mixing, estimate: Reconstruction, shape: Shape, *, rank: int = 1
) -> Tensor:
    """How strong a second image is beside each, float32 (N,): about 0 where there is none.

    It is the variance that one component of the residuals has, as a share of the image's own energy, in the space in
    which residuals are white: 1 where half of the encodings are another image's, 0.2 where a tenth are.

    Args:
        values: (E, P) magnitudes; signs: (E, P) expected signs; mixing: of the images.
        estimate: images (N + 1, P) and noise variances (E,).
        rank: components that are looked at; copies in many poses differ in more than one.
    """
    count, images = mixing.unknowns, estimate.images
    keep = low_frequencies(shape)
    h, w = (min(n, MAX_FREQUENCIES) for n in shape[1:])
    at = keep % (h * w)
    keep = keep[(at // w / h + at % w / w) < COARSE].to(values.device)
    out = torch.zeros(count, device=values.device)
    level = estimate.noise.float().sqrt()
    strength = torch.where(mixing.members >= 0, mixing.coefficients, 0.0) / level[:, None]
    gain = _gain(values, signs, mixing, estimate, shape, keep)
    own = dct(images[:-1].float(), shape)[:, keep] * gain
    # the only image of a release has no other images to differ from, but differs from the mean public one
    other = own.mean(0) if count > 1 else dct(images[-1:].float(), shape)[:, keep] * gain
    energy = (own - other).square().sum(1)
    # columns of one spatial frequency err together: whole diagonals go to one half or the other
    side = torch.arange(len(keep), device=keep.device) % 2 == 0
    order = torch.argsort(mixing.members.flatten(), stable=True)
    held = mixing.members.flatten()[order]
    bounds = torch.searchsorted(held, torch.arange(count + 1, device=held.device)).tolist()
    for image in range(count):
        places = order[bounds[image] : bounds[image + 1]]
        if len(places) < FEWEST:
            continue
        weight = strength.flatten()[places]
        places = places[weight.topk(min(EACH, len(places))).indices]
        hand_back_pages()
        rows, slot = places // mixing.members.shape[1], places % mixing.members.shape[1]
        left = _residual(values, signs, mixing, images, rows)
        if isinstance(mixing, MovedMixing):
            left = mixing.motions.back(left, mixing.moved[rows, slot])
        y = dct(left, shape)[:, keep] * gain / level[rows, None]
        a = strength[rows, slot]
        first, second = y[:, side], y[:, ~side]
        found = 0.0
        for one, other in ((first, second), (second, first)):
            gram = one @ one.T
            gram.fill_diagonal_(0)
            lead = torch.linalg.eigh(gram)[1][:, -rank:]
            check = other @ other.T
            check.fill_diagonal_(0)
            found += float((lead * (check @ lead)).sum())
        out[image] = found / float(a.square().sum().clamp_min(1e-9)) / float(energy[image].clamp_min(1e-9))
    return out


def _residual(values: Rows, signs: Rows, mixing: Mixing, images: Tensor, rows: Tensor) -> Tensor:
    some = mixing.some(rows)
    return signs[rows].float() * values[rows].float() - some.forward(images, slice(None)).float()


def _gain(values: Rows, signs: Rows, mixing: Mixing, estimate: Reconstruction, shape: Shape, keep: Tensor) -> Tensor:
    """float32 (D,): residuals over their noise have unit variance times it."""
    sample = torch.arange(0, len(values), max(1, len(values) // 1000), device=values.device)
    total = torch.zeros(len(keep), device=values.device)
    for rows in sample.split(_ROWS):
        left = _residual(values, signs, mixing, estimate.images, rows)
        total += (dct(left, shape)[:, keep] / estimate.noise[rows, None].float().sqrt()).square().sum(0)
    power = total / len(sample)
    return 1 / (power + 1e-3 * power.median()).sqrt().clamp_min(1e-12)

"""By which kind of motion the images of a release were moved, judged by what explains its encodings best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ihaudit.attacks.numerics.members import TEMPER
from ihaudit.attacks.numerics.motions import Motions, shifts, stretches, turns
from ihaudit.attacks.numerics.moved_members import Moved, handicaps
from ihaudit.attacks.numerics.transforms import Shape
from ihaudit.scheme import Augmentation

#: images that are looked at, and strong encodings of each
IMAGES, EACH = 6, 40
#: an encoding of which an image is made to a larger share than this says too little of where that image lies in it
OWN = 0.05
#: nats by which an encoding must be explained better, on average, where about half of them hold a moved image, and how
#: many standard errors that must be.  Measured: -0.7 to -0.4 where none is moved, 1.9 to 11 where they are turned by
#: eps 0.1 to 0.5 of Luo et al. (reports/measurements/augmented.md)
BETTER, SURE = 1.0, 3.0
#: and fewest places of images in encodings that can say so: six encodings of noise did, and thirty of public images
LEAST = 60
#: widths of stretches that are tried, as shares of the side
WIDTHS = (0.1, 0.3, 0.5)
#: turns that are tried, by up to so many degrees in steps of so many; and degrees between those by which encodings are
#: grouped.  The wider ones where the others gain so much at least: -0.7 is nothing
DEGREES = ((15.0, 2.5, 4.0), (45.0, 5.0, 6.0))
HINT = -0.4


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of motion.

    Attributes:
        group: all its motions; motions: those of it that are tried; spacing: pixels between them at the border.
        wide: motions from one copy to another, by which encodings are grouped; None where there are too many.
    """

    group: Augmentation
    motions: Motions
    spacing: float = 1.0
    wide: Motions | None = None


def stretched(shape: Shape, width: float, *, mirror: bool) -> Kind:
    """Stretches and shifts by up to a share of the side."""
    group = Augmentation(shift=width / 2, mirror=mirror, stretch=width)
    steps = 3 if width < 0.2 else 5
    spacing = 0.8 * width * min(shape[1:]) / (steps - 1)
    return Kind(group, stretches(shape, width, steps=steps, mirror=mirror), spacing)


def how_wide(theta: Tensor, mass: Tensor, shape: Shape) -> float:
    """Of `WIDTHS`, by which images were stretched whose copies are moved by `theta` about their mean.

    Args:
        theta: float32 (n, 2, 3); mass: float32 (n,), coefficients of the copies: the stronger half has a say.
    """
    own = theta[mass >= mass.median()] if len(mass) else theta
    far = []
    for axis, size in ((0, shape[2]), (1, shape[1])):
        longer, middle = (own[:, axis, axis].abs() - 1) * (size - 1) / 2, own[:, axis, 2]
        far += [(middle + longer).abs() / size, (middle - longer).abs() / size]
    # either end of an axis moves by as much as half the width, one as likely as another
    width = 4 * float(torch.cat(far).median()) if len(own) else 0.0
    return min(WIDTHS, key=lambda w: abs(math.log(w / max(width, 1e-6))))


def kinds(shape: Shape, fill: float, reach: int, *, mirror: bool, far: bool = True) -> list[Kind]:
    """The kinds that are tried; `reach`: of the shifts that pairs of encodings show; `far`: the widest turns too."""
    out = [Kind(Augmentation(shift=float(reach), mirror=mirror), shifts(shape, reach, mirror=mirror, fill=fill))]
    out += [stretched(shape, width, mirror=mirror) for width in WIDTHS]
    for degrees, step, wide_step in DEGREES if far else DEGREES[:1]:
        for border in (None, fill):
            group = Augmentation(rotation=degrees, mirror=mirror)
            spacing = math.radians(step) * min(shape[1:]) / 2
            wide = turns(shape, 2 * degrees, mirror=mirror, fill=border, step=wide_step, reach=0)
            out.append(Kind(group, turns(shape, degrees, mirror=mirror, fill=border, step=step), spacing, wide))
    return out


def surveyed(observed: Moved, fill: float, reach: int, *, mirror: bool) -> tuple[Kind | None, dict[str, float]]:
    """`likeliest` of all `kinds`, the widest turns only where others hint at them."""
    tried = kinds(observed.shape, fill, reach, mirror=mirror, far=False)
    kind, gains = likeliest(observed, tried)
    if any(gains.get(_name(k), HINT) > HINT for k in tried if k.group.rotation):
        return likeliest(observed, kinds(observed.shape, fill, reach, mirror=mirror))
    return kind, gains


def likeliest(observed: Moved, tried: Sequence[Kind]) -> tuple[Kind | None, dict[str, float]]:
    """The kind that explains encodings best; None where standing still does.

    Args:
        observed: with images that stand still in it, or move by the first of `tried`.
        tried: kinds of motion; a larger one must be as much better as its number of motions makes it by chance.

    Returns:
        The kind, and by its words the mean gain of each in nats, over no motion, where half of the copies are moved.
    """
    mixing = observed.mixing
    device = observed.images.device
    weight = torch.where(mixing.members >= 0, observed.mass, 0.0)
    count = torch.zeros(mixing.unknowns, device=device)
    count.index_add_(0, mixing.members.clamp_min(0).flatten(), (weight**2 / observed.noise[:, None]).flatten())
    handicap, leverage = handicaps(observed), observed.leverage()
    gains: dict[str, list[Tensor]] = {}
    still: list[Tensor] = []
    for image in count.topk(min(IMAGES, mixing.unknowns)).indices.tolist():
        rows, slot = torch.nonzero(mixing.members == image, as_tuple=True)
        if not len(rows):
            continue
        value = weight[rows, slot] ** 2 / observed.noise[rows]
        value = torch.where(leverage[rows, slot] > OWN, -value, value)
        strong = value.topk(min(EACH, len(rows))).indices
        rows, slot = rows[strong], slot[strong]
        left = observed.some(rows)
        for other in range(mixing.members.shape[1]):
            amount = torch.where(slot == other, torch.zeros_like(weight[rows, other]), weight[rows, other])
            held = observed.seen(mixing.members[rows, other].clamp_min(0), mixing.moved[rows, other])
            left -= amount[:, None] * held
        mass = weight[rows, slot, None]
        precision = TEMPER / observed.noise[rows]
        none = observed.copies(observed.images[image], Motions(torch.eye(2, 3)[None], observed.shape, None))[0]
        own = handicap[rows, slot]
        plain = precision * (mass[:, 0] * (left @ none) - mass[:, 0] ** 2 * none.square().sum() / 2 - own)
        still.append(plain)
        for kind in tried:
            copies = observed.copies(observed.images[image], kind.motions)
            score = mass * (left @ copies.T) - mass**2 * copies.square().sum(1) / 2
            # what stands still, or nearly, explains its own noise in part whatever kind it is of
            near = (copies @ none) / (copies.norm(dim=1) * none.norm()).clamp_min(1e-9)
            score = score - own[:, None] * near.clamp_min(0)
            any_motion = torch.logsumexp(precision[:, None] * score, 1) - math.log(len(kind.motions))
            gains.setdefault(_name(kind), []).append(_mixed(any_motion - plain))
    if not still:
        return None, {}
    means = {name: float(torch.cat(g).mean()) for name, g in gains.items()}
    best = max(tried, key=lambda kind: means[_name(kind)], default=None)
    if best is None:
        return None, means
    gain = torch.cat(gains[_name(best)])
    error = float(gain.std()) / math.sqrt(max(len(gain), 1))
    if len(gain) < LEAST or means[_name(best)] < max(BETTER, SURE * error):
        return None, means
    return best, means


def _mixed(gain: Tensor) -> Tensor:
    """What a row gains where it is moved or is not, each as likely as the other: many are hardly moved."""
    return torch.logaddexp(gain, torch.zeros_like(gain)) - math.log(2)


def _name(kind: Kind) -> str:
    return kind.group.words() + ("" if kind.motions.fill is None else ", black beyond the border")

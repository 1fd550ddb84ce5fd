"""Whether the images of a grouping are more than there are, by what all images of an encoding explain together.

Grouping looks at the images of one class at a time.  Where there are few images, an encoding's other image is one of
few as well, so that encodings of one image fall into parts by their companions, and each part passes for an image: of
3 images 9 were found.  Solved for together, images explain their companions away.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.labels import Slots, multiplicities
from ihaudit.attacks.numerics.sizes import GUESSED, STEP, WORTH, Sizes
from ihaudit.attacks.numerics.transforms import Shape, dct, low_frequencies

#: images up to which companions can pass for images: beyond, any two images meet too seldom
FEW = 24
#: and clusters up to which a grouping may be of so few: it makes some to spare
SPARED = round(FEW * STEP)
#: where all encodings hold one image, one direction stands out by so much from the next, and that one by less ...
ALONE, NEXT = 4.0, 2.0
#: ... or, where it stands out by more than this, by less than so much
CLEAR, NEXT_CLEAR = 8.0, 3.0
#: ... and its part in an encoding varies about what the labels say by less (measured: 0.14 to 0.29; two images 0.39 up)
EVEN = 0.35
#: fewest encodings that can show it: of three of smooth noise, one direction stood out by chance (2 of 12 times)
FEWEST = 6
#: encodings in which such a direction is looked for: a decomposition of thousands would cost more than the attack
LOOKED_AT = 400
_ROWS = 2048
#: smaller numbers of images that are tried where the label counts show none
SHARES = (0.8, 0.65, 0.5, 1 / 3)


def explained(rows: Tensor, weight: Tensor, members: NDArray[np.int64], mass: NDArray[np.float32], count: int) -> float:
    """What images explain of mixtures that they were not solved from, in nats; negative where they explain nothing.

    Args:
        rows: float32 (E, D) whitened mixtures with their signs right; weight: float32 (E,) inverse noise variances.
        members: int64 (E, s), -1 for none; mass: float32 (E, s) coefficients.
        count: number of images.
    """
    known = torch.from_numpy(members).to(rows.device)
    c = torch.zeros(len(rows), count, device=rows.device)
    c.scatter_add_(1, known.clamp_min(0), torch.where(known >= 0, torch.from_numpy(mass).to(rows.device), 0.0))
    weighted = c * weight[:, None]
    gram = weighted.T @ c
    gram += 1e-3 * gram.diagonal().mean().clamp_min(1e-8) * torch.eye(count, device=rows.device)
    inverse = torch.linalg.inv(gram)
    left = rows - c @ (inverse @ (weighted.T @ rows))
    leverage = ((c @ inverse) * weighted).sum(1).clamp_max(0.9)
    lost = (left**2).sum(1) / (1 - leverage) ** 2
    return float((weight * ((rows**2).sum(1) - lost)).sum() / 2)


def smaller(slots: Slots, sizes: Sizes) -> list[int]:
    """Smaller numbers of images to try, falling; none where images are many or their number was stated."""
    count = int(sizes.per_class.sum())
    if not 1 < count <= (SPARED if sizes.source == GUESSED else FEW) or "best grouping" not in sizes.source:
        return []
    totals = int(slots.totals().sum())
    if sizes.exact:
        found = {round(totals / m) for m in multiplicities(slots)}
    else:
        found = {round(count * share) for share in SHARES}
    return sorted({n for n in found if 1 <= n < count}, reverse=True)


def fewest(count: int, others: list[int], worth: Callable[[int], float]) -> int:
    """The smallest number of images from which on further ones bring too little (`sizes.WORTH`).

    Args:
        count: the number found; others: smaller ones, falling.
        worth: `explained` with so many images.
    """
    values = {n: worth(n) for n in (count, *others)}
    best = min(values)
    for n in sorted(values):
        more = WORTH * max(values[best], 0.0) / best * (n - best)
        if values[n] - max(values[best], 0.0) > more:
            best = n
    return best


def only_image(mixtures: Callable[[Tensor], Tensor], mass: Tensor, shape: Shape) -> tuple[Tensor, Tensor] | None:
    """Signs float32 (E,) under which all mixtures hold one and the same image, and its coefficients (E,), 1 on average;
    None where they do not.

    What all encodings share is taken for the mean by whatever compares encodings with each other, so that a release of
    one image looks like one of noise.  It shows in the mixtures as they are: one direction stands out, no second does,
    and it is in all of them as strong as it should be.

    Args:
        mixtures: float (n, P) of rows int64 (n,), unmasked, each known up to its sign.
        mass: float32 (E,), what the labels say of the image's coefficient; any constant where they say nothing.
    """
    if len(mass) < FEWEST:
        return None
    every = torch.arange(len(mass), device=mass.device)
    low = low_frequencies(shape).to(mass.device)
    rows = dct(mixtures(every[:: -(-len(mass) // LOOKED_AT)]).float(), shape)[:, low]
    left = rows
    for _ in range(2):  # whitened by what the image leaves, which is known better the second time
        scale = left.square().mean(0).sqrt()
        scale = (scale + 1e-3 * scale.median()).clamp_min(1e-12)
        u, s, v = torch.linalg.svd(rows / scale, full_matrices=False)
        left = rows - u[:, :1] * (u[:, :1].T @ rows)
    first, second, third = (float(x) ** 2 for x in s[:3])
    if first <= ALONE * second or second >= (NEXT_CLEAR if first > CLEAR * second else NEXT) * third:
        return None
    direction = v[0] / scale
    strength = torch.cat([dct(mixtures(part).float(), shape)[:, low] @ direction for part in every.split(_ROWS)])
    relative = strength.abs() / mass.clamp_min(1e-3)
    if float(relative.std() / relative.mean()) >= EVEN:
        return None
    # a mask network guesses most signs right
    return torch.where(strength * strength.sum() < 0, -1.0, 1.0), strength.abs() / strength.abs().mean()

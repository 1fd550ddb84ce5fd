"""Images of encodings that hold private images and nothing else, from unmasked mixtures.

Without public images, mixtures of N images span N directions, however many images each of them holds and whatever
labels say.  In these directions an image's coefficients are never negative and mostly zero, hence skewed: images lie
where third moments are largest (tensor power method; Anandkumar et al., Tensor decompositions for learning latent
variable models, JMLR 15, 2014).  Then coefficients, few in each encoding, and images follow in turn by least squares,
and since the coefficients of an encoding sum to one, so does how strong each image is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

#: share of the power beyond the first direction that those which are looked at leave.  Twenty to a hundred images as
#: the network unmasks them blindly span fewer than a fifth more; where public images are mixed in, a quarter of all
#: encodings span less than half of it
LEFT = 0.03
#: encodings for each direction at least, and directions up to which they are looked at
EACH, MOST_DIRECTIONS = 6, 300
#: directions in which images are looked for at least: of fewer images an encoding may hold all
FEWEST = 6
#: images of an encoding at most, and as a share of all images: else coefficients are not mostly zero
MOST_HELD, SPARSE = 6, 0.5
#: coefficient that counts, of a sum of one; and share of encodings that hold no more images than slots are made for
COUNTS, COVERED = 0.03, 0.98
#: share of the median image's weight in all encodings below which an image is a direction of noise (weights of 50
#: images: 0.9 of it and more, of such directions up to 0.6)
FAINT = 0.6
#: cosine with another image, of which it has less than such a share of the power, from which it is that one again
ECHO, WEAKER = 0.9, 0.4
#: how much images are held to be equally strong, as a share of what encodings say of one
EVEN = 1.0
_STEPS, _TURNS, _AGAIN, _SWEEPS, _ALIKE = 100, 3, 2, 20, 1e-6
#: encodings whose products with all images are held at once
_ROWS = 4096
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Alone:
    """What encodings are made of.

    Attributes:
        images: float32 (N, P), in mixing units.
        members: int64 (E, s), -1 for none; coefficients: float32 (E, s), of sum one.
        turned: bool (E,), encodings that were given with the wrong sign.
        left: share of the power beyond the first direction that is not explained.
    """

    images: Tensor
    members: NDArray[np.int64]
    coefficients: Floats
    turned: Tensor
    left: float

    def mixtures(self) -> Tensor:
        """float32 (E, P) as they were given, made of the images."""
        ids = torch.from_numpy(self.members).to(self.images.device)
        amounts = torch.from_numpy(self.coefficients).to(self.images.device)
        dense = torch.zeros(len(ids), len(self.images), device=ids.device).scatter_add_(1, ids.clamp_min(0), amounts)
        return (dense * torch.where(self.turned, -1.0, 1.0)[:, None]) @ self.images


def directions(mixtures: Tensor) -> int | None:
    """In how many directions of float32 (E, P) images are to be looked for; None where there are too many."""
    most = min(MOST_DIRECTIONS, min(mixtures.shape) // EACH)
    power = _powers(mixtures)
    beyond = power[1:].sum() - power[1:].cumsum(0)
    if most < FEWEST or not float(power[1:].sum()) > 0:
        return None
    count = max(FEWEST, 2 + int((beyond > LEFT * power[1:].sum()).sum()))
    return count if count <= most else None


def images_alone(
    mixtures: Tensor, count: int, seed: int, *, n_private: int | None = None, rough: bool = False
) -> Alone | None:
    """The images of which float32 (E, P) are sparse averages, in `count` directions; None where they are none."""
    left, strength, _ = torch.linalg.svd(mixtures.float(), full_matrices=False)
    rows = left[:, :count] * strength[:count]
    amounts = _skewed(left[:, :count] * len(rows) ** 0.5, seed).clamp_min(0)
    images, turned = _solved(amounts, rows), torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    for _ in range(_TURNS):
        amounts, turned = _sparse(rows, images)
        images = _solved(amounts, torch.where(turned[:, None], -rows, rows))
    while True:
        for _ in range(_AGAIN):
            amounts, turned = _sparse(rows, images)
            images = _solved(amounts, torch.where(turned[:, None], -rows, rows))
        weight = amounts.sum(0)  # images lie in whitened directions as yet, where all are as strong
        stays = (weight > FAINT * weight.median()) & ~_echoes(amounts, images)
        if n_private is not None and int(stays.sum()) > n_private:
            stays &= weight >= weight.topk(n_private).values[-1]
        if rough or bool(stays.all()):
            break
        images = images[stays]
    if len(images) < 2:
        return None
    if not rough:  # else directions of noise are among them, and sums say nothing
        amounts = amounts * _strengths(amounts)
    amounts = torch.where(amounts > COUNTS * amounts.sum(1, keepdim=True), amounts, 0.0)
    held = (amounts > 0).sum(1)
    slots = max(1, int(torch.quantile(held.float(), COVERED).ceil()))
    if slots > SPARSE * len(images):
        return None
    mass, members = amounts.topk(slots, 1)
    dense = torch.zeros_like(amounts).scatter_(1, members, mass)
    own = torch.where(turned[:, None], -1.0, 1.0) * mixtures
    found = _solved(dense, own)
    beyond = strength[1:].square().sum().clamp_min(1e-12)
    unexplained = float((own - dense @ found).square().sum() / beyond)
    ids = torch.where(mass > 0, members, -1)
    return Alone(found, ids.cpu().numpy(), mass.float().cpu().numpy(), turned, unexplained)


def _echoes(amounts: Tensor, images: Tensor) -> Tensor:
    """bool (N,): faint copies of stronger images, made of what these leave."""
    power = amounts.square().sum(0) * images.square().sum(1)
    unit = images / images.norm(dim=1, keepdim=True).clamp_min(1e-9)
    result: Tensor = ((unit @ unit.T > ECHO) & (power[:, None] < WEAKER * power)).any(1)
    return result


def _strengths(amounts: Tensor) -> Tensor:
    """Factors (N,) with which coefficients (E, N) sum to one, none far from what they have in common."""
    total = amounts.sum(1)
    common = total.sum() / total.square().sum().clamp_min(1e-12)
    gram = amounts.T @ amounts
    gram += EVEN * gram.diagonal().mean() * torch.eye(len(gram), device=gram.device)
    own = torch.linalg.solve(gram, amounts.T @ (1 - common * total))
    result: Tensor = (common + own).clamp_min(0.3 * common)
    return result


def _powers(mixtures: Tensor) -> Tensor:
    """Power along each direction, float64, falling."""
    x = mixtures.double()
    result: Tensor = torch.linalg.eigvalsh(x @ x.T if len(x) < x.shape[1] else x.T @ x).flip(0).clamp_min(0)
    return result


def _skewed(whitened: Tensor, seed: int) -> Tensor:
    """(E, n) rows along those orthogonal directions in which third moments are largest."""
    n = whitened.shape[1]
    start = torch.randn(n, n, generator=torch.Generator().manual_seed(seed % 2**31))
    along = torch.linalg.qr(start)[0].to(whitened.device)
    for _ in range(_STEPS):
        u, _, v = torch.linalg.svd(whitened.T @ (whitened @ along).square() / len(whitened))
        before, along = along, u @ v
        if float((before * along).sum(0).min()) > 1 - _ALIKE:
            break
    result: Tensor = whitened @ along
    return result


def _solved(amounts: Tensor, rows: Tensor) -> Tensor:
    """Least squares: float32 (N, D) of which rows (E, D) are `amounts` (E, N)."""
    gram = amounts.T @ amounts
    gram += 1e-6 * gram.diagonal().mean().clamp_min(1e-9) * torch.eye(len(gram), device=gram.device)
    result: Tensor = torch.linalg.solve(gram, amounts.T @ rows)
    return result


def _sparse(rows: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
    """Coefficients (E, N), few and none negative, of rows (E, D) or of their negatives, and bool (E,) which these
    are."""
    gram, parts = images @ images.T, []
    for part in rows.split(_ROWS):
        dots = part @ images.T
        (as_is, gained), (negative, other) = _pursued(dots, gram), _pursued(-dots, gram)
        turned = other > gained
        parts.append((torch.where(turned[:, None], negative, as_is), turned))
    amounts, turned = (torch.cat(p) for p in zip(*parts, strict=True))
    return torch.where(amounts > COUNTS * amounts.sum(1, keepdim=True), amounts, 0.0), turned


def _pursued(dots: Tensor, gram: Tensor) -> tuple[Tensor, Tensor]:
    """Coefficients (E, N) of at most `MOST_HELD` images, and what they explain (E,), by orthogonal matching pursuit
    with none negative (Bruckstein, Elad, Zibulevsky 2008)."""
    energy, n = gram.diagonal().clamp_min(1e-9), len(gram)
    out = torch.zeros_like(dots)
    ids = torch.empty(len(dots), 0, dtype=torch.long, device=dots.device)
    amount = torch.empty(len(dots), 0, device=dots.device)
    for held in range(min(MOST_HELD, n)):
        score = (dots - out @ gram).clamp_min(0).square() / energy
        ids = torch.cat([ids, score.scatter(1, ids, -1.0).argmax(1, keepdim=True)], 1)
        amount = torch.cat([amount, torch.zeros_like(score[:, :1])], 1)
        own, seen = gram[ids[:, :, None], ids[:, None]], dots.gather(1, ids)
        for _ in range(_SWEEPS):
            for j in range(held + 1):
                rest = seen[:, j] - (own[:, j] * amount).sum(1)
                amount[:, j] = (amount[:, j] + rest / own[:, j, j].clamp_min(1e-9)).clamp_min(0)
        out = torch.zeros_like(dots).scatter_(1, ids, amount)
    return out, (out * dots).sum(1) - (out * (out @ gram)).sum(1) / 2

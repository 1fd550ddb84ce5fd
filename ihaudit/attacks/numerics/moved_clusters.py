"""Which encodings of one class hold the same image where images were mirrored and shifted anew for every use.

As `clusters`, with the motion of every encoding as a further unknown.  Whitened mixtures, as the mask recovery network
unmasked them, are compared under all shifts and both mirrors at once by Fourier transforms; two strong encodings of one
image stand out at the right motion.  Each strong encoding gathers those that look most like it, aligned to it, several
times over; of the averages that come out, the best ones that share few encodings are the images to start from, and EM
over image, motion and global sign follows.  A mean over encodings that are not aligned has no contrast to attract any,
so that mirrored copies do not end up in one average.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor

from ihaudit.attacks.numerics.clusters import sinkhorn
from ihaudit.attacks.numerics.features import LEAST_POWER, regress_out
from ihaudit.attacks.numerics.transforms import Shape
from ihaudit.nn.scales import colours

#: weight of log-likelihoods: neighbouring frequencies err together
TEMPER = 0.5
#: starts per image and strong encodings per image that are looked at for them, and encodings that each start gathers
STARTS, STRONG, GATHERED = 8, 25, (6, 12, 25)
#: starts per image that are left to the last
LEFT = 4
#: share of its encodings that a start may have in common with a better one
SHARED = 0.4
_VALUES = 4_000_000  # of products held at once


class Look(Protocol):
    """Encodings as they are compared with centres, which are of the form of `straight`, under all motions.

    `straight`: the encodings; `weight`: float32 (n,) inverse noise variances.
    """

    @property
    def straight(self) -> Tensor: ...

    @property
    def weight(self) -> Tensor: ...

    def __len__(self) -> int: ...

    def some(self, rows: Tensor) -> Self:
        """The part of the encodings `rows`."""
        ...

    def power(self, centres: Tensor) -> Tensor:
        """float32 (K,): squared norms of centres."""
        ...

    def own(self, motion: Tensor) -> Tensor:
        """float32 (n, K): the inner product of each encoding with itself, aligned by motions (n, K) and moved back."""
        ...

    def best(self, centres: Tensor, own: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Modulus, motion and sign (n, K) of the largest correlation of each encoding with each centre.

        Args:
            centres: K of them.
            own: motions int64 (n, K) and what is taken off the correlations there, float32 (n, K).
        """
        ...

    def aligned(self, motion: Tensor) -> Tensor:
        """The encodings (n, ...), each moved to where its centre is by its motion int64 (n,)."""
        ...


@dataclass(frozen=True, eq=False)
class Spectra:
    """Whitened spectra of mixtures, compared under all shifts and both mirrors: a `Look`.

    Attributes:
        straight, mirrored: complex64 (n, C, H, W // 2 + 1), of the mixtures and of their mirror images.
        weight: float32 (n,) inverse noise variances.
        width: W.
        reach: shifts that are looked at, along each axis.
    """

    straight: Tensor
    mirrored: Tensor
    weight: Tensor
    width: int
    reach: int

    @classmethod
    def of(cls, mixtures: Tensor, mass: Tensor, shape: Shape, reach: int) -> Spectra:
        """From mixtures (n, P) in float16 or float32 and the coefficients (n, s) of private images."""
        c, h, w = shape
        share = 1 - mass.sum(1)
        y = regress_out(mixtures.float(), torch.stack([torch.ones_like(share), share], 1)).view(-1, c, h, w)
        if c == 3:
            y = torch.einsum("dc,nchw->ndhw", colours().to(y), y)
        straight, mirrored = torch.fft.rfft2(y), torch.fft.rfft2(y.flip(3))
        power = straight.abs().square().mean(0)
        power += LEAST_POWER * power.median()
        low = 2 * torch.fft.fftfreq(h).abs()[:, None] + 2 * torch.fft.rfftfreq(w)[None] < 1
        gain = low.to(y.device) / power.sqrt()
        straight, mirrored = straight * gain, mirrored * gain
        energy = _energy(straight, w)
        return cls(straight, mirrored, 1 / (energy / energy.mean()).clamp_min(1e-3), w, reach)

    def some(self, rows: Tensor) -> Spectra:
        """The part of the encodings `rows`."""
        return Spectra(self.straight[rows], self.mirrored[rows], self.weight[rows], self.width, self.reach)

    def __len__(self) -> int:
        return len(self.weight)

    @property
    def energy(self) -> Tensor:
        """float32 (n,): squared norms."""
        return _energy(self.straight, self.width)

    def power(self, centres: Tensor) -> Tensor:
        """See `Look.power`."""
        return _energy(centres, self.width)

    def own(self, motion: Tensor) -> Tensor:
        """See `Look.own`; no motion loses anything."""
        return self.energy[:, None].expand(motion.shape)

    @property
    def window(self) -> int:
        """Shifts along one axis."""
        return 2 * self.reach + 1

    def _shifts(self) -> Tensor:
        device = self.weight.device
        return torch.cat([torch.arange(self.reach + 1, device=device), torch.arange(-self.reach, 0, device=device)])

    def parts(self, motion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of motions int64 (n,): whether mirrored, and the shifts down and right that align what is (mirrored)."""
        at = motion % self.window**2
        shift = self._shifts()
        return motion >= self.window**2, shift[at // self.window], shift[at % self.window]

    def correlations(self, centres: Tensor) -> Tensor:
        """float32 (n, K, motions): inner products of spectra (K, C, H, W // 2 + 1) with encodings under all motions."""
        n, k = len(self), len(centres)
        h = centres.shape[2]
        at = self._shifts()
        rows, columns = at % h, at % self.width
        out = torch.empty(n, k, 2, self.window, self.window, device=centres.device)
        for m, given in enumerate((self.straight, self.mirrored)):
            product = torch.einsum("kchw,nchw->nkhw", centres, given.conj())
            found = torch.fft.irfft2(product, s=(h, self.width), norm="forward")
            out[:, :, m] = found[..., rows, :][..., columns]
        return out.flatten(2)

    def best(self, centres: Tensor, own: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """See `Look.best`; centres as for `correlations`."""
        parts = []
        step = max(1, _VALUES // (len(centres) * centres[0, 0].numel()))
        for i in range(0, len(self), step):
            rows = slice(i, i + step)
            found = self._rows(rows).correlations(centres)
            if own is not None:
                found.scatter_add_(2, own[0][rows, :, None], -own[1][rows, :, None])
            best, motion = found.abs().max(2)
            parts.append((best, motion, torch.sign(found.gather(2, motion[..., None])[..., 0])))
        best, motion, sign = (torch.cat(p) for p in zip(*parts))
        return best, motion, sign

    def _rows(self, rows: slice) -> Spectra:
        return Spectra(self.straight[rows], self.mirrored[rows], self.weight[rows], self.width, self.reach)

    def aligned(self, motion: Tensor) -> Tensor:
        """Spectra (n, C, H, W // 2 + 1) of the encodings, each moved by its motion."""
        mirrored, down, right = self.parts(motion)
        h = self.straight.shape[2]
        device = self.straight.device
        y = torch.fft.fftfreq(h, device=device)[None, :, None]
        x = torch.fft.rfftfreq(self.width, device=device)[None, None]
        phase = torch.exp(-2j * math.pi * (y * down[:, None, None] + x * right[:, None, None]))
        return torch.where(mirrored[:, None, None, None], self.mirrored, self.straight) * phase[:, None]


def _energy(spectra: Tensor, width: int) -> Tensor:
    """Squared norms of what real images have these halves of a spectrum, as `correlations` counts."""
    both = torch.full((spectra.shape[3],), 2.0, device=spectra.device)
    both[0] = 1.0
    if width % 2 == 0:
        both[-1] = 1.0
    return (spectra.abs().square() * both).sum((1, 2, 3))


@dataclass(frozen=True, eq=False)
class MovedClusters:
    """Clusters of one class.

    Attributes:
        cluster: int64 (n,); certainty: float32 (n,), its posterior.
        motion: int64 (n,), see `Spectra.parts`; moves an encoding to where its cluster is.
        sign: float32 (n,) in {-1, 1}, against the cluster's.
        score: leave-one-out, in nats.
    """

    cluster: Tensor
    certainty: Tensor
    motion: Tensor
    sign: Tensor
    score: float


def moved_clusters(
    look: Look, scale: Tensor, clusters: int, *, balance: float = 1.0, rounds: int = 5, last: int = 2, more: float = 1.0
) -> MovedClusters:
    """Clusters of encodings of one class, strongest first.

    Args:
        look: at n encodings; scale: float32 (n,), the coefficients of the images, falling.
        clusters: number of images.
        balance: see `clusters.sinkhorn`.
        rounds: EM steps on the strongest encodings; last: on all.
        more: clusters that are begun with, for each that there is, before those go that are needed least.
    """
    n, k = len(look), max(clusters, 1)
    if n <= k:
        zero = torch.zeros(n, dtype=torch.int64)
        return MovedClusters(torch.arange(n) % k, torch.ones(n), zero, torch.ones(n), 0.0)
    strong = min(n, STRONG * k)
    some, lam = look.some(torch.arange(strong)), scale[:strong]
    centres = _starts(some, lam, k if k == 1 else math.ceil(more * k))
    if len(centres) > k:
        centres = _needed(*_em(some, lam, centres, 2, 0.0)[1:], k)
    found, centres = _em(some, lam, centres, rounds, balance)[:2]
    if strong < n:
        found, centres = _em(look, scale, centres, last, balance)[:2]
    return found


def _needed(centres: Tensor, score: Tensor, k: int) -> Tensor:
    """The `k` centres that encodings can least do without, by scores float32 (n, K); the least needed goes first.

    Of two that are one image in two poses, either does nearly as well for the encodings of the other.
    """
    left = torch.arange(len(centres))
    while len(left) > k:
        best, at = score[:, left].clamp_min(0).topk(2, dim=1)
        worth = torch.zeros(len(left)).index_add_(0, at[:, 0], best[:, 0] - best[:, 1])
        left = left[torch.arange(len(left)) != worth.argmin()]
    return centres[left]


def _starts(look: Look, lam: Tensor, k: int) -> Tensor:
    """Averages of encodings that look alike, k of them."""
    n = len(look)
    count = min(n, max(STARTS * k, 12))
    centres = look.straight[:count]
    total = torch.ones(count)
    for turn, gathered in enumerate(GATHERED):
        best, motion, sign = look.best(centres)
        alike = best * look.weight.sqrt()[:, None] / look.power(centres).sqrt()
        if turn == 0:
            alike[torch.arange(count), torch.arange(count)] = -1
        top = alike.topk(min(gathered, n), 0).indices
        score = alike.gather(0, top).mean(0)
        votes = look.weight * lam
        fresh = torch.empty_like(centres)
        for c in range(count):
            own = top[:, c]
            aligned = look.some(own).aligned(motion[own, c])
            fresh[c] = _wide(votes[own] * sign[own, c], aligned).mul(aligned).sum(0)
            total[c] = (votes[own] * lam[own]).sum()
            if turn == 0:
                fresh[c] += votes[c] * centres[c]
                total[c] += votes[c] * lam[c]
        sets = [set(t) for t in top.T.tolist()]
        count = min(count, max(LEFT * k, count // 2))
        kept = _distinct(score.argsort(descending=True).tolist(), sets, count)
        centres, total = fresh[kept], total[kept]
    return centres[:k] / _wide(total[:k], centres)


def _distinct(order: Iterable[int], sets: list[set[int]], k: int) -> list[int]:
    """The first `k` in order that have little in common with those before them; then those that have least."""
    kept: list[int] = []
    rest: list[int] = []
    for c in order:
        common = max((len(sets[c] & sets[p]) for p in kept), default=0)
        (kept if common < SHARED * len(sets[c]) and len(kept) < k else rest).append(c)
    while len(kept) < k and rest:
        c = min(rest, key=lambda c: max((len(sets[c] & sets[p]) for p in kept), default=0))
        rest.remove(c)
        kept.append(c)
    return kept


def _em(look: Look, lam: Tensor, centres: Tensor, rounds: int, balance: float) -> tuple[MovedClusters, Tensor, Tensor]:
    """Annealed no more: each round compares all with all centres, leaving every encoding out of what it is held to."""
    k = len(centres)
    weight, scale = look.weight[:, None], lam[:, None]
    own: tuple[Tensor, Tensor] | None = None
    score = q = torch.zeros(len(look), k)
    motion, sign = torch.zeros(len(look), k, dtype=torch.int64), torch.ones(len(look), k)
    for _ in range(max(1, rounds)):
        best, motion, sign = look.best(centres, own)
        score = TEMPER * weight * (scale * best - scale**2 * look.power(centres) / 2)
        q = sinkhorn(score, balance)
        votes = q * weight * scale
        alpha = votes / ((votes * scale).sum(0) + 1e-6)
        centres = torch.stack([_mean(look, motion[:, c], alpha[:, c] * sign[:, c]) for c in range(k)])
        own = motion, alpha * sign * look.own(motion)
    certainty, cluster = q.max(1)
    pick = cluster[:, None]
    return (
        MovedClusters(
            cluster, certainty, motion.gather(1, pick)[:, 0], sign.gather(1, pick)[:, 0], float((q * score).sum())
        ),
        centres,
        score,
    )


def _mean(look: Look, motion: Tensor, weight: Tensor) -> Tensor:
    rows = torch.nonzero(weight.abs() > 1e-3 * weight.abs().max().clamp_min(1e-30))[:, 0]
    aligned = look.some(rows).aligned(motion[rows])
    return (aligned * _wide(weight[rows], aligned)).sum(0)


def _wide(values: Tensor, like: Tensor) -> Tensor:
    """(n,) with as many axes as `like`."""
    return values.view(-1, *[1] * (like.ndim - 1))

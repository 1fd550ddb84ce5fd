"""With the public set known, find what was mixed in and solve what is then over-determined.

An encoding whose public images are all known is free of noise but for its unknown mask, and with nothing unknown but
the sign of each value a mask is read off.  So private images, public images and masks are solved in turn: expected
masks given the mixture as known so far; public images in what the private ones leave (`public_fit`); private images by
least squares with every encoding weighted by its own residual, which drops by orders of magnitude where all of its
public images were found, and stays where an identification or the pairing is wrong; and the pairing, from mixtures
whose public part is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics import public_fit
from ihaudit.attacks.numerics.em import Coupling, Estimate, Neighbours, summed
from ihaudit.attacks.numerics.labels import Slots
from ihaudit.attacks.numerics.mixing import Mixing
from ihaudit.attacks.numerics.parallel import run_jobs
from ihaudit.attacks.numerics.public_fit import Found, Index
from ihaudit.attacks.numerics.public_pairs import reassign
from ihaudit.attacks.single.candidates import Candidates
from ihaudit.attacks.single.spectrum import Basis
from ihaudit.errors import NotApplicable
from ihaudit.release import FloatArray

#: An encoding is explained where its residual's RMS, in units of the image range, is below this: a faint public image
#: (weight 0.03) that is missed leaves about 0.01.
EXPLAINED = 0.004
#: Least noise variance in squared units of the range: an explained encoding must not take all the weight.
FLOOR = 1e-7
BLOCK = 512


@dataclass(eq=False)
class Problem:
    """Everything that the rounds change, and what they work on, all on the CPU.

    Attributes:
        values: float32 (E, P), magnitudes.
        shape: (C, H, W); image_range: of the images as mixed.
        slots: what the labels say; of_class: int64 (N,), the class of each private image.
        candidates: the public set.
        images: float32 (N, P), private images; members: int64 (E, s), coefficients: float32 (E, s), the pairing.
        found: public images; noise: float32 (E,), variances; unmasked: float32 (E, P), expected mixtures.
    """

    values: Tensor
    shape: tuple[int, int, int]
    image_range: tuple[float, float]
    slots: Slots
    of_class: Tensor
    candidates: Candidates
    images: Tensor
    members: Tensor
    coefficients: Tensor
    found: Found
    noise: Tensor
    unmasked: Tensor
    index: Index | None = None

    @classmethod
    def begin(
        cls,
        values: Tensor,
        shape: tuple[int, int, int],
        image_range: tuple[float, float],
        slots: Slots,
        of_class: Sequence[NDArray[np.int64]],
        mixing: Mixing,
        estimate: Estimate,
        public: FloatArray,
    ) -> Problem:
        """From what phase retrieval left, with the sign under which public images show.

        Args:
            of_class: ids of the private images of each class.
            public: float (M, H, W, C) in [0, 1].

        Raises:
            NotApplicable: public images are of another shape.
        """
        c, h, w = shape
        if tuple(public.shape[1:]) != (h, w, c):
            raise NotApplicable(f"public images of shape {tuple(public.shape[1:])} were not mixed into these encodings")
        low, high = image_range
        images = estimate.images[:-1].cpu().clone()
        classes = torch.zeros(len(images), dtype=torch.int64)
        for label, ids in enumerate(of_class):
            classes[torch.as_tensor(np.asarray(ids, np.int64))] = label
        values = values.cpu()
        problem = cls(
            values=values,
            shape=shape,
            image_range=image_range,
            slots=slots,
            of_class=classes,
            candidates=Candidates(public, Basis.of(c, h, w), low, high),
            images=images,
            members=mixing.members.cpu().clone(),
            coefficients=mixing.coefficients.cpu().clone(),
            found=Found.none(len(values)),
            noise=estimate.noise.cpu().clone(),
            unmasked=torch.zeros_like(values),
        )
        if low < 0 < high and _upside_down(problem):
            problem.images = -problem.images
        return problem

    @cached_property
    def share(self) -> Tensor:
        """float32 (E,), the weight that the labels leave to public images."""
        return torch.from_numpy(self.slots.share)

    @property
    def span(self) -> float:
        """Width of the image range."""
        return self.image_range[1] - self.image_range[0]

    def private(self, rows: Tensor) -> Tensor:
        """float32 (n, P): what the private images contribute."""
        out = torch.zeros(len(rows), self.images.shape[1])
        for slot in range(self.members.shape[1]):
            member = self.members[rows, slot]
            weight = torch.where(member >= 0, self.coefficients[rows, slot], torch.zeros(len(rows)))
            out += weight[:, None] * self.images[member.clamp_min(0)]
        return out

    def public(self, rows: Tensor) -> Tensor:
        """float32 (n, P): what the public images contribute; the unknown rest is the mean public image."""
        return self.found.part(self.candidates, rows) + self.share[rows, None] * self.candidates.mean.flatten()

    def explained(self) -> Tensor:
        """bool (E,)."""
        return self.noise.sqrt() < EXPLAINED * self.span


def _upside_down(problem: Problem) -> bool:
    """Whether public images show in the negative: phase retrieval fits a set of images and its negatives alike."""
    rows = torch.arange(len(problem.noise))[:: max(1, len(problem.noise) // 200)][:200]
    best = []
    kept = problem.images
    for sign in (1, -1):
        problem.images = sign * kept
        expect(problem, rows)
        left = _left(problem, rows)
        response = public_fit.measure_response(left, problem.candidates)
        none = torch.full((len(rows), 1), -1, dtype=torch.int64)
        score, _, _ = problem.candidates.best(left, response, 1, none)
        best.append(float(score[:, 0].mean()))
    problem.images = kept
    return best[1] > best[0]


def _left(problem: Problem, rows: Tensor) -> Tensor:
    """(n, P) in the basis: expected mixtures less all that is known of them."""
    c, h, w = problem.shape
    x = problem.unmasked[rows] - problem.private(rows) - problem.public(rows)
    return problem.candidates.basis.forward(x.view(-1, c, h, w))


def identify(problem: Problem, rows: Tensor) -> None:
    """Searches for further public images in `rows` and fits all candidates of each jointly."""
    c, h, w = problem.shape
    left = _left(problem, rows)
    response = public_fit.measure_response(left, problem.candidates)
    known = problem.found.index[rows]
    if problem.index is None:
        problem.index = Index(problem.candidates, response)
    fresh = problem.index.search(left, known, response)
    pool = public_fit.merge(known, fresh)
    used = int((pool >= 0).sum(1).max())
    pool = pool.sort(1, descending=True).values[:, : max(1, used)]
    own = problem.found.part(problem.candidates, rows)
    whole = left + problem.candidates.basis.forward(own.view(-1, c, h, w))
    index, weight = public_fit.joint_fit(whole, pool, problem.candidates, response, left)
    problem.found.index[rows], problem.found.weight[rows] = index, weight


def expect(problem: Problem, rows: Tensor) -> None:
    """Expected mixtures and noise variances of `rows`; neighbouring residuals help to decide signs, as in `em`."""
    coupling = Coupling()
    neighbours = Neighbours(problem.shape, coupling, problem.images)
    blocks = list(rows.split(BLOCK))

    def part(block: Tensor) -> tuple[Tensor, Tensor]:
        y = problem.values[block]
        pred = problem.private(block) + problem.public(block)
        tau2 = problem.noise[block, None]
        unmasked = torch.tanh(y * pred / tau2).mul_(y)
        for _ in range(2):
            sure = 1 / (coupling.spread * tau2 + (y**2 - unmasked**2).clamp_min(0))
            pull = neighbours(sure * (unmasked - pred))
            precision = neighbours(sure).mul_(coupling.strength).add_(1 / tau2)
            unmasked = torch.tanh(y * (pred * precision + coupling.strength * pull)).mul_(y)
        spread = (y**2 - 2 * unmasked * pred + pred**2).mean(1)
        return unmasked, spread

    floor = FLOOR * problem.span**2
    for block, (unmasked, spread) in zip(blocks, run_jobs(part, blocks)):
        problem.unmasked[block] = unmasked
        problem.noise[block] = spread.clamp_min(floor)


def reassign_all(problem: Problem) -> float:
    """Pairs again every encoding that is not explained, from its mixture less the public part; the share that changed.

    Encodings of two images of one class take part whether or not they are explained: their split is fitted here.
    """
    labels, shared = torch.from_numpy(problem.slots.label), torch.from_numpy(problem.slots.shared)
    rows = torch.nonzero(shared | ~problem.explained())[:, 0]
    if len(rows) == 0:
        return 0.0
    basis, shape = problem.candidates.basis, problem.shape
    power = torch.zeros(problem.images.shape[1])
    for block in rows.split(BLOCK):
        power += _left(problem, block).square().sum(0)
    whiten = (power / len(rows)).clamp_min(1e-12).rsqrt()
    target = torch.empty(len(rows), len(whiten))
    scale = torch.empty(len(rows))
    for block in torch.arange(len(rows)).split(BLOCK):
        these = rows[block]
        left = _left(problem, these) * whiten
        scale[block] = left.square().mean(1).clamp_min(1e-9)
        target[block] = left + basis.forward(problem.private(these).view(-1, *shape)) * whiten
    images = basis.forward(problem.images.view(-1, *shape)) * whiten
    members, coefficients = reassign(
        target,
        images,
        scale,
        problem.members[rows],
        problem.coefficients[rows],
        labels[rows],
        shared[rows],
        problem.of_class,
    )
    changed = (members != problem.members[rows]).any(1).float().sum() / len(problem.members)
    problem.members[rows], problem.coefficients[rows] = members, coefficients
    return float(changed)


def solve(problem: Problem) -> None:
    """Private images by weighted least squares, the public part taken out."""
    n = len(problem.images)
    mixing = Mixing(problem.members, problem.coefficients, torch.zeros_like(problem.share), n)
    weights = 1 / problem.noise

    def part(rows: slice) -> Tensor:
        index = torch.arange(rows.start, rows.stop)
        target = problem.unmasked[rows] - problem.public(index)
        return mixing.adjoint(target, rows, weights[rows])

    right = summed(part, len(mixing), BLOCK, torch.device("cpu"))[:-1]
    normal = mixing.normal(weights, ridge=1e-6)[:-1, :-1].double()
    images = torch.linalg.solve(normal, right.double()).float()
    low, high = problem.image_range
    seen = torch.zeros(n, dtype=torch.bool)
    seen[problem.members[problem.members >= 0]] = True
    problem.images = torch.where(seen[:, None], images.clamp(low - 0.5 * (high - low), high + 0.5 * (high - low)), 0.0)

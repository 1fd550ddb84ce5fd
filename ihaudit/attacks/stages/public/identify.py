"""Stage `public=identify`: with the public set known, find what was mixed in and solve what is then over-determined.

An encoding whose public images are all known is free of noise but for its unknown mask, and with nothing unknown but
the sign of each value a mask is read off.  So private images, public images and masks are solved in turn: expected
masks given the mixture as known so far; public images in what the private ones leave (`public_fit`); private images by
least squares with every encoding weighted by its own residual, which drops by orders of magnitude where all of its
public images were found, and stays where an identification or the pairing is wrong; and the pairing, from mixtures
whose public part is gone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ihaudit.attacks.numerics import public_fit
from ihaudit.attacks.numerics.em import Coupling, Estimate, Neighbours, summed
from ihaudit.attacks.numerics.mixing import Mixing
from ihaudit.attacks.numerics.parallel import run_jobs
from ihaudit.attacks.numerics.public_fit import Found, Index
from ihaudit.attacks.numerics.public_pairs import reassign
from ihaudit.attacks.numerics.public_restarts import restart_values
from ihaudit.attacks.single.candidates import Candidates
from ihaudit.attacks.single.spectrum import Basis
from ihaudit.attacks.stages.state import State, to_pictures
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable
from ihaudit.release import FloatArray

#: Rounds at most, by profile; every round costs one search over the public set for the encodings not yet explained.
ROUNDS = {"quick": 10, "standard": 15, "full": 25}
#: Rounds end where this share is explained, or the mean log variance of the noise falls by less than this in a round.
ENOUGH, LEAST_GAIN = {"quick": 0.9, "standard": 0.99, "full": 1.0}, 0.02
#: An encoding is explained where its residual's RMS, in units of the image range, is below this: a faint public image
#: (weight 0.03) that is missed leaves about 0.01.
EXPLAINED = 0.004
#: Least noise variance in squared units of the range: an explained encoding must not take all the weight.
FLOOR = 1e-7
BLOCK = 512
#: Steps of EM (masks, then private images) after every search.
EM_STEPS = 2


@dataclass(eq=False)
class Problem:
    """Everything that the rounds change: private images (N, P), pairing, public images, noise variances (E,)."""

    state: State
    images: Tensor
    members: Tensor
    coefficients: Tensor
    found: Found
    noise: Tensor
    candidates: Candidates
    unmasked: Tensor  # float32 (E, P) expected mixtures
    span: float
    index: Index | None = None

    @property
    def share(self) -> Tensor:
        return torch.from_numpy(self.state.share)

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


@stage("public", "identify")
def public_identify(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Identifies public images and solves private images, masks and pairing with them; see the module."""
    if state.public_set is None or len(state.public_set) < 2:
        raise NotApplicable("the adversary does not have the public set")
    assert state.estimate is not None and state.members is not None and state.coefficients is not None
    device = state.values.device
    problem = _begin(state, state.public_set)
    rounds = ROUNDS[ctx.profile]
    history: list[float] = []
    level = float(problem.noise.log().mean())
    changed = moved = 0.0
    for step in range(rounds):
        ctx.progress("public images", step / rounds)
        todo = torch.nonzero(~problem.explained())[:, 0]
        if len(todo) == 0:
            break
        _expect(problem, todo)
        _identify(problem, todo)
        for _ in range(EM_STEPS):
            _expect(problem, torch.arange(len(problem.noise)))
            _solve(problem)
        if step >= 1:
            if state.image_range[0] < 0:
                moved = restart_values(problem)
            changed = _reassign(problem)
        history.append(float(problem.explained().float().mean()))
        before, level = level, float(problem.noise.log().mean())
        if step >= 2 and (history[-1] >= ENOUGH[ctx.profile] or before - level < LEAST_GAIN):
            break
    per = (problem.found.index >= 0).sum(1).float()
    mean = problem.candidates.mean.flatten()
    images = torch.cat([problem.images, mean[None]]).to(device)
    out = replace(
        state,
        estimate=Estimate(images, problem.noise.to(device)),
        members=problem.members.numpy(),
        coefficients=problem.coefficients.numpy(),
        public_members=problem.found.index.numpy(),
        public_coefficients=problem.found.weight.numpy(),
        signs=None,
    )
    return out, {
        "public_images": len(state.public_set),
        "public_per_encoding": float(per.mean()),
        "encodings_explained": history[-1] if history else 1.0,
        "explained_by_round": [round(h, 4) for h in history],
        "pairing_changed": changed,
        "values_restarted": moved,
        "median_residual": float(problem.noise.sqrt().median()) / problem.span,
    }


def _begin(state: State, public: FloatArray) -> Problem:
    """The state of phase retrieval on the CPU, with the sign under which public images show."""
    assert state.estimate is not None and state.members is not None and state.coefficients is not None
    c, h, w = state.shape
    if tuple(public.shape[1:]) != (h, w, c):
        raise NotApplicable(f"public images of shape {tuple(public.shape[1:])} were not mixed into these encodings")
    low, high = state.image_range
    candidates = Candidates(public, Basis.of(c, h, w), low, high)
    problem = Problem(
        state=replace(state, values=state.values.cpu()),
        images=state.estimate.images[:-1].cpu().clone(),
        members=torch.from_numpy(state.members.copy()),
        coefficients=torch.from_numpy(state.coefficients.astype(np.float32)),
        found=Found.none(len(state.values)),
        noise=state.estimate.noise.cpu().clone(),
        candidates=candidates,
        unmasked=torch.zeros(0),
        span=high - low,
    )
    problem.unmasked = torch.zeros_like(problem.state.values)
    if low < 0 < high and _upside_down(problem):
        problem.images = -problem.images
    return problem


def _upside_down(problem: Problem) -> bool:
    """Whether public images show in the negative: phase retrieval fits a set of images and its negatives alike."""
    rows = torch.arange(len(problem.noise))[:: max(1, len(problem.noise) // 200)][:200]
    best = []
    kept = problem.images
    for sign in (1, -1):
        problem.images = sign * kept
        _expect(problem, rows)
        left = _left(problem, rows)
        response = public_fit.measure_response(left, problem.candidates)
        none = torch.full((len(rows), 1), -1, dtype=torch.int64)
        score, _, _ = problem.candidates.best(left, response, 1, none)
        best.append(float(score[:, 0].mean()))
    problem.images = kept
    return best[1] > best[0]


def _left(problem: Problem, rows: Tensor) -> Tensor:
    """(n, P) in the basis: expected mixtures less all that is known of them."""
    c, h, w = problem.state.shape
    x = problem.unmasked[rows] - problem.private(rows) - problem.public(rows)
    return problem.candidates.basis.forward(x.view(-1, c, h, w))


def _identify(problem: Problem, rows: Tensor) -> None:
    """Searches for further public images in `rows` and fits all candidates of each jointly."""
    c, h, w = problem.state.shape
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


def _expect(problem: Problem, rows: Tensor) -> None:
    """Expected mixtures and noise variances of `rows`; neighbouring residuals help to decide signs, as in `em`."""
    coupling = Coupling()
    neighbours = Neighbours(problem.state.shape, coupling, problem.images)
    blocks = list(rows.split(BLOCK))

    def part(block: Tensor) -> tuple[Tensor, Tensor]:
        y = problem.state.values[block]
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


def _reassign(problem: Problem) -> float:
    """Pairs again every encoding that is not explained, from its mixture less the public part; the share that changed.

    Encodings of two images of one class take part whether or not they are explained: their split is fitted here.
    """
    state = problem.state
    assert state.grouping is not None
    labels, shared = torch.from_numpy(state.slots.label), torch.from_numpy(state.slots.shared)
    class_of = torch.zeros(len(problem.images), dtype=torch.int64)
    for c, ids in enumerate(state.grouping.of_class):
        class_of[torch.as_tensor(np.asarray(ids, np.int64))] = c
    rows = torch.nonzero(shared | ~problem.explained())[:, 0]
    if len(rows) == 0:
        return 0.0
    basis, shape = problem.candidates.basis, state.shape
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
        target, images, scale, problem.members[rows], problem.coefficients[rows], labels[rows], shared[rows], class_of
    )
    changed = (members != problem.members[rows]).any(1).float().sum() / len(problem.members)
    problem.members[rows], problem.coefficients[rows] = members, coefficients
    return float(changed)


def _solve(problem: Problem) -> None:
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
    low, high = problem.state.image_range
    seen = torch.zeros(n, dtype=torch.bool)
    seen[problem.members[problem.members >= 0]] = True
    problem.images = torch.where(seen[:, None], images.clamp(low - 0.5 * (high - low), high + 0.5 * (high - low)), 0.0)


@stage("restoration", "oriented")
def restoration_oriented(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Maps the images to [0, 1] as they are: public images told which way up they are."""
    assert state.estimate is not None
    images = to_pictures(state.estimate.images[:-1], state.shape, state.image_range)
    return replace(state, images=images), {}

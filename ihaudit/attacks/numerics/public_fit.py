"""Which known public images are in each encoding, and how much of each: matched filters, then joint fits.

Carlini et al. 2021, 4.8.1, subtract the most similar public image with a guessed weight and recurse; appendix B solves
the exact system once masks are known.  Here the masks are expected values from the private images known so far
(`ihaudit.attacks.numerics.em`), so that what a mixture leaves beside them is searched at once for all its public
images.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import nnls
from torch import Tensor

from ihaudit.attacks.numerics.candidates import Candidates, Filter, Response
from ihaudit.attacks.numerics.parallel import run_jobs

#: Public images per encoding at most, and fresh candidates looked at per search.
LIMIT, FRESH = 12, 12
#: Smallest weight that is told from rounding.
LEAST = 0.003
#: Standard deviation by which weights may add up to more than they should.
SURPLUS = 0.001
#: Power of a sum of candidates, as a share of the strongest, below which products in single precision are rounding.
_ROUNDING = 1e-6
#: Rows of one search, and of one joint fit (their candidates' images are held at once).
SEARCH, FIT = 512, 64
Float64 = NDArray[np.float64]
#: Public images of one block of a search, and bytes up to which the whole index is kept between searches.
BLOCK, KEPT_BYTES = 4096, 512 * 2**20


@dataclass(eq=False)
class PublicMembers:
    """Public images found so far.

    Attributes:
        index: int64 (E, LIMIT), -1 for none.
        weight: float32 (E, LIMIT), 0 for none.
    """

    index: Tensor
    weight: Tensor

    @classmethod
    def none(cls, encodings: int) -> PublicMembers:
        """Nothing found yet."""
        return cls(torch.full((encodings, LIMIT), -1, dtype=torch.int64), torch.zeros(encodings, LIMIT))

    def part(self, candidates: Candidates, rows: Tensor) -> Tensor:
        """float32 (n, P): the weighted public images of some rows, each less the mean public image."""
        index, weight = self.index[rows], self.weight[rows]
        some = (index >= 0).any(1)
        mean = candidates.mean.flatten()
        out = torch.zeros(len(rows), len(mean))
        if not bool(some.any()):
            return out
        used, where = torch.unique(index[some].clamp_min(0), return_inverse=True)
        images = candidates.images(used).flatten(1) - mean
        for slot in range(LIMIT):
            picked = weight[some, slot]
            if not bool(picked.any()):
                break
            out[some] += picked[:, None] * images[where[:, slot]]
        return out


def threshold(public: int) -> float:
    """Least score, in standard deviations, of a public image: above the largest of all by chance."""
    return math.sqrt(2 * math.log(max(2, public))) + 1.2


def measure_response(residual: Tensor, candidates: Candidates) -> Response:
    """How residuals (B, P) in the basis are spread over it; a true image is taken to survive wholly."""
    power = residual.square().mean(0).clamp_min(1e-12)
    return Response(torch.ones_like(power), power, torch.ones(len(candidates)))


class Index:
    """The public set in the coordinates that tell most, for searching: block by block, kept where there is room.

    Noise of wrong signs is white and images are not, so a third of the coordinates hold nearly all of what a matched
    filter can use; the joint fit looks at all of them.
    """

    def __init__(self, candidates: Candidates, response: Response) -> None:
        self.candidates = candidates
        sample = torch.arange(len(candidates))[:: max(1, len(candidates) // 2000)]
        gain = candidates.in_basis(sample).square().mean(0) / response.power
        self.used = gain.topk(max(1, len(gain) // 3)).indices.sort().values
        #: share of a filter's squared signal-to-noise ratio that these coordinates hold
        self.share = float(gain[self.used].sum() / gain.sum())
        self._kept: list[Tensor] | None = None
        if len(candidates) * len(self.used) * 4 <= KEPT_BYTES:
            self._kept = list(self._blocks())

    def _blocks(self) -> Iterator[Tensor]:
        count = len(self.candidates)
        for i in range(0, count, BLOCK):
            yield self.candidates.in_basis(torch.arange(i, min(i + BLOCK, count)))[:, self.used]

    def search(self, left: Tensor, known: Tensor, response: Response) -> Tensor:
        """int64 (B, FRESH): the public images that stand out most in what is left of each row, -1 where none does.

        Args:
            left: float32 (B, P) in the basis: what nothing known explains.
            known: int64 (B, n) public images that are not sought, -1 for none.
            response: power of `left`.
        """
        least = threshold(len(self.candidates)) - 2.0  # the joint fit decides; here only strangers are kept out
        rows = [slice(i, min(i + SEARCH, len(left))) for i in range(0, len(left), SEARCH)]
        filters = [Filter(left[r], response, self.candidates.basis.bands) for r in rows]
        bands = self.candidates.basis.bands[self.used]
        power = response.power[self.used]
        best = [(torch.full((len(left[r]), 0), 0.0), torch.zeros((len(left[r]), 0), dtype=torch.int64)) for r in rows]
        start = 0
        for block in self._kept if self._kept is not None else self._blocks():
            energy = (block.square() / power) @ bands

            def part(at: int, block: Tensor = block, energy: Tensor = energy, start: int = start) -> None:
                f = filters[at]
                score = (f.filter[:, self.used] @ block.T) * f.norms(energy)
                row, column = torch.nonzero(
                    (known[rows[at]] >= start) & (known[rows[at]] < start + len(block)), as_tuple=True
                )
                score[row, known[rows[at]][row, column] - start] = -torch.inf
                top, where = score.topk(min(FRESH, len(block)), dim=1)
                value = torch.cat([best[at][0], top], 1)
                index = torch.cat([best[at][1], where + start], 1)
                value, order = value.topk(min(FRESH, value.shape[1]), dim=1)
                best[at] = value, index.gather(1, order)

            run_jobs(part, range(len(rows)))
            start += len(block)
        return torch.cat([torch.where(value > least, index, torch.full_like(index, -1)) for value, index in best])


def joint_fit(
    residual: Tensor,
    pool: Tensor,
    candidates: Candidates,
    response: Response,
    left: Tensor,
    most: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Weights of all candidates of a row at once, by non-negative least squares in the whitened space.

    Args:
        residual: float32 (B, P) in the basis: what the private images leave, centred.
        pool: int64 (B, n) candidates, -1 for none, each at most once.
        response: power of what is left.
        left: (B, P) what is left of each row as known so far; sets the noise of its bands.
        most: float32 (B,), what the weights of a row should add up to at most; no bound where None.

    Returns:
        int64 (B, LIMIT) and float32 (B, LIMIT), the largest weights first, those within the noise taken out.
    """
    least = threshold(len(candidates))

    def part(i: int) -> tuple[Tensor, Tensor]:
        rows = slice(i, min(i + FIT, len(pool)))
        bound = None if most is None else most[rows].double().numpy()
        return _fit(residual[rows], pool[rows], candidates, response, left[rows], least, bound)

    parts = run_jobs(part, list(range(0, len(pool), FIT)), residual.device)
    return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])


def _fit(
    residual: Tensor,
    pool: Tensor,
    candidates: Candidates,
    response: Response,
    left: Tensor,
    least: float,
    most: Float64 | None,
) -> tuple[Tensor, Tensor]:
    used = pool >= 0
    distinct, where = torch.unique(pool.clamp_min(0), return_inverse=True)
    images = candidates.in_basis(distinct)[where] * used[..., None]
    whiten = Filter(left, response, candidates.basis.bands).weight().sqrt()
    x = images * whiten[:, None]
    y = residual * whiten
    gram = torch.bmm(x, x.transpose(1, 2)).double().numpy()
    dots = torch.bmm(x, y[..., None])[..., 0].double().numpy()
    energy = (y.double() ** 2).sum(1).numpy()
    bounds = [None] * len(gram) if most is None else most.tolist()
    fitted = [nonnegative(g, d, float(e), y.shape[1], least, b) for g, d, e, b in zip(gram, dots, energy, bounds)]
    weight = torch.from_numpy(np.stack(fitted))
    keep = weight > 0
    order = torch.where(keep, weight, -torch.ones_like(weight)).argsort(1, descending=True)[:, :LIMIT]
    kept, chosen, value = (t.gather(1, order) for t in (keep, pool, weight))
    index = torch.where(kept, chosen, -torch.ones_like(chosen))
    amount = torch.where(kept, value, torch.zeros_like(value)).float()
    missing = LIMIT - index.shape[1]
    if missing > 0:
        index = torch.nn.functional.pad(index, (0, missing), value=-1)
        amount = torch.nn.functional.pad(amount, (0, missing))
    return index, amount


def nonnegative(
    gram: Float64, dots: Float64, energy: float, values: int, least: float, most: float | None = None
) -> Float64:
    """Weights of candidates by non-negative least squares, those within the noise taken out and the others fitted anew.

    Args:
        gram: (n, n) products of the whitened candidates, dots: (n,) with what they are to explain.
        energy: squared norm of that, values: number of its values.
        least: standard deviations above which a weight counts; LEAST is the smallest one that does.
        most: what the weights should add up to at most, give or take `SURPLUS`.

    Returns:
        (n,), 0 for those taken out.
    """
    norm = np.sqrt(np.diag(gram))
    keep = np.flatnonzero(norm > 0)
    for _ in range(3):
        weight = np.zeros(len(dots))
        if not len(keep):
            break
        root, right = _rooted(gram[np.ix_(keep, keep)], dots[keep])
        if most is not None:
            root, right = _bounded(root, right, most)
        weight[keep] = nnls(root, right)[0][: len(keep)]
        rest = max(0.0, energy - 2 * float(weight @ dots) + float(weight @ gram @ weight))
        fewer = keep[weight[keep] > np.maximum(least * np.sqrt(rest / values) / norm[keep], LEAST)]
        if len(fewer) == len(keep):
            break
        keep = fewer
    out = np.zeros(len(dots))
    out[keep] = weight[keep]
    return out


def _bounded(root: Float64, right: Float64, most: float) -> tuple[Float64, Float64]:
    """One more equation and one more unknown, what is missing: the weights and it add up to `most`."""
    n = len(right)
    out = np.zeros((n + 1, n + 1))
    out[:n, :n], out[n] = root, 1 / SURPLUS
    return out, np.append(right, most / SURPLUS)


def _rooted(gram: Float64, dots: Float64) -> tuple[Float64, Float64]:
    """A matrix (n, n) whose products are `gram` and a vector (n,) whose products with it are `dots`.

    A public set may hold an image twice, and of a small one, less its mean, each image is a sum of the others: products
    in single precision have no Cholesky factor then.
    """
    part = gram.copy()
    part[np.diag_indices_from(part)] *= 1 + 1e-9
    upper: Float64
    right: Float64
    try:
        upper = np.linalg.cholesky(part).T.astype(np.float64)
        right = solve_triangular(upper, dots, trans=1)
    except np.linalg.LinAlgError:
        power, along = np.linalg.eigh(part)
        root = np.sqrt(power.clip(_ROUNDING * power[-1]))
        upper, right = (root[:, None] * along.T).astype(np.float64), (along.T @ dots) / root
    return upper, right


def merge(known: Tensor, fresh: Tensor) -> Tensor:
    """int64 (B, a + b) candidates without repeats, -1 for none."""
    both = torch.cat([known, fresh], 1)
    ordered, at = both.sort(1)
    repeat = torch.zeros_like(ordered, dtype=torch.bool)
    repeat[:, 1:] = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    clean = torch.where(repeat, -torch.ones_like(ordered), ordered)
    return torch.zeros_like(both).scatter_(1, at, clean)

"""What is left of a mixture, judged place by place: the last, faintest public images, and the last doubtful signs.

Once the stronger public images are found, what is left is one photograph, the private one, strong where it has edges
and weak where it is flat.  A faint public image shows where it is flat.  The shipped network `ihaudit.nn.scales`
predicts the variance of every Haar coefficient of a picture from the others; with it the log likelihood of a picture
has a gradient, and a candidate's score is that gradient's inner product with it (Rao's score test).  Gaussians of known
variance are too sure of their largest values, so Student's t takes their place, and Haar coefficients change with the
grid, so gradients are averaged over shifts of it.  The same gradient says which signs would make of the rest a likelier
picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ihaudit.attacks.numerics.candidates import Candidates
from ihaudit.attacks.numerics.frame import Frame
from ihaudit.attacks.numerics.local_weights import expected
from ihaudit.nn.scales import Scales, colours

#: Degrees of freedom of Student's t.
_FREEDOM = 3.0
#: Shifts (down, right) of the grid: each parity once.
_SHIFTS = ((0, 0), (1, 1), (-1, 2), (2, -1))
_REACH = 2
#: Area over the picture's: what is mirrored into the rest is unlike photographs.
_MOST_PADDED = 1.35
#: Weight of the picture's evidence on a sign beside the network's, which saw the same neighbours; how far a round goes.
_EVIDENCE, _STEP = 1.0, 0.5
#: How many of the best scores do not count when the spread by chance is measured, the smallest set in which it is.
_TRUE_AT_MOST, _FEWEST = 12, 100
#: Public images times values each, up to which squares are kept between searches: 160 MB.
_KEPT_VALUES = 40_000_000


def applies(shape: tuple[int, int, int], levels: int) -> bool:
    """Whether pictures (C, H, W) fill the pyramid well enough."""
    c, h, w = shape
    side = Frame((h, w, c), levels).side
    return side[0] * side[1] <= _MOST_PADDED * h * w


@dataclass(frozen=True, eq=False)
class Gradient:
    """Of the negative log likelihood of pictures.

    Attributes:
        values: float32 (n, C, H, W).
        weights: float32 (n, P) precisions of the coefficients in the frame, grid unshifted.
    """

    values: Tensor
    weights: Tensor


class LocalPrior:
    """How likely pictures are, given the variances that the network predicts from the pictures themselves."""

    def __init__(self, net: Scales, shape: tuple[int, int, int]) -> None:
        """`shape` is (C, H, W)."""
        c, h, w = shape
        self.net, self.shape, self.frame = net, shape, Frame((h, w, c), net.config.levels)

    def columns(self, pictures: Tensor) -> Tensor:
        """(n, C, H, W) -> (n, P) coefficients in the frame."""
        return torch.from_numpy(self.frame.columns(pictures.permute(0, 2, 3, 1).numpy()))

    def gradient(self, pictures: Tensor) -> Gradient:
        """`pictures`: float32 (n, C, H, W), less the mean picture."""
        _, h, w = self.shape
        r = _REACH
        wide = _mirrored(pictures, r)
        total, count = torch.zeros_like(wide), torch.zeros(1, 1, *wide.shape[2:])
        weights = None
        for down, right in _SHIFTS:
            window = (..., slice(r + down, r + down + h), slice(r + right, r + right + w))
            y = self.columns(wide[window])
            v = torch.from_numpy(expected((y**2).numpy(), self.frame, self.net, "single"))
            if weights is None:
                weights = 1 / v
            g = y * ((_FREEDOM + 1) / ((_FREEDOM - 2) * v + y**2))
            total[window] += torch.from_numpy(self.frame.images(g.numpy())).permute(0, 3, 1, 2)
            count[window] += 1
        inner = (..., slice(r, r + h), slice(r, r + w))
        assert weights is not None
        # grey pictures stand three times in the frame
        return Gradient(total[inner] / count[inner] * (3 if self.shape[0] == 1 else 1), weights)

    def curvature(self, weights: Tensor) -> Tensor:
        """(n, C, H, W): the diagonal, pixel by pixel, of the precision that is `weights` (n, P) in the frame."""
        parts = self.frame.parts(weights.numpy())
        x = parts[-1][:, :, 0]
        for detail in reversed(parts[:-1]):
            x = ((x + detail.sum(2)) / 4).repeat_interleave(2, 2).repeat_interleave(2, 3)
        # grey pictures are brightness alone, the last of the axes, three times over
        x = torch.einsum("ndhw,dc->nchw", x, colours().square()) if self.shape[0] == 3 else 3 * x[:, -1:]
        return x[..., : self.shape[1], : self.shape[2]]

    def resigned(self, logits: Tensor, magnitude: Tensor, explained: Tensor, rounds: int = 3) -> Tensor:
        """Sign log odds by the network's and by how likely they make what is left, in turns.

        Args:
            logits, magnitude: (n, C, H, W).
            explained: (n, C, H, W), what public images and the mean picture make of the mixture.
            rounds: gradients taken.
        """
        now = logits
        for _ in range(rounds):
            mean = magnitude * torch.tanh(now / 2)
            g = self.gradient(mean - explained)
            curve = self.curvature(g.weights)
            up, down = magnitude - mean, -magnitude - mean
            odds = (g.values * down + curve * down**2 / 2) - (g.values * up + curve * up**2 / 2)
            now = (1 - _STEP) * now + _STEP * (logits + _EVIDENCE * odds)
        return now


def _mirrored(x: Tensor, reach: int) -> Tensor:
    """(n, C, H, W) with `reach` more pixels on each side, the border's own first."""
    x = torch.cat([x[..., :reach, :].flip(2), x, x[..., -reach:, :].flip(2)], 2)
    return torch.cat([x[..., :reach].flip(3), x, x[..., -reach:].flip(3)], 3)


class LocalFilter:
    """Scores of all public images by the gradient of what is left.

    `spread`, (M,), is the deviation of each public image's score over mixtures that do not hold it.
    """

    def __init__(self, prior: LocalPrior, candidates: Candidates) -> None:
        self.prior, self.candidates = prior, candidates
        self.spread = torch.ones(len(candidates))
        self._kept = None
        if len(candidates) * candidates.mean.numel() <= _KEPT_VALUES:
            self._kept = [self._squares(block) for block in candidates.blocks()]

    def _squares(self, block: Tensor) -> Tensor:
        """Squares of the columns (n, P) of images by their coefficients in the candidates' basis."""
        return self.prior.columns(self.candidates.basis.backward(block)).square_()

    def _scores(self, g: Gradient) -> Iterator[Tensor]:
        """(n, block) of every block: the gradient along each image, in deviations that `weights` lead to expect."""
        along = self.candidates.basis.forward(g.values)
        for k, block in enumerate(self.candidates.blocks()):
            squares = self._kept[k] if self._kept is not None else self._squares(block)
            yield (along @ block.T) * (g.weights @ squares.T).clamp_min(1e-12).rsqrt()

    def calibrate(self, left: Tensor, members: Tensor) -> None:
        """Measures `spread` on what is left (n, C, H, W) of mixtures of `members` (n, s), which do not count."""
        scores = torch.cat(list(self._scores(self.prior.gradient(left))), 1)
        others = torch.ones_like(scores).scatter_(1, members, 0.0)
        scores *= others
        # the level differs from mixture to mixture, and is taken from each again in `best`
        scores /= (scores.square().sum(1, keepdim=True) / others.sum(1, keepdim=True)).clamp_min(1e-12).sqrt()
        own = scores.square().sum(0) / others.sum(0).clamp_min(1)
        # a few samples per image: part of the way to the mean over images
        self.spread = (0.7 * own + 0.3 * own.mean()).clamp_min(1e-3).sqrt()

    def best(self, g: Gradient, exclude: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The public image that stands out most.

        Args:
            g: of what is left, n rows.
            exclude: int64 (n, s) images that may not be returned, -1 for none.

        Returns:
            (n,) scores, about standard normal for an image that is not in the mixture; (n,) int64 indices; (n,)
            estimates of coefficients.
        """
        scores = torch.cat(list(self._scores(g)), 1) / self.spread
        for column in exclude.T:
            rows = torch.nonzero(column >= 0)[:, 0]
            scores[rows, column[rows]] = 0.0
        top, index = scores.topk(min(_TRUE_AT_MOST, scores.shape[1]), dim=1)
        score, index = top[:, 0], index[:, 0]
        if scores.shape[1] >= _FEWEST:
            chance = (scores.square().sum(1) - top.square().sum(1)) / (scores.shape[1] - top.shape[1])
            score = score / chance.clamp_min(1e-6).sqrt()
        x = self.candidates.images(index) - self.candidates.mean
        information = (self.prior.columns(x).square() * g.weights).sum(1)
        return score, index, (x * g.values).sum((1, 2, 3)) / information.clamp_min(1e-12)

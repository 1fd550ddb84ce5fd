"""The layout of scrambled positions, from a rough embedding down to single pixels, and how good it is likely to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.layout.embedding import first_layout
from ihaudit.attacks.numerics.layout.matching import Predictor, inverse
from ihaudit.attacks.numerics.layout.pictures import Floats, Model, Moments
from ihaudit.attacks.numerics.layout.symmetry import Orientation, symmetric
from ihaudit.attacks.numerics.layout.warps import NOISE, Warps

#: neighbours in the graph of each start
NEIGHBOURS = (8, 8, 10, 6, 12, 12)
#: jitter, in pixels, assumed in the first matches of a start
FIRST = (3.0, 3.0, 3.0, 2.0, 2.0, 2.0)
#: blur of the score, order of the warps, jitter, and how far each step goes, in Newton steps
STAGES = (
    (2.0, 4, 2.0, (10.0, 8.0, 6.0, 4.0, 3.0)),
    (2.0, 6, 1.5, (4.0, 4.0, 3.0, 3.0)),
    (1.0, 8, 1.5, (4.0, 4.0, 3.0, 3.0, 2.0)),
    (1.0, 8, 1.0, (3.0, 2.0, 0.0, 0.0)),
)
#: the same for a layout that has been through them
AGAIN = (
    (2.0, 6, 2.0, (8.0, 6.0, 4.0)),
    (1.0, 8, 1.5, (8.0, 6.0, 4.0, 3.0, 2.0)),
    (1.0, 8, 1.0, (4.0, 3.0, 0.0, 0.0)),
)
#: farthest that a step moves a position, in pixels
FARTHEST = 2.0
#: a layout whose neighbours are as alike as those of similar images, but for this share, is final
DONE = 0.02
#: excess of the roughness over that of similar images, and mean SSIM of the pictures laid out so (CIFAR-10)
EXCESS = ((0.0, 1.0), (0.1, 0.94), (0.16, 0.8), (0.21, 0.73), (0.35, 0.6), (0.6, 0.25), (1.0, 0.1))
#: probability from which a mirror image or turn is ruled out
CERTAIN = 0.999


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the released positions lie.

    Attributes:
        pixel: int64 (P,), the pixel of every released position, each used once.
        roughness: mean squared difference of neighbouring pixels over that of the most alike positions.
        excess: how far that exceeds the roughness of as many similar images, as a share.
        upright: probability that no mirror image or turn of it is the true one.
        unturned: probability that it or its mirror image is the true one.
        starts: number of starts.
    """

    pixel: NDArray[np.int64]
    roughness: float
    excess: float
    upright: float
    unturned: float
    starts: int

    @property
    def ambiguity(self) -> tuple[str, ...]:
        """What pictures laid out so are fixed up to (`ihaudit.metrics.alignment`), where it is not nearly certain."""
        if self.unturned < CERTAIN:
            return ("turn",)
        return ("mirror",) if self.upright < CERTAIN else ()

    @property
    def expected(self) -> float:
        """The mean SSIM that pictures laid out so can be expected to have, up to `ambiguity`."""
        x, y = zip(*EXCESS, strict=True)
        return float(np.interp(self.excess, x, y))


def unscramble(
    released: Floats,
    similar: Floats,
    rng: np.random.Generator,
    starts: int = 3,
    progress: Callable[[float], None] = lambda _: None,
) -> Layout:
    """Lay out pictures whose pixels are in one unknown order.

    Args:
        released: float32 (N, P, C), channels kept together.
        similar: float32 (S, H, W, C) in [0, 1], P = H * W.
        rng: draws the similar images that show how alike neighbours are.
        starts: embeddings that are tried while neighbours are less alike than in similar images.
        progress: called with the share of the work done.
    """
    model = Model.of(similar)
    h, w = model.height, model.width
    scale = float(np.sqrt(h * w)) / 32
    observed = model.observed(released)
    alike = [
        roughness(model.observed(similar[part].reshape(len(part), h * w, -1)), np.arange(h * w), h, w)
        for part in (rng.choice(len(similar), min(len(released), len(similar)), replace=False) for _ in range(4))
    ]
    usual = float(np.mean(alike))
    precision = {s: model.precision(s * scale, NOISE) for s in {s for s, *_ in STAGES}}
    warps = {(s, k): Warps.of(model, s * scale, k, precision[s]) for s, k in {x[:2] for x in (*STAGES, *AGAIN)}}
    orientation = Orientation.of(similar, model.axes)

    def refined(
        layout: NDArray[np.int64],
        predictors: dict[float, Predictor],
        stages: tuple[tuple[float, int, float, tuple[float, ...]], ...],
    ) -> NDArray[np.int64]:
        for sigma, order, jitter, lengths in stages:
            field = warps[sigma, order]
            curvature = field.curvature(model, observed.arranged(inverse(layout)))
            for length in lengths:
                step = field.step(model, observed.arranged(inverse(layout)), curvature) * np.float32(length)
                far = float(np.abs(step).max()) / (FARTHEST * scale)
                new = predictors[jitter].match(model, observed, layout, step / max(far, 1))
                same, layout = np.array_equal(new, layout), new
                if same and length <= 1:
                    break
        return layout

    def roughly_upright(layout: NDArray[np.int64]) -> NDArray[np.int64]:
        # By coarse detail: single positions are still too far off.
        turned = symmetric(layout, h, w)
        return turned[int(np.argmin([_energy(model, observed, t, precision[coarse], coarse * scale) for t in turned]))]

    def upright(layout: NDArray[np.int64]) -> tuple[NDArray[np.int64], float, float]:
        pictures = released[:, inverse(layout)].reshape(len(released), h, w, -1)
        index, surely, unturned = orientation.choose(pictures)
        return symmetric(layout, h, w)[index], surely, unturned

    best: tuple[float, NDArray[np.int64]] | None = None
    used = 0
    coarse = STAGES[0][0]
    kinds = (Predictor.smoothing, Predictor.wiener)
    for start, neighbours in enumerate(NEIGHBOURS[:starts]):
        make = kinds[start % 2]
        predictors = {j: make(model, j * scale) for j in {*FIRST, *(x[2] for x in STAGES)}}
        layout = first_layout(observed.correlation(), model.moments.correlation(), neighbours)
        layout = roughly_upright(layout)
        for jitter in FIRST:
            layout = predictors[jitter].match(model, observed, layout)
        layout = refined(roughly_upright(layout), predictors, STAGES)
        rough = roughness(observed, layout, h, w)
        if rough / usual - 1 > DONE:
            again = refined(upright(layout)[0], predictors, AGAIN)
            if (r := roughness(observed, again, h, w)) < rough:
                layout, rough = again, r
        used += 1
        progress(used / starts)
        if best is None or rough < best[0]:
            best = rough, layout
        if best[0] / usual - 1 <= DONE:
            break
    assert best is not None
    rough, (layout, surely, unturned) = best[0], upright(best[1])
    return Layout(layout, rough, rough / usual - 1, surely, unturned, used)


def roughness(moments: Moments, layout: NDArray[np.int64], h: int, w: int) -> float:
    """Mean squared difference of neighbouring pixels, over that of each position and the four most like it."""
    at = moments.arranged(inverse(layout))
    total = at.covariance.sum(0) + at.mean.T @ at.mean
    own = np.diag(total)
    distance = np.maximum(own[:, None] + own - 2 * total, 0)
    y, x = np.divmod(np.arange(h * w), w)
    right, down = np.flatnonzero(x < w - 1), np.flatnonzero(y < h - 1)
    beside = np.concatenate([distance[right, right + 1], distance[down, down + w]]).mean()
    np.fill_diagonal(distance, np.inf)
    return float(beside / max(np.partition(distance, 4, axis=1)[:, :4].mean(), 1e-12))


def _energy(model: Model, released: Moments, layout: NDArray[np.int64], precision: Floats, sigma: float) -> float:
    """Twice the negative log-likelihood per picture, blurred by `sigma`, but for a constant."""
    at = released.arranged(inverse(layout))
    off = at.mean - model.moments.mean
    about = at.covariance + off[:, :, None] * off[:, None, :]
    return float(sum((q * model.blurred(m, sigma)).sum() for q, m in zip(precision, about, strict=True)))

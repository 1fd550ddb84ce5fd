"""Block scrambles, from the size of the blocks to whole pictures: under one key, afresh for every image, or both.

Where all pictures, or all patches of one size, were cut and moved in one way, gains of edges are summed over them, and
one arrangement serves all.  What is left in disorder is put together picture by picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.jigsaw.anneal import Arrangement, arrange
from ihaudit.attacks.numerics.jigsaw.model import Model, blocks_of, pictures_of
from ihaudit.attacks.numerics.jigsaw.motions import Ints, Motions, motions
from ihaudit.attacks.numerics.jigsaw.pose import Pose
from ihaudit.attacks.numerics.jigsaw.student import Floats

#: samples that are summed under one key, and work (products) that their edges, and densities at places, may take
SUMMED, EDGE_WORK, PLACE_WORK = (60, 600), 4e9, 6e10
#: a block has a neighbour under one key where its best partner gains this share of what true edges do
ONE_KEY = 0.5
#: moves of an annealing per block and motion, at least per block, at most in all; annealings at most until two agree
STEPS, LEAST_STEPS, MOST_STEPS, STARTS = 150, 3000, 3_000_000, 4
#: share of the gain of true edges below which blocks do not belong together
FITS = 0.5
#: likelihood that further motions must add, as a share of what all true edges gain
WORTH = 0.1
#: pictures that are put together at least
FEWEST = 20
#: pictures that show which motions occur, and similar images that show how many blocks come to their places
TRIED, PLAYED = 5, 16
#: mean difference of values up to which two blocks are one
SAME = 0.01

Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Together:
    """Pictures put together.

    Attributes:
        pictures: float32 (n, H, W, C) about mid-grey, the first of those that were given.
        block: edge of the blocks.
        keyed: edge of the patches that are scrambled inside under one key, or None.
        fresh: whether blocks (or those patches) are in another order in every picture.
        words: what was done to blocks besides moving them, in words.
        fit: mean gain of edges, as a share of that of similar images.
        agreed: bool (n,): two annealings found the same arrangement.
        pose: float64 (n,), probability of the motion of the whole picture that was chosen.
        upright: probability that pictures which are all in one pose are not mirrored.
        right: share of the blocks of similar images, scrambled and put together likewise, that came to their places in
            the picture, whatever motion that is in as a whole; None where nothing was fresh.
    """

    pictures: Floats
    block: int
    keyed: int | None
    fresh: bool
    words: str
    fit: float
    agreed: NDArray[np.bool_]
    pose: NDArray[np.float64]
    upright: float
    right: float | None = None


def steps_for(blocks: int, motions: int) -> int:
    """Moves of an annealing."""
    return int(min(blocks * max(STEPS * motions, LEAST_STEPS), MOST_STEPS))


def best_of(
    edges: Floats, standing: Floats, group: Motions, rows: int, columns: int, allowed: Ints, seed: int
) -> tuple[Arrangement, bool]:
    """The best of annealings until two agree, and whether they did."""
    steps = steps_for(rows * columns, len(allowed))
    found: list[Arrangement] = []
    for start in range(STARTS):
        found.append(arrange(edges, standing, group, rows, columns, allowed, seed + start, steps))
        best = max(found, key=lambda a: a.score)
        if sum(a.score > best.score - 1e-3 * max(1.0, abs(best.score)) ** 0.5 for a in found) > 1:
            return best, True
    return best, False


def summed(samples: Floats, model: Model, rng: np.random.Generator) -> tuple[Floats, Floats, int]:
    """Edges and standing of samples float32 (n, H, W, C) that were all scrambled in one way, and how many were used."""
    g, b = len(model.motions), model.rows * model.columns
    count = int(np.clip(EDGE_WORK / (4 * b * b * g * len(model.alone.mean)), *SUMMED))
    chosen = samples[rng.permutation(len(samples))[:count]]
    edges, standing = np.zeros((b, 4, b, g), np.float32), np.zeros((b, g, b), np.float32)
    d = len(model.places[0].mean)
    most = max(4, int(PLACE_WORK / (b * b * g * d * d)))
    for i, sample in enumerate(chosen):
        shown = model.motions.shown(blocks_of(sample[None], model.block)[0])
        edges += model.edges(shown)
        if i < most:
            standing += model.standing(shown)
    if most < len(chosen):
        standing *= np.float32(len(chosen) / most)
    return edges, standing, len(chosen)


def under_one_key(edges: Floats, count: int, model: Model) -> bool:
    """Whether blocks have neighbours that fit in all samples: edges are the sum over `count`."""
    own = np.arange(len(edges))
    best = edges.max(3)
    best[own, :, own] = -np.inf
    return float(np.median(best.max((1, 2)))) > ONE_KEY * count * model.usual


def subgroup(puzzles: list[tuple[Floats, Floats]], model: Model, count: int) -> tuple[Ints, tuple[bool, bool, bool]]:
    """The motions that occur: the smallest subgroup under which the puzzles are about as likely as they can be.

    Args:
        puzzles: edges and standing of each.
        model: of blocks.
        count: samples that each puzzle is the sum over.

    Returns:
        int64 (k,), and whether blocks were turned or mirrored, negated, recoloured.
    """
    several = len(model.motions.orders) > 1
    ways = list(product((False, True), (False, True), (False, True) if several else (False,)))
    edges_of_all = len(puzzles) * count * (2 * model.rows * model.columns - model.rows - model.columns)
    margin = WORTH * edges_of_all * model.usual
    best, out = -np.inf, (model.motions.allowed(*ways[0]), ways[0])
    for means in sorted(ways, key=sum):
        allowed = model.motions.allowed(*means)
        total, varied = 0.0, np.zeros(3, bool)
        for edges, standing in puzzles:
            found, _ = best_of(edges, standing, model.motions, model.rows, model.columns, allowed, 0)
            total += found.score - (model.rows * model.columns - 1) * float(np.log(len(allowed)))
            varied |= [len(np.unique(v[found.motion])) > 1 for v in model.motions.parts()]
        # What is the same for all blocks is done to the picture, not to blocks.
        if total > best + (margin if sum(means) else 0) and bool(np.all(varied | ~np.array(means))):
            best, out = total, (allowed, means)
    return out


def put_together(
    pictures: Floats,
    similar: Floats,
    block: int,
    rng: np.random.Generator,
    most: int = 10**9,
    progress: Progress = lambda _: None,
) -> Together | None:
    """Solve float32 (n, H, W, C) about mid-grey that were cut into blocks; None where no blocks fit together.

    Args:
        pictures: the encodings.
        similar: float32 (S, H, W, C) in [0, 1].
        block: edge of the blocks.
        rng: of all draws.
        most: pictures times blocks times motions that are put together one by one; only the first pictures are.
        progress: called with the share of the work done.
    """
    n, h, w, c = pictures.shape
    keyed: int | None = None
    right: float | None = None
    fit, means = 0.0, (False, False, False)
    agreed = np.ones(n, bool)
    # The smallest first: blocks that are scrambled inside patches have neighbours in pictures, too.
    sizes = [(p, p) for p in range(2 * block, min(h, w), block) if h % p == 0 and w % p == 0] + [(h, w)]
    size = (block, block)
    for a, b in sizes:
        whole = (a, b) == (h, w)
        samples = pictures if whole else blocks_of(pictures, a).reshape(-1, a, b, c)
        like = similar if whole else blocks_of(similar, a).reshape(-1, a, b, c)
        model = Model.of(like, block, rng)
        if len(samples) < 2:
            continue
        edges, standing, count = summed(samples, model, rng)
        if not under_one_key(edges, count, model):
            continue
        allowed, means = subgroup([(edges, standing)], model, count)
        found, sure = best_of(edges, standing, model.motions, model.rows, model.columns, allowed, 1)
        moved = _apply(samples, found, model)
        pictures = moved if whole else pictures_of(moved.reshape(n, -1, a, a, c), h // a, w // a)
        keyed, fit, size, agreed = a, found.edges / (count * model.usual), (a, b), agreed & sure
        break
    progress(0.3)
    fresh = size != (h, w)
    if fresh:
        played = rng.permutation(len(similar))
        model = Model.of(similar[played[PLAYED:]], size[0], rng)
        tables = []
        for picture in pictures[:TRIED]:
            shown = model.motions.shown(blocks_of(picture[None], size[0])[0])
            tables.append((model.edges(shown), model.standing(shown)))
        allowed, again = subgroup(tables, model, 1)
        tried = [best_of(*t, model.motions, model.rows, model.columns, allowed, 0)[0].edges for t in tables]
        if float(np.mean(tried)) < FITS * model.usual:
            return None
        means = (means[0] or again[0], means[1] or again[1], means[2] or again[2])
        n = min(n, max(FEWEST, most // (model.rows * model.columns * len(allowed))))
        pictures, agreed = pictures[:n], agreed[:n]
        gains = []
        out = np.empty_like(pictures)
        for i, picture in enumerate(pictures):
            shown = model.motions.shown(blocks_of(picture[None], size[0])[0])
            edges, standing = model.edges(shown), model.standing(shown)
            found, sure = best_of(edges, standing, model.motions, model.rows, model.columns, allowed, 7 * i)
            out[i] = pictures_of(shown[found.block, found.motion][None], model.rows, model.columns)[0]
            agreed[i] &= sure
            gains.append(found.edges)
            progress(0.3 + 0.7 * (i + 1) / n)
        pictures, fit = out, float(np.mean(gains)) / model.usual
        right = _played(model, allowed, similar[played[:PLAYED]], rng)
    if keyed is None and not fresh:
        return None
    found_all = Together(pictures, block, keyed, fresh, _words(means), fit, agreed, np.ones(n), 1.0, right)
    return _posed(pictures, similar, found_all, means, rng)


def _played(model: Model, allowed: Ints, pictures: Floats, rng: np.random.Generator) -> float:
    """The share of blocks that come to their places where pictures float32 (k, H, W, C) in [0, 1] are scrambled."""
    shares = []
    for picture in pictures - np.float32(0.5):
        blocks = blocks_of(picture[None], model.block)[0]
        shown = model.motions.shown(blocks)
        scrambled = shown[rng.permutation(len(blocks)), rng.choice(allowed, len(blocks))]
        shown = model.motions.shown(scrambled)
        edges, standing = model.edges(shown), model.standing(shown)
        found, _ = best_of(edges, standing, model.motions, model.rows, model.columns, allowed, 0)
        together = pictures_of(shown[found.block, found.motion][None], model.rows, model.columns)
        shares.append(float(blocks_right(together, picture[None], model.block, allowed)[0]))
    return float(np.mean(shares))


def blocks_right(answered: Floats, true: Floats, block: int, allowed: Ints | None = None) -> NDArray[np.float64]:
    """float64 (n,): share of the blocks of answered pictures that are those of the true ones, in the best motion.

    Args:
        answered, true: float32 (n, H, W, C) about mid-grey.
        block: edge of the blocks.
        allowed: motions of the whole picture; all if None.
    """
    group = motions(true.shape[3])
    best = np.zeros(len(true))
    for motion in range(len(group)) if allowed is None else allowed:
        moved = group.moved(answered, int(motion))
        if moved.shape == true.shape:
            apart = np.abs(blocks_of(moved, block) - blocks_of(true, block)).mean((2, 3, 4))
            best = np.maximum(best, (apart < SAME).mean(1))
    return best


def _apply(samples: Floats, found: Arrangement, model: Model) -> Floats:
    """float32 (n, H, W, C) with blocks at their places and after their motions."""
    blocks = blocks_of(samples, model.block)
    out = np.empty_like(blocks)
    for place, (block, motion) in enumerate(zip(found.block, found.motion, strict=True)):
        out[:, place] = model.motions.moved(blocks[:, block], int(motion))
    return pictures_of(out, model.rows, model.columns)


def _posed(
    pictures: Floats, similar: Floats, found: Together, means: tuple[bool, bool, bool], rng: np.random.Generator
) -> Together:
    """With the motion of whole pictures settled: one for all where all were put together in one way."""
    h, w, c = pictures.shape[1:]
    group = motions(c)
    # One motion of all pictures together is told with certainty, but for a mirror image, and may be the key's.
    allowed = group.allowed(means[0], means[1] or not found.fresh, means[2] or not found.fresh)
    if h != w:
        allowed = allowed[group.parts()[0][allowed] % 2 == 0]
    if len(allowed) == 1:
        return found
    pose = Pose.of(similar, allowed, rng)
    odds = pose.log_odds(pictures)
    if not found.fresh:
        odds = np.broadcast_to(odds.sum(0), odds.shape)
    share = np.exp(odds - odds.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)
    best = odds.argmax(1)
    out = np.concatenate([pose.moved(p[None], int(allowed[k])) for p, k in zip(pictures, best, strict=True)])
    upright = 1.0
    if not found.fresh and means[0]:
        mirror = group.compose[len(group) // 2, allowed[best[0]]]  # mirrored left to right, after that motion
        lead = float(odds[0, best[0]] - odds[0, np.flatnonzero(allowed == mirror)[0]])
        upright = float(1 / (1 + np.exp(-min(50.0, lead))))
    return replace(found, pictures=out, pose=share.max(1), upright=upright)


def _words(means: tuple[bool, bool, bool]) -> str:
    parts = [w for w, m in zip(("turned or mirrored", "negated", "recoloured"), means, strict=True) if m]
    return ", ".join(parts)

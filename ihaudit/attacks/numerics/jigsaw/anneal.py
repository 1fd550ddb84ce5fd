"""The likeliest arrangement of a puzzle: annealing, with moves that put beside a block what fits it best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ihaudit.attacks.numerics.compiled import kernel
from ihaudit.attacks.numerics.jigsaw.motions import Ints, Motions
from ihaudit.attacks.numerics.jigsaw.student import Floats

#: best partners of each side of a block that moves draw from
PARTNERS = 6
#: temperature at the start and at the end, as a share of the spread of gains
HOT, COLD = 2.0, 0.08


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Of P blocks at P places in reading order.

    Attributes:
        block: int64 (P,), the block at each place.
        motion: int64 (P,), what it is shown after.
        score: log-likelihood of the arrangement, but for a constant.
        edges: mean gain over all edges.
    """

    block: Ints
    motion: Ints
    score: float
    edges: float


def arrange(
    edges: Floats,
    standing: Floats,
    group: Motions,
    rows: int,
    columns: int,
    allowed: Ints,
    seed: int,
    steps: int,
    starts: int = 1,
) -> Arrangement:
    """The best of a few annealings.

    Args:
        edges: float32 (B, 4, B, G), see `Model.edges`.
        standing: float32 (B, G, P), see `Model.standing`.
        group: of motions.
        rows, columns: of places, P = B in all.
        allowed: int64 (k,), motions that blocks may have, a subgroup.
        seed: of all draws.
        steps: moves that are tried in each annealing.
        starts: annealings.
    """
    outside = np.setdiff1d(np.arange(len(group)), allowed)
    standing = standing.copy()
    standing[:, outside] = -np.inf
    partners, weights = _partners(edges, group, allowed)
    sources = _sources(rows, columns)
    spread = float(np.std(weights[..., 0]) + np.abs(weights[..., 0]).mean())
    best: Arrangement | None = None
    for start in range(starts):
        block, motion = np.empty(rows * columns, np.int64), np.empty(rows * columns, np.int64)
        score, joined = _anneal(
            edges,
            standing,
            group.turned,
            group.side,
            group.frame,
            group.compose,
            group.inverse,
            allowed,
            partners,
            sources,
            rows,
            columns,
            steps,
            HOT * spread,
            COLD * spread,
            seed + start,
            block,
            motion,
        )
        if best is None or score > best.score:
            count = max(1, rows * (columns - 1) + columns * (rows - 1))
            best = Arrangement(block, motion, score, joined / count)
    assert best is not None
    return best


def _partners(edges: Floats, group: Motions, allowed: Ints) -> tuple[Ints, Floats]:
    """int64 (B, 4, K, 2) block and motion of the best right neighbours of each block after quarter turns; gains."""
    b, _, _, g = edges.shape
    open_ = np.full((b, 4, b, g), -np.inf, np.float32)
    # Seen in the frame of the left block every motion of the group can occur if motions are a subgroup with turns.
    ways = np.unique(np.concatenate([group.turned[d][allowed] for d in range(4)]))
    frames = np.unique(group.compose[group.inverse[group.frame[ways]][:, None], ways[None, :]])
    open_[..., frames] = edges[..., frames]
    open_[np.arange(b), :, np.arange(b)] = -np.inf
    flat = open_.reshape(b, 4, -1)
    k = min(PARTNERS, (b - 1) * len(frames))
    top = np.argpartition(-flat, k - 1, axis=2)[:, :, :k] if k < flat.shape[2] else np.argsort(-flat, axis=2)[:, :, :k]
    gains = np.take_along_axis(flat, top, 2)
    order = np.argsort(-gains, axis=2)
    top, gains = np.take_along_axis(top, order, 2), np.take_along_axis(gains, order, 2)
    return np.stack(np.divmod(top, g), -1).astype(np.int64), gains


def _sources(rows: int, columns: int) -> Ints:
    """int64 (8, P): where each place of a turned or mirrored picture was; -1 for turns that change its shape."""
    grid = np.arange(rows * columns).reshape(rows, columns)
    turned = [np.rot90(grid[:, ::-1] if t >= 4 else grid, t % 4) for t in range(8)]
    return np.stack([v.ravel() if v.shape == grid.shape else np.full(v.size, -1) for v in turned])


@kernel
def _edge(edges, turned, side, frame, compose, inverse, d, a, ga, b, gb):  # type: ignore[no-untyped-def]
    """Gain of b in gb beside a in ga: right, below, left or above of it for d = 0, 1, 2, 3."""
    x, y = turned[d, ga], turned[d, gb]
    return edges[a, side[x], b, compose[inverse[frame[x]], y]]


@kernel
def _around(edges, standing, turned, side, frame, compose, inverse, rows, columns, block, motion, p):  # type: ignore[no-untyped-def]
    """What the block at place p contributes: itself and its edges."""
    r, c = p // columns, p % columns
    a, g = block[p], motion[p]
    out = standing[a, g, p]
    if c + 1 < columns:
        out += _edge(edges, turned, side, frame, compose, inverse, 0, a, g, block[p + 1], motion[p + 1])
    if r + 1 < rows:
        out += _edge(edges, turned, side, frame, compose, inverse, 1, a, g, block[p + columns], motion[p + columns])
    if c > 0:
        out += _edge(edges, turned, side, frame, compose, inverse, 0, block[p - 1], motion[p - 1], a, g)
    if r > 0:
        out += _edge(edges, turned, side, frame, compose, inverse, 1, block[p - columns], motion[p - columns], a, g)
    return out


@kernel
def _between(edges, turned, side, frame, compose, inverse, rows, columns, block, motion, p, q):  # type: ignore[no-untyped-def]
    """The edge between places p and q, 0 where they are not neighbours."""
    if p > q:
        p, q = q, p
    if q == p + 1 and q % columns != 0:
        return _edge(edges, turned, side, frame, compose, inverse, 0, block[p], motion[p], block[q], motion[q])
    if q == p + columns:
        return _edge(edges, turned, side, frame, compose, inverse, 1, block[p], motion[p], block[q], motion[q])
    return np.float32(0)


@kernel
def _whole(edges, standing, turned, side, frame, compose, inverse, rows, columns, block, motion):  # type: ignore[no-untyped-def]
    """Score, and the sum of the edges' gains."""
    alone, joined = 0.0, 0.0
    for p in range(rows * columns):
        a, g = block[p], motion[p]
        alone += standing[a, g, p]
        if p % columns + 1 < columns:
            joined += _edge(edges, turned, side, frame, compose, inverse, 0, a, g, block[p + 1], motion[p + 1])
        if p // columns + 1 < rows:
            below = p + columns
            joined += _edge(edges, turned, side, frame, compose, inverse, 1, a, g, block[below], motion[below])
    return alone + joined, joined


@kernel
def _anneal(  # type: ignore[no-untyped-def]
    edges,
    standing,
    turned,
    side,
    frame,
    compose,
    inverse,
    allowed,
    partners,
    sources,
    rows,
    columns,
    steps,
    hot,
    cold,
    seed,
    best_block,
    best_motion,
):
    np.random.seed(seed)
    places = rows * columns
    block = np.random.permutation(places)
    motion = allowed[np.random.randint(0, len(allowed), places)]
    at = np.empty(places, np.int64)
    for p in range(places):
        at[block[p]] = p
    kept_block, kept_motion = block.copy(), motion.copy()
    score, _ = _whole(edges, standing, turned, side, frame, compose, inverse, rows, columns, block, motion)
    best = score
    best_block[:] = block
    best_motion[:] = motion
    usable = np.zeros(len(side), np.bool_)
    usable[allowed] = True
    step_r, step_c = np.array([0, 1, 0, -1]), np.array([1, 0, -1, 0])
    for step in range(steps):
        heat = hot * (cold / hot) ** (step / steps)
        kind = np.random.random()
        if kind < 0.03:
            # all rows or columns one further, or the whole picture in another motion
            kept_block[:] = block
            kept_motion[:] = motion
            which = np.random.randint(0, 4)
            if which < 2 and places > 1:
                across = np.random.randint(0, 2)
                move = 1 if np.random.random() < 0.5 else -1
                for p in range(places):
                    r, c = p // columns, p % columns
                    if across:
                        c = (c + move) % columns
                    else:
                        r = (r + move) % rows
                    block[r * columns + c] = kept_block[p]
                    motion[r * columns + c] = kept_motion[p]
            else:
                g = allowed[np.random.randint(0, len(allowed))]
                turn = g // (len(side) // 8)
                if sources[turn, 0] < 0:
                    continue
                for p in range(places):
                    block[p] = kept_block[sources[turn, p]]
                    motion[p] = compose[g, kept_motion[sources[turn, p]]]
            new, _ = _whole(edges, standing, turned, side, frame, compose, inverse, rows, columns, block, motion)
            if new >= score or np.random.random() < np.exp((new - score) / heat):
                score = new
                for p in range(places):
                    at[block[p]] = p
            else:
                block[:] = kept_block
                motion[:] = kept_motion
        else:
            p = np.random.randint(0, places)
            q = p
            gp, gq = motion[p], motion[p]
            if kind < 0.25:
                gp = allowed[np.random.randint(0, len(allowed))]
            elif kind < 0.4 and places > 1:
                q = np.random.randint(0, places)
                gp, gq = motion[q], motion[p]
            elif places > 1:
                # beside the block at p, in direction d, one of those that fit it best
                d = np.random.randint(0, 4)
                r, c = p // columns + step_r[d], p % columns + step_c[d]
                if r < 0 or c < 0 or r >= rows or c >= columns:
                    continue
                x = turned[d, motion[p]]
                k = np.random.randint(0, partners.shape[2])
                other, rel = partners[block[p], side[x], k]
                g = turned[(4 - d) % 4, compose[frame[x], rel]]
                if not usable[g]:
                    continue
                p = r * columns + c
                q = at[other]
                gp = g
                gq = motion[p] if np.random.random() < 0.5 else motion[q]
            if p == q:
                old = motion[p]
                before = _around(
                    edges, standing, turned, side, frame, compose, inverse, rows, columns, block, motion, p
                )
                motion[p] = gp
                after = _around(edges, standing, turned, side, frame, compose, inverse, rows, columns, block, motion, p)
                change = after - before
                if change >= 0 or np.random.random() < np.exp(change / heat):
                    score += change
                else:
                    motion[p] = old
            else:
                old_p, old_q = motion[p], motion[q]
                before = _around(
                    edges, standing, turned, side, frame, compose, inverse, rows, columns, block, motion, p
                )
                before += _around(
                    edges, standing, turned, side, frame, compose, inverse, rows, columns, block, motion, q
                )
                before -= _between(edges, turned, side, frame, compose, inverse, rows, columns, block, motion, p, q)
                block[p], block[q] = block[q], block[p]
                motion[p], motion[q] = gp, gq
                after = _around(edges, standing, turned, side, frame, compose, inverse, rows, columns, block, motion, p)
                after += _around(
                    edges, standing, turned, side, frame, compose, inverse, rows, columns, block, motion, q
                )
                after -= _between(edges, turned, side, frame, compose, inverse, rows, columns, block, motion, p, q)
                change = after - before
                if change >= 0 or np.random.random() < np.exp(change / heat):
                    score += change
                    at[block[p]], at[block[q]] = p, q
                else:
                    block[p], block[q] = block[q], block[p]
                    motion[p], motion[q] = old_p, old_q
        if score > best + 1e-6:
            best = score
            best_block[:] = block
            best_motion[:] = motion
    return _whole(edges, standing, turned, side, frame, compose, inverse, rows, columns, best_block, best_motion)

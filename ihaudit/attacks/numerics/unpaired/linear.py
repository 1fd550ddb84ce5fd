"""An affine encoder of patches, the same for all, from encodings and similar images that do not belong together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np

from ihaudit.attacks.numerics.unpaired.likelihood import Fitted, Windows
from ihaudit.attacks.numerics.unpaired.moves import Moves
from ihaudit.attacks.numerics.unpaired.places import BEYOND, Doubles, Floats, White, patches, pictures, unmarked
from ihaudit.attacks.numerics.unpaired.rotation import contrasts, directions, power, rotation
from ihaudit.metrics.ssim import ssim

#: vectors that there must be for each of their directions
FEWEST_VECTORS = 8
#: share of a patch's directions that encodings may lack
MISSING = 0.1
#: vectors of similar images at most
SIMILAR_VECTORS = 200_000
#: steps after which a move is judged, and by how much it must be better
TRIED_STEPS, BETTER = 40, 1e-4
#: rounds of all moves at most
ROUNDS = 3
#: mirrors tried before, each along a line in so many directions at most
MIRRORS, MIRRORED = 12, 4

Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Found:
    """An inverse.

    Attributes:
        pictures: float32 (n, H, W, C), what the encodings show; a few values may lie beyond [0, 1].
        fit: how much likelier they are than patches without neighbours, as a share of what similar images are that the
            same search was played on; about 1 where the search succeeds.
        expected: mean pinned SSIM of that play.
        directions: dimensions of the encodings' vectors.
        marked: every place adds a vector of its own.
    """

    pictures: Floats
    fit: float
    expected: float
    directions: int
    marked: bool


def affine(
    vectors: Floats, similar: Floats, most: int, rng: np.random.Generator, progress: Progress = lambda _: None
) -> Found | None:
    """The images behind vectors (n, rows, columns, d), one for each patch; None where they are no such encoding.

    Args:
        vectors: of the release.
        similar: float32 (S, H, W, C) in [0, 1].
        most: directions of vectors at most; the cost grows with their cube.
        rng: of all draws.
        progress: called with the share done.
    """
    n, rows, columns, _ = vectors.shape
    edge = similar.shape[1] // rows
    values = edge * edge * similar.shape[3]
    seen, marked = White.of(vectors, values), False
    if seen.share < 1 - BEYOND:
        seen, marked = White.of(unmarked(vectors), values), True
    r = seen.values.shape[-1]
    if seen.share < 1 - BEYOND or r < (1 - MISSING) * values:
        return None
    if r > most or n * rows * columns < FEWEST_VECTORS * r or len(similar) < 2 * n:
        return None
    held, rest = similar[:n], similar[n : n + SIMILAR_VECTORS // (rows * columns)]
    like = White.of(patches(rest, edge), r)
    if like.values.shape[-1] < r:
        return None
    marks = like.values.mean(0, keepdims=True) if marked else np.zeros((1, 1, 1, r), np.float32)
    search = _Search.of(like.values - marks, Moves.of(like, edge), rng)
    z = seen.values
    loose = search.alone(z)
    found = search(z)
    progress(0.5)
    # The same search on similar images, behind a map of no concern: any does, for vectors are made white.
    turned = np.linalg.qr(rng.standard_normal((r, r)))[0]
    plain = patches(held, edge)
    played = (White.of(unmarked(plain) if marked else plain, r).values @ turned).astype(np.float32)
    again = search(played)
    usual = search.alone(played) - again.loss

    def shown(f: Fitted, of: Floats) -> Floats:
        return pictures(like.vectors(f(of) + marks), edge)

    expected = float(ssim(np.clip(shown(again, played), 0, 1), held).mean())
    return Found(shown(found, z), (loose - found.loss) / max(usual, 1e-9), expected, r, marked)


@dataclass(frozen=True, eq=False)
class _Search:
    """From a rotation in closed form to the likeliest map, past the maps that are nearly as likely."""

    like: Floats
    windows: Windows
    moves: Moves
    rng: np.random.Generator

    @classmethod
    def of(cls, like: Floats, moves: Moves, rng: np.random.Generator) -> _Search:
        return cls(like, Windows.of(like, rng), moves, rng)

    def alone(self, z: Floats) -> float:
        """What vectors without their neighbours reach: the negative log-likelihood after a shuffle."""
        flat = z.reshape(-1, z.shape[-1])
        return self.windows.fit(flat[self.rng.permutation(len(flat))].reshape(z.shape), np.eye(z.shape[-1])).loss

    def __call__(self, z: Floats) -> Fitted:
        # Moments of a few strong edges mislead some searches and those of one contrast others.
        starts = [rotation(like, of) for like, of in zip(contrasts(self.like), contrasts(z), strict=True)]
        best = min((self.windows.fit(z, start) for start in starts), key=lambda f: f.loss)
        for _ in range(MIRRORS):
            line = np.zeros(z.shape[-1])
            some = self.rng.permutation(len(line))[: self.rng.integers(1, MIRRORED + 1)]
            line[some] = self.rng.standard_normal(len(some))
            mirror = np.eye(len(line)) - 2 * np.outer(line, line) / (line @ line)
            best = self._better(best, z, mirror)
        for _ in range(ROUNDS):
            before = best.loss
            for k in self.rng.permutation(len(self.moves.orders)):
                best = self._better(best, z, self.moves.orders[k])
            if best.loss > before - BETTER:
                break
        return self._signed(best, z)

    def _better(self, best: Fitted, z: Floats, move: Doubles) -> Fitted:
        """The map after a move and from there on, where that is likelier."""
        tried = self.windows.fit(z, best.map[:-1] @ move, TRIED_STEPS)
        return self.windows.fit(z, tried.map[:-1]) if tried.loss < best.loss - BETTER else best

    def _signed(self, best: Fitted, z: Floats) -> Fitted:
        """With the signs of colours settled by what has an odd order: third moments, and means at places."""
        goals = [directions(like) for like in contrasts(self.like)]

        def wrong(signs: tuple[bool, ...]) -> tuple[float, Doubles]:
            out = best.map
            for flip, sign in zip(signs, self.moves.signs, strict=True):
                out = out @ sign if flip else out
            found = [directions(of) for of in contrasts(Fitted(out, best.loss)(z))]
            apart = [
                float(((a - b) ** 2).mean()) / power(b)
                for seen, goal in zip(found, goals, strict=True)
                for a, b in zip(seen, goal, strict=True)
            ]
            return sum(apart), out

        ways = [wrong(signs) for signs in product((False, True), repeat=len(self.moves.signs))]
        return Fitted(min(ways, key=lambda way: way[0])[1], best.loss)

"""What the adversary of the games sees in spite of keys: statistics that keys leave alone, against its own encodings.

It encodes images of the train pool several times, under keys of its own, and learns which statistics of a single row
tell whose encoding it is (`ihaudit.invariants`).  Candidates are encoded by it too (it has the oracle), and a row is
compared with encodings of either: where a scheme is deterministic, that settles it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ihaudit.errors import NotApplicable
from ihaudit.games.challenger import Challenger
from ihaudit.invariants.evidence import Group, fit_group, means
from ihaudit.invariants.fusion import Fusion, fuse
from ihaudit.invariants.statistics import Layout, statistics
from ihaudit.release import FloatArray, IntArray

Float64 = NDArray[np.float64]
#: images that are learned from, of which a third only weighs groups, and encodings of each
IMAGES, ENCODINGS = 300, 4
#: encodings of larger pictures are fewer: values in all that are learned from at most, and in candidates' encodings
LEARNED, CANDIDATES = 8_000_000, 20_000_000
#: fewer images teach nothing; and the share of a game's seconds in the encoder that this may take
FEWEST, SHARE = 40, 0.15
#: groups of statistics that are joined at most: each costs time on every row
GROUPS = 6


@dataclass(frozen=True, eq=False)
class Invariants:
    """A model of rows; see the module's text.

    Attributes:
        layout: of rows.
        groups: models of the statistics that tell something.
        fusion: their weights.
        templates, counts: mean coordinates float64 (S, d) of every population image by group, and of how many
            encodings each is, float64 (S,); an image without any has log odds 0 with every row.
    """

    layout: Layout
    groups: dict[str, Group]
    fusion: Fusion
    templates: dict[str, Float64]
    counts: Float64

    def reduced(self, pixels: FloatArray) -> dict[str, Float64]:
        """Coordinates of rows by group, float64 (R, d)."""
        found = statistics(pixels, self.layout, only=self.groups)
        return {name: g.reduce(found[name]) for name, g in self.groups.items()}

    def knowing(
        self, challenger: Challenger, images: IntArray, pool: IntArray, rng: np.random.Generator, rows: int
    ) -> Invariants:
        """The same with templates of images, int (n,), encoded afresh among bystanders of `pool`.

        Args:
            rows: how many encodings may be made, all images and rows of an image together.
        """
        images = np.unique(images)
        rows = min(rows, CANDIDATES // max(1, int(np.prod(self.layout.shape))))
        asked = affordable(challenger, len(images) * ENCODINGS, pool)
        each = int(np.clip(min(rows // challenger.rows_per_image, asked) // max(1, len(images)), 1, ENCODINGS))
        shown = encodings_of(challenger, images, pool, rng, each)
        reduced = self.reduced(shown)
        of = np.tile(images, each)
        templates, counts = {}, self.counts.copy()
        for name, z in reduced.items():
            made, n = means(z, of, len(counts))
            templates[name] = np.where(n[:, None] > 0, made, self.templates[name])
            counts = np.where(n > 0, n, self.counts)
        return replace(self, templates=templates, counts=counts)

    def margin(self, pixels: FloatArray, first: IntArray, second: IntArray) -> Float64:
        """Log odds of each row with its first candidate less those with its second, float64 (R,)."""
        out = np.zeros(len(pixels))
        for name, z in self.reduced(pixels).items():
            g, t = self.groups[name], self.templates[name]
            pair = [g.paired(z, t[c], self.counts[c]) for c in (first, second)]
            out += self.fusion.weights[name] * (pair[0] - pair[1])
        return out

    def cross(self, pixels: FloatArray, candidates: IntArray) -> Float64:
        """Log odds of every row with every candidate, float64 (R, K)."""
        out = np.zeros((len(pixels), len(candidates)))
        for name, z in self.reduced(pixels).items():
            t = self.templates[name][candidates]
            out += self.fusion.weights[name] * self.groups[name].odds(z, t, self.counts[candidates])
        return out

    def alike(self, a: FloatArray, b: FloatArray) -> Float64:
        """Log odds that rows a[i] and b[i] are of one image, float64 (R,)."""
        out = np.zeros(len(a))
        (za, zb), one = (self.reduced(v) for v in (a, b)), np.ones(len(a))
        for name, g in self.groups.items():
            out += self.fusion.weights[name] * g.paired(za[name], zb[name], one)
        return out


def affordable(challenger: Challenger, planned: int, pool: IntArray) -> int:
    """How many of the planned encodings the scheme's cost leaves room for; 0 where hardly any."""
    try:
        return challenger.affordable(planned, pool, share=SHARE, what="encodings of its own").count
    except NotApplicable:
        return 0


def encodings_of(
    challenger: Challenger, images: IntArray, pool: IntArray, rng: np.random.Generator, each: int
) -> FloatArray:
    """`each` encodings of every image, in different calls where calls have keys: float32 (each * n, ...), in laps."""
    if challenger.rows_per_image >= each and challenger.setting.key != "release":
        shown = challenger.one_row_each(images, pool, rng, repeat=each).pixels
        return shown.reshape(len(images), each, *shown.shape[1:]).swapaxes(0, 1).reshape(shown.shape)
    return challenger.one_row_each(np.tile(images, each), pool, rng).pixels


@dataclass(frozen=True, eq=False)
class Learned:
    """A model, and rows that it was not fitted to: pixels (R, ...), own image int (R,), and others' log odds.

    Attributes:
        model: with templates of `images` from other encodings than those of `pixels`.
        pixels, own: rows to weigh the model with, and the image of each.
        odds: float64 (R, K), joined log odds of each with the `images`, int (K,), that were held out.
    """

    model: Invariants
    pixels: FloatArray
    own: IntArray
    images: IntArray
    odds: Float64


def learn(challenger: Challenger, pool: IntArray, rng: np.random.Generator, images: int) -> Learned | None:
    """Learn on so many images of the train pool; None where no statistic tells whose a row is."""
    fitting = LEARNED // (ENCODINGS * max(1, int(np.prod(challenger.row_shape))))
    images = min(images, max(fitting, FEWEST), affordable(challenger, images * ENCODINGS, pool) // ENCODINGS)
    if images < FEWEST:
        return None
    some = rng.permutation(pool)[:images]
    pixels = encodings_of(challenger, some, pool, rng, ENCODINGS)
    of = np.tile(np.arange(len(some)), ENCODINGS)
    lap = np.repeat(np.arange(ENCODINGS), len(some))
    held = np.arange(len(some)) >= len(some) * 2 // 3
    layout = Layout.of(pixels)
    found = statistics(pixels, layout)
    groups: dict[str, Group] = {}
    odds: dict[str, list[Float64]] = {}
    test = held[of]
    for name, f in found.items():
        g = fit_group(f[~test], of[~test])
        if g is None:
            continue
        groups[name], z = g, g.reduce(f)
        for k in range(ENCODINGS):  # rows of one lap against templates of the others
            rest, now = test & (lap != k), test & (lap == k)
            t, n = means(z[rest], of[rest], len(some))
            odds.setdefault(name, []).append(g.odds(z[now], t[held], n[held]))
    if not groups:
        return None
    joined = {name: np.concatenate(v) for name, v in odds.items()}
    own = np.tile(np.arange(held.sum()), ENCODINGS)
    fusion = fuse(joined, own, most=GROUPS)
    if not fusion.weights:
        return None
    kept = {name: groups[name] for name in fusion.weights}
    size = len(challenger.setting.images)
    nothing = {name: np.zeros((size, len(g.between))) for name, g in kept.items()}
    model = Invariants(layout, kept, fusion, nothing, np.zeros(size))
    at = np.concatenate([np.flatnonzero(test & (lap == k)) for k in range(ENCODINGS)])
    return Learned(model, pixels[at], some[held][own], some[held], fusion.score(joined))

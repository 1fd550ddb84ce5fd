"""The challenger of every game: three disjoint pools, and encodings of chosen images with what they were made from.

"x is used in x_hat" (Definition 1 of Carlini et al. 2021) comes from the scheme's provenance; where it states none,
row j of a call is taken to come from image j mod N or j // T, whichever correlates (see `ihaudit.games.checks`).

An image takes part at most once in a call, and calls have at least `CALL_MIN` images (bystanders of the same pool are
added) where the pool allows: repeats would make an image mix with itself and inflate every advantage.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.context import Context, derive_seed
from ihaudit.contracts.game import GameSetting
from ihaudit.errors import NotApplicable
from ihaudit.games.filters import unit_rows
from ihaudit.games.trials import Trials, affordable, fingerprint
from ihaudit.release import FloatArray, IntArray, Release

CALL_MIN, CALL_MAX = 100, 1000  # images per call
CALL_ROWS = 8192  # rows per call, for schemes that release many encodings of each image
BATCH_ROWS = 16384  # rows held in memory at once
KEYED_CALL = 32  # images per call where a call has one key: many keys, and one challenge under each
MIN_POPULATION = 240


@dataclass(frozen=True, eq=False)
class Pools:
    """Disjoint index sets into the population: learners see `train`, choices are made on `select`, results come from
    `estimate`, which nothing looks at before."""

    train: IntArray
    select: IntArray
    estimate: IntArray


def split(setting: GameSetting, ctx: Context) -> Pools:
    """50 / 20 / 30 % of the population, at random.

    The same for all games of an audit (seeded by the population and, if given, ``ctx.options["audit_seed"]``), so that
    they can share what was learned on the first pool.

    Raises:
        NotApplicable: fewer than `MIN_POPULATION` images.
    """
    n = len(setting.images)
    if n < MIN_POPULATION:
        raise NotApplicable(f"the games need at least {MIN_POPULATION} images like the private ones; there are {n}")
    order = np.random.default_rng(shared_seed(setting, ctx, "pools")).permutation(n)
    a, b = n // 2, n // 2 + n // 5
    return Pools(order[:a], order[a:b], order[b:])


def shared_seed(setting: GameSetting, ctx: Context, *names: object) -> int:
    """A seed for what all games of an audit share: the same in whichever order the games run."""
    return derive_seed(fingerprint(setting), ctx.options.get("audit_seed", 0), *names)


def same_label_partner(indices: IntArray, pool: IntArray, labels: IntArray, rng: np.random.Generator) -> IntArray:
    """For each index a random other image of `pool` with the same label (int, same shape as `indices`).

    Raises:
        NotApplicable: a class has only one image in the pool.
    """
    out = np.empty_like(indices)
    for y in np.unique(labels[indices]):
        members = pool[labels[pool] == y]
        where = np.flatnonzero(labels[indices] == y)
        if len(members) < 2:
            raise NotApplicable(
                f"class {int(y)} has fewer than two images in a pool; give more images like the private ones"
            )
        position = np.full(int(members.max()) + 1, -1)
        position[members] = np.arange(len(members))
        shift = rng.integers(1, len(members), size=len(where))
        out[where] = members[(position[indices[where]] + shift) % len(members)]
    return out


def draw_pairs(pool: IntArray, labels: IntArray, count: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """`count` ordered pairs of different images of equal label, with replacement: exactly i.i.d. from the uniform
    distribution on the pool conditioned on equal labels (two int arrays)."""
    classes, sizes = np.unique(labels[pool], return_counts=True)
    weights = np.where(sizes > 1, sizes * (sizes - 1.0), 0.0)
    if weights.sum() == 0:
        raise NotApplicable("no two images of the estimate pool share a label; give more images like the private ones")
    drawn = rng.choice(classes, size=count, p=weights / weights.sum())
    first = np.empty(count, np.int64)
    for y in np.unique(drawn):
        where = np.flatnonzero(drawn == y)
        first[where] = rng.choice(pool[labels[pool] == y], size=len(where))
    return first, same_label_partner(first, pool, labels, rng)


@dataclass(frozen=True, eq=False)
class Rows:
    """Encodings of chosen images, pixels only.

    Attributes:
        pixels: float32 contiguous (R, ...), copied out of the release so that nothing else travels with them.
        images: int64 (R,) the population index that each was asked for.
        labels: float32 (R, c) released labels, or None.
    """

    pixels: FloatArray
    images: IntArray
    labels: FloatArray | None


class Challenger:
    """Encodes population images through `setting.encoder` and knows the sources of each row."""

    def __init__(self, setting: GameSetting, ctx: Context, pools: Pools) -> None:
        self.setting, self.ctx, self.pools = setting, ctx, pools
        rng = np.random.default_rng(shared_seed(setting, ctx, "probe"))
        some = rng.permutation(pools.train)[:CALL_MIN]
        release = setting.encoder.encode(setting.images[some], setting.labels[some], seed=int(rng.integers(2**62)))
        self.row_shape: tuple[int, ...] = tuple(release.encodings.shape[1:])
        self.image_range = release.image_range
        self.rows_per_image = max(1, round(len(release.encodings) / len(some)))
        self.layout = "stated" if release.provenance is not None else _guess_layout(release, setting.images[some])

    @property
    def per_call(self) -> int:
        """Images per call."""
        if self.setting.key == "release":
            return KEYED_CALL
        return int(np.clip(CALL_ROWS // self.rows_per_image, CALL_MIN, CALL_MAX))

    def scaled(self, images: FloatArray) -> FloatArray:
        """Images in the range that the scheme mixes them in (float32)."""
        low, high = self.image_range
        return np.asarray(low + (high - low) * images, np.float32)

    def sources(self, release: Release, n: int) -> IntArray:
        """int (M, s): which of a call's `n` images each row depends on, -1 for none."""
        m = len(release.encodings)
        if release.provenance is not None:
            stated = np.asarray(release.provenance.sources).reshape(m, -1)
            if (stated >= 0).any():  # "made from no image" is a claim, not a reason to stop: place decides then
                return stated
        if m % n:
            raise NotApplicable(
                f"the scheme states no provenance and released {m} encodings of {n} images, so it is unknown which "
                "encoding shows which image; return Provenance(sources=...) with the release"
            )
        row = np.arange(m) % n if self.layout == "j mod N" else np.arange(m) // (m // n)
        return row[:, None]

    def affordable(
        self, planned: int, pool: IntArray, *, share: float, challenge: bool = False, what: str = "trials"
    ) -> Trials:
        """How many of `planned` requests of `one_row_each` from a pool are made within a share of the game's seconds.

        Raises:
            NotApplicable: too few to say anything.
        """
        per = 1 if challenge and self.setting.key == "release" else self.per_call

        def cost(count: int) -> float:
            size = max(min(count, per), min(self.per_call, CALL_MIN))
            often = count / len(
                pool
            )  # an image is in a call once; drawn with replacement, some are asked for more often
            laps = often + 3 * math.sqrt(often) if challenge else often
            return max(-(-count // per), math.ceil(laps)) * self.setting.encoder.seconds(size)

        return affordable(self.setting, self.ctx, planned, cost, share=share, what=what)

    def calls(
        self, indices: IntArray, pool: IntArray, rng: np.random.Generator, *, alone: bool = False
    ) -> list[tuple[IntArray, IntArray]]:
        """Split requests into calls: (population indices of the call, request number or -1 for a bystander).

        `alone`: one request per call (used for challenges under a key, which would otherwise share it).
        """
        step, least = (1 if alone else self.per_call), min(self.per_call, CALL_MIN, len(pool))
        order = rng.permutation(len(indices))
        shuffled = indices[order]
        by_image = np.argsort(shuffled, kind="stable")
        starts = np.r_[0, np.flatnonzero(np.diff(shuffled[by_image])) + 1] if len(order) else np.zeros(0, int)
        occurrence = np.empty(len(order), np.int64)
        lengths = np.diff(np.r_[starts, len(order)])
        occurrence[by_image] = np.arange(len(order)) - np.repeat(starts, lengths)
        out = []
        for r in range(int(occurrence.max()) + 1 if len(order) else 0):
            members = order[occurrence == r]
            for i in range(0, len(members), step):
                chunk = members[i : i + step]
                extra = pool[:0]
                if len(chunk) < least:
                    others = rng.choice(pool, size=min(len(pool), 2 * least), replace=False)
                    extra = others[~np.isin(others, indices[chunk])][: least - len(chunk)]
                who, request = np.r_[indices[chunk], extra], np.r_[chunk, np.full(len(extra), -1)]
                mixed = rng.permutation(len(who))
                out.append((who[mixed], request[mixed]))
        return out

    def releases(
        self, calls: Sequence[tuple[IntArray, IntArray]], rng: np.random.Generator, labels: IntArray | None = None
    ) -> Iterator[tuple[IntArray, IntArray, Release]]:
        """Encode calls in batches of bounded memory; yields (population indices, request numbers, release)."""
        y = self.setting.labels if labels is None else labels
        size = max((len(c[0]) for c in calls), default=1)
        step = max(1, BATCH_ROWS // (size * self.rows_per_image))
        for i in range(0, len(calls), step):
            part = calls[i : i + step]
            asked = [(self.setting.images[w], y[w], int(rng.integers(2**62))) for w, _ in part]
            made = self.setting.encoder.encode_many(asked)
            for (who, request), release in zip(part, made, strict=True):
                shape = tuple(release.encodings.shape[1:])
                if shape != self.row_shape:
                    raise NotApplicable(f"encodings changed their shape between calls: {self.row_shape}, then {shape}")
                yield who, request, release

    def one_row_each(
        self,
        indices: IntArray,
        pool: IntArray,
        rng: np.random.Generator,
        *,
        labels: IntArray | None = None,
        what: str = "",
        repeat: int = 1,
        challenge: bool = False,
    ) -> Rows:
        """x_hat <- Enc_X(x): for every requested image one of the rows that depend on it, uniformly at random.

        Args:
            indices: int (R,) population indices, repeats allowed (they go to different calls).
            pool: where bystanders are drawn from.
            labels: int (S,) labels of the whole population to encode with, instead of the classes.
            what: words for the progress line.
            challenge: these are trials, whose independence matters: under keys, one to a call.
            repeat: rows per request (each from the same call, without replacement where there are enough).

        Returns:
            Rows: repeat * R rows, request by request.
        """
        total = len(indices) * repeat
        pixels = np.empty((total, *self.row_shape), np.float32)
        soft: FloatArray | None = None
        calls = self.calls(indices, pool, rng, alone=challenge and self.setting.key == "release")
        for done, (who, request, release) in enumerate(self.releases(calls, rng, labels)):
            rows, places = pick_rows(self.sources(release, len(who)), len(who), rng, repeat)
            wanted = request[places[:, 0]] >= 0
            target = (request[places[wanted, 0]] * repeat + places[wanted, 1]).astype(np.int64)
            pixels[target] = release.encodings[rows[wanted]]
            if release.labels is not None and release.labels.ndim == 2:
                width = release.labels.shape[1]
                if soft is None:
                    soft = np.zeros((total, width), np.float32)
                elif soft.shape[1] < width:
                    soft = np.pad(soft, ((0, 0), (0, width - soft.shape[1])))
                soft[target, :width] = release.labels[rows[wanted]]
            if what:
                self.ctx.progress(what, (done + 1) / len(calls))
        return Rows(pixels, np.repeat(indices, repeat), soft)


def used_in(sources: IntArray) -> IntArray:
    """int (P, 2): every pair (image, row) such that the image is used in the row; mixed with itself it counts once."""
    row, column = np.nonzero(sources >= 0)
    return np.unique(np.c_[sources[row, column], row], axis=0)


def pick_rows(sources: IntArray, n: int, rng: np.random.Generator, repeat: int = 1) -> tuple[IntArray, IntArray]:
    """For every image of a call `repeat` random rows that depend on it (with repetition where there are fewer).

    Returns:
        rows int (n * repeat,), and (image, number) int (n * repeat, 2).

    Raises:
        NotApplicable: an image is used in no row.
    """
    pairs = used_in(sources)
    pairs = pairs[rng.permutation(len(pairs))]
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    counts = np.bincount(pairs[:, 0], minlength=n)
    if counts.min() == 0:
        raise NotApplicable(
            f"{int((counts == 0).sum())} of {n} images are used in no encoding of a call, so it "
            "cannot be shown one of them"
        )
    starts = np.cumsum(counts) - counts
    number = np.tile(np.arange(repeat), n)
    image = np.repeat(np.arange(n), repeat)
    return pairs[starts[image] + number % counts[image], 1], np.c_[image, number]


def _guess_layout(release: Release, images: FloatArray) -> str:
    """Which rule links rows to images where the scheme states none: the one whose pairs correlate more."""
    n, m = len(images), len(release.encodings)
    if m % n or m == n:
        return "j mod N"
    means = {}
    for name, source in (("j mod N", np.arange(m) % n), ("j // T", np.arange(m) // (m // n))):
        means[name] = float(np.mean(similarity(release.encodings, images[source])))
    return max(means, key=lambda k: means[k])


def similarity(encodings: FloatArray, images: FloatArray) -> NDArray[np.float32]:
    """float (M,): the larger of an encoding's and its magnitude's correlation with its image (0 if shapes differ)."""
    if encodings.shape[1:] != images.shape[1:]:
        return np.zeros(len(encodings), np.float32)
    x = unit_rows(images)
    y = np.asarray(encodings, np.float32)
    out: NDArray[np.float32] = np.abs([np.einsum("rd,rd->r", unit_rows(e), x) for e in (y, np.abs(y))]).max(0)
    return out

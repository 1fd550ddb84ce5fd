"""The exact system of Carlini et al. 2021, B.1.2: public images found and taken out, private images without noise.

What is left of unmasked mixtures then is an over-determined system in the private images alone, exact up to float32.
Encodings that it does not explain show which private image grouping had missed: given all else, each of them says what
that image must be, and those who are right agree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.demix import Demixed
from ihaudit.attacks.numerics.least_squares import exactly
from ihaudit.attacks.numerics.members import by_labels
from ihaudit.attacks.numerics.mixing import Mixing
from ihaudit.attacks.prng.public import PublicFit, PublicSet, fit_public
from ihaudit.contracts.context import Progress
from ihaudit.release import FloatArray

#: Residual standard deviation up to which an encoding counts as explained; fainter public images leave less.
EXPLAINED = 1e-3
#: Root mean square by which two images of a class differ that are one; photographs differ by far more.
TWINS = 0.02
#: Share of a private image's encodings that hardly any public image is in by chance, spread of its weights over lambda
#: (relative, median) that only one fault for all explains, and weights that are nothing.
OFTEN, SPREAD, FAINT = 0.15, 0.1, 1e-3
#: Encodings that must speak for a change or an added image, refinements until it has settled, rounds of either at most.
SPEAKERS, SETTLE, ROUNDS = 6, 4, 6
#: Share of the median number of encodings below which an image is no image.
RARE = 1 / 3
#: Share of encodings explained from which what is left over is known to be that.
SETTLED = 0.9
#: Opinions on a missing image that are compared with each other at most, and how many times the distance of the nearest
#: `SPEAKERS` others still counts as the same opinion.
COMPARED, AROUND = 2000, 2.0

#: makes one image (P,) of what several encodings imply (n, P)
Agreement = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(eq=False)
class Decomposition:
    """Private images float32 (N, P) with their classes (N,), members and weights (E, s), public images, and noise."""

    images: NDArray[np.float32]
    classes: NDArray[np.int64]
    members: NDArray[np.int64]
    weights: NDArray[np.float64]
    fit: PublicFit
    noise: NDArray[np.float64]

    @property
    def mixing(self) -> Mixing:
        return Mixing.of(self.members, self.weights, np.zeros(len(self.members)), len(self.images))

    @property
    def unexplained(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.noise > EXPLAINED)


class System:
    """Unmasked mixtures float32 (E, H, W, C), their labels (E, n_classes), and the public set."""

    def __init__(self, u: FloatArray, labels: FloatArray, matcher: PublicSet, progress: Progress | None) -> None:
        self.shape = u.shape[1:]
        self.flat = np.asarray(u, np.float32).reshape(len(u), -1)
        self.labels = np.asarray(labels, np.float64)
        self.rest = 1 - self.labels.sum(1)
        self.matcher, self.mean, self.progress = matcher, matcher.mean.reshape(1, -1), progress

    def refine(self, s: Decomposition, rows: NDArray[np.int64]) -> Decomposition:
        """Public images of some rows given the private ones, their members given those, and all private images."""
        c = s.mixing.dense[:, :-1].numpy()
        left = (self.flat[rows] - c[rows] @ s.images).reshape(-1, *self.shape)
        known = PublicFit(s.fit.index[rows], s.fit.weight[rows])
        found = fit_public(left, self.rest[rows], self.matcher, known, progress=self.progress)
        index, weight = s.fit.index.copy(), s.fit.weight.copy()
        index[rows], weight[rows] = found.index, found.weight
        fit = PublicFit(index, weight)
        target = self.flat - fit.part(self.matcher.public, slice(None))
        # with the public images gone, which private ones are in a mixture is all but free of noise
        z = target[rows] - (1 - self.rest[rows])[:, None].astype(np.float32) * self.mean
        centres = self.matcher.whiten((s.images - self.mean).reshape(-1, *self.shape))
        members, weights = s.members.copy(), s.weights.copy()
        members[rows], weights[rows] = by_labels(
            self.matcher.whiten(z.reshape(-1, *self.shape)), self.labels[rows], centres, s.classes, members.shape[1]
        )
        s = replace(s, members=members, weights=weights, fit=fit)
        images, noise = exactly(target, s.mixing, rounds=8)
        return replace(s, images=images[:-1], noise=noise)

    def folded(self, s: Decomposition) -> tuple[Decomposition, NDArray[np.int64]]:
        """Public images that seem to be in most encodings of one private image, put into that image where they belong.

        An image that lacks some of a public one, ``x - g u``, explains its encodings just as well with ``lambda g`` of
        u in each of them.  But every encoding draws its public images and their weights anew, so where a public image
        comes again and again, in proportion to lambda, it is the private image that is wrong.

        Returns:
            The solution, and the rows whose image changed.
        """
        images, index, weight = s.images.copy(), s.fit.index.copy(), s.fit.weight.copy()
        public = self.matcher.public.reshape(len(self.matcher.public), -1)
        changed = np.zeros(len(self.flat), bool)
        for a in range(len(images)):
            rows, slots = np.nonzero(s.members == a)
            if len(rows) < SPEAKERS:
                continue
            count = np.bincount(index[rows][index[rows] >= 0], minlength=len(public))
            for u in np.flatnonzero(count >= max(SPEAKERS, OFTEN * len(rows))):
                has, column = np.nonzero(index[rows] == u)
                lam = s.weights[rows[has], slots[has]]
                shares = weight[rows[has], column] / np.maximum(lam, 1e-3)
                share = float(np.median(shares))
                if float(np.median(np.abs(shares - share))) > SPREAD * abs(share):
                    continue  # drawn by chance so often: public sets can be small
                images[a] += np.float32(share) * public[u]
                left = weight[rows[has], column] - share * lam
                weight[rows[has], column] = np.where(np.abs(left) < FAINT, 0, left)
                index[rows[has], column] = np.where(np.abs(left) < FAINT, -1, u)
                changed[rows] = True
        return replace(s, images=images, fit=PublicFit(index, weight)), np.flatnonzero(changed)

    def settled(self, s: Decomposition) -> Decomposition:
        """Folded and refined until nothing is left to fold."""
        for _ in range(ROUNDS):
            s, rows = self.folded(s)
            if not len(rows):
                break
            s = self.refine(s, rows)
        return s

    def missing(self, s: Decomposition, agree: Agreement) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """For every class at most one image (n, P) that its unexplained encodings agree on, and the classes (n,).

        An encoding whose member of the class is wrong implies what the right one is: its residual over the weight, plus
        the wrong one.  `agree` makes one image (P,) of what they imply (n, P).
        """
        rows = s.unexplained
        c = s.mixing.dense[:, :-1].numpy()
        left = self.flat[rows] - c[rows] @ s.images - s.fit.part(self.matcher.public, rows)
        images, classes = [], []
        for k in np.unique(s.classes):
            implied = []
            for slot in range(s.members.shape[1]):
                member, weight = s.members[rows, slot], s.weights[rows, slot]
                mine = np.flatnonzero((member >= 0) & (s.classes[member] == k) & (weight > 0.05))
                implied.append(s.images[member[mine]] + left[mine] / weight[mine, None].astype(np.float32))
            every = np.concatenate(implied)
            if len(every) >= SPEAKERS:
                images.append(agree(every))
                classes.append(int(k))
        return np.array(images, np.float32).reshape(-1, self.flat.shape[1]), np.array(classes, np.int64)

    def pruned(self, s: Decomposition) -> Decomposition:
        """Without images that hardly any encoding holds, compared with the others: what is left of one that an added
        image took the place of explains its last encoding whatever it is.  Those encodings choose again.

        Only where most encodings are explained: elsewhere it is their members that are wrong, not the images."""
        if float((s.noise <= EXPLAINED).mean()) < SETTLED:
            return s
        count = np.bincount(s.members[s.members >= 0], minlength=len(s.images))
        rare = count < max(1.0, RARE * float(np.median(count)))
        if not rare.any() or rare.all():
            return s
        rows = np.flatnonzero((rare[s.members] & (s.members >= 0)).any(1))
        s = _kept(s, ~rare)
        return self.settled(self.refine(s, rows)) if len(rows) else s

    def added(self, s: Decomposition, agree: Agreement) -> Decomposition | None:
        """With what `missing` finds, settled; None where that explains hardly more encodings."""
        rows = s.unexplained
        images, classes = self.missing(s, agree)
        if not len(images):
            return None
        more = replace(s, images=np.concatenate([s.images, images]), classes=np.append(s.classes, classes))
        for _ in range(SETTLE):
            more = self.settled(self.refine(more, rows))
            rows = more.unexplained
            if len(rows) < SPEAKERS:
                break
        return None if len(more.unexplained) > len(s.unexplained) - SPEAKERS else used(more, len(s.images))

    def completed(self, s: Decomposition) -> Decomposition:
        """With missed images added as long as they explain more encodings than before."""
        for _ in range(ROUNDS):
            if len(s.unexplained) < SPEAKERS:
                break
            # the middle is right if most of a class's encodings miss the same image; where grouping took two for one,
            # half of them miss the other
            more = self.added(s, middle) or self.added(s, densest)
            if more is None:
                break
            s = more
        return s


def middle(implied: NDArray[np.float32]) -> NDArray[np.float32]:
    """The median (P,) of all rows (n, P)."""
    return np.median(implied, axis=0).astype(np.float32)


def densest(implied: NDArray[np.float32]) -> NDArray[np.float32]:
    """The median (P,) of those rows (n, P) that lie around the one with the nearest `SPEAKERS` others."""
    implied = implied[:COMPARED]
    squares = (implied.astype(np.float64) ** 2).sum(1)
    apart = np.sqrt(np.maximum(squares[:, None] + squares - 2 * (implied @ implied.T), 0))
    last = min(SPEAKERS, len(implied) - 1)
    reach = np.partition(apart, last, axis=1)[:, last]
    middle = int(reach.argmin())
    near = apart[middle] <= AROUND * reach[middle]
    result: NDArray[np.float32] = np.median(implied[near], axis=0).astype(np.float32)
    return result


def used(s: Decomposition, before: int) -> Decomposition:
    """Without those images from `before` on that too few encodings hold."""
    count = np.bincount(s.members[s.members >= 0], minlength=len(s.images))
    return _kept(s, (np.arange(len(s.images)) < before) | (count >= SPEAKERS))


def distinct(s: Decomposition) -> Decomposition:
    """With images that came out twice made one: of a class, the one that more encodings hold."""
    count = np.bincount(s.members[s.members >= 0], minlength=len(s.images))
    stands_for = np.arange(len(s.images))
    for i in np.argsort(-count, kind="stable"):
        twins = np.flatnonzero((s.classes == s.classes[i]) & (stands_for == np.arange(len(s.images))))
        apart = np.sqrt(((s.images[twins] - s.images[i]) ** 2).mean(1))
        if stands_for[i] == i:
            stands_for[twins[apart < TWINS]] = i
    members = np.where(s.members >= 0, stands_for[s.members], -1)
    return _kept(replace(s, members=members), stands_for == np.arange(len(s.images)))


def _kept(s: Decomposition, keep: NDArray[np.bool_]) -> Decomposition:
    new = np.cumsum(keep) - 1
    members = np.where((s.members >= 0) & keep[s.members], new[s.members], -1)
    return replace(s, images=s.images[keep], classes=s.classes[keep], members=members)


def exact(
    u: FloatArray,
    labels: FloatArray,
    result: Demixed,
    matcher: PublicSet,
    *,
    rounds: int = 4,
    progress: Progress | None = None,
) -> tuple[Demixed, PublicFit]:
    """Alternate between public weights given private images, and pairing and private images given public weights.

    Args:
        u: float32 (E, H, W, C) unmasked mixtures.
        labels: float (E, n_classes).
        result: from `demix`.
        matcher: of the public set.
        rounds: at most; stops once the 90 % quantile of residuals is rounding.

    Returns the private images at the fixed point (exact up to float32 where all public images were found; an image's
    confidence is the share of its encodings that are explained) and the public images of every encoding.
    """
    system = System(u, labels, matcher, progress)
    e = len(u)
    nothing = fit_public(np.zeros((0, *system.shape), np.float32), np.zeros(0), matcher)
    width = nothing.index.shape[1]
    s = Decomposition(
        result.images.reshape(len(result.images), -1),
        result.classes,
        result.members,
        result.coefficients.astype(np.float64),
        PublicFit(np.full((e, width), -1, np.int64), np.zeros((e, width))),
        result.noise,
    )
    for _ in range(rounds):
        s = system.refine(s, np.arange(e))
        if float(np.quantile(s.noise, 0.9)) < 1e-4:  # nearly all of them found: what is left is rounding
            break
    found = len(s.images)
    s = distinct(system.completed(system.settled(s)))
    s = system.pruned(s)
    explained = s.noise <= EXPLAINED
    confidence = np.zeros(len(s.images))
    for slot in range(s.members.shape[1]):
        np.add.at(confidence, s.members[:, slot][s.members[:, slot] >= 0], explained[s.members[:, slot] >= 0])
    count = np.bincount(s.members[s.members >= 0], minlength=len(s.images))
    diagnostics = result.diagnostics | {
        "images": len(s.images),
        "images_added": len(s.images) - found,
        "encodings_explained": float(explained.mean()),
        "public_images_per_encoding": float((s.fit.index >= 0).sum(1).mean()),
        "median_residual": float(np.median(s.noise)),
    }
    shaped = s.images.reshape(-1, *system.shape)
    return Demixed(
        shaped,
        s.members,
        s.weights.astype(np.float32),
        s.noise,
        s.classes,
        diagnostics,
        (confidence / np.maximum(count, 1)).astype(np.float32),
    ), s.fit

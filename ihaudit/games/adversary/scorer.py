"""The adversary that the direct games share: how well does this encoding fit that image?

For a candidate image c and an encoding x_hat it scores

    s(x_hat, c) = sum_j w_j corr(F_j x_hat, F_j c) + w_0 log N(f(x_hat); A code(c), Sigma)

with the matched filters F_j of `ihaudit.games.filters`, and a learner f that predicts the image's code
(principal components of the image and of its magnitude) from the encoding; A and Sigma are fitted on out-of-fold
predictions, the weights w by logistic regression on "its image or another of the same class".  All of it sees the train
pool only, so a difference s(x_hat, x0) - s(x_hat, x1) > 0 is an answer without any choice left, and sums over rows of
one image add up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.game import GameSetting
from ihaudit.contracts.learner import Learner, Model
from ihaudit.games.adversary.components import FAMILIES, components
from ihaudit.games.adversary.invariants import Invariants, Learned
from ihaudit.games.challenger import Challenger, Rows, same_label_partner
from ihaudit.games.filters import Bank
from ihaudit.games.learners.features import Float32
from ihaudit.games.learners.logistic import logistic_without_intercept
from ihaudit.release import FloatArray, IntArray

#: how many more held-out pairs must be told apart with what keys leave alone than without, for it to be worth its time
GAIN = 0.015
#: values of the rows by which filters are weighed, and rows at least and at most
WEIGHED, ROWS = 8_000_000, (600, 2500)
#: penalty on the two weights of filters and of what keys leave alone
LIGHT = 0.02
#: log odds below which a row is not of a candidate, however unlike they are
NOT_THIS = -10.0
PRUNE = 0.08  # filters whose standardised weight is below this share of the largest are dropped


@dataclass(frozen=True, eq=False)
class Adversary:
    """A trained scorer; see the module's text.

    Attributes:
        scaled: float32 (S, H, W, C), the population in the scheme's range.
        codes: float32 (S, d) code of every population image; bits: int8 (S, d') concepts of every one.
        model: predicts concepts then codes, d' + d outputs.
        slope, precision: float32 (d, d), predicted codes = codes @ slope + noise of that precision.
        weights: float32 (J + 1,) of the filters and the log-likelihood.
        invariants: what keys leave alone, or None; share: weights of s above and of its log odds.
    """

    scaled: FloatArray
    codes: Float32
    bits: NDArray[np.int8]
    model: Model
    bank: Bank
    slope: Float32
    precision: Float32
    weights: Float32
    invariants: Invariants | None = None
    share: tuple[float, float] = (1.0, 0.0)

    @classmethod
    def fit(
        cls,
        setting: GameSetting,
        scaled: FloatArray,
        rows: Rows,
        pool: IntArray,
        learner: Learner,
        seed: int,
        rng: np.random.Generator,
        codes_per_family: int = 64,
    ) -> Adversary:
        """Train on rows of images of `pool`; `scaled` is the population in the scheme's range."""
        families = tuple(components(scaled[pool], f, codes_per_family) for f in FAMILIES)
        if scaled.min() >= 0:  # the magnitude is the image itself
            families = families[:1]
        codes = np.concatenate([f.code(scaled) for f in families], axis=1)
        bits = np.concatenate([f.bits(scaled) for f in families], axis=1)
        targets = np.concatenate([bits, codes], axis=1)[rows.images].astype(np.float32)
        model = learner.fit(rows.pixels, targets, rows.images, seed)
        # Honest predictions, on images that the learner was not trained on, to calibrate with; where a learner keeps
        # none, its own on the training rows (optimistic, which weakens the adversary but no estimate).
        keep = np.asarray(getattr(model, "held_out_rows", np.arange(len(rows.pixels))))
        predicted = getattr(model, "held_out", None)
        if predicted is None:
            predicted = model.predict(rows.pixels)
        rows = Rows(rows.pixels[keep], rows.images[keep], None)
        predicted = predicted[:, bits.shape[1] :]
        slope, precision = _calibrate(predicted, codes[rows.images])
        bank = Bank.fitting(rows.pixels.shape[1:], scaled.shape[1:])
        self = cls(scaled, codes, bits, model, bank, slope, precision, np.zeros(0, np.float32))
        bank, weights = self._combine(setting, rows, predicted, pool, rng)
        return replace(self, bank=bank, weights=weights)

    def _combine(
        self, setting: GameSetting, rows: Rows, predicted: Float32, pool: IntArray, rng: np.random.Generator
    ) -> tuple[Bank, Float32]:
        """Logistic regression, without intercept, on differences of scores to decoys of equal label; twice, the second
        time without the filters that hardly count."""
        most = int(np.clip(WEIGHED // max(1, rows.pixels[0].size), *ROWS))
        keep = rng.permutation(len(rows.pixels))[:most]
        real = rows.images[keep]
        decoys = [same_label_partner(real, pool, setting.labels, rng) for _ in range(2)]
        # The likelihood is calibrated on one half of the images and weighed on the other: weighed where it was fitted
        # it looks better than it is, and drowns the filters wherever the signal is weak.
        parts = np.zeros((len(keep), len(decoys) + 1, len(self.bank) + 1), np.float32)
        side = rng.permutation(len(self.scaled)) % 2 == 0
        for half in (True, False):
            rest = side[rows.images] != half
            slope, precision = _calibrate(predicted[rest], self.codes[rows.images[rest]])
            mine = np.flatnonzero(side[real] == half)
            other = replace(self, slope=slope, precision=precision)
            pixels, candidates = rows.pixels[keep[mine]], [c[mine] for c in (real, *decoys)]
            parts[mine] = other._parts(pixels, predicted[keep[mine]], candidates)
        x = np.concatenate([parts[:, 0] - parts[:, i + 1] for i in range(len(decoys))]).astype(np.float64)
        spread = x.std(0)
        use = np.flatnonzero(spread > 1e-7)
        if not len(use):
            return Bank({}), np.zeros(1, np.float32)
        w = logistic_without_intercept(x[:, use] / spread[use])
        strong = np.abs(w) >= PRUNE * np.abs(w).max()
        use = use[strong]
        w = logistic_without_intercept(x[:, use] / spread[use]) / spread[use]
        last = parts.shape[2] - 1
        names = list(self.bank.filters)
        weights = np.r_[w[use < last], w[use == last] if last in use else 0.0].astype(np.float32)
        return self.bank.only([names[i] for i in use if i < last]), weights

    def predict(self, pixels: FloatArray) -> tuple[NDArray[np.int8], Float32]:
        """Concepts int8 (R, d') in {-1, +1} and codes float32 (R, d) of the image behind each row."""
        predicted, d = np.asarray(self.model.predict(pixels), np.float32), self.bits.shape[1]
        return np.where(predicted[:, :d] > 0, 1, -1).astype(np.int8), predicted[:, d:]

    def _parts(self, pixels: FloatArray, predicted: Float32, candidates: list[IntArray]) -> Float32:
        """(R, K, J + 1) scores of each row, with its predicted code, for its own K candidates; filters first."""
        filters = self.bank.paired(pixels, self.scaled, candidates)
        errors = [predicted - self.codes[c] @ self.slope for c in candidates]
        likelihood = np.stack([-0.5 * np.einsum("ij,ij->i", e @ self.precision, e) for e in errors], axis=1)
        return np.concatenate([filters, likelihood[:, :, None]], axis=2)

    def margin(self, pixels: FloatArray, first: IntArray, second: IntArray) -> NDArray[np.float64]:
        """s(row, first) - s(row, second), float64 (R,): positive means the first candidate."""
        p = self._parts(pixels, self.predict(pixels)[1], [first, second]).astype(np.float64)
        out: NDArray[np.float64] = (p[:, 0] - p[:, 1]) @ self.weights
        if self.invariants is not None:
            out = self.share[0] * out + self.share[1] * self.invariants.margin(pixels, first, second)
        return out

    def knowing(
        self, challenger: Challenger, images: IntArray, pool: IntArray, rng: np.random.Generator, rows: int
    ) -> Adversary:
        """The adversary after it has encoded candidates, int (n,), itself; see `Invariants.knowing`."""
        if self.invariants is None:
            return self
        return replace(self, invariants=self.invariants.knowing(challenger, images, pool, rng, rows))

    def with_invariants(self, setting: GameSetting, learned: Learned, rng: np.random.Generator) -> Adversary:
        """With what keys leave alone, where that helps to tell images apart that were held out; else unchanged."""
        others = rng.integers(1, len(learned.images), size=(len(learned.own), 2))
        place = np.searchsorted(np.sort(learned.images), learned.own)
        by_image = np.argsort(learned.images)
        differences = []
        for column in others.T:
            other = by_image[(place + column) % len(by_image)]
            rows = np.arange(len(other))
            gain = learned.odds[rows, by_image[place]] - learned.odds[rows, other]
            before = self.margin(learned.pixels, learned.own, learned.images[other])
            differences.append(np.stack([before, gain], 1))
        x = np.concatenate(differences)
        spread = np.maximum(np.median(np.abs(x), axis=0), 1e-9)
        joint = logistic_without_intercept(x / spread, LIGHT) / spread
        kept = np.r_[0.0, logistic_without_intercept(x[:, 1:] / spread[1:], LIGHT) / spread[1:]]
        alone, only, both = (float((x @ w > 0).mean()) for w in (np.array([1.0, 0.0]), kept, joint))
        # Filters that add nothing are left out: over many rows they add noise.
        chosen, right = (kept, only) if only >= both - GAIN / 3 else (joint, both)
        if chosen[1] <= 0 or right < alone + GAIN:
            return self
        return replace(self, invariants=learned.model, share=(float(max(chosen[0], 0.0)), float(chosen[1])))

    def cross(self, pixels: FloatArray, candidates: IntArray) -> Float32:
        """s(row, candidate) for all pairs, float32 (R, K)."""
        out = self.bank.cross(pixels, self.scaled[candidates], self.weights[:-1])
        r, c = self.predict(pixels)[1], self.codes[candidates] @ self.slope
        pr, pc = r @ self.precision, c @ self.precision
        quadratic = np.einsum("ij,ij->i", pr, r)[:, None] + np.einsum("ij,ij->i", pc, c)[None] - 2 * pr @ c.T
        out -= self.weights[-1] * 0.5 * quadratic
        if self.invariants is None:
            return out
        # A row of another image may have log odds of minus thousands, some rows more than others; "not this one" is all
        # that they say.
        kept = np.logaddexp(self.share[1] * self.invariants.cross(pixels, candidates), NOT_THIS)
        joined = self.share[0] * out + kept
        return np.asarray(joined, np.float32)


def _calibrate(predicted: Float32, codes: Float32) -> tuple[Float32, Float32]:
    """Fit predicted = codes @ slope + noise: slope (d, d) and the noise's precision, both shrunk, float32."""
    n, d = codes.shape
    c = codes.astype(np.float64)
    slope = np.linalg.solve(c.T @ c + 0.01 * n * np.eye(d), c.T @ predicted)
    e = predicted - c @ slope
    cov = np.cov(e, rowvar=False).reshape(d, d)
    scale = float(np.trace(cov)) / d
    if scale < 1e-12 or n <= 2:  # constant predictions: no information, and no likelihood
        return slope.astype(np.float32) * 0, np.zeros((d, d), np.float32)
    precision = np.linalg.inv(0.95 * cov + 0.05 * scale * np.eye(d))
    return slope.astype(np.float32), precision.astype(np.float32)

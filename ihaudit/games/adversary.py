"""The adversary that the direct games share: how well does this encoding fit that image?

For a candidate image c and an encoding x_hat it scores

    s(x_hat, c) = sum_j w_j corr(F_j x_hat, F_j c) + w_0 log N(f(x_hat); A code(c), Sigma)

with the matched filters F_j of `ihaudit.games.filters`, and a learner f that predicts the image's code (principal
components of the image and of its magnitude) from the encoding; A and Sigma are fitted on out-of-fold predictions, the
weights w by logistic regression on "its image or another of the same class".  All of it sees the train pool only, so a
difference s(x_hat, x0) - s(x_hat, x1) > 0 is an answer without any choice left, and sums over rows of one image add up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from ihaudit.contracts.context import Context
from ihaudit.contracts.game import GameSetting
from ihaudit.games.challenger import Challenger, Pools, Rows, same_label_partner, shared_seed, split
from ihaudit.games.codes import FAMILIES, Components, components
from ihaudit.games.filters import Bank
from ihaudit.games.learners import Float32, Learner, LinearModel, Model, RidgeLearner, features
from ihaudit.games.outcome import fingerprint
from ihaudit.release import FloatArray, IntArray


@dataclass(frozen=True)
class Budget:
    """Sizes by profile.  `rows_*` bound the encodings made (schemes with many epochs make many per image)."""

    train: int
    rows_train: int
    rows_select: int
    trials: int
    rows_trials: int


BUDGETS = {
    "quick": Budget(6000, 40_000, 15_000, 2000, 40_000),
    "standard": Budget(8000, 150_000, 75_000, 4000, 150_000),
    "full": Budget(40_000, 1_000_000, 200_000, 20_000, 1_000_000),
}


@dataclass(eq=False)
class Trained:
    """What is shared by the games of an audit: the pools, the trained adversary, and how it was trained."""

    pools: Pools
    challenger: Challenger
    adversary: Adversary
    train_rows: int
    train_images: int


PRUNE = 0.08  # filters whose standardised weight is below this share of the largest are dropped

#: What a control is played with: enough to see identity and mixup, at a tenth of the cost.
CONTROL = Budget(1500, 15_000, 6_000, 800, 12_000)

_SHARED: WeakKeyDictionary[Any, dict[tuple[object, ...], Trained]] = WeakKeyDictionary()


def budget_of(ctx: Context) -> Budget:
    """The profile's budget; ``ctx.options["control"]`` asks for a control's."""
    return CONTROL if ctx.options.get("control") else BUDGETS[ctx.profile]


def trained(setting: GameSetting, ctx: Context) -> Trained:
    """The adversary trained on the train pool, once for all games of the same encoder and population."""
    cache = _SHARED.setdefault(setting.encoder, {})
    options = (ctx.options.get(name) for name in ("audit_seed", "train_rows", "control"))
    key = (fingerprint(setting), ctx.profile, ctx.device, id(setting.learner), *options)
    if key not in cache:
        pools = split(setting, ctx)
        challenger = Challenger(setting, ctx, pools)
        rng = np.random.default_rng(shared_seed(setting, ctx, "train", ctx.profile))
        rows = training_rows(challenger, rng)
        ctx.progress("training the adversary", 0.9)
        adversary = Adversary.fit(setting, challenger.scaled(setting.images), rows, pools.train, ctx, rng)
        cache[key] = Trained(pools, challenger, adversary, len(rows.pixels), len(np.unique(rows.images)))
    shared = cache[key]
    shared.challenger.ctx = ctx  # progress and checkpoints are the running game's
    return shared


def training_rows(challenger: Challenger, rng: np.random.Generator, labels: IntArray | None = None) -> Rows:
    """Encodings of the train pool, within the profile's budget: as many images as it allows, then rows per image."""
    budget = budget_of(challenger.ctx)
    pool, t = challenger.pools.train, challenger.rows_per_image
    wanted = int(challenger.ctx.options.get("train_rows") or budget.train)
    requests = int(np.clip(budget.rows_train // t, min(400, len(pool)), wanted))
    repeat = min(t, 4, max(1, wanted // min(requests, len(pool)))) if requests <= len(pool) else 1
    laps = -(-requests // len(pool))
    who = np.concatenate([rng.permutation(pool) for _ in range(laps)])[:requests]
    return challenger.one_row_each(who, pool, rng, labels=labels, what="encoding to train on", repeat=repeat)


@dataclass(frozen=True, eq=False)
class Adversary:
    """A trained scorer; see the module's text.

    Attributes:
        families: the code and concept families, fitted on the train pool.
        codes: float32 (S, d) code of every population image; bits: int8 (S, d') concepts of every one.
        model: predicts concepts then codes, d' + d outputs.
        accuracy: float (d',) out-of-fold accuracy of each concept (0.5 where the learner gives none).
        weights: float32 (J + 1,) of the filters and the log-likelihood.
    """

    scaled: FloatArray
    families: tuple[Components, ...]
    codes: Float32
    bits: NDArray[np.int8]
    model: Model
    accuracy: NDArray[np.float64]
    bank: Bank
    slope: Float32
    precision: Float32
    weights: Float32

    @classmethod
    def fit(
        cls,
        setting: GameSetting,
        scaled: FloatArray,
        rows: Rows,
        pool: IntArray,
        ctx: Context,
        rng: np.random.Generator,
        learner: Learner | None = None,
        codes_per_family: int = 64,
    ) -> Adversary:
        """Train on rows of images of `pool`; `scaled` is the population in the scheme's range."""
        families = tuple(components(scaled[pool], f, codes_per_family) for f in FAMILIES)
        if scaled.min() >= 0:  # the magnitude is the image itself
            families = families[:1]
        codes = np.concatenate([f.code(scaled) for f in families], axis=1)
        bits = np.concatenate([f.bits(scaled) for f in families], axis=1)
        targets = np.concatenate([bits, codes], axis=1)[rows.images].astype(np.float32)
        learner = learner or setting.learner or default_learner(ctx)
        model = learner.fit(rows.pixels, targets, rows.images, ctx.seed)
        # Honest predictions, on images that the learner was not trained on, to calibrate with; where a learner keeps
        # none, its own on the training rows (optimistic, which weakens the adversary but no estimate).
        keep = np.asarray(getattr(model, "held_out_rows", np.arange(len(rows.pixels))))
        predicted = getattr(model, "held_out", None)
        if predicted is None:
            predicted = model.predict(rows.pixels)
        rows = Rows(rows.pixels[keep], rows.images[keep], None)
        d = bits.shape[1]
        accuracy = ((predicted[:, :d] > 0) == (bits[rows.images] > 0)).mean(0)
        slope, precision = _calibrate(predicted[:, d:], codes[rows.images])
        bank = Bank(rows.pixels.shape[1:], scaled.shape[1:])
        self = cls(scaled, families, codes, bits, model, accuracy, bank, slope, precision, np.zeros(0, np.float32))
        bank, weights = self._combine(setting, rows, predicted, pool, rng)
        return cls(scaled, families, codes, bits, model, accuracy, bank, slope, precision, weights)

    def _combine(
        self, setting: GameSetting, rows: Rows, predicted: Float32, pool: IntArray, rng: np.random.Generator
    ) -> tuple[Bank, Float32]:
        """Logistic regression, without intercept, on differences of scores to decoys of equal label; twice, the second
        time without the filters that hardly count."""
        keep = rng.permutation(len(rows.pixels))[:2500]
        real = rows.images[keep]
        decoys = [same_label_partner(real, pool, setting.labels, rng) for _ in range(2)]
        # The likelihood is calibrated on one half of the images and weighed on the other: weighed where it was fitted
        # it looks better than it is, and drowns the filters wherever the signal is weak.
        parts = np.zeros((len(keep), len(decoys) + 1, len(self.bank) + 1), np.float32)
        d = self.bits.shape[1]
        side = rng.permutation(len(self.scaled)) % 2 == 0
        for half in (True, False):
            rest = side[rows.images] != half
            slope, precision = _calibrate(predicted[rest, d:], self.codes[rows.images[rest]])
            mine = np.flatnonzero(side[real] == half)
            other = replace(self, slope=slope, precision=precision)
            parts[mine] = other._parts(
                rows.pixels[keep[mine]], predicted[keep[mine]], [c[mine] for c in (real, *decoys)]
            )
        x = np.concatenate([parts[:, 0] - parts[:, i + 1] for i in range(len(decoys))]).astype(np.float64)
        spread = x.std(0)
        use = np.flatnonzero(spread > 1e-7)
        if not len(use):
            return self.bank.only([]), np.zeros(1, np.float32)
        w = _antisymmetric(x[:, use] / spread[use])
        strong = np.abs(w) >= PRUNE * np.abs(w).max()
        use = use[strong]
        w = _antisymmetric(x[:, use] / spread[use]) / spread[use]
        last = parts.shape[2] - 1
        filters = [int(i) for i in use if i < last]
        weights = np.r_[w[use < last], w[use == last] if last in use else 0.0].astype(np.float32)
        return self.bank.only(filters), weights

    def _parts(self, pixels: FloatArray, predicted: Float32, candidates: list[IntArray]) -> Float32:
        """(R, K, J + 1) scores of each row for its own K candidates, filters first."""
        filters = self.bank.paired(pixels, [self.scaled[c] for c in candidates])
        d = predicted.shape[1] - self.codes.shape[1]
        likelihood = np.stack([self._log_likelihood(predicted[:, d:], self.codes[c]) for c in candidates], axis=1)
        return np.concatenate([filters, likelihood[:, :, None]], axis=2)

    def _log_likelihood(self, r: Float32, codes: Float32) -> Float32:
        e = r - codes @ self.slope
        out: Float32 = -0.5 * np.einsum("ij,ij->i", e @ self.precision, e)
        return out

    def parts(self, pixels: FloatArray, candidates: list[IntArray]) -> Float32:
        """Each ingredient's score: float32 (R, K, J + 1) for K candidate indices per row."""
        return self._parts(pixels, np.asarray(self.model.predict(pixels), np.float32), candidates)

    def margin(self, pixels: FloatArray, first: IntArray, second: IntArray) -> NDArray[np.float64]:
        """s(row, first) - s(row, second), float64 (R,): positive means the first candidate."""
        p = self.parts(pixels, [first, second]).astype(np.float64)
        return (p[:, 0] - p[:, 1]) @ self.weights

    def cross(self, pixels: FloatArray, candidates: IntArray) -> Float32:
        """s(row, candidate) for all pairs, float32 (R, K)."""
        out = self.bank.cross(pixels, self.scaled[candidates], self.weights[:-1])
        d = self.bits.shape[1]
        r = np.asarray(self.model.predict(pixels), np.float32)[:, d:]
        c = self.codes[candidates] @ self.slope
        pr, pc = r @ self.precision, c @ self.precision
        quadratic = np.einsum("ij,ij->i", pr, r)[:, None] + np.einsum("ij,ij->i", pc, c)[None] - 2 * pr @ c.T
        out -= self.weights[-1] * 0.5 * quadratic
        return out


def _antisymmetric(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ridge-penalised logistic weights for differences that should be positive: float (J,)."""

    def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = x @ w
        slope = -1 / (1 + np.exp(np.clip(z, -500, 500)))
        return float(np.logaddexp(0, -z).sum() + 2 * (w @ w)), x.T @ slope + 4 * w

    return np.asarray(minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x)


def default_learner(ctx: Context) -> Learner:
    """Ridge; for the ``full`` profile on a GPU the convolutional learner."""
    if ctx.profile == "full" and ctx.device.startswith("cuda"):
        from ihaudit.games.convolutional import ConvLearner

        return ConvLearner(device=ctx.device)
    return RidgeLearner()


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


__all__ = ["BUDGETS", "Adversary", "Budget", "LinearModel", "Trained", "features", "trained", "training_rows"]

"""The fusion-denoising network fitted to sets of encodings that share an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ihaudit.metrics.fdn import ssim_fdn_tensors
from ihaudit.metrics.ssim import ssim_tensors
from ihaudit.nn.fitting import Task, TrainConfig, autocast
from ihaudit.nn.fusion import Fusion, FusionConfig, reweighted, rule_for
from ihaudit.nn.moved_releases import MovedReleases, Moves, planes, scaled

#: Weight of 1 - MSSIM in the loss; the rest is that of the absolute error (Luo et al. 2022, eq. 4).
MSSIM = 0.7


@dataclass(frozen=True)
class SetConfig:
    """Sets of encodings that share an image.

    Attributes:
        encodings: fewest and most in a set (geometric).
        impure: share of sets that hold encodings of other images, as clustering leaves them; foreign: at most this
            share of such a set.
        void: share of sets whose encodings have nothing in common, from which the network learns to say so.
    """

    encodings: tuple[int, int] = (6, 50)
    impure: float = 0.25
    foreign: float = 0.4
    void: float = 0.05


@dataclass(frozen=True)
class SetBatch:
    """Sets of equally many encodings.

    Attributes:
        magnitude: float32 (n, C, H, W), |encodings|.
        coefficient: float32 (n,), of the image that the set shares.
        of: int64 (n,), the set of each.
        truth: float32 (sets, C, H, W) in [0, 1], the image as it is in the set's encoding of least variance.
        void: bool (sets,), the encodings share no image.
    """

    magnitude: Tensor
    coefficient: Tensor
    of: Tensor
    truth: Tensor
    void: Tensor

    @property
    def each(self) -> int:
        """Encodings per set."""
        return len(self.of) // len(self.truth)

    def to(self, device: str) -> SetBatch:
        """The same batch on a device."""
        return SetBatch(*(getattr(self, f.name).to(device) for f in fields(SetBatch)))


def draw_sets(rng: np.random.Generator, releases: MovedReleases, sets: int, each: int, config: SetConfig) -> SetBatch:
    """`sets` sets of `each` encodings, all of one release."""
    n, motion = sets * each, releases.motion(rng)
    k = int(rng.integers(releases.config.k[0], releases.config.k[1] + 1))
    weights = releases.weights(rng, n, k, dominant=True)
    shared = rng.choice(len(releases.private), sets, replace=sets > len(releases.private))
    of = np.repeat(np.arange(sets), each)
    share = np.where(rng.random(sets) < config.impure, rng.uniform(0, config.foreign, sets), 0)
    void = rng.random(sets) < config.void
    foreign = rng.random(n) < np.where(void, 1, share)[of]
    others = rng.integers(0, len(releases.private), (2, n))
    first = np.where(foreign, others[0], shared[of])
    moves = motion(n)
    x = releases.mixed([first, others[1]], [moves, motion(n)], weights, rng)
    variance = (x / weights[:, :1, None, None]).var((1, 2, 3)) + 1e9 * foreign
    least = np.array([i * each + variance[i * each : (i + 1) * each].argmin() for i in range(sets)])
    pose = Moves(moves.degrees[least], moves.shift[least])
    truth = pose.applied(scaled(releases.private[shared]))
    coefficient = torch.from_numpy(weights[:, 0].copy())
    return SetBatch(planes(x), coefficient, torch.from_numpy(of), planes(truth), torch.from_numpy(void))


class FusionTask(Task[Fusion, SetBatch]):
    """`config.batch` is the number of encodings in a batch."""

    def __init__(
        self, training: MovedReleases, held_out: MovedReleases, shape: FusionConfig, sets: SetConfig | None = None
    ) -> None:
        super().__init__(shape.as_dict())
        self.training, self.held_out, self.shape, self.sets = training, held_out, shape, sets or SetConfig()
        self._held: list[SetBatch] = []

    def build(self) -> Fusion:
        return Fusion(self.shape)

    def draw(self, rng: np.random.Generator, config: TrainConfig) -> SetBatch:
        fewest, most = np.log(self.sets.encodings)
        each = round(float(np.exp(rng.uniform(fewest, most))))
        sets = max(2, config.batch // each)
        return draw_sets(rng, self.training, sets, each, self.sets).to(config.device)

    def answers(self, net: Fusion, batch: SetBatch, config: TrainConfig) -> tuple[Tensor, Tensor]:
        """Images (sets, C, H, W) of which [0, 1] is the range, not clipped, and the logits of their quality."""
        sets = len(batch.truth)
        x, weight = reweighted(batch.magnitude, batch.coefficient, batch.of, sets)
        with autocast(config):
            relaxed = net.relax(x.contiguous(memory_format=torch.channels_last), weight)
            image, quality = net.denoise(net.fuse(relaxed, batch.of, sets, rule_for(batch.each)))
        return (image + 1) / 2, quality

    def loss(self, net: Fusion, batch: SetBatch, config: TrainConfig) -> Tensor:
        """0.7 (1 - MSSIM) + 0.3 L1, both as the paper's code has them, and the error of the quality."""
        image, quality = self.answers(net, batch, config)
        # over the deviation, as its images are; what cannot be known is no loss
        error = (image - batch.truth).abs().mean((1, 2, 3)) / 0.2
        mssim = ssim_fdn_tensors(image, batch.truth)
        missed = (MSSIM * (1 - mssim) + (1 - MSSIM) * error)[~batch.void]
        reached = ssim_tensors(image.detach().clamp(0, 1), batch.truth).clamp(0, 1)
        judged = F.binary_cross_entropy_with_logits(quality, reached)
        return missed.sum() / max(1, len(missed)) + 0.05 * judged

    def validate(self, net: Fusion, config: TrainConfig) -> dict[str, float]:
        if not self._held:
            rng = np.random.default_rng([config.seed, 1])
            sizes = [8, 30, 30, 50]
            count = max(2, config.validation // sum(sizes))
            sets = SetConfig(impure=0.0, void=0.0)
            self._held = [draw_sets(rng, self.held_out, count, n, sets).to(config.device) for n in sizes]
        found = [self.figures(net, b, config) for b in self._held]
        return {k: float(np.mean([f[k] for f in found])) for k in found[0]}

    def figures(self, net: Fusion, batch: SetBatch, config: TrainConfig) -> dict[str, float]:
        """Loss, SSIM by the paper's code and pinned, and how far the quality is off."""
        with torch.no_grad():
            image, quality = self.answers(net, batch, config)
            loss = float(self.loss(net, batch, config))
        pinned = ssim_tensors(image.clamp(0, 1), batch.truth)
        return {
            "loss": loss,
            "ssim_fdn": float(ssim_fdn_tensors(image, batch.truth).mean()),
            "ssim": float(pinned.mean()),
            "quality_off": float((torch.sigmoid(quality) - pinned).abs().mean()),
        }

    def describe(self, figures: Mapping[str, float]) -> str:
        return (
            f"SSIM as in the paper's code {figures['ssim_fdn']:.4f}, pinned {figures['ssim']:.4f}, "
            f"quality off by {figures['quality_off']:.3f}"
        )

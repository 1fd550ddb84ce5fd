"""`ihaudit train restorer`: reconstructions of our own releases, the restorer's training on them, and its card.

Half of what it learns from is what the attack `unmix` truly hands it (`_attacked`), wrong images among it; the other
half is simulated, many times as fast: least squares from a partly wrong pairing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ihaudit.attacks.numerics.em import noise_start
from ihaudit.attacks.numerics.least_squares import weighted
from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.standard_errors import standard_errors
from ihaudit.attacks.numerics.unmasking import Unmasker
from ihaudit.contracts.trainer import Job, trainer
from ihaudit.metrics.ssim import ssim, ssim_challenge
from ihaudit.nn.fitting import Task, TrainConfig, autocast, learning_curve, train
from ihaudit.nn.mixtures import Uints, mix_release
from ihaudit.nn.restorer import Restorer, RestorerConfig
from ihaudit.nn.shipped import load_restorer
from ihaudit.nn.sources import HUNDRED, TRAINED_ON, load_split
from ihaudit.nn.weights import card as card_of
from ihaudit.training import start, write
from ihaudit.training._attacked import AttackConfig, Attacked, Setting, attack_release, cached

DEFAULTS = TrainConfig(steps=3000, every=250, batch=64, rate=4e-4, cool_down=0.7)
SHAPE = (3, 32, 32)


@dataclass(frozen=True)
class SimulationConfig:
    """Releases that are simulated for training.

    Attributes:
        count: releases; images: private images in each.
        epochs: fewest and most encodings per image and slot (geometric); k: fewest and most images per mixture.
        misplaced: chance per epoch count of a slot to be assigned to another image: ``misplaced / epochs ** 0.7`` at
            lam = 0.15, falling with lam, as the attack's own mistakes do.
        merged: share of images into whose encodings a second image's are mixed.
        masked: share of releases whose masks are unknown (the others are as after a predicted generator).
    """

    count: int = 120
    images: int = 100
    epochs: tuple[int, int] = (4, 60)
    k: tuple[int, int] = (3, 9)
    misplaced: float = 1.3
    merged: float = 0.04
    masked: float = 0.9


#: Releases to train on: simulated, and attacked.
RELEASES, ATTACKS = SimulationConfig(count=20), AttackConfig()
#: Shares of trained weights that are tried beside those that training began with.
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
#: Releases that the training is validated on.
VALIDATED = (
    Setting(5, 6, 60),
    Setting(10, 6, 60),
    Setting(20, 6, 50),
    Setting(5, 5, 60),
    Setting(10, 9, 60),
    Setting(20, 8, 50),
)


@dataclass(frozen=True)
class Samples:
    """truth, estimate, doubt: (n, 3, 32, 32) on [-1, 1], kept as float16; error: float32 (n,); alike: float32 (n,),
    correlation of estimate and truth."""

    truth: Tensor
    estimate: Tensor
    doubt: Tensor
    error: Tensor
    alike: Tensor

    def __len__(self) -> int:
        return len(self.truth)

    def some(self, index: Tensor | slice) -> Samples:
        """Some of them as float32."""
        return Samples(*(getattr(self, f)[index].float() for f in FIELDS))

    def to(self, device: str) -> Samples:
        """The same on a device."""
        return Samples(*(getattr(self, f).to(device) for f in FIELDS))

    @staticmethod
    def join(parts: list[Samples]) -> Samples:
        """All samples in one."""
        return Samples(*(torch.cat([getattr(p, f) for p in parts]) for f in FIELDS))

    def inputs(self) -> tuple[Tensor, Tensor, Tensor]:
        """What the network is given."""
        form = torch.channels_last
        return self.estimate.contiguous(memory_format=form), self.doubt.contiguous(memory_format=form), self.error


FIELDS = tuple(f.name for f in fields(Samples))


def simulate(
    rng: np.random.Generator,
    private: Uints,
    public: Uints,
    config: SimulationConfig,
    unmasker: Unmasker,
) -> Samples:
    """One release and what least squares makes of it from a partly wrong pairing; uint8 (N, 32, 32, 3) pools."""
    n = config.images
    truth = private[rng.choice(len(private), n, replace=False)]
    fewest, most = np.log(config.epochs)
    epochs = round(float(np.exp(rng.uniform(fewest, most))))
    k = int(rng.integers(config.k[0], config.k[1] + 1))
    release = mix_release(rng, truth, public, epochs, k)
    members, lam, e = release.members, release.coefficients[:, :2].copy(), len(release.members)
    images = torch.from_numpy(truth.transpose(0, 3, 1, 2).reshape(n, -1)).float().div_(127.5).sub_(1)
    x = torch.from_numpy(release.mixtures.transpose(0, 3, 1, 2).reshape(e, -1))
    wrong = rng.random((e, 2)) < config.misplaced / epochs**0.7 * np.exp(-(lam - 0.15) / 0.1)
    placed = np.where(wrong, rng.integers(0, n, (e, 2)), members)
    for image in np.nonzero(rng.random(n) < config.merged)[0]:
        other = int(rng.integers(0, n))
        swap = (members == other) & (rng.random(members.shape) < 0.5)
        placed = np.where(swap, image, placed)
    mixing = Mixing(torch.from_numpy(placed), torch.from_numpy(lam), torch.from_numpy(1 - lam.sum(1)), n)
    magnitude = x.abs()
    signs = torch.sign(x)
    estimate = weighted(magnitude, mixing, noise_start(magnitude, mixing), signs=signs)
    if rng.random() < config.masked:
        # a first estimate from blind signs would cost a second pass of the network; the true one with noise does
        jitter = torch.from_numpy(rng.standard_normal(estimate.images.shape).astype(np.float32))
        start = Reconstruction(estimate.images + 0.03 * jitter, estimate.noise)
        signs = unmasker(magnitude, lambda rows: mixing.forward(start.images, rows))
        estimate = weighted(magnitude, mixing, estimate.noise, signs=signs)
    error, doubt = standard_errors(magnitude, signs, mixing, estimate)

    kept = [v.reshape(n, *SHAPE).half() for v in (images, estimate.images[:-1], doubt)]
    centred = [v - v.mean(1, keepdim=True) for v in (images, estimate.images[:-1])]
    return Samples(kept[0], kept[1], kept[2], error, F.cosine_similarity(centred[0], centred[1]))


def samples(found: Attacked) -> Samples:
    """What attacks left."""
    return Samples(*(torch.from_numpy(getattr(found, f)) for f in FIELDS))


class RestorerTask(Task[Restorer, Samples]):
    """The learned image prior on reconstructions."""

    def __init__(
        self, attacked: Samples, simulated: Samples, held_out: Mapping[str, Samples], first: Restorer | None = None
    ) -> None:
        """`attacked` and `simulated` are trained on, `held_out` is what it is validated on, by name; `first`: weights
        to begin with."""
        self.attacked, self.simulated, self.held_out, self.first = attacked, simulated, held_out, first
        self.shape = RestorerConfig() if first is None else first.config
        super().__init__(self.shape.as_dict())

    def build(self) -> Restorer:
        net = Restorer(self.shape)
        if self.first is not None:
            net.load_state_dict(self.first.state_dict())
        return net

    def draw(self, rng: np.random.Generator, config: TrainConfig) -> Samples:
        """Random samples, mirrored, turned and with their colours permuted: errors have no preferred direction."""
        own = round(ATTACKS.share * config.batch)
        picked = [
            pool.some(torch.from_numpy(rng.integers(0, len(pool), n)))
            for pool, n in ((self.attacked, own), (self.simulated, config.batch - own))
        ]
        some = Samples.join(picked)
        parts = [some.truth, some.estimate, some.doubt]
        if rng.random() < 0.5:
            parts = [p.flip(3) for p in parts]
        if rng.random() < 0.3:
            parts = [p.flip(2) for p in parts]
        if rng.random() < 0.3:
            parts = [p.transpose(2, 3) for p in parts]
        if rng.random() < 0.3:
            order = torch.from_numpy(rng.permutation(3))
            parts = [p[:, order] for p in parts]
        return Samples(parts[0], parts[1], parts[2], some.error, some.alike).to(config.device)

    def loss(self, net: Restorer, batch: Samples, config: TrainConfig) -> Tensor:
        """Squared error in units of the standard error and SSIM in both conventions, where an image is of what is
        assigned to it, and the error of the quality everywhere."""
        with autocast(config):
            image, quality = net(*batch.inputs())
        shown: Tensor = image.clamp(-1.2, 1.2)
        relative = ((shown - batch.truth) ** 2).mean((1, 2, 3)) / (batch.error**2 + 1e-4)
        strict = uniform_ssim(shown, batch.truth, 2.0)
        mild = uniform_ssim((shown + 1) / 2, (batch.truth + 1) / 2, 1.0)
        right = (batch.alike >= ATTACKS.right).float()
        # the quality is judged on what is shown, without pulling the image towards what is easy to judge
        judged = F.binary_cross_entropy_with_logits(quality, mild.detach().clamp(0, 1))
        return ((relative.clamp_max(4) + (1 - strict) + (1 - mild)) * right).mean() + 0.2 * judged

    def validate(self, net: Restorer, config: TrainConfig) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, held in self.held_out.items():
            rows = []
            for i in range(0, len(held), 128):
                batch = held.some(slice(i, i + 128)).to(config.device)
                with autocast(config):
                    image, quality = net(*batch.inputs())
                mild = uniform_ssim((image.clamp(-1, 1) + 1) / 2, (batch.truth + 1) / 2, 1.0)
                strict, before = (uniform_ssim(v.clamp(-1, 1), batch.truth, 2.0) for v in (image, batch.estimate))
                off = (torch.sigmoid(quality) - mild).abs()
                loss = self.loss(net, batch, config).expand(len(mild))
                rows.append(torch.stack([loss, before, strict, mild, off]))
            means = torch.cat(rows, 1).mean(1).tolist()
            found |= {f"{key} {name}": value for key, value in zip(MEASURED, means, strict=True)}
        each = {key: float(np.mean([found[f"{key} {name}"] for name in self.held_out])) for key in MEASURED}
        return each | found

    def describe(self, figures: Mapping[str, float]) -> str:
        by = "; ".join(f"{n}: {figures[f'strict {n}']:.4f} / {figures[f'mild {n}']:.4f}" for n in self.held_out)
        return f"SSIM (challenge / windows of [0, 1]) {by}; quality off by {figures['quality_off']:.3f}"


#: what is validated: the loss, SSIM in the challenge's convention before and after, of [0, 1] after, and how far off
#: the quality is
MEASURED = ("loss", "before", "strict", "mild", "quality_off")


def uniform_ssim(a: Tensor, b: Tensor, data_range: float, *, window: int = 7) -> Tensor:
    """Differentiable SSIM float32 (B,) with a uniform window, as `ssim_challenge` computes it, of (B, C, H, W)."""
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    count = window**2

    def mean(v: Tensor) -> Tensor:
        return F.avg_pool2d(v, window, 1)

    ma, mb = mean(a), mean(b)
    unbiased = count / (count - 1)
    va, vb = unbiased * (mean(a * a) - ma**2), unbiased * (mean(b * b) - mb**2)
    cov = unbiased * (mean(a * b) - ma * mb)
    value = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    return value.mean((1, 2, 3))


def _samples(path: Path, make: Callable[[], Samples], log: Callable[[str], None]) -> Samples:
    """Cached samples, so that a resumed training does not simulate again."""
    if path.exists():
        with np.load(path) as z:
            return Samples(*(torch.from_numpy(z[f]) for f in FIELDS))
    found = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez(part, **{f: getattr(found, f).numpy() for f in FIELDS})
    part.replace(path)
    log(f"{len(found)} reconstructions in {path}")
    return found


@trainer("restorer", "restores reconstructions, with confidence; attack unmix", options=("start",))
def train_restorer(job: Job) -> dict[str, Any]:
    """Simulate and attack releases, train the restorer on the results, measure it, write weights and card.

    Raises:
        ImageError: training images are missing.
        NotApplicable: the weights of `unmix` are not shipped.
        UsageError: the weights to begin with are missing or damaged.
    """
    config = start(job, DEFAULTS)
    split = load_split(job.data)
    unmasker = Unmasker(SHAPE, (-1.0, 1.0), config.device)
    ten = split.train_labels < HUNDRED
    pools = [split.train_private[ten], split.train_private[~ten], split.train_public]
    half, patches = len(split.held_cifar) // 2, len(split.held_patches) // 2

    def simulated() -> Samples:
        parts = []
        for i in range(RELEASES.count):
            rng = np.random.default_rng([config.seed, 5, i])
            pool = pools[int(rng.choice(3, p=[0.6, 0.25, 0.15]))]
            parts.append(simulate(rng, pool, split.train_public, RELEASES, unmasker))
            if i % 10 == 9:
                job.log(f"release {i + 1}/{RELEASES.count}")
        return Samples.join(parts)

    stem = job.checkpoint_path

    def attacked() -> Iterator[Attacked]:
        for i in range(ATTACKS.count):
            rng = np.random.default_rng([config.seed, 11, i])
            setting = ATTACKS.setting(rng)
            pool = int(rng.choice(3, p=[0.6, 0.3, 0.1]))
            labels = split.train_labels[ten] if pool == 0 else rng.integers(0, 10, len(pools[pool]))

            def make() -> Attacked | None:
                return attack_release(rng, setting, pools[pool], labels, split.train_public, i, config.device)  # noqa: B023

            found = cached(stem.with_suffix(".attacked"), i, make)
            if found is not None:
                job.log(f"attacked {i + 1}/{ATTACKS.count}: {setting}, {len(found)} images")
                yield found

    def held(i: int, setting: Setting) -> Samples:
        rng = np.random.default_rng([config.seed, 12, i])
        found = cached(
            stem.with_suffix(".held"),
            i,
            lambda: attack_release(
                rng, setting, split.held_cifar[:half], split.held_labels[:half], split.held_patches[:patches], i
            ),
        )
        assert found is not None  # a release of images under weighted labels
        return samples(found)

    first = load_restorer(job.options["start"]) if "start" in job.options else None
    task = RestorerTask(
        samples(Attacked.join(list(attacked()))),
        _samples(stem.with_suffix(".simulated.npz"), simulated, job.log),
        {f"T={s.epochs}, k={s.k}": held(i, s) for i, s in enumerate(VALIDATED)},
        first,
    )
    net, record = train(task, config, job.checkpoint_path, job.log)
    share = 1.0 if first is None else averaged(net, first.to(config.device), task, config, job.log)
    second = (split.held_cifar[half:], split.held_patches[patches:])
    card = {
        "trained_on": f"reconstructions of releases of {TRAINED_ON}",
        "start": None if first is None else card_of(job.options["start"])["sha256"],
        "share_of_training": share,
        "releases": asdict(RELEASES),
        "attacked": asdict(ATTACKS),
        "held_out": held_out_figures(net, *second, unmasker, config.device),
        "curve": learning_curve(record),
    }
    return write(job, net, task.network, config, record, card)


@torch.no_grad()
def averaged(
    net: Restorer, first: Restorer, task: RestorerTask, config: TrainConfig, log: Callable[[str], None]
) -> float:
    """Averages weights with those that training began with, in the proportion that is best on what was held out, and
    answers the share of the new ones: images are few, and what the first had learned of more is kept (Wortsman et al.
    2022, "Robust fine-tuning of zero-shot models")."""
    old, new = first.state_dict(), {k: v.clone() for k, v in net.state_dict().items()}
    losses = {}
    for share in SHARES:
        net.load_state_dict({k: old[k].lerp(new[k], share) for k in new})
        found = task.validate(net, config)
        losses[share] = found["loss"]
        log(f"share {share}: held out {found['loss']:.4f}; {task.describe(found)}")
    best = min(losses, key=lambda share: losses[share])
    net.load_state_dict({k: old[k].lerp(new[k], best) for k in new})
    return best


@torch.no_grad()
def held_out_figures(
    net: Restorer, private: Uints, public: Uints, unmasker: Unmasker, device: str
) -> dict[str, dict[str, float]]:
    """Mean SSIM in both conventions before and after, from the true pairing with mistakes, by epochs, k = 6."""
    out = {}
    for epochs in (10, 20, 50):
        config = replace(RELEASES, epochs=(epochs, epochs), k=(6, 6), masked=1.0)
        s = simulate(np.random.default_rng([7, epochs]), private, public, config, unmasker)
        s = s.some(slice(None)).to(device)
        image, quality = net(s.estimate, s.doubt, s.error)
        truth, before, after = (_shown(v.cpu()) for v in (s.truth, s.estimate, image))
        pinned = ssim(after, truth)
        out[f"T={epochs}"] = {
            "challenge_before": round(float(ssim_challenge(before, truth).mean()), 4),
            "challenge_after": round(float(ssim_challenge(after, truth).mean()), 4),
            "ssim_before": round(float(ssim(before, truth).mean()), 4),
            "ssim_after": round(float(pinned.mean()), 4),
            "quality_off": round(float(np.abs(torch.sigmoid(quality).cpu().numpy() - pinned).mean()), 4),
        }
    return out


def _shown(x: Tensor) -> NDArray[np.float32]:
    return ((x.clamp(-1, 1) + 1) / 2).permute(0, 2, 3, 1).contiguous().numpy()

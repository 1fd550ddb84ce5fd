"""`ihaudit train confidence`: attacks on our own releases, and what SSIM images reach given what the attack knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ihaudit.attacks.numerics.evidence import COUNTS, SHARE
from ihaudit.attacks.stages.restoration.network import trusted
from ihaudit.contracts.trainer import Job, trainer
from ihaudit.metrics.ssim import ssim
from ihaudit.nn.confidence import PICTURE, WRONG, Confidence
from ihaudit.nn.fitting import Task, TrainConfig, learning_curve, train
from ihaudit.nn.mixtures import Uints
from ihaudit.nn.restorer import Restorer
from ihaudit.nn.shipped import load_restorer
from ihaudit.nn.sources import load_split
from ihaudit.training import start, write
from ihaudit.training._attacked import AttackConfig, Attacked, Setting, attack_release, cached

DEFAULTS = TrainConfig(steps=1500, every=100, batch=256, rate=5e-3, cool_down=0.7, weight_decay=5e-2, bf16=False)

#: Releases that are attacked for calibration, where the attack fails sometimes above all.
SETTINGS = (
    *(Setting(t, k, n) for t, k, n in ((4, 6, 60), (5, 4, 60), (5, 6, 100), (5, 6, 50), (5, 8, 60), (5, 10, 50))),
    *(Setting(t, k, n) for t, k, n in ((7, 6, 60), (7, 9, 50), (8, 4, 60), (10, 6, 100), (10, 6, 50), (10, 10, 60))),
    *(Setting(t, k, n) for t, k, n in ((10, 8, 80), (15, 6, 60), (20, 6, 60), (20, 10, 50), (20, 3, 60), (30, 5, 40))),
    Setting(50, 6, 40),
    *(Setting(t, k, n, labels="hard") for t, k, n in ((7, 6, 50), (10, 6, 50), (10, 4, 50), (10, 8, 40), (15, 6, 40))),
    *(Setting(t, k, n, labels="hard") for t, k, n in ((20, 6, 40), (30, 5, 20), (20, 6, 10))),
    *(Setting(t, k, n, labels="none") for t, k, n in ((15, 5, 40), (20, 6, 50), (20, 4, 40), (50, 6, 20))),
    *(Setting(t, k, n, 1) for t, k, n in ((10, 4, 50), (20, 2, 50))),
    *(Setting(t, k, n, 1, "hard") for t, k, n in ((10, 3, 50), (20, 4, 50), (20, 6, 50))),
    Setting(30, 4, 40, 1, "none"),
    *(Setting(t, k, n) for t, k, n in ((30, 6, 2), (60, 4, 2), (30, 5, 3), (20, 6, 5), (20, 6, 10), (10, 6, 10))),
    *(Setting(t, k, 1, labels=labels) for t in (30, 50, 80) for k in (4, 6) for labels in ("soft", "none")),
    *(
        Setting(t, k, n, 0, "hard")
        for t, k, n in ((8, 4, 4), (15, 4, 4), (30, 4, 4), (60, 4, 4), (100, 4, 4), (8, 4, 10))
    ),
    *(
        Setting(t, k, n, 0, "hard")
        for t, k, n in ((30, 5, 10), (60, 3, 4), (15, 6, 4), (40, 6, 6), (80, 4, 3), (20, 4, 6))
    ),
    *(Setting(t, 0, n) for t, n in ((12, 12), (6, 30), (20, 10), (10, 40), (30, 10), (8, 20), (15, 20), (40, 6))),
    *(Setting(t, 0, n, labels="hard") for t, n in ((8, 20), (15, 20), (20, 10))),
    *(Setting(t, k, n, moved=True) for t, k, n in ((50, 6, 1), (30, 5, 2), (50, 6, 3), (50, 6, 5), (25, 4, 5))),
    *(Setting(t, k, n, moved=True) for t, k, n in ((50, 6, 10), (20, 6, 10), (30, 4, 10), (20, 6, 20), (40, 6, 20))),
    *(Setting(t, k, n, moved=True) for t, k, n in ((15, 5, 30), (30, 6, 30), (20, 4, 40), (12, 6, 40), (50, 6, 30))),
)
#: Releases beside these, drawn as the restorer's are (`AttackConfig.setting`).
DRAWN = 60
#: One image and two or three, and as many encodings of nobody: cheap to attack, and judged release by release.
FEW = (
    *(Setting(t, k, 1, labels=labels) for t in (20, 30, 60) for k in (5, 6, 8) for labels in ("none", "hard", "soft")),
    *(Setting(t, k, 1, 1, labels) for t in (40, 80) for k in (4, 6) for labels in ("none", "soft")),
    *(Setting(t, k, n, labels=labels) for t, n in ((30, 2), (30, 3)) for k in (4, 6) for labels in ("none", "hard")),
    *(Setting(t, k, 1, 0, "none") for t in (30, 60, 120) for k in (4, 6)),
    *(Setting(t, 0, n, labels="none") for t, n in ((30, 1), (60, 1), (20, 3))),
)


#: Of every so many releases one is kept to judge the fit by.
KEPT = 6
#: Shares of samples whose encodings were not asked, and of which nothing is known but the picture.
UNASKED, ALONE = 0.15, 0.1
#: Noise on features, in units of their spread: images are few, and those that are wrong are fewer.
JITTER = 0.2
#: A release of n images counts as n to this power: a report is of one release, of one image or of a hundred.
RELEASE = 0.5
#: Weight of the absolute error beside the cross-entropy.
ABSOLUTE = 1.0
#: The chance of an image to be wrong from which confidence is bounded, and by what.
CAP = (0.05, 0.6)
_BATCH = 64


@dataclass(frozen=True)
class Judged:
    """features float32 (n, FEATURES), reached float32 (n,): pinned SSIM with the true image assigned to each, 0 where
    none is; release int64 (n,)."""

    features: NDArray[np.float32]
    reached: NDArray[np.float32]
    release: NDArray[np.int64]

    def some(self, which: NDArray[Any]) -> Judged:
        """Some of them."""
        return Judged(self.features[which], self.reached[which], self.release[which])

    @staticmethod
    def join(parts: Sequence[Judged]) -> Judged:
        """All in one."""
        return Judged(*(np.concatenate([getattr(p, f) for p in parts]) for f in ("features", "reached", "release")))


@torch.no_grad()
def judge(found: Attacked, net: Restorer) -> Judged:
    """Restore what attacks have left, and compare it with the true images."""
    images, quality = [], []
    for i in range(0, len(found), _BATCH):
        part = slice(i, i + _BATCH)
        inputs = [torch.from_numpy(v[part].astype(np.float32)) for v in (found.estimate, found.doubt, found.error)]
        image, logit = net(*inputs)
        images.append(image.clamp(-1, 1))
        quality.append(logit)
    doubt = np.sqrt((found.doubt.astype(np.float32) ** 2).mean((1, 2, 3)))
    error = found.error.clip(1e-6)
    picture = [torch.cat(quality).numpy(), np.log(error.clip(1e-5)), found.certainty, doubt / error]
    shown, truth = (
        ((v.astype(np.float32) + 1) / 2).transpose(0, 2, 3, 1) for v in (torch.cat(images).numpy(), found.truth)
    )
    reached = np.where(found.assigned, ssim(shown, truth), 0).clip(0, 1)
    features = np.concatenate([np.stack(picture, 1), found.evidence], 1)
    return Judged(features.astype(np.float32), reached.astype(np.float32), found.release)


def said(net: Confidence, features: Tensor) -> Tensor:
    """What is said of images of these features, float32 (n,), as the attack says it."""
    out: Tensor = net(features) * _trust(features)
    return out


def _trust(features: Tensor) -> Tensor:
    return torch.nan_to_num(trusted(features[:, PICTURE:]), nan=1.0)


class ConfidenceTask(Task[Confidence, tuple[Tensor, Tensor]]):
    """What images reach, from what is known of them."""

    def __init__(self, judged: Judged, kept: Judged) -> None:
        super().__init__({})
        self.judged, self.kept = judged, kept
        self.spread = (np.nanstd(judged.features, 0) + 1e-2).astype(np.float32)
        weight = np.bincount(judged.release)[judged.release] ** (RELEASE - 1)
        self.odds = weight / weight.sum()

    def build(self) -> Confidence:
        net = Confidence()
        x = self.judged.features
        net.centre.copy_(torch.from_numpy(np.nanmean(x, 0)))
        net.spread.copy_(torch.from_numpy(self.spread))
        net.cap.copy_(torch.tensor(CAP))
        return net

    def draw(self, rng: np.random.Generator, config: TrainConfig) -> tuple[Tensor, Tensor]:
        """Random images, of some of which less is known."""
        index = rng.choice(len(self.odds), config.batch, p=self.odds)
        x, kind = self.judged.features[index], rng.random(len(index))
        x[kind < UNASKED, PICTURE + SHARE : -COUNTS] = np.nan
        x[kind > 1 - ALONE, PICTURE:] = np.nan
        x += JITTER * self.spread * rng.standard_normal(x.shape).astype(np.float32)
        return torch.from_numpy(x).to(config.device), torch.from_numpy(self.judged.reached[index]).to(config.device)

    def loss(self, net: Confidence, batch: tuple[Tensor, Tensor], config: TrainConfig) -> Tensor:
        """Cross-entropy and absolute error of what is said, and cross-entropy of the chance to be wrong, each network
        by itself."""
        features, reached = batch
        x, trust = net.inputs(features), _trust(features.cpu()).to(features.device)
        total = torch.zeros((), device=x.device)
        for part in net.nets:
            answer = part(x)
            expected = (torch.sigmoid(answer[:, 0]) * trust).clamp(1e-4, 1 - 1e-4)
            total = total + F.binary_cross_entropy(expected, reached) + ABSOLUTE * (expected - reached).abs().mean()
            total = total + 0.2 * F.binary_cross_entropy_with_logits(answer[:, 1], (reached < WRONG).float())
        return total / len(net.nets)

    def validate(self, net: Confidence, config: TrainConfig) -> dict[str, float]:
        features = torch.from_numpy(self.kept.features).to(config.device)
        reached = torch.from_numpy(self.kept.reached).to(config.device)
        return {"loss": float(self.loss(net, (features, reached), config)), **figures(net.cpu(), self.kept)}

    def describe(self, figures: Mapping[str, float]) -> str:
        return f"said {figures['mean_said']:.3f}, reached {figures['mean_reached']:.3f}, off by {figures['off']:.4f}"


def figures(net: Confidence, judged: Judged) -> dict[str, float]:
    """What is said and reached on average, how far off that is by image and by release, the correlation, and how many
    images that reach less than `WRONG` there are, of how many more than 0.6 is said, and what at most."""
    with torch.no_grad():
        s = said(net, torch.from_numpy(judged.features)).numpy()
    y = judged.reached
    off, wrong = np.abs(s - y), y < WRONG
    rows = [off[judged.release == r].mean() for r in np.unique(judged.release)]
    return {
        "mean_said": float(s.mean()),
        "mean_reached": float(y.mean()),
        "off": float(off.mean()),
        "off_by_release": float(np.mean(rows)),
        "correlation": float(np.corrcoef(s, y)[0, 1]) if len(y) > 1 else 0.0,
        "wrong": float(wrong.sum()),
        "wrong_above_0.6": float((s[wrong] > 0.6).sum()),
        "most_said_of_wrong": float(s[wrong].max(initial=0)),
    }


def settings(seed: int) -> tuple[Setting, ...]:
    """Of all releases."""
    rng = np.random.default_rng([seed, 10])
    return (*SETTINGS, *(AttackConfig().setting(rng) for _ in range(DRAWN)), *FEW)


@trainer("confidence", "calibrates the confidence of restored images")
def train_confidence(job: Job) -> dict[str, Any]:
    """Attack our own releases, fit the confidence, measure it on others, write it with its card.

    Raises:
        ImageError: training images are missing.
        NotApplicable: the weights of `unmix` or `restorer` are not shipped.
    """
    config = start(job, DEFAULTS)
    split, net = load_split(job.data), load_restorer()
    half, patches = len(split.held_cifar) // 2, len(split.held_patches) // 2
    stem = job.checkpoint_path

    def many(folder: Path, seed: int, chosen: Mapping[int, Setting], part: slice, public: Uints) -> Judged:
        private, labels, found = split.held_cifar[part], split.held_labels[part], []
        for i, setting in chosen.items():
            rng = np.random.default_rng([config.seed, seed, i])

            def make() -> Attacked | None:
                return attack_release(rng, setting, private, labels, public, i, config.device)  # noqa: B023

            attacked = cached(folder, i, make)
            if attacked is not None:
                found.append(judge(attacked, net))
                job.log(f"{setting}: mean SSIM {found[-1].reached.mean():.3f}")
        return Judged.join(found)

    # images and photographs that no network was trained on: a restorer judges its own training images too kindly
    all_of_them = dict(enumerate(settings(config.seed)))
    judged = many(stem.with_suffix(".fit"), 8, all_of_them, slice(half), split.held_patches[:patches])
    others = {i: s for i, s in all_of_them.items() if i % KEPT == 0}
    other = many(stem.with_suffix(".test"), 9, others, slice(half, None), split.held_patches[patches:])
    kept = judged.release % KEPT == 0
    task = ConfidenceTask(judged.some(~kept) if not kept.all() else judged, judged.some(kept))
    fitted, record = train(task, config, job.checkpoint_path, job.log)
    fitted = fitted.cpu()
    card = {
        "trained_on": "attacks on releases of held-out CIFAR-10 images and photographs (ihaudit.nn.sources)",
        "settings": [asdict(s) for s in all_of_them.values()],
        "held_out": {k: round(v, 4) for k, v in figures(fitted, other).items()},
        "curve": learning_curve(record),
    }
    return write(job, fitted, {}, config, record, card)

"""A convolutional learner with one head per target, trained once: the default for the ``full`` profile on a GPU.

Sees the encoding and its absolute value (which a sign mask leaves alone) as channels of a small residual network,
and fits all targets by squared error.  A fifth of the images is held out: it stops the training and gives the honest
predictions that calibrate the adversary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ihaudit.contracts.context import Context
from ihaudit.contracts.learner import learner
from ihaudit.errors import NotApplicable
from ihaudit.games.learners.features import Float32, is_image
from ihaudit.release import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class ConvModel:
    """A trained network; `held_out` predicts the rows `held_out_rows`, whose images it was not trained on."""

    net: nn.Module
    device: str
    centre: Float32
    scale: Float32
    held_out: Float32
    held_out_rows: NDArray[np.int64]

    def predict(self, encodings: FloatArray) -> Float32:
        """See `Model.predict`."""
        return _predict(self.net, encodings, self.device) * self.scale + self.centre


@dataclass(frozen=True)
class ConvLearner:
    """See the module's text.

    Attributes:
        width: channels of the first stage.
        epochs: at most so many passes; stops after `patience` without a better held-out error.
    """

    device: str = "cpu"
    width: int = 64
    epochs: int = 40
    patience: int = 6
    batch: int = 256
    rate: float = 2e-3

    def fit(self, encodings: FloatArray, targets: FloatArray, groups: IntArray, seed: int = 0) -> ConvModel:
        """See `Learner.fit`; needs encodings of shape (M, H, W, C)."""
        if not is_image(encodings.shape[1:]):
            raise NotApplicable(f"the convolutional learner needs encodings (H, W, C), not {encodings.shape[1:]}")
        y = np.asarray(targets, np.float32)
        centre, scale = y.mean(0), np.maximum(y.std(0), 1e-6).astype(np.float32)
        y = (y - centre) / scale
        images = np.unique(groups)
        held = np.isin(groups, np.random.default_rng(seed).permutation(images)[: max(1, len(images) // 5)])
        train, test = np.flatnonzero(~held), np.flatnonzero(held)
        generator = torch.Generator().manual_seed(seed & 0x7FFFFFFF)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed & 0x7FFFFFFF)  # initial weights only; the caller's stream is restored
            net = _network(2 * encodings.shape[3], self.width, y.shape[1]).to(self.device)
        amp = self.device.startswith("cuda")
        x_all = torch.as_tensor(np.asarray(encodings, np.float32), device=self.device)
        y_all = torch.as_tensor(y, device=self.device)
        steps = self.epochs * max(1, len(train) // self.batch)
        optimiser = torch.optim.AdamW(net.parameters(), lr=self.rate, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, self.rate, total_steps=steps + 1)
        best, best_state, bad = np.inf, net.state_dict(), 0
        for _ in range(self.epochs):
            net.train()
            order = torch.as_tensor(train)[torch.randperm(len(train), generator=generator)].to(self.device)
            for i in range(0, len(order) - self.batch + 1, self.batch):
                rows = order[i : i + self.batch]
                with torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=amp):
                    loss = nn.functional.mse_loss(net(_input(x_all[rows])).float(), y_all[rows])
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                schedule.step()
            error = float(np.mean((_predict(net, encodings[test], self.device) - y[test]) ** 2))
            if error < best - 1e-4:
                best, bad = error, 0
                best_state = {k: v.detach().clone() for k, v in net.state_dict().items()}
            else:
                bad += 1
                if bad >= self.patience:
                    break
        net.load_state_dict(best_state)
        held_out = _predict(net, encodings[test], self.device) * scale + centre
        return ConvModel(net, self.device, centre, scale, held_out, test)


def _predict(net: nn.Module, encodings: FloatArray, device: str) -> Float32:
    """float32 (M, d), standardised as the targets were."""
    net.eval()
    with torch.no_grad():
        x = torch.as_tensor(np.asarray(encodings, np.float32))
        return torch.cat([net(_input(part.to(device))).float().cpu() for part in torch.split(x, 2048)]).numpy()


def _input(x: Tensor) -> Tensor:
    """(B, H, W, C) encodings -> (B, 2C, H, W): value and centred magnitude."""
    x = x.permute(0, 3, 1, 2)
    return torch.cat([x, x.abs() - x.abs().mean((1, 2, 3), keepdim=True)], dim=1)


class _Block(nn.Module):
    """Two convolutions beside a short cut, (B, a, H, W) -> (B, b, H / stride, W / stride)."""

    def __init__(self, a: int, b: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(a, b, 3, stride, 1, bias=False),
            nn.BatchNorm2d(b),
            nn.ReLU(),
            nn.Conv2d(b, b, 3, 1, 1, bias=False),
            nn.BatchNorm2d(b),
        )
        self.skip = nn.Identity() if a == b and stride == 1 else nn.Conv2d(a, b, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(self.body(x) + self.skip(x))


def _network(channels: int, width: int, outputs: int) -> nn.Module:
    w = width
    return nn.Sequential(
        nn.Conv2d(channels, w, 3, 1, 1, bias=False),
        nn.BatchNorm2d(w),
        nn.ReLU(),
        _Block(w, w, 1),
        _Block(w, 2 * w, 2),
        _Block(2 * w, 4 * w, 2),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(64 * w, outputs),
    )


@learner("convolutional")
def convolutional(ctx: Context) -> ConvLearner:
    """A small residual network on the encoding and its magnitude."""
    return ConvLearner(device=ctx.device)

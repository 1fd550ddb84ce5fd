"""A convolutional learner with one head per target, trained once: for a GPU and the ``full`` profile.

Sees the encoding and its absolute value (which a sign mask leaves alone) as channels of a small residual network,
and fits all targets by squared error.  A fifth of the images is held out: it stops the training and gives the honest
predictions that calibrate the adversary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.errors import NotApplicable
from ihaudit.games.learners import Float32, is_image
from ihaudit.release import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class ConvModel:
    """A trained network; `held_out` predicts the rows `held_out_rows`, whose images it was not trained on."""

    net: Any
    device: str
    centre: Float32
    scale: Float32
    held_out: Float32
    held_out_rows: NDArray[np.int64]

    def predict(self, encodings: FloatArray) -> Float32:
        """float32 (M, d)."""
        import torch

        out = []
        self.net.eval()
        with torch.no_grad():
            for i in range(0, len(encodings), 2048):
                x = torch.as_tensor(np.asarray(encodings[i : i + 2048], np.float32), device=self.device)
                out.append(self.net(_input(x)).float().cpu().numpy())
        if not out:
            return np.zeros((0, len(self.centre)), np.float32)
        return np.concatenate(out) * self.scale + self.centre


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
        """See `ihaudit.games.learners.Learner.fit`; needs encodings of shape (M, H, W, C)."""
        import torch

        if not is_image(encodings.shape[1:]):
            raise NotApplicable(f"the convolutional learner needs encodings (H, W, C), not {encodings.shape[1:]}")
        y = np.asarray(targets, np.float32)
        centre, scale = y.mean(0), np.maximum(y.std(0), 1e-6).astype(np.float32)
        y = (y - centre) / scale
        images = np.unique(groups)
        held = np.isin(groups, np.random.default_rng(seed).permutation(images)[: max(1, len(images) // 5)])
        generator = torch.Generator().manual_seed(seed & 0x7FFFFFFF)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed & 0x7FFFFFFF)  # initial weights only; the caller's stream is restored
            net = _network(2 * encodings.shape[3], self.width, y.shape[1]).to(self.device)
        amp = self.device.startswith("cuda")
        train, test = np.flatnonzero(~held), np.flatnonzero(held)
        x_all = torch.as_tensor(np.asarray(encodings, np.float32), device=self.device)
        y_all = torch.as_tensor(y, device=self.device)
        steps = self.epochs * max(1, len(train) // self.batch)
        optimiser = torch.optim.AdamW(net.parameters(), lr=self.rate, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, self.rate, total_steps=steps + 1)
        best, best_state, bad = np.inf, None, 0
        for _ in range(self.epochs):
            net.train()
            order = torch.as_tensor(train)[torch.randperm(len(train), generator=generator)].to(self.device)
            for i in range(0, len(order) - self.batch + 1, self.batch):
                rows = order[i : i + self.batch]
                with torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=amp):
                    loss = torch.nn.functional.mse_loss(net(_input(x_all[rows])).float(), y_all[rows])
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                schedule.step()
            model = ConvModel(net, self.device, centre * 0, scale * 0 + 1, np.zeros((0, 0), np.float32), test)
            error = float(np.mean((model.predict(encodings[test]) - y[test]) ** 2))
            if error < best - 1e-4:
                best, bad = error, 0
                best_state = {k: v.detach().clone() for k, v in net.state_dict().items()}
            else:
                bad += 1
                if bad >= self.patience:
                    break
        if best_state is not None:
            net.load_state_dict(best_state)
        final = ConvModel(net, self.device, centre, scale, np.zeros((0, 0), np.float32), test)
        return ConvModel(net, self.device, centre, scale, final.predict(encodings[test]), test)


def _input(x: Any) -> Any:
    """(B, H, W, C) encodings -> (B, 2C, H, W): value and centred magnitude."""
    import torch

    x = x.permute(0, 3, 1, 2)
    return torch.cat([x, x.abs() - x.abs().mean((1, 2, 3), keepdim=True)], dim=1)


def _network(channels: int, width: int, outputs: int) -> Any:
    from torch import nn

    class Block(nn.Module):
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

        def forward(self, x: Any) -> Any:
            return nn.functional.relu(self.body(x) + self.skip(x))

    w = width
    return nn.Sequential(
        nn.Conv2d(channels, w, 3, 1, 1, bias=False),
        nn.BatchNorm2d(w),
        nn.ReLU(),
        Block(w, w, 1),
        Block(w, 2 * w, 2),
        Block(2 * w, 4 * w, 2),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(64 * w, outputs),
    )

"""Images that are nearly all black: which of them and their negatives is right is told by similar images."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ihaudit.attacks.numerics.orientation import ground
from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.metrics.ssim import ssim
from tests.attacks.releases import photographs

SIDE = 20


@cache
def digits(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """float32 (n, 20, 20, 1), white digits on black, and int64 classes."""
    rng = np.random.default_rng(seed)
    images, labels = [], []
    for _ in range(n):
        kind, at = int(rng.integers(10)), rng.integers(16, 25, 2)
        picture = Image.new("L", (2 * SIDE, 2 * SIDE))
        font = ImageFont.load_default(int(rng.integers(24, 34)))
        ImageDraw.Draw(picture).text((int(at[0]), int(at[1])), str(kind), fill=255, font=font, anchor="mm")
        turned = picture.rotate(float(rng.uniform(-15, 15)), resample=Image.Resampling.BILINEAR)
        images.append(np.asarray(turned.resize((SIDE, SIDE), Image.Resampling.LANCZOS), np.float32) / 255)
        labels.append(kind)
    return np.stack(images)[..., None], np.array(labels)


def release(n: int, epochs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Encodings, soft labels and private images: k = 4, two private, on [-1, 1], under sign masks."""
    rng = np.random.default_rng(3)
    images, labels = digits(n, 1)
    public, _ = digits(200, 2)
    count = n * epochs
    own = np.concatenate([np.stack([rng.permutation(n) for _ in range(2)], 1) for _ in range(epochs)])
    weights = np.abs(rng.standard_normal((count, 4)))
    weights /= weights.sum(1, keepdims=True)
    x, soft = np.zeros((count, *images.shape[1:])), np.zeros((count, 10), np.float32)
    for j in range(4):
        taken = images[own[:, j]] if j < 2 else public[rng.integers(0, 200, count)]
        x += weights[:, j, None, None, None] * (2 * taken - 1)
        if j < 2:
            np.add.at(soft, (np.arange(count), labels[own[:, j]]), weights[:, j])
    return (x * rng.choice([-1, 1], size=x.shape)).astype(np.float32), soft, images


def test_digits_come_out_white_on_black() -> None:
    x, soft, images = release(12, 20)
    view = View(x, soft, (-1.0, 1.0), similar=digits(100, 4)[0], image_shape=images.shape[1:])
    found = Unmix().run(view, Context(seed=0, profile="quick")).images
    reached = [np.array([ssim(np.repeat(f[None], 12, 0), images) for f in v]).max(0) for v in (found, 1 - found)]
    assert np.median(reached[0]) > 0.7
    assert np.median(reached[1]) < 0.4


def test_photographs_lie_on_no_side() -> None:
    """What tells digits from their negatives is not asked about photographs."""
    shape = (3, 16, 16)
    assert ground(shape, (-1.0, 1.0), photographs(100)[0], torch.device("cpu")) is None
    assert ground(shape, (0.0, 1.0), photographs(100)[0] * 0, torch.device("cpu")) is None
    assert ground((1, SIDE, SIDE), (-1.0, 1.0), digits(100, 4)[0], torch.device("cpu")) is not None

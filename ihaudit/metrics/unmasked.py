"""Encodings with their masks undone, beside the true mixtures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.metric import Metric, named
from ihaudit.metrics.intervals import pigeonhole_mean
from ihaudit.metrics.psnr import psnr
from ihaudit.metrics.ssim import ssim
from ihaudit.stats import Estimate

named(Metric("unmask_sign_accuracy", "Signs of the mask predicted rightly", "%", order=60))
named(Metric("unmask_ssim", "SSIM of the undone mixture, mean", order=61))
named(Metric("unmask_psnr", "PSNR of the undone mixture, mean", "dB", order=62))


def unmasked_scores(
    unmasked: NDArray[Any],
    mixture: NDArray[Any],
    members: NDArray[np.integer],
    image_range: tuple[float, float],
    *,
    seed: int,
    device: str,
) -> dict[str, Estimate]:
    """Undone masks against true mixtures.

    Args:
        unmasked, mixture: (E, H, W, C), in the release's units.
        members: int (E, s) private images of each encoding, -1 for none; the sampling units.
        image_range: of the release; mapped to [0, 1] for SSIM and PSNR.
        seed: of the bootstrap.
        device: torch device.

    Returns:
        ``unmask_sign_accuracy``, the share of values whose sign is right; ``unmask_ssim``; ``unmask_psnr``.
    """
    low, high = image_range
    a, b = (np.clip((x - low) / (high - low), 0, 1).astype(np.float32) for x in (unmasked, mixture))
    right = (np.sign(unmasked) == np.sign(mixture)).reshape(len(a), -1).mean(axis=1)
    scores = {"unmask_sign_accuracy": right, "unmask_ssim": ssim(a, b, device=device), "unmask_psnr": psnr(a, b)}
    return {name: pigeonhole_mean(x, members, seed=seed) for name, x in scores.items()}

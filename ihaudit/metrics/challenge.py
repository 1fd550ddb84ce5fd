"""The four metrics of the InstaHide Challenge: one recovered image per encoding, beside the images that it holds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.metric import Metric, named
from ihaudit.metrics.intervals import pigeonhole_mean
from ihaudit.metrics.l2 import l2
from ihaudit.metrics.ssim import ssim_challenge
from ihaudit.stats import Estimate

named(Metric("max_ssim", "Per encoding: challenge’s SSIM, best of its images", floor=-1.0, ceiling=1.0, order=50))
named(Metric("mean_ssim", "Per encoding: challenge’s SSIM, mean of its images", floor=-1.0, ceiling=1.0, order=51))
named(Metric("min_l2", "Per encoding: L2, best of its images", floor=0.0, higher_is_better=False, order=52))
named(Metric("mean_l2", "Per encoding: L2, mean of its images", floor=0.0, higher_is_better=False, order=53))


def summarised(ssim: NDArray[Any], error: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The four metrics of each encoding, (E,), from SSIM and L2 with each of its images, (E, s), NaN for none."""
    return {
        "max_ssim": np.nanmax(ssim, axis=1),
        "mean_ssim": np.nanmean(ssim, axis=1),
        "min_l2": np.nanmin(error, axis=1),
        "mean_l2": np.nanmean(error, axis=1),
    }


def challenge_scores(
    images: NDArray[Any],
    answer: NDArray[np.integer],
    private: NDArray[Any],
    sources: NDArray[np.integer],
    *,
    seed: int = 0,
    device: str = "cpu",
) -> dict[str, Estimate]:
    """For each encoding one recovered image is compared with the private images that the encoding holds; the maximum
    and the mean of their SSIM (challenge convention), the minimum and the mean of their L2, are averaged over
    encodings.

    Args:
        images: (R, H, W, C) in [0, 1], recovered images.
        answer: int (E,) which of them is the answer for each encoding; -1 answers mid-grey.
        private: (N, H, W, C) in [0, 1].
        sources: int (E, s) the private images in each encoding, -1 for none.
        seed: of the bootstrap over private images.
        device: torch device.

    Returns:
        ``max_ssim``, ``mean_ssim``, ``min_l2``, ``mean_l2``; encodings without a private image are left out.
    """
    grey = np.full((1, *private.shape[1:]), 0.5, np.float32)
    pool = np.concatenate([np.asarray(images, np.float32), grey])
    answer = np.where(np.asarray(answer) >= 0, answer, len(pool) - 1)
    sources = np.asarray(sources)
    held = sources >= 0
    # The same candidate meets the same private image in many encodings: each pair is compared once.
    keys = answer[:, None].astype(np.int64) * len(private) + np.maximum(sources, 0)
    unique, inverse = np.unique(keys[held], return_inverse=True)
    rows, columns = unique // len(private), unique % len(private)
    similarity, error = np.full(sources.shape, np.nan), np.full(sources.shape, np.nan)
    similarity[held] = _in_parts(partial(ssim_challenge, device=device), pool, private, rows, columns)[inverse]
    error[held] = _in_parts(l2, pool, private, rows, columns)[inverse]
    some = held.any(axis=1)
    values = summarised(similarity[some], error[some]) if some.any() else {}
    return {
        name: pigeonhole_mean(values[name], sources[some], seed=seed) if values else Estimate(None)
        for name in ("max_ssim", "mean_ssim", "min_l2", "mean_l2")
    }


def _in_parts(
    score: Callable[..., NDArray[Any]],
    a: NDArray[Any],
    b: NDArray[Any],
    rows: NDArray[np.integer],
    columns: NDArray[np.integer],
) -> NDArray[Any]:
    parts = [score(a[rows[i : i + 1024]], b[columns[i : i + 1024]]) for i in range(0, len(rows), 1024)]
    return np.concatenate(parts) if parts else np.zeros(0)

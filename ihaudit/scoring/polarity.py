"""A negative or a mirror image of the original is a recovered image: scores in the best of four polarities.

Whoever looks at a photographic negative recognises the person on it.  Beside the plain score each private image is
therefore scored in the best of four ways (as answered, mirrored, as a negative, both), each image in its own.  Decoys
are scored in the best of the same four, so that the choice shows in the chance level and not as a recovery.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.metrics import intervals, matching
from ihaudit.metrics.alignment import moves
from ihaudit.metrics.ssim import ssim
from ihaudit.scoring.pairing import Pairing
from ihaudit.stats import Estimate

#: The ways, as reports call them; ``polarity`` of arrays.npz indexes them.
WAYS = ("as answered", "mirror image", "negative", "negative of the mirror image")
#: Mean gain over the plain score from which the pictures that were paired so are kept beside the plain ones.
WORTH_SHOWING = 0.05


def polarity_scores(
    images: NDArray[np.float32],
    pairing: Pairing,
    private: NDArray[np.float32],
    decoys: NDArray[np.float32] | None,
    plain: NDArray[np.float64],
    seed: int,
) -> tuple[dict[str, Estimate], dict[str, NDArray[Any]]]:
    """SSIM in the best polarity of each image.

    Args:
        images: float32 (R, H, W, C) in [0, 1], the candidates as they are scored.
        pairing: of the plain score; kept where provenance decided it, else candidates are assigned anew by the size of
            their correlation with an image or its mirror image, whatever its sign.
        private: float32 (N, H, W, C) in [0, 1].
        decoys: float32 (D, H, W, C) or None.
        plain: float64 (N,) the plain scores; the result is never below them.
        seed: of the bootstrap.

    Returns:
        Metrics ``ssim_polarity`` (mean) and its ``_median``, ``_q90``, ``_best``; arrays ``ssim_polarity`` (N,),
        ``polarity`` int8 (N,) an index of `WAYS`, ``ssim_polarity_decoy`` (D,), and ``reconstruction_polarity`` uint8
        (N, H, W, C), the pictures as answered, where they gain much.
    """
    ways = [move(images) for move in moves(("mirror", "negative"), private.shape[1:]).values()]
    chosen, fake = pairing.private, pairing.decoys
    if pairing.how == "assignment" and len(pairing.kept):
        pool = private if decoys is None else np.concatenate([private, decoys])
        kept = images[pairing.kept]
        size = np.maximum(
            np.abs(matching.correlation(kept, pool)), np.abs(matching.correlation(kept[:, :, ::-1].copy(), pool))
        )
        n = len(private)
        chosen, fake = (_outer(pairing.kept, matching.assign(part)) for part in (size[:, :n], size[:, n:]))
    scores, way = _best(ways, chosen, private)
    better = scores > plain
    scores, way = np.where(better, scores, plain), np.where(better, way, 0)
    arrays: dict[str, NDArray[Any]] = {"ssim_polarity": scores, "polarity": way.astype(np.int8)}
    if decoys is not None and len(decoys):
        arrays["ssim_polarity_decoy"] = _best(ways, fake, decoys)[0]
    if float((scores - plain).mean()) >= WORTH_SHOWING:
        shown = np.where(better, chosen, pairing.private)
        picture = np.full(private.shape, 0.5, np.float32)
        picture[shown >= 0] = images[shown[shown >= 0]]
        arrays["reconstruction_polarity"] = np.round(picture * 255).astype(np.uint8)
    metrics = {
        "ssim_polarity": intervals.mean_estimate(scores, floor=-1, ceiling=1, seed=seed),
        "ssim_polarity_median": intervals.quantile_estimate(scores, 0.5, floor=-1, ceiling=1),
        "ssim_polarity_q90": intervals.quantile_estimate(scores, 0.9, floor=-1, ceiling=1),
        "ssim_polarity_best": intervals.quantile_estimate(scores, 1.0, ceiling=1),
    }
    return metrics, arrays


def _best(
    ways: list[NDArray[np.float32]], chosen: NDArray[np.int64], truth: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The best score of each image over the ways, 0 without a candidate, and which way it was."""
    there = chosen >= 0
    scores = np.zeros((len(ways), len(truth)))
    if there.any():
        for i, moved in enumerate(ways):
            scores[i, there] = ssim(moved[chosen[there]], truth[there])
    return scores.max(axis=0), scores.argmax(axis=0)


def _outer(kept: NDArray[Any], local: NDArray[Any]) -> NDArray[np.int64]:
    return np.where(local >= 0, kept[np.maximum(local, 0)], -1).astype(np.int64)

"""Scoring: the only place where what an attack answered and the truth meet.

How a score is kept from being better than the attack:

* At most N candidates count for N private images, those the attack itself ranks highest, near-copies passed over
  (`metrics.matching.shortlist`), and each serves at most one image.  An attack gains nothing by answering thousands.
* Where the scheme states provenance and the attack says which encodings each candidate comes from, candidates are
  paired with private images by that alone, without looking at pixels.  Otherwise, or where pixels disagree with the
  stated provenance by more than matching gains on decoys (a scheme can state a false one), they are paired by optimal
  assignment on pinned SSIM.
* A private image without a candidate was not recovered, and no picture is invented for it: its SSIM is 0, no likeness
  at all, also for decoys without one; where a metric has no such value (``Metric.unanswered``) it is left out of the
  mean.  ``answered`` says how many there are.  (An attack on a secret of the scheme that says whether it broke it, and
  answers no image, gets no scores of images.)
* The same candidates are scored in the same way on decoys, images like the private ones that the attack cannot have
  recovered (``ssim_chance``, ``ssim_decoy``): whatever matching, or a good prior, gains by itself shows there too.
* The plain score is not fixed up by the truth: a negative, a mirror image, a wrong contrast or a shift costs what it
  costs.  Negatives and mirror images, which anybody recognises, are scored beside it (`scoring.polarity`).  The one
  exception is stated by the attack (`AttackOutput.ambiguity`): where its pictures are all mirrored, or all turned, or
  all negative, and nothing that it knows tells which, they are scored in the best of these few ways, one for all
  pictures.  Decoys are scored in the way that is best for them, so that the choice shows in the chance level; what the
  pictures score exactly as answered is `ssim_as_answered`.
* Where a scheme moves its images anew for every use, and says so (`Scheme.augmentation`) or the attack saw it
  (`AttackOutput.augmentation`), the pose that an image had at first may be unknowable: every pair of a candidate and an
  image is compared in the best pose of that group (`metrics.poses`), decoys and baselines likewise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit import registry
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.metrics import intervals
from ihaudit.metrics.alignment import moves
from ihaudit.metrics.poses import Poses
from ihaudit.metrics.reid import Reidentification, reidentify
from ihaudit.metrics.ssim import ssim
from ihaudit.release import Release, Truth
from ihaudit.results import StageRecord
from ihaudit.scheme import Augmentation
from ihaudit.scoring.encodings import encoding_scores, mask_scores, sample_encodings
from ihaudit.scoring.pairing import Pairing, fits, pair
from ihaudit.scoring.polarity import polarity_scores
from ihaudit.scoring.stages import Quality, evidence_quality, stage_quality
from ihaudit.stats import Estimate

#: What ``reconstruction`` holds for a private image without a candidate; nothing is scored on it.
GREY = 0.5
#: Values of an encoding that is no image above which none is kept for the gallery.
MAX_SHOWN = 1 << 17


@dataclass(frozen=True, eq=False)
class ScoredAttack:
    """An attack's scores.

    Attributes:
        metrics: registered metrics by id (`ihaudit.metrics`): per private image, their chance levels, with members and
            provenance per encoding, and with unmasked encodings of these.
        arrays: float64 (N,) under the id of every metric that scores single images; ``reid`` bool (N,); ``candidate``
            int64 (N,), -1 for none; ``reconstruction`` uint8 (N, H, W, C), grey for none; ``ssim_decoy`` float64 (D,);
            ``ssim_flat`` float64 (N,); ``encoding`` int64 (N,), the encoding shown beside each image in the gallery, -1
            for none; ``confidence`` float32 (N,) the attack's own estimate where it gives one, NaN for none.
        quality: see `ihaudit.scoring.stages`; empty where members or provenance are missing.
        details: JSON-able: how candidates were paired, how many there were, chance of re-identification.
    """

    metrics: dict[str, Estimate]
    arrays: dict[str, NDArray[Any]]
    quality: Quality = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    def stages(self, records: list[StageRecord]) -> list[StageRecord]:
        """The attack's stage records with the qualities that only the truth can tell."""
        return [r.model_copy(update={"quality": r.quality | self.quality.get(r.name, {})}) for r in records]


def score_attack(
    output: AttackOutput,
    truth: Truth,
    release: Release,
    *,
    decoys: NDArray[Any] | None = None,
    context: Context | None = None,
    reuse: bool = False,
    augmentation: Augmentation | None = None,
) -> ScoredAttack:
    """Score what an attack (or a baseline) answered.

    Args:
        output: the answer; values outside [0, 1] are clipped, candidates with NaN are dropped and counted.
        truth: private images and provenance.
        release: what was released (for the gallery and unmasked encodings).
        decoys: (D, H, W, C) in [0, 1], images like the private ones that the attack was not given; at most N are used.
            Without them there is no measured chance level.
        context: seed of the bootstrap and device; seed 0 on the CPU where None.
        reuse: let one candidate serve any number of images, the nearest each.  For baselines, whose one guess is
            meant for every image; it errs on the side of the baseline.
        augmentation: the group of motions that the scheme states; where None, the one that the attack saw.

    Returns:
        ScoredAttack.

    Raises:
        ValueError: candidates of another shape than the private images.
    """
    private = np.asarray(truth.images, np.float32)
    device, seed = (context.device, context.seed) if context else ("cpu", 0)
    decoys = None if decoys is None else np.asarray(decoys, np.float32)[: len(private)]
    images, dropped = _candidates(output, private.shape[1:])
    if len(images) == 0 and (output.broke is not None or output.matches is not None):
        # An attack on a secret (a generator's state), or one that says who is who, answers no image: there is no
        # reconstruction to score.
        extra = (
            {} if output.unmasked is None else mask_scores(output.unmasked, release, truth, seed=seed, device=device)
        )
        return ScoredAttack(extra, {}, {}, {"pairing": "none", "candidates": 0})
    ways = {words: move(images) for words, move in moves(output.ambiguity, private.shape[1:]).items()}
    group = augmentation or output.augmentation
    poses = Poses(group, private.shape[1:]) if group is not None and group.moves else None
    pairings = {words: pair(output, moved, truth, decoys, reuse, device, poses) for words, moved in ways.items()}
    way = max(pairings, key=lambda words: pairings[words].reached()[0])
    elsewhere = max(pairings, key=lambda words: pairings[words].reached()[1])
    pairing, as_answered, images = pairings[way], images, ways[way]
    guess = _posed(_with_grey(images, pairing.private, private.shape[1:]), pairing, poses, private=True)
    metrics, arrays = _image_scores(guess, private, pairing.private >= 0, seed, device)
    if not reuse:
        metrics["answered"] = intervals.rate_estimate(int((pairing.private >= 0).sum()), len(private))
    if not reuse:
        extra, more = polarity_scores(images, pairing, private, decoys, arrays["ssim"], seed)
        metrics, arrays = metrics | extra, arrays | more
    _chance(metrics, arrays, ways[elsewhere], pairings[elsewhere], decoys, private, seed, device, poses)
    again = _reidentified(images, pairing, private, decoys, device)
    if elsewhere != way and pairing.how != "provenance":
        again = again.beside(_reidentified(ways[elsewhere], pairings[elsewhere], private, decoys, device))
    if len(ways) > 1 or poses is not None:
        straight = pairings["as answered"].private
        plain = _with_grey(as_answered, straight, private.shape[1:])
        exact = np.where(straight >= 0, ssim(plain, private, device=device), 0.0)
        metrics["ssim_aligned"] = metrics["ssim"]
        metrics["ssim_as_answered"] = intervals.mean_estimate(exact, floor=-1, ceiling=1, seed=seed)
    metrics["reid"], metrics["reid_above_chance"] = again.rate, again.above
    metrics["reid_chance"] = Estimate(again.chance, n=len(private))
    arrays["reid"] = again.hits
    arrays["candidate"] = pairing.private
    arrays["confidence"] = _confidence(output, pairing.private)
    arrays["encoding"] = sample_encodings(truth, output.members, pairing.private)
    details: dict[str, Any] = {
        "pairing": pairing.how,
        "candidates": len(images),
        "candidates_scored": len(pairing.kept),
        "matched": int((pairing.private >= 0).sum()),
        "private": len(private),
        "decoys": 0 if decoys is None else len(decoys),
        **pairing.notes,
    }
    if len(ways) > 1:
        details |= {"ambiguity": list(output.ambiguity), "ways": len(ways), "scored": way, "decoys_scored": elsewhere}
    if poses is not None and group is not None:
        details |= {"poses": len(poses), "images_may_be": group.words()}
    if dropped:
        details["candidates_not_finite"] = dropped
    quality: Quality = {}
    if output.members is not None and truth.provenance is not None and fits(output.members, truth.provenance):
        quality = stage_quality(output, truth.provenance, pairing.image_of)
        metrics |= encoding_scores(output, images, truth, seed=seed, device=device)
        if output.evidence is not None:
            quality |= evidence_quality(output.evidence, truth.provenance)
    if output.unmasked is not None:
        metrics |= mask_scores(output.unmasked, release, truth, seed=seed, device=device)
    known = list(registry.load("metric"))
    places = {name: known.index(name) if name in known else len(known) for name in metrics}
    return ScoredAttack(dict(sorted(metrics.items(), key=lambda m: places[m[0]])), arrays, quality, details)


def _reidentified(
    images: NDArray[Any], pairing: Pairing, private: NDArray[Any], decoys: NDArray[Any] | None, device: str
) -> Reidentification:
    fitted = pairing.fitted
    return reidentify(
        images[pairing.kept],
        pairing.unseen,
        private,
        decoys,
        by_provenance=pairing.how == "provenance",
        ssim=pairing.similarity,
        alike=None if fitted is None else (fitted.similarity + fitted.correlation) / 2,
        device=device,
    )


def _candidates(output: AttackOutput, shape: tuple[int, ...]) -> tuple[NDArray[np.float32], int]:
    """Candidates clipped to [0, 1], and how many are not finite (they stay in place as NaN and are never chosen)."""
    images = np.asarray(output.images, np.float32)
    if images.size == 0:
        return np.zeros((0, *shape), np.float32), 0
    if images.ndim != 4 or images.shape[1:] != shape:
        raise ValueError(f"the attack answered images of shape {images.shape[1:]}; the private images are {shape}")
    bad = ~np.isfinite(images).all(axis=(1, 2, 3))
    return np.clip(images, 0, 1), int(bad.sum())


def _with_grey(images: NDArray[Any], chosen: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
    out = np.full((len(chosen), *shape), GREY, np.float32)
    out[chosen >= 0] = images[chosen[chosen >= 0]]
    return out


def _image_scores(
    guess: NDArray[Any], private: NDArray[Any], there: NDArray[np.bool_], seed: int, device: str
) -> tuple[dict[str, Estimate], dict[str, NDArray[Any]]]:
    """Every registered metric that scores one reconstruction per private image, and its mean; `there` where one is."""
    metrics: dict[str, Estimate] = {}
    arrays: dict[str, NDArray[Any]] = {}
    for m in registry.load("metric").values():
        if m.score is not None:
            scores = np.array(m.score(guess, private, device=device), np.float64)
            scores[~there] = np.nan if m.unanswered is None else m.unanswered
            arrays[m.id] = scores
            metrics[m.id] = intervals.mean_estimate(arrays[m.id], floor=m.floor, ceiling=m.ceiling, seed=seed)
    s = arrays["ssim"]
    metrics |= {
        "ssim_median": intervals.quantile_estimate(s, 0.5, floor=-1, ceiling=1),
        "ssim_q90": intervals.quantile_estimate(s, 0.9, floor=-1, ceiling=1),
        "ssim_best": intervals.quantile_estimate(s, 1.0, ceiling=1),
        "ssim_worst": Estimate(float(s.min()), -1.0, float(s.min()), len(s)),
    }
    return metrics, arrays | {"reconstruction": np.round(guess * 255).astype(np.uint8)}


def _chance(
    metrics: dict[str, Estimate],
    arrays: dict[str, NDArray[Any]],
    images: NDArray[Any],
    pairing: Pairing,
    decoys: NDArray[Any] | None,
    private: NDArray[Any],
    seed: int,
    device: str,
    poses: Poses | None,
) -> None:
    """What the same candidates reach on decoys, and what each image's own mean colour reaches on it."""
    plain = np.broadcast_to(private.mean(axis=(1, 2), keepdims=True), private.shape)
    arrays["ssim_flat"] = ssim(plain, private, device=device)
    metrics["ssim_flat"] = intervals.mean_estimate(arrays["ssim_flat"], floor=-1, ceiling=1, seed=seed)
    if decoys is not None and len(decoys):
        guess = _posed(_with_grey(images, pairing.decoys, private.shape[1:]), pairing, poses, private=False)
        arrays["ssim_decoy"] = np.where(pairing.decoys >= 0, ssim(guess, decoys, device=device), 0.0)
        metrics["ssim_chance"] = intervals.mean_estimate(arrays["ssim_decoy"], floor=-1, ceiling=1, seed=seed)
        metrics["ssim_q90_chance"] = intervals.quantile_estimate(arrays["ssim_decoy"], 0.9, floor=-1, ceiling=1)


def _posed(guess: NDArray[Any], pairing: Pairing, poses: Poses | None, *, private: bool) -> NDArray[np.float32]:
    """Answers beside private images, or decoys, each in its best pose."""
    return guess if poses is None else poses.each(guess, pairing.poses(private))


def _confidence(output: AttackOutput, chosen: NDArray[Any]) -> NDArray[np.float32]:
    out = np.full(len(chosen), np.nan, np.float32)
    if output.confidence is not None:
        out[chosen >= 0] = np.asarray(output.confidence, np.float32)[chosen[chosen >= 0]]
    return out


def gallery_arrays(release: Release, truth: Truth) -> dict[str, NDArray[Any]]:
    """What a gallery shows beside reconstructions, for arrays.npz.

    Returns:
        ``private/images`` uint8 (N, H, W, C), ``private/labels`` int64 (N,), and ``release/encodings`` float32 (N, ...)
        with ``release/index`` int64 (N,): an encoding of each private image, the one with its largest coefficient where
        the scheme states provenance; else the first N encodings with index -1 (which image they hold is not known).
        None of encodings that are no images and larger than `MAX_SHOWN`.
    """
    images = np.asarray(truth.images, np.float32)
    out: dict[str, NDArray[Any]] = {
        "private/images": np.round(np.clip(images, 0, 1) * 255).astype(np.uint8),
        "private/labels": np.asarray(truth.labels, np.int64),
    }
    encodings = np.asarray(release.encodings)
    if len(encodings) and (encodings.ndim == 4 or (encodings.ndim > 1 and encodings[0].size <= MAX_SHOWN)):
        index = sample_encodings(truth, None, np.full(len(images), -1))
        shown = np.where(index >= 0, index, np.arange(len(images)) % len(encodings))
        out["release/encodings"] = encodings[shown].astype(np.float32)
        out["release/index"] = index
    return out

"""Scoring: the only place where what an attack answered and the truth meet.

How a score is kept from being better than the attack:

* At most N candidates count for N private images, those the attack itself ranks highest, near-copies passed over
  (`metrics.matching.shortlist`), and each serves at most one image.  An attack gains nothing by answering thousands.
* Where the scheme states provenance and the attack says which encodings each candidate comes from, candidates are
  paired with private images by that alone, without looking at pixels.  Otherwise, or where pixels disagree with the
  stated provenance by more than matching gains on decoys (a scheme can state a false one), they are paired by optimal
  assignment on pinned SSIM.
* A private image without a candidate is scored on plain mid-grey, the guess of someone who knows nothing.  (An attack
  on a secret of the scheme that says whether it broke it, and answers no image, gets no scores of images.)
* The same candidates are scored in the same way on decoys, images like the private ones that the attack cannot have
  recovered (``ssim_chance``, ``ssim_decoy``): whatever matching, or a good prior, gains by itself shows there too.
* Nothing is fixed up by the truth: a negative image, a wrong contrast or a shift costs what it costs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit import registry
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.metrics import intervals, matching
from ihaudit.metrics.reid import reidentify
from ihaudit.metrics.ssim import ssim
from ihaudit.release import Provenance, Release, Truth
from ihaudit.results import StageRecord
from ihaudit.scoring.encodings import (
    encoding_scores,
    evidence_quality,
    mask_scores,
    sample_encodings,
    stage_quality,
)
from ihaudit.stats import Estimate

#: What a private image without a candidate is scored on.
GREY = 0.5
#: How much better, in mean SSIM and beyond matching's gain on decoys, pixels must fit than the stated provenance.
DOUBT = 0.02


@dataclass(frozen=True, eq=False)
class ScoredAttack:
    """An attack's scores.

    Attributes:
        metrics: name -> Estimate.  Per private image: ``ssim`` (mean), ``ssim_median``, ``ssim_q90``, ``ssim_best``,
            ``ssim_worst``, ``ssim_challenge``, ``psnr`` (dB), ``l2`` (mean squared error on [-1, 1]), ``reid``,
            ``reid_above_chance``; chance levels ``ssim_chance`` and ``ssim_q90_chance`` (decoys) and ``ssim_flat``
            (each image's own mean colour).  With members and provenance, per encoding as the InstaHide Challenge
            defines
            them: ``max_ssim``, ``mean_ssim``, ``min_l2``, ``mean_l2`` (challenge convention).  With unmasked encodings:
            ``unmask_sign_accuracy``, ``unmask_ssim``, ``unmask_psnr``.
        arrays: ``ssim``, ``ssim_challenge``, ``psnr``, ``l2`` float64 (N,); ``reid`` bool (N,); ``candidate`` int64
            (N,), -1 for none; ``reconstruction`` uint8 (N, H, W, C); ``ssim_decoy`` float64 (D,); ``ssim_flat``
            float64 (N,); ``encoding`` int64 (N,), the encoding shown beside each image in the gallery, -1 for none;
            ``confidence`` float32 (N,) the attack's own estimate where it gives one, NaN for none.
        quality: stage name -> {figure: value}: ``similarity`` has pair_auc and pair_accuracy, ``grouping`` has
            clique_purity and images_covered, ``assignment`` has assignment_accuracy, encodings_exact and purity,
            ``coefficients`` has lambda_error; empty where members or provenance are missing.
        details: JSON-able: how candidates were paired, how many there were, chance of re-identification.
    """

    metrics: dict[str, Estimate]
    arrays: dict[str, NDArray]
    quality: dict[str, dict[str, float | None]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    def stages(self, records: list[StageRecord]) -> list[StageRecord]:
        """The attack's stage records with the qualities that only the truth can tell."""
        out = []
        for r in records:
            merged = {**r.quality, **self.quality.get(r.name, {})}
            out.append(r.model_copy(update={"quality": merged}))
        return out


def score_attack(
    output: AttackOutput,
    truth: Truth,
    release: Release,
    *,
    decoys: NDArray | None = None,
    context: Context | None = None,
    reuse: bool = False,
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

    Returns:
        ScoredAttack.

    Raises:
        ValueError: candidates of another shape than the private images.
    """
    private = np.asarray(truth.images, np.float32)
    device, seed = (context.device, context.seed) if context else ("cpu", 0)
    decoys = None if decoys is None else np.asarray(decoys, np.float32)[: len(private)]
    images, dropped = _candidates(output, private.shape[1:])
    if len(images) == 0 and output.broke is not None:
        # An attack on a secret (a generator's state) that answers no image: there is no reconstruction to score.
        extra = (
            {} if output.unmasked is None else mask_scores(output.unmasked, release, truth, seed=seed, device=device)
        )
        return ScoredAttack(extra, {}, {}, {"pairing": "none", "candidates": 0})
    pairing = _pair(output, images, truth, decoys, reuse, device)
    guess = _with_grey(images, pairing.private, private.shape[1:])
    metrics, arrays = _image_scores(guess, private, seed, device)
    _chance(metrics, arrays, images, pairing, decoys, private, seed, device)
    again = reidentify(
        images[pairing.kept],
        pairing.local,
        private,
        decoys,
        by_provenance=pairing.how == "provenance",
        ssim=pairing.similarity,
        device=device,
    )
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
    if dropped:
        details["candidates_not_finite"] = dropped
    quality: dict[str, dict[str, float | None]] = {}
    if output.members is not None and truth.provenance is not None and _fits(output.members, truth.provenance):
        quality = stage_quality(output, truth.provenance, pairing.evidence_map)
        metrics |= encoding_scores(output, images, truth, seed=seed, device=device)
        if output.evidence is not None:
            quality |= evidence_quality(output.evidence, truth.provenance)
    if output.unmasked is not None:
        metrics |= mask_scores(output.unmasked, release, truth, seed=seed, device=device)
    places = {name: i for i, name in enumerate(registry.load("metric"))}
    return ScoredAttack(dict(sorted(metrics.items(), key=lambda m: places[m[0]])), arrays, quality, details)


@dataclass(frozen=True, eq=False)
class _Pairing:
    """`private` int (N,) index into all candidates, `decoys` likewise (D,); `kept` int (K,) candidates that count;
    `local` int (N,) index into `kept`; `evidence_map` int (R,) private image of each candidate for stage quality."""

    how: str
    private: NDArray[np.int64]
    decoys: NDArray[np.int64]
    kept: NDArray[np.int64]
    local: NDArray[np.int64]
    similarity: NDArray
    evidence_map: NDArray[np.int64]
    notes: dict[str, Any]


def _pair(
    output: AttackOutput, images: NDArray, truth: Truth, decoys: NDArray | None, reuse: bool, device: str
) -> _Pairing:
    """Decide which candidate stands for which private image, and which for which decoy."""
    n, d = len(truth.images), 0 if decoys is None else len(decoys)
    rank = matching.ranking(len(images), output.members, output.coefficients, output.confidence)
    kept = matching.shortlist(images, rank[np.isfinite(images[rank]).all(axis=(1, 2, 3))], n)
    pool = np.asarray(truth.images, np.float32) if decoys is None else np.concatenate([truth.images, decoys])
    if len(kept) == 0:
        empty = np.zeros((0, n + d), np.float32)
        none = np.full(n, -1, np.int64)
        return _Pairing("none", none, np.full(d, -1, np.int64), kept, none, empty, np.full(len(images), -1), {})
    scores = matching.similarity(images[kept], pool, device=device)
    choose = _nearest if reuse else matching.assign
    how, local, fake = "nearest" if reuse else "assignment", choose(scores[:, :n]), choose(scores[:, n:])
    notes: dict[str, Any] = {}
    evidence_map = np.full(len(images), -1, np.int64)
    p = truth.provenance
    if p is not None and output.members is not None and not reuse and _fits(output.members, p):
        evidence = matching.votes(
            n, len(images), output.members, output.coefficients, np.asarray(p.sources), p.coefficients
        )
        strict = matching.by_provenance(evidence[kept], np.arange(len(kept)))
        # Decoys have no provenance; candidate i is put beside decoy i, which looks at no pixel either.
        blind = np.where(np.arange(d) < len(kept), np.arange(d), -1)
        by_pixels, by_record = _mean_score(scores[:, :n], local), _mean_score(scores[:, :n], strict)
        gain = max(0.0, _mean_score(scores[:, n:], fake) - _mean_score(scores[:, n:], blind)) if d else 0.05
        notes["ssim_by_provenance"], notes["ssim_by_assignment"] = by_record, by_pixels
        # Stages are judged by who is with whom, also where pictures are too poor to be told apart.
        judged = matching.by_provenance(evidence, rank)
        evidence_map[judged[judged >= 0]] = np.flatnonzero(judged >= 0)
        if by_record >= by_pixels - gain - DOUBT:
            how, local, fake = "provenance", strict, blind
        else:
            notes["pairing_note"] = (
                "reconstructions fit the private images better than the stated provenance of their encodings does; "
                "they are paired by assignment instead"
            )
    if not (evidence_map >= 0).any():
        evidence_map[kept[local[local >= 0]]] = np.flatnonzero(local >= 0)
    return _Pairing(how, _outer(kept, local), _outer(kept, fake), kept, local, scores, evidence_map, notes)


def _nearest(scores: NDArray) -> NDArray[np.int64]:
    return scores.argmax(axis=0).astype(np.int64)


def _outer(kept: NDArray, local: NDArray) -> NDArray[np.int64]:
    return np.where(local >= 0, kept[np.maximum(local, 0)], -1).astype(np.int64)


def _mean_score(scores: NDArray, chosen: NDArray) -> float:
    """Mean SSIM over images of a pairing, 0 for images without a candidate."""
    if scores.shape[1] == 0:
        return 0.0
    own = scores[np.maximum(chosen, 0), np.arange(scores.shape[1])]
    return float(np.where(chosen >= 0, np.maximum(own, 0), 0.0).mean())


def _fits(members: NDArray, provenance: Provenance) -> bool:
    return members.ndim == 2 and len(members) == len(provenance.sources)


def _candidates(output: AttackOutput, shape: tuple[int, ...]) -> tuple[NDArray[np.float32], int]:
    """Candidates clipped to [0, 1], and how many are not finite (they stay in place as NaN and are never chosen)."""
    images = np.asarray(output.images, np.float32)
    if images.size == 0:
        return np.zeros((0, *shape), np.float32), 0
    if images.ndim != 4 or images.shape[1:] != shape:
        raise ValueError(f"the attack answered images of shape {images.shape[1:]}; the private images are {shape}")
    bad = ~np.isfinite(images).all(axis=(1, 2, 3))
    return np.clip(images, 0, 1), int(bad.sum())


def _with_grey(images: NDArray, chosen: NDArray, shape: tuple[int, ...]) -> NDArray[np.float32]:
    out = np.full((len(chosen), *shape), GREY, np.float32)
    out[chosen >= 0] = images[chosen[chosen >= 0]]
    return out


def _image_scores(
    guess: NDArray, private: NDArray, seed: int, device: str
) -> tuple[dict[str, Estimate], dict[str, NDArray]]:
    """Every registered metric that scores one reconstruction per private image, and its mean."""
    metrics: dict[str, Estimate] = {}
    arrays: dict[str, NDArray] = {}
    for m in registry.load("metric").values():
        if m.score is not None:
            arrays[m.id] = m.score(guess, private, device=device)
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
    arrays: dict[str, NDArray],
    images: NDArray,
    pairing: _Pairing,
    decoys: NDArray | None,
    private: NDArray,
    seed: int,
    device: str,
) -> None:
    """What the same candidates reach on decoys, and what each image's own mean colour reaches on it."""
    plain = np.broadcast_to(private.mean(axis=(1, 2), keepdims=True), private.shape)
    arrays["ssim_flat"] = ssim(plain, private, device=device)
    metrics["ssim_flat"] = intervals.mean_estimate(arrays["ssim_flat"], floor=-1, ceiling=1, seed=seed)
    if decoys is not None and len(decoys):
        guess = _with_grey(images, pairing.decoys, private.shape[1:])
        arrays["ssim_decoy"] = ssim(guess, decoys, device=device)
        metrics["ssim_chance"] = intervals.mean_estimate(arrays["ssim_decoy"], floor=-1, ceiling=1, seed=seed)
        metrics["ssim_q90_chance"] = intervals.quantile_estimate(arrays["ssim_decoy"], 0.9, floor=-1, ceiling=1)


def _confidence(output: AttackOutput, chosen: NDArray) -> NDArray[np.float32]:
    out = np.full(len(chosen), np.nan, np.float32)
    if output.confidence is not None:
        out[chosen >= 0] = np.asarray(output.confidence, np.float32)[chosen[chosen >= 0]]
    return out


def gallery_arrays(release: Release, truth: Truth) -> dict[str, NDArray]:
    """What a gallery shows beside reconstructions, for arrays.npz.

    Returns:
        ``private/images`` uint8 (N, H, W, C), ``private/labels`` int64 (N,), and where encodings are images
        ``release/encodings`` float32 (N, H, W, C) with ``release/index`` int64 (N,): an encoding of each private
        image, the one with its largest coefficient where the scheme states provenance; else the first N encodings with
        index -1 (which image they hold is not known).
    """
    images = np.asarray(truth.images, np.float32)
    out: dict[str, NDArray] = {
        "private/images": np.round(np.clip(images, 0, 1) * 255).astype(np.uint8),
        "private/labels": np.asarray(truth.labels, np.int64),
    }
    encodings = np.asarray(release.encodings)
    if encodings.ndim == 4 and len(encodings):
        index = sample_encodings(truth, None, np.full(len(images), -1))
        shown = np.where(index >= 0, index, np.arange(len(images)) % len(encodings))
        out["release/encodings"] = encodings[shown].astype(np.float32)
        out["release/index"] = index
    return out

"""The two attacks put together from their steps."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.candidates import Candidates
from ihaudit.attacks.numerics.image_range import Levels
from ihaudit.attacks.numerics.transforms import Basis
from ihaudit.attacks.recipe import levelled
from ihaudit.attacks.single.calibrate import calibrate
from ihaudit.attacks.single.finish import Finisher
from ihaudit.attacks.single.finish import calibrate as calibrate_local
from ihaudit.attacks.single.local import LocalFilter, LocalPrior, applies
from ihaudit.attacks.single.match import MatchConfig, Matcher, Matches
from ihaudit.attacks.single.posterior import Recolourer
from ihaudit.attacks.single.prepare import Units, magnitudes
from ihaudit.attacks.single.published import match_by_ssim
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.nn.shipped import load_scales, load_unmask
from ihaudit.nn.weights import digests
from ihaudit.release import FloatArray
from ihaudit.results import StageRecord

#: Encodings attacked at most, by profile: the first ones in release order, so that with one encoding per image every
#: private image has its turn.  Undone masks are scored on the first 2,000 only.
RECOLOURED = {"quick": 500, "standard": 2000, "full": 2000}
MATCHED = {"quick": 100, "standard": 200, "full": 1000}
SEARCH = {"quick": MatchConfig(beam=2, branch=1, sweeps=1), "standard": MatchConfig(), "full": MatchConfig(beam=6)}
CALIBRATION = {"quick": 128, "standard": 256, "full": 512}  # own mixtures on which the network's response is measured
#: Share of encodings that hold no image of the public set, of which it is said that they hold one.
LEVEL = 0.01
#: A search's own scores are doubted up to this many times the largest expected by chance: wrong ones reached 1.5 (400
#: encodings), and without its strongest image the signs of a mixture of many may not be found.
_DOUBTED = 2.0
#: Encodings searched together: bounds memory.
_BATCH = 100
_MATCHING = 0.7  # share of the time, for progress
_FEWEST_PUBLIC = 16
#: `MatchConfig.excess` where the number of public images is known, so that false ones are bounded by it.
_EXCESS_WHEN_COUNTED = 0.0
#: Released labels state the private coefficients where their sums lie in this range.
_PRIVATE_SUM = (0.02, 0.98)


@dataclass(eq=False)
class Clock:
    """Records the time of each stage."""

    records: list[StageRecord]
    _began: float = 0.0

    def start(self) -> None:
        self._began = time.perf_counter()

    def stop(self, name: str, variant: str, **diagnostics: Any) -> None:
        seconds = time.perf_counter() - self._began
        self.records.append(StageRecord(name=name, variant=variant, seconds=seconds, diagnostics=diagnostics))
        self.start()


def recolour(view: View, ctx: Context, *, weights: str) -> AttackOutput:
    """Recoloured mixtures, each also the guess for the private image it holds; `weights` as of `RecolourAttack`."""
    clock = Clock([])
    view, shift, gain = _levelled(view, public=False)
    magnitude, units, recolourer = _prepared(view, ctx, weights, RECOLOURED[ctx.profile])
    clock.start()
    logits = _blind(recolourer, torch.from_numpy(magnitude), ctx)
    certainty = _certainty(logits, magnitude)
    images = np.clip(units.shown(_channels_last(magnitude * np.tanh(logits.numpy() / 2))) + shift, 0, 1)
    clock.stop("recolouring", "network", certainty=float(certainty.mean()))
    count = len(images)
    return AttackOutput(
        images=images,
        members=_members(len(view.encodings), count),
        confidence=(0.5 * certainty).astype(np.float32),
        unmasked=_unmasked(view, magnitude, logits, units) / gain,
        diagnostics=_diagnostics(view, count, certainty, weights),
        stages=clock.records,
        sentence=f"The network undid the sign masks of {count} encodings; by its own estimate {certainty.mean():.0%} "
        "of the bits, weighted by magnitude, are right.",
    )


def single(view: View, ctx: Context, *, matching: Literal["filter", "ssim"], weights: str, k: int) -> AttackOutput:
    """Recover masks, match public images, subtract them; the last three as of `SingleAttack`."""
    clock = Clock([])
    view, shift, gain = _levelled(view, public=True)
    public = _public(view)
    magnitude, units, recolourer = _prepared(view, ctx, weights, RECOLOURED[ctx.profile])
    clock.start()
    logits = _blind(recolourer, torch.from_numpy(magnitude), ctx)
    clock.stop("recolouring", "network", certainty=float(_certainty(logits, magnitude).mean()))
    count = min(MATCHED[ctx.profile], len(magnitude))
    private_sum = _private_sum(view, count)
    network = logits
    if matching == "ssim":
        k = k or _known_k(view) or 4
        picks, rest = _as_published(magnitude[:count], logits[:count], public, units, k, ctx)
        clock.stop("matching", "ssim", k_guessed=k)
        share = np.full(count, 1 / k, np.float32) if private_sum is None else private_sum
        images = units.shown(rest / share[:, None, None, None])
        found = picks
        coefficients = np.where(picks >= 0, 1 / k, 0).astype(np.float32)
    else:
        config = _search(view, ctx, k)
        matches, mean, facts = match(
            recolourer,
            public,
            units,
            magnitude[:count],
            config,
            ctx,
            clock,
            private_sum,
            counted=bool(k or _known_k(view)),
        )
        network, logits = (torch.cat([x, logits[count:]]) for x in (matches.network, matches.logits))
        images, share = private_images(matches, magnitude[:count], mean, units, private_sum)
        found, coefficients = matches.members.numpy(), matches.coefficients.numpy()
        clock.stop("private", "subtract", private_sum="labels" if private_sum is not None else "rest")
        clock.records[-2].diagnostics.update(facts)
    certainty = _certainty(network, magnitude)
    explained = (found >= 0).sum(1)
    lambdas = np.full((len(view.encodings), 1), np.nan, np.float32)
    lambdas[:count, 0] = share
    return AttackOutput(
        images=np.clip(images + shift, 0, 1) if shift.any() else images,
        members=_members(len(view.encodings), count),
        coefficients=np.nan_to_num(lambdas),
        confidence=_confidence(certainty[:count], view.labels),
        unmasked=_unmasked(view, magnitude, logits, units) / gain,
        diagnostics={
            **_diagnostics(view, count, certainty[:count], weights),
            "public_images": len(public),
            "public_found_per_encoding": float(explained.mean()),
            "encodings_with_a_public_image_found": float((explained > 0).mean()),
            "public_members": found[:200].tolist(),
            "public_coefficients": np.round(coefficients[:200].astype(float), 4).tolist(),
        },
        stages=clock.records,
        sentence=f"From one encoding each, {explained.mean():.1f} public images per encoding were identified among "
        f"{len(public):,} and subtracted ({count} encodings).",
    )


def _levelled(view: View, *, public: bool) -> tuple[View, FloatArray, FloatArray]:
    """`ihaudit.attacks.recipe.levelled`, and the factors that encodings were multiplied with."""
    gain = np.ones(1, np.float32) if view.channel_range is None else Levels.of(*view.channel_range).gain
    return *levelled(view, public=public), gain


def match(
    recolourer: Recolourer,
    public: FloatArray,
    units: Units,
    magnitude: FloatArray,
    config: MatchConfig,
    ctx: Context,
    clock: Clock,
    private_sum: FloatArray | None = None,
    *,
    counted: bool = False,
) -> tuple[Matches, Tensor, dict[str, Any]]:
    """Calibrate on the public set and match encodings in batches; also the mean public image (1, C, H, W).

    `private_sum` as of `_private_sum`; `counted` where `config.limit` is the number of public images.
    """
    basis = Basis(magnitude.shape[1:])
    ctx.progress("learning how the network responds to public images", 0.1)
    candidates = Candidates(public, basis, units.low / units.scale, units.high / units.scale)
    calibration = calibrate(recolourer, candidates, ctx.rng("calibration"), CALIBRATION[ctx.profile])
    clock.stop("calibration", "own mixtures", sign_share=calibration.sign_share)
    matcher = Matcher(recolourer, candidates, calibration, config)
    finisher = _finisher(recolourer, candidates, config.excess if counted else None, ctx)
    before = after = 0
    parts = []
    for start in range(0, len(magnitude), _BATCH):
        rows = slice(start, start + _BATCH)

        def progress(f: float, start: int = start) -> None:
            done = (start + f * min(_BATCH, len(magnitude) - start)) / len(magnitude)
            ctx.progress(f"matching public images ({len(magnitude)} encodings)", 0.15 + 0.85 * done)

        part = torch.from_numpy(magnitude[rows])
        matches = matcher.run(part, lambda f: progress(_MATCHING * f))
        before += int((matches.members >= 0).sum())
        if finisher is not None:
            sums = None if private_sum is None else torch.from_numpy(private_sum[rows])
            matches = finisher.run(matches, part, sums, lambda f: progress(_MATCHING + (1 - _MATCHING) * f))
        after += int((matches.members >= 0).sum())
        parts.append(matches)
    matches = Matches(*(torch.cat([getattr(p, f) for p in parts]) for f in Matches.__dataclass_fields__))
    stands_out, searched = None, int((matches.members >= 0).any(1).sum())
    if finisher is not None:
        matches, stands_out = _confirmed(finisher, matches, magnitude)
    clock.stop("matching", "filter")
    facts = {
        "threshold": matcher.threshold,
        "sought": config.limit,
        "by_power": before,
        "by_local_variances": after if finisher is not None else None,
        "stands_out_from": stands_out,
        "encodings_where_none_stands_out": searched - int((matches.members >= 0).any(1).sum()),
    }
    return matches, candidates.mean, facts


def _confirmed(finisher: Finisher, matches: Matches, magnitude: FloatArray) -> tuple[Matches, float]:
    """`matches` without those of encodings in which no public image stands out; what a score had to exceed."""
    batches = [slice(i, i + _BATCH) for i in range(0, len(magnitude), _BATCH)]
    parts = [finisher.stand_out(matches.rows(b), torch.from_numpy(magnitude[b])) for b in batches]
    score, chance = (torch.cat([p[i] for p in parts]) for i in range(2))
    threshold = finisher.exceeded_by_chance(chance, LEVEL)
    highest = torch.where(matches.members >= 0, matches.scores, 0.0).amax(1)
    doubted = (matches.members >= 0).any(1) & (highest < _DOUBTED * finisher.chance)
    doubtful = torch.nonzero(doubted & (score <= threshold))[:, 0]
    return finisher.emptied(matches, torch.from_numpy(magnitude), doubtful), threshold


def _finisher(recolourer: Recolourer, candidates: Candidates, excess: float | None, ctx: Context) -> Finisher | None:
    """None where pictures are of a shape that the network of variances does not suit, or it is missing."""
    try:
        net = load_scales()
    except NotApplicable:
        return None
    shape = candidates.basis.shape
    if not applies(shape, net.config.levels):
        return None
    search = LocalFilter(LocalPrior(net, shape), candidates)
    calibrate_local(recolourer, search, ctx.rng("local variances"))
    return Finisher(recolourer, search, excess)


def private_images(
    matches: Matches, magnitude: FloatArray, mean: Tensor, units: Units, private_sum: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """What is left of each mixture, brought to an image's contrast: (E, H, W, C) in [0, 1], and (E,) its coefficient.

    Where the private coefficients are released, what is neither private nor found counts as the mean public image.
    """
    seen = torch.from_numpy(magnitude) * torch.tanh(matches.logits / 2)
    explained = matches.coefficients.sum(1)
    share = (1 - explained).clamp_min(0.05)
    if private_sum is not None:
        share = torch.from_numpy(private_sum)
    missing = (1 - explained - share).clamp_min(0)
    rest = seen - matches.known - missing[:, None, None, None] * mean
    return units.shown(_channels_last((rest / share[:, None, None, None]).numpy())), share.numpy().astype(np.float32)


def _prepared(view: View, ctx: Context, weights: str, limit: int) -> tuple[FloatArray, Units, Recolourer]:
    magnitude, units = magnitudes(view, limit)
    return magnitude, units, Recolourer(load_unmask(Path(weights) if weights else None, ctx.device), ctx.device)


def _public(view: View) -> FloatArray:
    if view.public_set is None:
        raise NotApplicable("the adversary does not have the public set")
    public = np.asarray(view.public_set)
    if len(public) < _FEWEST_PUBLIC:
        raise NotApplicable(
            f"the public set holds {len(public)} images; at least {_FEWEST_PUBLIC} are needed to calibrate"
        )
    if public.shape[1:] != np.shape(view.encodings)[1:]:
        raise NotApplicable(
            f"public images of shape {public.shape[1:]} cannot be subtracted from encodings of shape "
            f"{np.shape(view.encodings)[1:]}"
        )
    return public


def _private_sum(view: View, count: int) -> FloatArray | None:
    """(count,) sum of private coefficients, where released labels tell it."""
    if view.labels is None:
        return None
    s = np.asarray(view.labels, np.float32)[:count].sum(1)
    low, high = _PRIVATE_SUM
    return s if len(s) and s.min() > low and s.max() < high else None


def _known_k(view: View) -> int:
    k = (view.code or {}).get("parameters", {}).get("k")
    return k if isinstance(k, int) and k >= 2 else 0


def _search(view: View, ctx: Context, k: int) -> MatchConfig:
    """The profile's search; an adversary who knows how many public images there are accepts weaker ones up to that."""
    config = SEARCH[ctx.profile]
    k = k or _known_k(view)
    if not k:
        return config
    private = (view.code or {}).get("parameters", {}).get("private_per_encoding", 1)
    sought = max(1, k - (private if isinstance(private, int) else 1))
    return replace(config, limit=sought, excess=_EXCESS_WHEN_COUNTED)


def _as_published(
    magnitude: FloatArray, logits: Tensor, public: FloatArray, units: Units, k: int, ctx: Context
) -> tuple[NDArray[np.int64], FloatArray]:
    mixture = _channels_last(magnitude * np.where(logits.numpy() > 0, 1, -1).astype(np.float32))

    def progress(f: float) -> None:
        ctx.progress("comparing with every public image by SSIM", 0.1 + 0.9 * f)

    return match_by_ssim(mixture, public, units.mixed, units.shown, k, k - 1, progress, ctx.device)


def _blind(recolourer: Recolourer, magnitude: Tensor, ctx: Context) -> Tensor:
    ctx.progress(f"recovering the masks of {len(magnitude)} encodings", 0.0)
    return recolourer.logits(magnitude, mirror=True)


def _certainty(logits: Tensor, magnitude: FloatArray) -> NDArray[np.float32]:
    """(E,) the network's own estimate of the share of bits right, weighted by magnitude."""
    right = 1 / (1 + np.exp(-np.abs(logits.numpy())))
    result: NDArray[np.float32] = (
        (right * magnitude).sum((1, 2, 3)) / np.maximum(magnitude.sum((1, 2, 3)), 1e-9)
    ).astype(np.float32)
    return result


def _confidence(certainty: NDArray[Any], labels: NDArray[Any] | None) -> NDArray[np.float32]:
    """Own estimate of pinned SSIM: a line through held-out attacks (k = 4: 0.96 at certainty 0.99, 0.4 at 0.83).

    Where labels show two private images of different classes, the guess is their mixture and resembles either less.
    """
    estimate = 1 - 3.6 * (1 - certainty)
    if labels is not None:
        mixed = (np.asarray(labels)[: len(certainty)] > 0).sum(1) > 1
        estimate = np.where(mixed, 0.78 * estimate, estimate)
    return np.clip(estimate, 0, 1).astype(np.float32)


def _unmasked(view: View, magnitude: FloatArray, logits: Tensor, units: Units) -> FloatArray:
    """|m| with the recovered signs, in the release's own units; zeros for encodings that were not looked at."""
    out = np.zeros(np.shape(view.encodings), np.float32)
    signs = np.where(logits.numpy() > 0, 1, -1).astype(np.float32)
    out[: len(magnitude)] = _channels_last(magnitude * signs) * units.scale
    return out


def _members(total: int, count: int) -> NDArray[np.int64]:
    return np.where(np.arange(total) < count, np.arange(total), -1)[:, None].astype(np.int64)


def _diagnostics(view: View, count: int, certainty: NDArray[Any], weights: str) -> dict[str, Any]:
    return {
        "encodings": len(view.encodings),
        "encodings_attacked": count,
        "sign_certainty": float(certainty.mean()),
        "weights": weights or digests().get("unmask.safetensors", ""),
    }


def _channels_last(x: NDArray[Any]) -> FloatArray:
    return np.ascontiguousarray(np.moveaxis(x, 1, -1), np.float32)

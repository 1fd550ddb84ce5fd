"""A learned inverse of whatever comes out of a scheme: closed forms first, then a network that starts from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.known import Source, no_pairs, refuse_constant, sources
from ihaudit.attacks.numerics.known_pairs.base import Encodings, Images
from ihaudit.attacks.numerics.known_pairs.dependence import FEWEST, LEVEL, by_chance
from ihaudit.attacks.numerics.known_pairs.learn import EXACT, FEW_GAIN, Attempt, again, attempt
from ihaudit.attacks.numerics.known_pairs.prior import PriorInverse
from ihaudit.attacks.numerics.known_pairs.regression import as_maps
from ihaudit.contracts.attack import AttackOutput, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.metrics.ssim import ssim
from ihaudit.metrics.threads import one_thread
from ihaudit.nn.decoder import Decoder, DecoderConfig, Imagined, Pairs, decode, fit_decoder
from ihaudit.nn.surrogate import fit_surrogate

#: images in each call of the oracle by profile
PER_CALL = {"quick": 250, "standard": 500, "full": 1500}
#: floating-point operations of training by profile: about 30 seconds of one core that multiplies bfloat16, 4 minutes,
#: half an hour; a GPU's are cheaper
OPERATIONS = {"quick": 5e12, "standard": 4e13, "full": 4e14}
ON_GPU = 20.0
#: of which on a control
ON_CONTROL = 0.2
#: pairs from which a network is trained at least
LEAST = 24
#: pairs held out at most, half to stop by and choose, half to say how good the answer is
HELD_OUT = 120
#: pairs from which the closed forms are fitted at most
CLOSED = 1500
#: parts of the pairs for which first guesses are made by maps fitted to the others
FOLDS = 4
#: share of those operations spent on a stand-in of the encoder besides; the share of the variance that it may leave
#: unexplained; similar images that it encodes, and their share of what the decoder is trained on
SURROGATE, UNEXPLAINED, SHARE = 0.3, 0.3, 0.5
IMAGINED = {"quick": 2000, "standard": 4000, "full": 10_000}
#: share of the operations after which a network that shows nothing is given up, where closed forms show nothing either:
#: the p-value (times the maps tried) up to which answers on held-out pairs promise something
TRIAL, PROMISE = 0.15, 0.02
#: channels of encodings that the network is given at most, by principal components
CHANNELS = 192


@attack("decoder")
@dataclass(frozen=True)
class Learn:
    """Trains a network to undo the encoding, on known records of the release or on images encoded afresh.

    Closed forms (`linear`) come first and give the network its first guess, made for every training image by maps that
    were fitted without it; where the image is best explained by the covariance of similar images, the network is
    trained on guesses imagined for these.  Encodings in the plane are given to it as well.  Images encoded afresh are
    of other keys, and whole calls of them are held out, so that what is learned from them needs no key.  Held-out pairs
    stop the training, others say how good the answer is; where it does not follow the images nothing is answered.
    """

    title: ClassVar[str] = "Decoder learned from known pairs"
    reference: ClassVar[str] = "supervised decoders of SIMBA, GLASS and FORA; Wiener estimate as the start"
    profiles: ClassVar[tuple[str, ...]] = ("quick", "standard", "full")
    costly: ClassVar[bool] = True

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`."""
        refuse_constant(view)
        with one_thread():
            return _answer(view, _cases(view, ctx), ctx)


@dataclass(frozen=True, eq=False)
class _Case:
    """One source of pairs, dealt into those fitted on, those chosen by and those that say how good the answer is."""

    source: Source
    fit: NDArray[np.int64]
    choose: NDArray[np.int64]
    judge: NDArray[np.int64]
    attempts: list[Attempt]
    like: NDArray[np.float32]  # mean of the images like these
    flat: float  # SSIM of the mean of images like these on `choose`
    shows: bool  # what the best closed form answers for `choose` follows its images

    @property
    def best(self) -> float:
        """SSIM of the best closed form on `choose`."""
        return max([a.score for a in self.attempts], default=self.flat)

    def news(self, rows: NDArray[np.int64]) -> Images:
        """Images of some pairs less what everybody expects of them."""
        images, usual = self.source.images[rows], self.source.usual
        return images if usual is None else images - usual[rows]


def _cases(view: View, ctx: Context) -> list[_Case]:
    """The sources of enough pairs, the most promising one first; nothing is encoded once a closed form is exact.

    Raises:
        NotApplicable: none has.
    """
    cases, most = [], 0
    for source in sources(view, ctx, PER_CALL[ctx.profile]):
        most = max(most, len(source.images))
        if len(source.images) < LEAST:
            continue
        ctx.progress("closed forms", None)
        cases.append(_deal(source, view.similar, ctx))
        if cases[-1].best > EXACT:
            break
    if not cases:
        raise NotApplicable(f"{most} pairs are too few to train a network on" if most else no_pairs(view))
    return sorted(cases, key=lambda c: c.flat - c.best)


def _answer(view: View, cases: list[_Case], ctx: Context) -> AttackOutput:
    for case in cases:
        found = _trained(case, view.similar, ctx)
        images, encodings = case.source.images, case.source.encodings
        truth = images[case.judge]
        answers = found.answer(encodings[case.judge])
        reached, flat = ssim(answers, truth), ssim(np.broadcast_to(case.like, truth.shape), truth)
        if len(truth) < FEWEST:
            learned = float(reached.mean() - flat.mean()) > FEW_GAIN
        else:
            learned = by_chance(answers, case.news(case.judge)) <= LEVEL
        if learned or case.shows:
            break
    expected, others = float(reached.mean()), case.source.others
    diagnostics: dict[str, Any] = {
        "pairs": len(images),
        "pairs_from": case.source.words,
        "expected": expected,
        "mean_image": float(flat.mean()),
        "held_out": len(truth),
        "way": found.words,
        "tables": {
            "Decoders that were fitted": {
                "columns": ["decoder", "SSIM on held-out pairs"],
                "rows": [["the mean image", round(case.flat, 3)], *[[w, round(v, 3)] for w, v in found.tried.items()]],
            }
        },
        **found.record,
    }
    pairs = f"{len(images)} {case.source.words}"
    if not learned:
        return AttackOutput(
            images=np.zeros((0, *images.shape[1:]), np.float32),
            members=np.full((len(others), 1), -1, np.int64),
            diagnostics=diagnostics,
            sentence=(
                f"Nothing was learned from {pairs}: on held-out ones the decoder reaches SSIM {expected:.2f}, the mean "
                f"image {flat.mean():.2f}, and its answers do not follow the images; it answers no image."
            ),
        )
    ctx.progress("answer", None)
    rows = ctx.rng("again").permutation(len(images))[:CLOSED]
    found = replace(found, first=found.first.again(images[rows], encodings[rows], view.similar))
    return AttackOutput(
        images=found.answer(others),
        members=np.arange(len(others), dtype=np.int64)[:, None],
        confidence=np.full(len(others), np.clip(expected, 0, 1), np.float32),
        diagnostics=diagnostics,
        sentence=(
            f"{pairs} teach a decoder ({found.words}) that reaches SSIM {expected:.2f} on {len(truth)} held-out ones "
            f"(the mean image: {flat.mean():.2f})."
        ),
    )


def _deal(source: Source, similar: Images | None, ctx: Context) -> _Case:
    n = len(source.images)
    rng = ctx.rng("deal", source.words)
    held = np.arange(n) if source.held is None else source.held
    count = min(HELD_OUT, n // 4) if source.held is None else min(HELD_OUT, len(held))
    held = rng.permutation(held)[:count]
    fit = np.setdiff1d(np.arange(n), held if source.held is None else source.held)
    choose, judge = held[: count // 2], held[count // 2 :]
    some = np.sort(rng.permutation(fit)[:CLOSED])
    images, encodings = source.images, source.encodings
    attempts = attempt(images[some], encodings[some], images[choose], encodings[choose], similar=similar)
    like = (images[fit] if similar is None else similar).mean(0)
    flat = float(ssim(np.broadcast_to(like, images[choose].shape), images[choose]).mean())
    case = _Case(source, fit, choose, judge, attempts, like, flat, False)
    if not attempts:
        return case
    best = max(attempts, key=lambda a: a.score)
    return replace(case, shows=_promising(case, np.clip(best.inverse(encodings[choose]), 0, 1), len(attempts)))


def _promising(case: _Case, answers: Images, tried: int = 1) -> bool:
    """Whether answers for `case.choose` seem to follow their images."""
    truth = case.source.images[case.choose]
    if len(truth) < FEWEST:
        return float(ssim(answers, truth).mean()) > case.flat + FEW_GAIN
    return tried * by_chance(answers, case.news(case.choose)) <= PROMISE


@dataclass(frozen=True, eq=False)
class _Found:
    """The decoder that was chosen."""

    words: str
    tried: dict[str, float]
    record: dict[str, Any]
    first: _First
    net: Decoder | None
    lay: _Lay | None
    device: str

    def answer(self, encodings: Encodings) -> Images:
        """float32 (E, H, W, C) in [0, 1]."""
        guesses = self.first(encodings)
        if self.net is None:
            return np.clip(np.moveaxis(guesses[:, : self.first.channels], 1, -1), 0, 1)
        out = decode(self.net, guesses, None if self.lay is None else self.lay(encodings), self.device)
        return np.ascontiguousarray(np.moveaxis(out, 1, -1))


@dataclass(frozen=True, eq=False)
class _First:
    """First guesses: what closed forms answer, or the mean image."""

    attempts: list[Attempt]
    mean: NDArray[np.float32]

    @property
    def channels(self) -> int:
        return int(self.mean.shape[-1])

    @property
    def count(self) -> int:
        """Guesses of each image."""
        return max(1, len(self.attempts))

    def again(self, images: Images, encodings: Encodings, similar: Images | None) -> _First:
        """The same by maps fitted to other pairs."""
        made = [again(a, images, encodings, similar) for a in self.attempts]
        return _First([replace(a, inverse=m or a.inverse) for a, m in zip(self.attempts, made, strict=True)], self.mean)

    def __call__(self, encodings: Encodings) -> NDArray[np.float32]:
        """float32 (n, G * C, H, W) within a little of [0, 1]."""
        parts = np.array_split(encodings, max(1, len(encodings) // 256))
        made = [np.concatenate([a.inverse(p) for p in parts]) for a in self.attempts]
        made = made or [np.broadcast_to(self.mean, (len(encodings), *self.mean.shape))]
        stacked = np.concatenate([np.moveaxis(np.clip(m, -0.2, 1.2), -1, 1) for m in made], 1)
        return np.ascontiguousarray(stacked, np.float32)


@dataclass(frozen=True, eq=False)
class _Lay:
    """Encodings as standardised maps (n, c, h, w), of at most `CHANNELS` channels."""

    image: tuple[int, ...]
    shape: tuple[int, ...]
    centre: NDArray[np.float32]
    turned: NDArray[np.float32]

    @staticmethod
    def of(encodings: Encodings, image: tuple[int, ...]) -> _Lay | None:
        """Fitted to some encodings; None where they do not lie in the plane."""
        maps = encodings if encodings.ndim == 4 else as_maps(encodings, image)[0]
        if maps is None or min(maps.shape[1:3]) < 2 or max(maps.shape[1:3]) > 4 * max(image[:2]):
            return None
        cells = maps.reshape(-1, maps.shape[-1])
        centre, spread = cells.mean(0), cells.std(0)
        turned = np.diag(1 / np.maximum(spread, 1e-3 * float(spread.mean()) + 1e-12))
        if len(spread) > CHANNELS:
            scaled = (cells - centre) @ turned
            values, vectors = np.linalg.eigh((scaled.T @ scaled).astype(np.float64) / len(scaled))
            turned = turned @ vectors[:, -CHANNELS:] / np.sqrt(np.maximum(values[-CHANNELS:], 1e-6))
        return _Lay(image, encodings.shape[1:], centre.astype(np.float32), turned.astype(np.float32))

    def back(self, maps: NDArray[np.float32]) -> Encodings:
        """Encodings that have these maps (the nearest to the mean, where channels were left out)."""
        cells = np.moveaxis(maps, 1, -1) @ np.linalg.pinv(self.turned).astype(np.float32) + self.centre
        return np.ascontiguousarray(cells.reshape(len(maps), *self.shape), np.float32)

    def __call__(self, encodings: Encodings) -> NDArray[np.float32]:
        maps = encodings if encodings.ndim == 4 else as_maps(encodings, self.image)[0]
        assert maps is not None
        return np.ascontiguousarray(np.moveaxis((maps - self.centre) @ self.turned, -1, 1), np.float32)


def _operations(ctx: Context) -> float:
    """The budget of training."""
    device = ON_GPU if ctx.device != "cpu" else 1.0
    return OPERATIONS[ctx.profile] * device * (ON_CONTROL if ctx.options.get("control") else 1.0)


def _trained(case: _Case, similar: Images | None, ctx: Context) -> _Found:
    """The better, on `case.choose`, of the best closed form and a network that starts from it."""
    images, encodings = case.source.images, case.source.encodings
    tried = {a.inverse.words: a.score for a in case.attempts}
    ranked = sorted(case.attempts, key=lambda a: -a.score)
    useful = [a for a in ranked if a.score > case.flat] or (ranked[:1] if case.shows else [])
    kept = [a for i, a in enumerate(useful) if a.family not in [b.family for b in useful[:i]]][:2]
    kept = [a for a in kept if a.score > kept[0].score - 0.2]
    mean = images[case.fit].mean(0)
    some = case.fit[:: max(1, len(case.fit) // CLOSED)][:CLOSED]
    first = _First(kept, mean)
    alone = kept[0].inverse.words if kept else "the mean image"
    plain = _Found(alone, tried, {}, _First(kept[:1], mean), None, None, ctx.device)
    if kept and kept[0].score > EXACT:
        return plain
    lay = _Lay.of(encodings[case.fit], images.shape[1:])
    if lay is None and not kept:
        return plain  # neither a first guess nor a picture to learn from
    ctx.progress("first guesses", None)
    imagined: Imagined | None = None
    start = kept[0].inverse if kept else None
    if lay is None and isinstance(start, PriorInverse) and similar is not None and len(similar) >= 500:
        first = _First(kept[:1], mean)
        imagined = _Imagined(start, similar)
    guesses = np.zeros((len(images), first.count * images.shape[-1], *images.shape[1:3]), np.float32)
    guesses[case.choose] = first(encodings[case.choose])
    if imagined is None:
        for part in np.array_split(ctx.rng("folds").permutation(case.fit), FOLDS):
            rest = np.setdiff1d(some, part)
            guesses[part] = first.again(images[rest], encodings[rest], similar)(encodings[part])

    def pairs(rows: NDArray[np.int64]) -> Pairs:
        planes = np.ascontiguousarray(np.moveaxis(images[rows], -1, 1))
        return Pairs(planes, guesses[rows], None if lay is None else lay(encodings[rows]))

    given, held = pairs(case.fit), pairs(case.choose)
    record: dict[str, Any] = {}
    share = 1.0
    if lay is not None and case.shows and similar is not None and len(similar) >= 500:
        ctx.progress("stand-in", None)
        imagined, record["stand_in_unexplained"] = _stand_in(first, lay, given, held, similar, ctx)
        share = SHARE
    h, w, c = (int(v) for v in images.shape[1:])
    shape = None if lay is None else tuple(int(v) for v in np.moveaxis(lay(encodings[:1]), 1, -1).shape[1:])
    # Cells of many pixels are patches that were encoded by themselves; their layers need to be wide instead.
    coarse = shape is not None and h // shape[0] >= 4
    sizes = {"own": 256, "reach": 1} if coarse else {}
    config = DecoderConfig((h, w, c), shape, first.count, **sizes)  # type: ignore[arg-type]

    def fitted(budget: float) -> tuple[Decoder, dict[str, Any]]:
        return fit_decoder(
            config,
            given,
            held,
            imagined=imagined,
            share=share,
            operations=budget * _operations(ctx),
            seed=int(ctx.rng("network").integers(2**31)),
            device=ctx.device,
            progress=lambda done: ctx.progress("train", done),
        )

    words = "a network" + (f" on top of {kept[0].inverse.words}" if kept else "")

    def with_network(budget: float) -> _Found:
        net, trained = fitted(budget)
        return _Found(words, tried, record | {"steps": trained["steps"]}, first, net, lay, ctx.device)

    learned = with_network(1.0 if case.shows else TRIAL)
    if not case.shows and _promising(case, learned.answer(encodings[case.choose])):
        learned = with_network(1.0)  # the trial shows that there is something to learn
    score = float(ssim(learned.answer(encodings[case.choose]), images[case.choose]).mean())
    tried[words] = score
    return learned if score > case.best else plain


@dataclass(frozen=True, eq=False)
class _Imagined:
    """Guesses that the inverse would make of similar images (`ihaudit.nn.decoder.Imagined`)."""

    inverse: PriorInverse
    similar: Images

    def __call__(self, rng: np.random.Generator, count: int) -> Pairs:
        some = self.similar[np.sort(rng.permutation(len(self.similar))[:count])]
        some = np.where(rng.random((len(some), 1, 1, 1)) < 0.5, some[:, :, ::-1], some).astype(np.float32)
        guess = np.clip(self.inverse.imagined(some, rng), -0.2, 1.2)
        planes = [np.ascontiguousarray(np.moveaxis(v, -1, 1), np.float32) for v in (guess, some)]
        return Pairs(planes[1], planes[0])


@dataclass(frozen=True, eq=False)
class _StandIn:
    """Similar images encoded by a stand-in of the encoder (`ihaudit.nn.decoder.Imagined`)."""

    pairs: Pairs

    def __call__(self, rng: np.random.Generator, count: int) -> Pairs:
        return self.pairs.take(rng.permutation(len(self.pairs.images))[:count])


def _stand_in(
    first: _First, lay: _Lay, pairs: Pairs, held: Pairs, similar: Images, ctx: Context
) -> tuple[_StandIn | None, float]:
    assert pairs.maps is not None and held.maps is not None
    surrogate = fit_surrogate(
        pairs.images,
        pairs.maps,
        (held.images, held.maps),
        operations=SURROGATE * _operations(ctx),
        seed=int(ctx.rng("stand-in").integers(2**31)),
        device=ctx.device,
    )
    if surrogate is None or surrogate.unexplained > UNEXPLAINED:
        return None, np.nan if surrogate is None else surrogate.unexplained
    some = ctx.rng("stand-in images").permutation(len(similar))[: IMAGINED[ctx.profile]]
    images = np.ascontiguousarray(np.moveaxis(similar[some], -1, 1), np.float32)
    maps = surrogate(images)
    return _StandIn(Pairs(images, first(lay.back(maps)), maps)), surrogate.unexplained

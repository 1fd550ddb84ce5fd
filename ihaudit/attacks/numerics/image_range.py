"""The range that images had when they were mixed, found from a release: offset and scale of every channel.

A scheme states one (`Release.image_range`), and whoever mixes normalised images easily states none.  What is released
tells: mixtures of photographs have the mean and the spread of photographs, in the units they were mixed in, and behind
a sign mask the shape of |mixture| says where in the range zero lies.  Mixtures of images like the private ones are
drawn as the labels say, and their quantiles compared with those of the release, for the stated range, for the
conventions of the field, and for the range that fits best.  The stated one is kept unless it is refuted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.labels import Slots
from ihaudit.attacks.numerics.masks import detect_mask, under_mask

FloatArray = NDArray[np.float64]

#: Values of means and deviations that training code divides by, as torchvision's documentation and examples print them.
_NORMALISED = {
    "the mean and deviation of CIFAR-10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "the mean and deviation of ImageNet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "the mean and deviation of MNIST": ((0.1307,), (0.3081,)),
}
_PLAIN = ((0.0, 1.0), (-1.0, 1.0), (-0.5, 0.5), (0.0, 255.0), (-127.5, 127.5), (-128.0, 127.0), (0.0, 2.0))
#: Quantiles that are compared.
_QUANTILES = np.array([0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98])
#: Misfit, in standard deviations of the release: up to the first a stated range is believed whatever else fits better;
#: an alternative is believed up to the second, and only where it leaves at most a share of the stated one's misfit.
_FITS, _POOR, _BETTER = 0.12, 0.35, 0.5
#: The same where no images like the private ones are known, and any photographs stand for them.
_FITS_ANY, _POOR_ANY, _BETTER_ANY = 0.4, 0.5, 0.6
#: Share of magnitudes near zero below which they were not folded, and their least variation for this to mean anything.
_NEAR_ZERO, _VARIED = 0.008, 0.25
#: Misfit of the stated range from which one that is no convention is believed, and its own at most.
_FAR_OFF, _FREE = 0.5, 0.3
#: Share of values that the stated range cannot hold, from which it is certainly wrong.
_BEYOND = 0.02
#: Ends that differ by less than this share of the width are equal.
_SAME = 0.25
#: Rows and images looked at, and mixtures drawn.
_ROWS, _MIXTURES = 400, 300
#: Edge of the squares over which values without a mask are averaged, so that noise on them does not count.
_SQUARE = 4


@dataclass(frozen=True, eq=False)
class Levels:
    """What brings channels to one width, and their images to the right brightness afterwards.

    Attributes:
        gain: float32 (C,), factors of the channels of encodings.
        shift: float32 (C,), what is to be added to images in [0, 1] that were read with the range `overall`.
        overall: range of the images of all channels, as mixed and multiplied.
    """

    gain: NDArray[np.float32]
    shift: NDArray[np.float32]
    overall: tuple[float, float]

    @classmethod
    def of(cls, low: tuple[float, ...], high: tuple[float, ...]) -> Levels:
        """From the range of every channel."""
        lows, widths = np.asarray(low, np.float64), np.asarray(high, np.float64) - np.asarray(low, np.float64)
        width = float(widths.mean())
        gain = width / widths
        start = float((lows * gain).mean())
        shift = (start - lows * gain) / width
        return cls(gain.astype(np.float32), shift.astype(np.float32), (start, start + width))


@dataclass(frozen=True)
class ImageRange:
    """The range of the images as mixed.

    Attributes:
        low, high: of every channel.
        how: in words, or empty for the stated one.
        misfit: of its mixtures, and of those in the stated range, in standard deviations of the release.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    how: str = ""
    misfit: float = 0.0
    stated_misfit: float = 0.0

    @property
    def overall(self) -> tuple[float, float]:
        """One range for all channels, once they have one width (`Levels`)."""
        return Levels.of(self.low, self.high).overall

    @property
    def channels(self) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """As `View.channel_range`."""
        alike = len(set(self.low)) == len(set(self.high)) == 1
        return None if alike else (self.low, self.high)

    def words(self) -> str:
        """``[-1, 1]``, or one range for each channel."""
        each = [f"[{low:.3g}, {high:.3g}]" for low, high in zip(self.low, self.high, strict=True)]
        return each[0] if len(set(each)) == 1 else ", ".join(each)


@dataclass(frozen=True, eq=False)
class _Material:
    """What ranges are judged by.

    Attributes:
        seen: (C, q) quantiles of the release (moduli where masked); spread: (C,) its standard deviations.
        pools: ways of mixing, each float32 (n, h, w, C) mixtures of images in [0, 1].
        masked: signs are hidden.
    """

    seen: FloatArray
    spread: FloatArray
    pools: list[NDArray[np.float32]]
    masked: bool

    def misfit(self, low: FloatArray, high: FloatArray) -> float:
        """Mean distance of quantiles, in standard deviations of the release, for the way of mixing that suits best."""
        return min(self._of(pool, low, high) for pool in self.pools)

    def _of(self, pool: NDArray[np.float32], low: FloatArray, high: FloatArray) -> float:
        values = (pool * (high - low) + low).astype(np.float32)
        q = _quantiles(np.abs(values) if self.masked else values)
        return float((np.abs(q - self.seen).mean(1) / self.spread).mean())


def found_range(
    encodings: NDArray[np.floating],
    slots: Slots,
    stated: tuple[float, float],
    photographs: NDArray[np.floating],
    public: NDArray[np.floating] | None = None,
    *,
    alike: bool,
) -> ImageRange | None:
    """The range of the images as mixed, where the release is of pictures and refutes the stated one; else None.

    Args:
        encodings: float (E, H, W, C).
        slots: what the labels say.
        stated: (low, high).
        photographs: float (S, H, W, C) in [0, 1], like the private images where `alike`, any other photographs else.
        public: float (M, H, W, C) in [0, 1], what else may be mixed in; `photographs` where None.
    """
    x = np.asarray(encodings[:: max(1, len(encodings) // _ROWS)][:_ROWS], np.float32)
    if x.ndim != 4 or len(x) < 2 or len(photographs) < 2 or photographs.shape[3] != x.shape[3]:
        return None
    mask, _ = detect_mask(x)
    if not under_mask(x if mask != "signed" else x - x.min()):
        return None
    masked = mask == "masked" or (mask == "absolute" and stated[0] < 0)
    others = photographs if public is None or len(public) < 2 else public
    raw = list(_mixtures(slots, photographs, others))
    pools = [_averaged(p, masked) for p in raw]
    values = _averaged(np.abs(x) if masked else x, masked)
    seen, spread = _quantiles(values), values.std((0, 1, 2)).astype(np.float64)
    if not bool((spread > 1e-9).all()):
        return None
    material = _Material(seen, spread, pools, masked)
    channels = x.shape[3]
    start = np.full(channels, stated[0]), np.full(channels, stated[1])
    before = material.misfit(*start)
    if not masked:  # averaging changes pictures whose pixels were moved, and not averaging those with noise
        before = min(before, _Material(_quantiles(x), spread, raw, masked).misfit(*start))
    if masked and stated[0] < 0 and not alike and _unfolded(values):
        # whatever the images are: no mixture passes through zero, so that magnitudes are the mixtures themselves
        tops = [1.0, 255.0, float(values.max())]
        top = next(t for t in tops if float(np.quantile(values, 0.999)) <= t)
        low, high = np.zeros(channels), np.full(channels, top)
        return ImageRange(tuple(low), tuple(high), "no magnitude is near zero", material.misfit(low, high), before)
    hidden = masked and stated[0] >= 0 and not alike and mask == "masked" and _folded(values)
    if before <= (_FITS if alike else _FITS_ANY) and not hidden:
        return None
    found = [
        ImageRange(tuple(low), tuple(high), how, material.misfit(low, high), before)
        for how, low, high in _conventions(photographs, mask != "masked")
    ]
    if hidden:
        # a mask was put on, and mixtures pass through zero: only a range on both sides of it can be
        both = [r for r in found if max(r.low) < 0 < min(r.high)]
        return min(both, key=lambda r: r.misfit)
    impossible = float(np.mean(_beyond(values, stated, masked))) > _BEYOND  # then even a rough range is a better one
    best = min(found, key=lambda r: r.misfit)
    free = _fitted(material, before)
    if (
        impossible
        and before > _FAR_OFF
        and free is not None
        and free.misfit < _FREE
        and free.misfit < 0.6 * best.misfit
        and best.misfit > 0.1
    ):
        best = free
    poor, better = (_POOR, _BETTER) if alike else (_POOR_ANY, _BETTER_ANY)
    if (best.misfit > poor and not impossible) or best.misfit > better * before or _near(best, stated):
        return None
    return best


def _unfolded(magnitudes: NDArray[np.float32]) -> bool:
    """Whether magnitudes are not those of values of both signs.

    Mixtures that pass through zero have as many values near it as next to it: 2.5 % of their magnitudes lie below a
    twentieth of the median, whatever the images (photographs, faces, scans, digits on either ground: 2.5 to 6.5 %).
    Mixtures of images on [0, 1] have at most 0.5 % there.  Where all images are nearly black, values on [-1, 1] hardly
    reach zero either, but then they hardly vary.
    """
    a = magnitudes.reshape(-1)
    near = float(np.mean(a < 0.05 * np.median(a)))
    return near < _NEAR_ZERO and float(a.std()) > _VARIED * float(a.mean())


def _folded(magnitudes: NDArray[np.float32]) -> bool:
    """Whether magnitudes are those of values of both signs: of a twentieth of the median on, a fifth is below a fifth
    of it.  Images on [0, 1] with much black have more values at zero than so."""
    a = magnitudes.reshape(-1)
    middle = float(np.median(a))
    near, nearest = (float(np.mean(a < part * middle)) for part in (0.05, 0.01))
    return 0.018 < near < 0.06 and 3.5 * nearest < near < 6.5 * nearest


def _beyond(values: NDArray[np.float32], stated: tuple[float, float], masked: bool) -> NDArray[np.bool_]:
    """Which values no mixture of images in the stated range reaches."""
    low, high = stated
    if masked:
        low, high = 0.0, max(abs(low), abs(high))
    room = 0.02 * (high - low)
    return (values < low - room) | (values > high + room)


def _near(found: ImageRange, stated: tuple[float, float]) -> bool:
    """Whether a range is the stated one but for what the way of mixing leaves open."""
    width = stated[1] - stated[0]
    ends = [abs(v - s) for side, s in ((found.low, stated[0]), (found.high, stated[1])) for v in side]
    return max(ends) < _SAME * width


def _conventions(photographs: NDArray[np.floating], signs_known: bool) -> Iterator[tuple[str, FloatArray, FloatArray]]:
    """Ranges in use: words, low (C,) and high (C,)."""
    channels = photographs.shape[3]
    for low, high in _PLAIN:
        yield "a convention of the field", np.full(channels, low), np.full(channels, high)
    own = photographs.mean((0, 1, 2)), photographs.std((0, 1, 2))
    known = {"the mean and deviation of such images": own} | _NORMALISED
    for words, (mean, deviation) in known.items():
        if len(mean) == channels:
            m, s = np.asarray(mean, np.float64), np.maximum(np.asarray(deviation, np.float64), 1e-6)
            yield f"normalised by {words}", -m / s, (1 - m) / s
    m = np.asarray(own[0], np.float64)
    yield "less their mean", -m, 1 - m


def _fitted(material: _Material, before: float) -> ImageRange | None:
    """The range that fits best, channel by channel; None where it is none."""
    best: ImageRange | None = None
    for pool in material.pools:
        lows, highs = [], []
        for c in range(pool.shape[3]):
            values, seen = pool[..., c : c + 1], material.seen[c]
            options = []
            for zero in np.linspace(0, 1, 21) if material.masked else [0.0]:
                q = _quantiles(np.abs(values - zero) if material.masked else values)[0]
                if material.masked:
                    width, offset = float((q * seen).sum() / max(float((q * q).sum()), 1e-12)), 0.0
                else:
                    width, offset = (float(v) for v in np.polyfit(q, seen, 1))
                error = float(np.abs(width * q + offset - seen).mean())
                options.append((error, width, offset - width * zero))
            _, width, low = min(options)
            if width <= 1e-9:
                return best
            lows.append(low)
            highs.append(low + width)
        misfit = material._of(pool, np.array(lows), np.array(highs))
        if best is None or misfit < best.misfit:
            best = ImageRange(tuple(lows), tuple(highs), "what fits the release best", misfit, before)
    return best


def _mixtures(
    slots: Slots, photographs: NDArray[np.floating], others: NDArray[np.floating]
) -> Iterator[NDArray[np.float32]]:
    """Mixtures in [0, 1], float32 (n, H, W, C), in the ways that the labels leave open."""
    rng = np.random.default_rng(0)
    if slots.informative:
        rows = rng.integers(len(slots.mass), size=_MIXTURES)
        mass, share = slots.mass[rows], slots.share[rows]
        counts = (1, 2, 4) if float(slots.share.mean()) > 0.02 else (0,)
        for count in counts:
            rest = np.abs(rng.standard_normal((_MIXTURES, count)))
            rest = share[:, None] * rest / np.maximum(rest.sum(1, keepdims=True), 1e-9)
            yield _mixed(rng, [(mass, photographs), (rest, others)])
            # several images of one class add up to one weight
            part = rng.uniform(0.2, 0.8, mass.shape)
            yield _mixed(rng, [(mass * part, photographs), (mass * (1 - part), photographs), (rest, others)])
        return
    for count in (1, 2, 3, 4, 6):
        weights = np.abs(rng.standard_normal((_MIXTURES, count)))
        weights /= weights.sum(1, keepdims=True)
        if count == 1:
            yield _mixed(rng, [(weights, photographs)])
        else:
            yield _mixed(rng, [(weights[:, : max(1, count // 2)], photographs), (weights[:, count // 2 :], others)])


def _mixed(
    rng: np.random.Generator, parts: list[tuple[NDArray[np.floating], NDArray[np.floating]]]
) -> NDArray[np.float32]:
    shape = parts[0][1].shape[1:]
    total = np.zeros((_MIXTURES, *shape), np.float32)
    for weights, images in parts:
        for slot in range(weights.shape[1]):
            pick = images[rng.integers(len(images), size=_MIXTURES)]
            total += weights[:, slot, None, None, None].astype(np.float32) * np.asarray(pick, np.float32)
    return total


def _averaged(x: NDArray[np.float32], masked: bool) -> NDArray[np.float32]:
    """Means over small squares where signs are known; what noise adds to an image does not count in them."""
    n, h, w, c = x.shape
    s = _SQUARE
    if masked or min(h, w) < 2 * s:
        return x
    cut = x[:, : h - h % s, : w - w % s]
    out: NDArray[np.float32] = cut.reshape(n, h // s, s, w // s, s, c).mean((2, 4))
    return out


def _quantiles(values: NDArray[np.float32]) -> FloatArray:
    """(C, q) of (n, h, w, C)."""
    flat = values.reshape(-1, values.shape[-1])
    flat = flat[:: max(1, len(flat) // 60_000)]
    found: FloatArray = np.quantile(flat, _QUANTILES, axis=0).T.astype(np.float64)
    return found

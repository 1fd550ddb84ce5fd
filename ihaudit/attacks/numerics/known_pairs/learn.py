"""Which family of maps inverts an encoder: fitted on some known pairs, chosen by the others, fitted again on all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.known_pairs.base import Encodings, Family, Images, Inverse
from ihaudit.attacks.numerics.known_pairs.dependence import FEWEST, LEVEL, by_chance
from ihaudit.attacks.numerics.known_pairs.filters import FilterInverse, fit_filters
from ihaudit.attacks.numerics.known_pairs.modular import fit_modular
from ihaudit.attacks.numerics.known_pairs.pads import fit_pads
from ihaudit.attacks.numerics.known_pairs.places import fit_places
from ihaudit.attacks.numerics.known_pairs.positions import fit_positions
from ihaudit.attacks.numerics.known_pairs.prior import fit_prior
from ihaudit.attacks.numerics.known_pairs.regression import fit_global, fit_local
from ihaudit.attacks.numerics.known_pairs.spectra import fit_spectra
from ihaudit.attacks.numerics.known_pairs.symbols import fit_symbols
from ihaudit.attacks.numerics.known_pairs.tables import fit_tables
from ihaudit.metrics.ssim import ssim

FAMILIES: dict[str, Family] = {
    "pad": fit_pads,
    "positions": fit_positions,
    "modular": fit_modular,
    "tables": fit_tables,
    "spectrum": fit_spectra,
    "symbols": fit_symbols,
    "local": fit_local,
    "places": fit_places,
    "global": fit_global,
}
#: those of several maps that fit one of them alone, by the words that it begins with
ONE: dict[str, Callable[[Images, Encodings, str], list[Inverse]]] = {"local": fit_local, "global": fit_global}
#: the family that needs similar images besides
PRIOR = "prior"
#: mean SSIM on held-out pairs from which a map is exact
EXACT = 0.995
#: with so many pairs or fewer nothing is held out: a map counts where it explains the pairs exactly and what it makes
#: of the other encodings looks like pictures
FEW = 2
#: pairs held out at most
HELD_OUT = 60
#: draws of pairs for a point of the curve, where it stands for so many or fewer
DRAWS, DRAWN = 5, 10
#: how much more SSIM than a mean image held-out pairs must show where they are too few to be put in other orders
FEW_GAIN = 0.1
#: p-value from which the other pairs are not held out in turn for a second look, and the parts that are
HOPELESS, PARTS = 0.3, 4
#: how much of the correlation between neighbouring pixels of similar images the decoded ones must have, with few pairs
NATURAL = 0.6


@dataclass(frozen=True, eq=False)
class Learned:
    """The chosen inverse.

    Attributes:
        inverse: fitted on all pairs, or None where no family fits.
        family: its name.
        expected: mean pinned SSIM on pairs held out; NaN where none were.
        tried: words of every map that was fitted -> its mean SSIM on held-out pairs.
        flat: mean pinned SSIM of a mean image on the same pairs; NaN where none were held out.
        shown: what it answers follows the held-out images by more than chance, or it explains the pairs exactly.
    """

    inverse: Inverse | None
    family: str
    expected: float
    tried: dict[str, float]
    flat: float = np.nan
    shown: bool = True


@dataclass(frozen=True, eq=False)
class Attempt:
    """One fitted map: its family, the map, and its mean pinned SSIM on held-out pairs."""

    family: str
    inverse: Inverse
    score: float


def smoothness(images: Images) -> float:
    """Mean correlation of neighbouring values, in [-1, 1]: about 0.9 for photographs, 0 for noise."""
    out = []
    for axis in (1, 2):
        a, b = np.delete(images, -1, axis), np.delete(images, 0, axis)
        a, b = (v.reshape(len(images), -1) - v.reshape(len(images), -1).mean(1, keepdims=True) for v in (a, b))
        out.append((a * b).sum(1) / np.maximum(np.sqrt((a**2).sum(1) * (b**2).sum(1)), 1e-12))
    return float(np.mean(out))


def learn(
    images: Images,
    encodings: Encodings,
    others: Encodings,
    rng: np.random.Generator,
    held: NDArray[np.int64] | None = None,
    families: Sequence[str] = (*FAMILIES, PRIOR),
    similar: Images | None = None,
    usual: Images | None = None,
    *,
    tested: bool = True,
) -> Learned:
    """Learn an inverse map.

    Args:
        images: float32 (n, H, W, C) in [0, 1], known images.
        encodings: float32 (n, ...), row i made of image i.
        others: float32 (E, ...), to be inverted; with few pairs they say whether a map makes pictures of them.
        rng: deals the pairs into those fitted on and those held out.
        held: pairs to hold out, where chance may not choose (other keys than those fitted on).
        families: names of `FAMILIES`, and `PRIOR`, to try in order.
        similar: float32 (M, H, W, C) in [0, 1], images like those to be recovered, or None.
        usual: float32 (n, H, W, C), what everybody expects of each image (the mean of its class), or None.
        tested: it matters whether the answers follow the images (`Learned.shown`).
    """
    n = len(images)
    if held is None and n <= FEW:
        return _from_few(images, encodings, others, families)
    dealt = held is None
    if held is None:
        held = rng.permutation(n)[: max(1, min(HELD_OUT, n // 4))]
    kept = np.setdiff1d(np.arange(n), held)
    attempts = attempt(images[kept], encodings[kept], images[held], encodings[held], families, similar)
    tried = {a.inverse.words: a.score for a in attempts}
    if not attempts:
        return Learned(None, "", np.nan, tried)
    best = max(attempts, key=lambda a: a.score)
    like = images[kept] if similar is None else similar
    flat = float(ssim(np.broadcast_to(like.mean(0, keepdims=True), images[held].shape), images[held]).mean())
    if len(held) < FEWEST:
        shown = best.score - flat > FEW_GAIN
    elif not tested:
        shown = True
    else:
        news = images if usual is None else images - usual
        p = len(attempts) * by_chance(np.clip(best.inverse(encodings[held]), 0, 1), news[held])
        shown = p <= LEVEL
        if dealt and not shown and p < HOPELESS:
            shown = _second_look(best, images, encodings, kept, rng, similar, news) <= LEVEL
    return Learned(again(best, images, encodings, similar), best.family, best.score, tried, flat, shown)


def _second_look(
    best: Attempt,
    images: Images,
    encodings: Encodings,
    kept: NDArray[np.int64],
    rng: np.random.Generator,
    similar: Images | None,
    news: Images,
) -> float:
    """The p-value of the chosen kind of map on the pairs `kept` for fitting, each part by a map fitted to the rest."""
    answers, groups = np.zeros_like(images), np.zeros(len(images), np.int64)
    for index, part in enumerate(np.array_split(rng.permutation(kept), PARTS)):
        rest = np.setdiff1d(np.arange(len(images)), part)
        inverse = again(best, images[rest], encodings[rest], similar)
        if inverse is None or inverse is best.inverse:  # fitted with these pairs
            return 1.0
        answers[part], groups[part] = np.clip(inverse(encodings[part]), 0, 1), index
    return by_chance(answers[kept], news[kept], groups[kept])


def attempt(
    images: Images,
    encodings: Encodings,
    held_images: Images,
    held_encodings: Encodings,
    families: Sequence[str] = (*FAMILIES, PRIOR),
    similar: Images | None = None,
) -> list[Attempt]:
    """Every map that fits the pairs, with its mean pinned SSIM on the held-out ones; up to an exact one."""
    out: list[Attempt] = []
    if not len(images):  # all were copies of those held out
        return out
    for name in families:
        for inverse in _fit(name, images, encodings, similar):
            guess = np.clip(inverse(held_encodings), 0, 1)
            out.append(Attempt(name, inverse, float(ssim(guess, held_images).mean())))
        if any(a.score > EXACT for a in out):  # nothing is better
            break
    return out


def again(a: Attempt, images: Images, encodings: Encodings, similar: Images | None = None) -> Inverse | None:
    """The same kind of map fitted to other pairs, or None where none fits."""
    if isinstance(a.inverse, FilterInverse):
        return a.inverse  # thousands of places show the same few values: other pairs show them no better
    kind = _kind(a.inverse.words)
    if a.family in ONE and (alone := ONE[a.family](images, encodings, kind)):
        return alone[0]
    fitted = _fit(a.family, images, encodings, similar)
    same = [i for i in fitted if _kind(i.words) == kind]
    return next(iter(same or fitted), None)


def _fit(name: str, images: Images, encodings: Encodings, similar: Images | None) -> list[Inverse]:
    if name == PRIOR:
        if similar is None:
            return []
        return fit_filters(images, encodings, similar) or fit_prior(images, encodings, similar)
    return FAMILIES[name](images, encodings)


def _kind(words: str) -> str:
    """The words of a map without its figures."""
    return words.split(",")[0]


def _from_few(images: Images, encodings: Encodings, others: Encodings, families: Sequence[str]) -> Learned:
    tried: dict[str, float] = {}
    best, family, look = None, "", NATURAL * smoothness(images)
    for name in families:
        if name in ("global", PRIOR):
            continue
        for inverse in FAMILIES[name](images, encodings):
            again = float(ssim(np.clip(inverse(encodings), 0, 1), images).mean())
            natural = smoothness(np.clip(inverse(others[:200]), 0, 1))
            tried[inverse.words] = again
            if again > 0.9 and natural > look:
                best, family, look = inverse, name, natural
    return Learned(best, family, np.nan, tried)


def curve(
    images: Images,
    encodings: Encodings,
    family: str,
    sizes: Sequence[int],
    rng: np.random.Generator,
    similar: Images | None = None,
) -> NDArray[np.float64]:
    """float64 (len(sizes),): mean SSIM on held-out pairs, by one family from so many others; NaN beyond them.

    A few pairs may be lucky or not: their point is a mean over `DRAWS` draws.
    """
    n = len(images)
    order = rng.permutation(n)
    held, rest = np.split(order, [max(1, min(HELD_OUT, n // 4))])
    out = np.full(len(sizes), np.nan)
    for i, size in enumerate(sizes):
        if size > len(rest):
            break
        drawn = [rest[:size]] + [rng.permutation(rest)[:size] for _ in range(DRAWS - 1 if size <= DRAWN else 0)]
        reached = []
        for some in drawn:
            found = learn(images[some], encodings[some], encodings[held], rng, None, (family,), similar, tested=False)
            if found.inverse is None:
                reached.append(0.0)
                continue
            reached.append(float(ssim(np.clip(found.inverse(encodings[held]), 0, 1), images[held]).mean()))
        out[i] = np.mean(reached)
    return out

"""Known pairs: the inverse of a keyed encoder, exactly where it permutes or pads, by regression where it does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.known_pairs.learn import curve, learn
from ihaudit.contracts.attack import AttackOutput, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.release import rows_of

#: numbers of known pairs that the curve is drawn for
SIZES = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000)
#: calls of the oracle, the last of which is held out, and images of each by profile
CALLS = 4
PER_CALL = {"quick": 60, "standard": 150, "full": 400}
#: mean SSIM on held-out pairs below which nothing was learned (a mean image reaches 0.14 on CIFAR-10)
LEARNED = 0.2


@attack("linear")
@dataclass(frozen=True)
class Linear:
    """Learns the inverse map from known images and their encodings, and applies it to all other encodings.

    Without known records it makes pairs of its own, by encoding similar images afresh (oracle), and holds whole calls
    out: what is learned so needs no key.  Families of maps in turn: additive and exclusive-or pads, permutations of
    pixels, values or 4-bit halves with negation (over the image or shared by its blocks), signs and gains of cosine
    coefficients, affine maps of neighbourhoods and tokens, affine and smooth maps of the whole encoding.  Pairs that
    are held out choose.
    """

    title: ClassVar[str] = "Inverse of a keyed encoder from known pairs"
    reference: ClassVar[str] = "known-plaintext attack; Li et al. 2008 for permutations, ridge regression elsewhere"
    profiles: ClassVar[tuple[str, ...]] = ("quick", "standard", "full")

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`."""
        others = np.asarray(view.encodings, np.float32)
        sources = [s for s in (_known(view), _encoded(view, ctx)) if s is not None]
        if not sources:
            raise NotApplicable(
                "no pair of an image and its encoding is to be had: every encoding holds several images, or the "
                "adversary has neither known records (--known-pairs) nor the oracle with similar images"
            )
        ctx.progress("fit", None)
        learned = [learn(s.images, s.encodings, others, ctx.rng("hold out"), s.held) for s in sources]
        best = int(np.argmax([np.nan_to_num(f.expected, nan=0.9) if f.inverse else -1.0 for f in learned]))
        found, source = learned[best], sources[best]
        images, encodings = source.images, source.encodings
        diagnostics: dict[str, Any] = {
            "pairs": len(images),
            "pairs_from": source.words,
            "tables": {
                "Maps that were fitted": {
                    "columns": ["map", "SSIM on held-out pairs"],
                    "rows": [[words, round(score, 3)] for words, score in found.tried.items()],
                }
            },
        }
        if found.inverse is None:
            raise NotApplicable(
                f"{len(images)} pairs are too few: no map that explains them makes pictures of the rest"
            )
        drawn: list[tuple[int, float]] = []
        if not found.expected < LEARNED:
            ctx.progress("curve", 0.5)
            reached = curve(images, encodings, found.family, SIZES, ctx.rng("curve"))
            drawn = [(n, float(v)) for n, v in zip(SIZES, reached, strict=True) if np.isfinite(v)]
            diagnostics["curves"] = {
                "SSIM by known pairs": {
                    "x": [n for n, _ in drawn],
                    "y": [v for _, v in drawn],
                    "xlabel": "known pairs",
                    "ylabel": "mean SSIM on held-out pairs",
                    "log": True,
                }
            }
        enough = next((n for n, v in drawn if v > 0.95 * max(found.expected, 1e-9)), len(images))
        out = np.concatenate([found.inverse(part) for part in np.array_split(others, max(1, len(others) // 256))])
        expected = found.expected if np.isfinite(found.expected) else 0.9
        held = f"SSIM {found.expected:.2f} on some held out" if np.isfinite(found.expected) else "exactly"
        if expected < LEARNED:
            sentence = f"{len(images)} {source.words} do not show how encodings are turned back ({held})."
        else:
            sentence = (
                f"{len(images)} {source.words} show how encodings are turned back: by {found.inverse.words} ({held})"
                f"{f'; {enough} are enough for it' if enough < len(images) else ''}."
            )
        return AttackOutput(
            images=np.clip(out, 0, 1).astype(np.float32),
            members=np.arange(len(out), dtype=np.int64)[:, None],
            confidence=np.full(len(out), np.clip(expected, 0, 1), np.float32),
            diagnostics=diagnostics | {"map": found.inverse.words, "family": found.family},
            sentence=sentence,
        )


@dataclass(frozen=True, eq=False)
class _Source:
    """Pairs to learn from; `held`: those that must be held out, or None for any."""

    images: NDArray[np.float32]
    encodings: NDArray[np.float32]
    words: str
    held: NDArray[np.int64] | None = None


def _known(view: View) -> _Source | None:
    if view.pairs is None or not len(view.pairs.images):
        return None
    images, encodings = (np.asarray(v, np.float32) for v in (view.pairs.images, view.pairs.encodings))
    return _Source(images, encodings, "known images of the release")


def _encoded(view: View, ctx: Context) -> _Source | None:
    """Similar images encoded by the adversary, in calls (and so under keys) of their own."""
    if view.encoder is None or view.similar is None or len(view.similar) < CALLS * 4:
        return None
    some = ctx.rng("oracle").permutation(len(view.similar))[: CALLS * PER_CALL[ctx.profile]]
    labels = np.zeros(len(view.similar), np.int64) if view.similar_labels is None else view.similar_labels
    parts = np.array_split(some, CALLS)
    rng = ctx.rng("oracle seeds")
    calls = [(view.similar[p], labels[p], int(rng.integers(2**31))) for p in parts]
    images, encodings, call = [], [], []
    for i, ((pictures, _, _), release) in enumerate(zip(calls, view.encoder.encode_many(calls), strict=True)):
        source = rows_of(release, len(pictures))
        if source is None or release.encodings.shape[1:] != view.encodings.shape[1:]:
            return None
        images.append(np.asarray(pictures[source], np.float32))
        encodings.append(np.asarray(release.encodings, np.float32))
        call.append(np.full(len(source), i))
    held = np.flatnonzero(np.concatenate(call) == CALLS - 1)
    return _Source(np.concatenate(images), np.concatenate(encodings), "images encoded afresh", held)

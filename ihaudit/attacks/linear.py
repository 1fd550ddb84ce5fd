"""Known pairs: the inverse of a keyed encoder, exactly where it permutes or pads, by regression where it does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ihaudit.attacks.known import Source, no_pairs, refuse_constant, sources
from ihaudit.attacks.numerics.known_pairs.learn import EXACT, PRIOR, Learned, curve, learn
from ihaudit.contracts.attack import AttackOutput, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable

#: numbers of known pairs that the curve is drawn for
SIZES = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000)
#: the same for maps that take seconds to fit
FEW_SIZES = (30, 100, 300)
#: the same for pictures of more values than this
LARGE, LARGE_SIZES = 6144, (1, 3, 10, 30, 100, 300, 1000)
#: SSIM above that of a mean image up to which an answer is called little
LITTLE = 0.1
#: images in each call of the oracle by profile
PER_CALL = {"quick": 60, "standard": 150, "full": 400}


@attack("linear")
@dataclass(frozen=True)
class Linear:
    """Learns the inverse map from known images and their encodings, and applies it to all other encodings.

    Without known records it makes pairs of its own, by encoding similar images afresh (oracle), and holds whole calls
    out: what is learned so needs no key; where what a map makes of them does not follow their images, none is
    answered.
    Families of maps in turn: additive and exclusive-or pads, permutations of pixels, values or 4-bit halves with
    negation (over the image or shared by its blocks), matrices modulo 256 or over single bits, signs and gains of
    cosine coefficients, affine maps of neighbourhoods and tokens, affine and smooth maps of the whole encoding.  Pairs
    that are held out choose.
    """

    title: ClassVar[str] = "Inverse of a keyed encoder"
    reference: ClassVar[str] = "known-plaintext attack; Li et al. 2008 for permutations, ridge regression elsewhere"
    profiles: ClassVar[tuple[str, ...]] = ("quick", "standard", "full")

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`."""
        refuse_constant(view)
        found, source = _best(view, ctx)
        images, encodings, others = source.images, source.encodings, source.others
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
        if found.shown and not ctx.options.get("control"):  # nobody looks at a control's curve
            ctx.progress("curve", 0.5)
            sizes = FEW_SIZES if found.family == PRIOR else SIZES if images[0].size <= LARGE else LARGE_SIZES
            reached = curve(images, encodings, found.family, sizes, ctx.rng("curve"), view.similar)
            drawn = [(n, float(v)) for n, v in zip(sizes, reached, strict=True) if np.isfinite(v)]
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
        if found.shown and found.expected < found.flat + LITTLE:
            held += f", where a mean image reaches {found.flat:.2f}: they hold a little of their images"
        diagnostics |= {"map": found.inverse.words, "family": found.family}
        if not found.shown:
            return AttackOutput(
                images=np.zeros((0, *images.shape[1:]), np.float32),
                members=np.full((len(out), 1), -1, np.int64),
                diagnostics=diagnostics,
                sentence=(
                    f"{len(images)} {source.words} do not show how encodings are turned back ({held}, where a mean "
                    f"image reaches {found.flat:.2f}, and answers do not follow the images); no image is answered."
                ),
            )
        sentence = (
            f"{len(images)} {source.words} show how encodings are turned back: by {found.inverse.words} ({held})"
            f"{f'; {enough} are enough for it' if enough < len(images) else ''}."
        )
        return AttackOutput(
            images=np.clip(out, 0, 1).astype(np.float32),
            members=np.arange(len(out), dtype=np.int64)[:, None],
            confidence=np.full(len(out), np.clip(expected, 0, 1), np.float32),
            diagnostics=diagnostics,
            sentence=sentence,
        )


def _best(view: View, ctx: Context) -> tuple[Learned, Source]:
    """What held-out pairs say to be the best map, and where its pairs come from; nothing is encoded once one is exact.

    Raises:
        NotApplicable: no pairs are to be had.
    """
    learned: list[tuple[Learned, Source]] = []
    for source in sources(view, ctx, PER_CALL[ctx.profile]):
        ctx.progress("fit", None)
        about = source.images, source.encodings, source.others, ctx.rng("hold out"), source.held
        found = learn(*about, similar=view.similar, usual=source.usual)
        learned.append((found, source))
        if found.expected > EXACT:
            break
    if not learned:
        raise NotApplicable(no_pairs(view))

    def promise(one: tuple[Learned, Source]) -> tuple[bool, float]:
        found = one[0]
        return (found.shown, float(np.nan_to_num(found.expected, nan=0.9))) if found.inverse else (False, -1.0)

    return max(learned, key=promise)

"""Encodings alone: values that one key negated, exchanged or shifted where they stand, read off how they vary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ihaudit.attacks.numerics.in_place.solve import solve, untouched
from ihaudit.attacks.numerics.values import in_range
from ihaudit.contracts.attack import AttackOutput, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.release import FloatArray
from ihaudit.scheme import Knowledge

#: similar images used by profile, and needed at least; fewest encodings whose values can be told apart
SIMILAR = {"quick": 4000, "standard": 10000, "full": 10000}
FEWEST_SIMILAR, FEWEST = 100, 20
#: mean standard deviation over images below which encodings are one and the same
LEAST_SPREAD = 0.01
#: most values of an encoding, by profile: the cost grows with it
MOST_VALUES = {"quick": 16_000, "standard": 50_000, "full": 200_000}
#: largest ratio of powers at which values are in the units of images
POWER = 1.6
#: mean SSIM of pictures that come out as smooth as similar ones (CIFAR-10; 0.95 to 1.00 by kind of key)
EXPECTED = 0.95


@attack("unkey")
@dataclass(frozen=True)
class Unkey:
    """Undoes keys that leave every value (or block) in its place and are the same for all images of a release.

    In turn: a pad added modulo 1, negated values with exchanged channels (PE), signs of cosine coefficients, exchanged
    and negated halves of bytes inside blocks (LE).  Each is told from how values vary together over the release, and
    counts if pictures come out.
    """

    title: ClassVar[str] = "Values changed in place by one key"
    reference: ClassVar[str] = "ciphertext-only attack; Gaussian likelihood, angular synchronisation (Singer 2011)"
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.ENCODINGS, Knowledge.DISTRIBUTION})
    profiles: ClassVar[tuple[str, ...]] = ("quick", "standard", "full")

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`."""
        if view.similar is None or len(view.similar) < FEWEST_SIMILAR:
            raise NotApplicable(f"fewer than {FEWEST_SIMILAR} similar images: what pictures are like is not known")
        h, w, c = view.similar.shape[1:]
        encodings = np.asarray(view.encodings, np.float32)
        if encodings[0].size != h * w * c or encodings.ndim < 3 or encodings.shape[1:3] != (h, w):
            raise NotApplicable(f"an encoding is not {h} x {w} pixels of {c} values, each in its place")
        if len(encodings) < FEWEST:
            raise NotApplicable(f"fewer than {FEWEST} encodings: how values vary together is not known")
        if encodings[0].size > MOST_VALUES[ctx.profile]:
            raise NotApplicable(f"images of more than {MOST_VALUES[ctx.profile]} values are left to a larger profile")
        chosen = np.sort(ctx.rng("similar").permutation(len(view.similar))[: SIMILAR[ctx.profile]])
        similar = np.asarray(view.similar[chosen], np.float32)
        released = _scaled(encodings.reshape(-1, h, w, c), similar, view.image_range)
        if float(released.std(0).mean()) < LEAST_SPREAD:
            raise NotApplicable("encodings hardly differ: they show nothing of the images")
        if untouched(released, similar):
            raise NotApplicable("encodings vary as pictures do: their values are as they were")
        ctx.progress("undo", 0.0)
        found = solve(released, similar, ctx.rng("undo"))
        if found is None:
            raise NotApplicable("no key that changes values in place, alike in all images, would make pictures of them")
        count = len(found.pictures)
        expected = EXPECTED * min(1.0, found.smooth)
        return AttackOutput(
            images=np.clip(found.pictures, 0, 1).astype(np.float32),
            members=np.arange(count, dtype=np.int64)[:, None],
            confidence=np.full(count, expected, np.float32),
            diagnostics={
                "key": found.words,
                "smoothness": round(found.smooth, 3),
                "covariances_alike": round(found.alike, 3),
                "expected_ssim": round(expected, 3),
            },
            sentence=(
                f"How the values of {count} encodings vary together gives the key away: {found.words}; without it they "
                f"are {found.smooth:.0%} as smooth as similar images (expected SSIM {expected:.2f})."
            ),
        )


def _scaled(values: FloatArray, similar: FloatArray, image_range: tuple[float, float]) -> FloatArray:
    """Values in the units of images in [0, 1]; signs of coefficients take them beyond, but keep their power."""
    low, high = image_range
    share = (values - np.float32(low)) / np.float32(max(high - low, 1e-9))
    power = float(np.sqrt((similar**2).mean()))
    for scale in (1.0, 1 / 255):
        if 1 / POWER < float(np.sqrt((share**2).mean())) * scale / power < POWER:
            out: FloatArray = (share * np.float32(scale)).astype(np.float32)
            return out
    return in_range(values, similar)

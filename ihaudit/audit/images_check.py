"""Whether SSIM can tell the private images apart, and what reading the image sets assumed."""

from __future__ import annotations

import numpy as np

from ihaudit.audit.data import Data
from ihaudit.errors import ImageError
from ihaudit.images import ImageSet
from ihaudit.metrics.ssim import ssim
from ihaudit.results import Finding

#: Median SSIM of different private images from which a score says nothing of a picture: it is beyond the usual bound.
#: CIFAR-10 0.04, digits 0.06, faces 0.18, chest X-rays 0.38 (in a quarter of the range 0.57, in a sixteenth 0.86).
TOO_ALIKE = 0.6
#: From which it is said how much of a score different images reach already.
ALIKE = 0.3
#: Pairs of images that are compared.
PAIRS = 100


def likeness(images: ImageSet) -> float:
    """Median SSIM of pairs of different images of a set, copies of one image aside; 0 where there are none."""
    order = np.random.default_rng(0).permutation(len(images))
    half = min(PAIRS, len(order) // 2)
    a, b = images.images[order[:half]], images.images[order[half : 2 * half]]
    differ = np.abs(a - b).reshape(half, -1).max(1) > 0
    return float(np.median(ssim(a[differ], b[differ]))) if differ.any() else 0.0


def check_images(data: Data) -> Finding | None:
    """What is to be said of the images; None where nothing is.

    Raises:
        ImageError: the private images are one picture, or hardly differ under SSIM, so that no score of them would
            mean anything.
    """
    private = data.private
    if len({x.tobytes() for x in private.images}) == 1:
        raise ImageError(f"all {len(private)} images of {private.name} are the same picture; give different ones")
    blank = int((np.ptp(private.images.reshape(len(private), -1), axis=1) == 0).sum())
    alike = likeness(private)
    low, high = (float(v) for v in np.quantile(private.images, [0.001, 0.999]))
    if alike >= TOO_ALIKE:
        raise ImageError(
            f"different images of {private.name} have SSIM {alike:.2f} with each other (median; their values lie in "
            f"[{low:.3g}, {high:.3g}]), so that a score says nothing of what was recovered; bring the whole set to "
            "[0, 1] with one scale (--bits N for images of N bits), or give images with more contrast"
        )
    sets = {"private": private, "public": data.public, "similar": data.similar}
    notes = list(dict.fromkeys(f"{s.name}: {note}" for s in sets.values() if s is not None for note in s.notes))
    if private.pseudo and not any("pseudo-classes" in note for note in private.notes):
        count = len(np.unique(private.labels))
        notes.append(
            f"{private.name}: no classes are stated (by subfolders, or labels beside the images); images were dealt "
            f"into {count} pseudo-classes, since schemes release labels"
        )
    if high - low < 0.5:
        notes.append(f"{private.name}: nearly all values lie in [{low:.3g}, {high:.3g}], of the range [0, 1]")
    if blank:
        notes.append(f"{private.name}: {blank} of {len(private)} images hold one value only, which is easily guessed")
    if alike >= ALIKE:
        notes.append(f"{private.name}: different images have SSIM {alike:.2f} with each other (median)")
    if not notes:
        return None
    return Finding(
        id="checks-images",
        kind="check",
        title="Check: images",
        status="measured",
        sentence="; ".join(notes) + ".",
        reference="design: what an audit assumes is said",
        details={"flags": [f"{n}." for n in notes], "ssim_of_different_images": alike},
    )

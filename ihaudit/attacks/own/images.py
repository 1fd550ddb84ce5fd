"""What an adversary may train on: images like the private ones, and public ones, at the shape of a release.

None of them is private: they are the `similar` images of a view (knowledge `distribution`) and its public set; where
none is known, the embedded photographs, or for channels that these do not have the similar images once more.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.nn.retraining import Pool

Uints = NDArray[np.uint8]
Ints = NDArray[np.int64]

#: Similar images below which a network would learn them by heart.
FEWEST = 300
#: Shares of the images that decide when training stops, and that measure what came out.
VALIDATE, MEASURE = 0.15, 0.15
#: Public images below which all of them serve in every part.
FEWEST_PUBLIC = 40
#: Images of a class in the smaller parts below which the class is put together with others.
OF_CLASS = 6


@dataclass(frozen=True, eq=False)
class OwnImages:
    """Images to train on, and others to stop by and to measure with.

    Attributes:
        train, validate, measure: parts without an image in common.
        sources: what the images are, for the card.
        digests: SHA-256 of similar images with their classes, and of public ones.
    """

    train: Pool
    validate: Pool
    measure: Pool
    sources: dict[str, Any]
    digests: dict[str, str]


def own_images(view: View, shape: tuple[int, int, int], seed: int) -> OwnImages:
    """The adversary's own images at `shape` (C, H, W), split by `seed`.

    Raises:
        NotApplicable: there are no similar images, too few, or of channels that cannot be turned into the release's.
    """
    c, h, w = shape
    if view.similar is None:
        raise NotApplicable(
            f"networks for {h} x {w} x {c} encodings are trained on images like the private ones, which this "
            "adversary does not have; give some with --similar, and in an audit add --knows distribution"
        )
    if len(view.similar) < FEWEST:
        raise NotApplicable(
            f"networks for {h} x {w} x {c} encodings need at least {FEWEST} images like the private ones, the "
            f"adversary has {len(view.similar)}; give more with --similar"
        )
    similar = at_shape(view.similar, shape)
    labels = np.zeros(len(similar), np.int64) if view.similar_labels is None else view.similar_labels.astype(np.int64)
    public, public_from = _public(view, similar, shape)
    rng = np.random.default_rng([seed, 41])
    rows = _split(len(similar), rng)
    others = rows if public is similar else _split(len(public), rng)
    if len(public) < FEWEST_PUBLIC:
        others = [np.arange(len(public))] * 3
    pools = [Pool(similar[i], merged(labels[i], OF_CLASS), public[j]) for i, j in zip(rows, others, strict=True)]
    train, validate, measure = pools
    return OwnImages(
        train,
        validate,
        measure,
        sources={
            "similar_images": len(similar),
            "held_out_images": len(measure.similar),
            "public_from": public_from,
        },
        digests={"similar": _digest(similar, labels), "public": _digest(public)},
    )


def at_shape(images: NDArray[np.floating], shape: tuple[int, int, int]) -> Uints:
    """uint8 (N, H, W, C) from float (N, H', W', C') in [0, 1]: resized, grey made from colour and colour from grey.

    Raises:
        NotApplicable: other numbers of channels differ.
    """
    from PIL import Image

    c, h, w = shape
    x = (np.clip(np.nan_to_num(np.asarray(images, np.float32)), 0, 1) * 255).round().astype(np.uint8)
    if x.shape[3] == 3 and c == 1:
        x = np.rint(x @ np.array([0.299, 0.587, 0.114], np.float32)).astype(np.uint8)[..., None]
    elif x.shape[3] == 1 and c == 3:
        x = x.repeat(3, axis=3)
    elif x.shape[3] != c:
        raise NotApplicable(
            f"the adversary's images have {x.shape[3]} channels and the encodings {c}, so they cannot train networks; "
            "use similarity=squares and assignment=likelihood"
        )
    if x.shape[1:3] == (h, w):
        return x
    out = np.empty((len(x), h, w, c), np.uint8)
    for i, picture in enumerate(x):
        for k in range(c):
            plane = Image.fromarray(picture[:, :, k]).resize((w, h), Image.Resampling.LANCZOS)
            out[i, :, :, k] = np.asarray(plane)
    return out


def merged(labels: Ints, fewest: int) -> Ints:
    """int64 (N,): classes with fewer than `fewest` images become one; if that stays small, it joins the largest."""
    names, index, count = np.unique(labels, return_inverse=True, return_counts=True)
    small = count < fewest
    if not small.any():
        return index.astype(np.int64)
    rest = len(names) if count[small].sum() >= fewest or small.all() else int(count.argmax())
    return np.where(small[index], rest, index).astype(np.int64)


def _split(n: int, rng: np.random.Generator) -> list[Ints]:
    order = rng.permutation(n)
    cut = [round(n * (1 - VALIDATE - MEASURE)), round(n * (1 - MEASURE))]
    return [np.sort(part) for part in np.split(order, cut)]


def _public(view: View, similar: Uints, shape: tuple[int, int, int]) -> tuple[Uints, str]:
    """Public images uint8 (M, H, W, C), and where they come from."""
    from ihaudit.images.embedded import embedded

    if view.public_set is not None and len(view.public_set):
        return at_shape(view.public_set, shape), "the public set"
    if shape[0] not in (1, 3):
        return similar, "the similar images themselves"
    return at_shape(embedded("public").images, shape), "embedded photographs, resized"


def _digest(*arrays: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for a in arrays:
        digest.update(repr(a.shape).encode() + np.ascontiguousarray(a).tobytes())
    return digest.hexdigest()

"""What a scheme is like, measured on the auditor's side in a few small calls, beside what it declares.

Two calls hold the same images twice; a third repeats the first; in a fourth, with the seed of the first, half of the
images are others.  From these:

* *randomness*: the same seed repeats the encodings, another one does not;
* *key*: two copies of an image are more alike within a call than across calls: a key per release; exactly alike in
  both: nothing is drawn afresh, a fixed key or none; else fresh randomness for every image;
* *companions*: whether an encoding changes with the rest of its call though its own image and the seed do not.

Where the scheme declares otherwise, the finding says so, and the audit goes by what was measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihaudit import stats
from ihaudit.contracts.context import derive_seed
from ihaudit.contracts.encoder import Encoder
from ihaudit.contracts.traits import FORMS, Form, Traits
from ihaudit.errors import SchemeError
from ihaudit.images import ImageSet
from ihaudit.release import FloatArray, Release, rows_of
from ihaudit.results import Finding
from ihaudit.scheme import KeyScope

#: Images of a call: so many, each twice.
IMAGES = 20
#: Largest difference of equal encodings, in standard deviations of the encodings: sums in another order.
ROUNDING = 1e-4
#: Share of a row's energy that changes with its companions, above which several images are in it.
MIXED = 0.05
#: Least mean log ratio of the squared distances of two copies across calls and within one, for a key per release.
MARGIN = 0.1
#: Likeness of the encodings of one image in two calls, less their means, above which a fixed map is in them.
STEADY = 0.3
#: By what two copies are compared: where every image is shuffled besides, a key still shows in the later ones.
VIEWS = ("value", "sorted values", "steps between values", "steps between pixels", "steps by distance")

SCOPES = {
    KeyScope.IMAGE: "fresh randomness for every image",
    KeyScope.RELEASE: "one key for all images of a call",
    KeyScope.FIXED: "the same in every call: one key, or none",
}


@dataclass(frozen=True)
class Measured:
    """Traits, and the findings of kind ``check`` that say how they were measured."""

    traits: Traits
    findings: list[Finding]


def measure(encoder: Encoder, images: ImageSet, declared: str, seed: int) -> Measured:
    """Four calls of at most 2 x `IMAGES` images.

    Args:
        encoder: the scheme.
        images: like the private ones.
        declared: the scheme's `KeyScope`.
        seed: of the choice of images and of the calls.
    """
    scope = KeyScope.parse(declared)
    shape = images.images.shape[1:]
    bare = Traits((int(shape[0]), int(shape[1]), int(shape[2])), key=scope, mixing=True)
    rng = np.random.default_rng(derive_seed(seed, "traits"))
    order = rng.permutation(len(images))[: 2 * IMAGES]
    n = len(order) // 2
    if n < 2:
        return Measured(bare, [_finding("key", "Too few images to measure what shares a key.", reason="")])
    x, y, others = images.images[order[:n]], images.labels[order[:n]], images.images[order[n : 2 * n]]
    twice, labels = np.concatenate([x, x]), np.concatenate([y, y])
    seeds = [int(v) for v in rng.integers(2**62, size=2)]
    # The labels stay: a row may depend on those of its companions too, which is not what is asked here.
    calls = [(twice, labels, seeds[0]), (twice, labels, seeds[1]), (twice, labels, seeds[0])]
    try:
        first, second, again, mixed = encoder.encode_many([*calls, (np.concatenate([x, others]), labels, seeds[0])])
    except SchemeError as e:
        text = "What shares a key could not be measured: the scheme cannot encode a few images, each twice."
        return Measured(bare, [_finding("key", text, reason=str(e))])
    repeats, differs = _equal(first.encodings, again.encodings), not _equal(first.encodings, second.encodings)
    linked = [_by_image(r, 2 * n) for r in (first, second, mixed)]
    one, two, other = linked
    if one is None or two is None or other is None or not one.shape == two.shape == other.shape:
        traits = _described(bare, first, None)
        return Measured(traits, [_randomness(repeats, differs), _unlinked(traits, scope)])
    stated = first.provenance is not None
    companions, share = _companions(one[:n], other[:n]) if repeats else (None, 0.0)
    mixing = not stated and share > MIXED
    traits = _described(bare, first, x if len(one) == 2 * n else None, one[:n], mixing)
    found = _key(traits, one, two, n, scope)
    return Measured(found[0], [_randomness(repeats, differs), found[1], _batch(companions, share, mixing, repeats)])


def _by_image(release: Release, n: int) -> NDArray[np.float32] | None:
    """float32 (n, ...): the first row of each image; None where rows hold several, or an image has none."""
    source, stated = rows_of(release, n), release.provenance
    if source is None and stated is not None and len(release.encodings) == n and not (stated.sources >= 0).any():
        source = np.arange(n)  # "made from no image" is a claim: place decides
    if source is None:
        return None
    encodings, row = release.encodings, np.full(n, -1)
    row[source[::-1]] = np.arange(len(source))[::-1]
    return None if (row < 0).any() else np.asarray(encodings[row], np.float32)


def _described(
    bare: Traits,
    release: Release,
    images: FloatArray | None,
    rows: NDArray[np.float32] | None = None,
    mixing: bool = True,
) -> Traits:
    """What one release shows: form, mask, and where rows are linked to images whether they look like them."""
    e = np.asarray(release.encodings[:200], np.float32)
    height, width, channels = bare.image
    form: Form = "image" if e.shape[1:] in (bare.image, (height, width)[: 2 if channels == 1 else 0]) else "vector"
    if form != "image" and e.ndim >= 3:
        form = "tokens" if e.ndim == 3 else "map"
    resembles = rearranged = False
    if images is not None and rows is not None and form == "image":
        low, high = release.image_range
        scaled = np.asarray(low + (high - low) * images.reshape(len(images), -1), np.float32)
        flat = rows.reshape(len(rows), -1)
        alike = np.abs(_units(flat) @ _units(scaled).T)
        own = np.diag(alike)
        resembles = bool(own.mean() > 0.3 and own.mean() > (alike.sum() - own.sum()) / (len(own) ** 2 - len(own)) + 0.2)
        gap = np.abs(np.sort(flat, 1) - np.sort(scaled, 1)).max(1)
        rearranged = not resembles and bool(np.median(gap) < 1e-3 * (high - low))
    masked = release.provenance is not None and release.provenance.masks is not None
    return Traits(
        image=bare.image,
        form=form,
        key=bare.key,
        mixing=mixing,
        masked=masked or (form == "image" and _random_signs(e)),
        resembles=resembles,
        rearranged=rearranged,
    )


def _random_signs(e: NDArray[np.float32]) -> bool:
    """Signs of neighbours have nothing to do with each other, their magnitudes have: a mask of random signs."""
    if e.ndim != 4 or e.shape[2] < 4 or not (e < 0).any():
        return False
    sign = float(np.mean(np.sign(e[:, :, 1:]) * np.sign(e[:, :, :-1])))
    size = np.abs(e) - np.abs(e).mean((1, 2), keepdims=True)
    along = float(np.mean(size[:, :, 1:] * size[:, :, :-1]) / max(float(np.mean(size**2)), 1e-30))
    return abs(sign) < 0.05 and along > 0.1


def _key(
    traits: Traits, one: NDArray[np.float32], two: NDArray[np.float32], n: int, declared: KeyScope
) -> tuple[Traits, Finding]:
    """The scope of the key, from two calls with the same `n` images, each twice (2n rows, by image)."""
    scale = max(float(one.std()), 1e-12)
    within_gap = float(np.abs(one[:n] - one[n:]).max()) / scale
    across_gap = float(np.abs(one[:n] - two[:n]).max()) / scale
    views = list(zip(_views(one), _views(two), strict=True))
    likeness = [(_alike(a[:n], a[n:]), _alike(a[:n], b[:n])) for a, b in views]
    shared = any(_nearer(a[:n] - a[n:], a[:n] - b[:n]) for a, b in views)
    hidden = False
    level = [v - v.mean(1, keepdims=True) for v in (one[:n].reshape(n, -1), two[:n].reshape(n, -1))]
    steady = float(_alike(*(v.astype(np.float64) for v in level)).mean()) > STEADY  # brightness alone is not enough
    if within_gap < ROUNDING and across_gap < ROUNDING:
        scope = KeyScope.FIXED
    elif shared and across_gap >= ROUNDING:
        scope = KeyScope.RELEASE
    elif declared is KeyScope.FIXED and steady:  # a fixed key, and noise
        scope = KeyScope.FIXED
    elif declared is KeyScope.RELEASE and traits.rearranged:
        scope, hidden = KeyScope.RELEASE, True
    else:
        scope = KeyScope.IMAGE
    rows: list[list[object]] = [
        ["declared", SCOPES[declared]],
        ["measured", SCOPES[scope]],
        ["likeness of copies, in what follows", "1: equal; 0: as far apart as different images"],
    ]
    for name, both in zip(VIEWS, likeness, strict=False):
        for calls, v in zip(("one call", "two calls"), both, strict=True):
            rows.append([f"likeness of two copies in {calls}, by {name}", str(stats.mean(v))])
    text = {
        KeyScope.IMAGE: "Every image is encoded with randomness of its own.",
        KeyScope.RELEASE: "All images of a call are encoded under one key, those of another call under another.",
        KeyScope.FIXED: "Equal images have equal encodings in every call: nothing is drawn afresh.",
    }[scope]
    if hidden:
        text = "No key of the call shows, but images are shuffled afresh, which can hide one: it is taken as declared."
    reason = ""
    if scope is not declared:
        reason = (
            f'the scheme declares key = "{declared}" ({SCOPES[declared]}), and it is not so: the audit goes by '
            f'key = "{scope}" ({SCOPES[scope]}), as measured'
        )
    about: dict[str, object] = {"declared": declared.value, "measured": scope.value}
    if reason:
        about["flags"] = [f"{reason[0].upper()}{reason[1:]}."]
    finding = _finding("key", text, rows, reason, about)
    found = Traits(**vars(traits) | {"key": scope, "measured": True, "steady": steady and scope is KeyScope.IMAGE})
    return found, finding


def _views(x: NDArray[np.float32]) -> list[NDArray[np.float64]]:
    """What `VIEWS` says of rows (2n, ...), each float64 (2n, d); the last two where rows have so many dimensions."""
    axes = dict.fromkeys((x.ndim - 1, 2 if x.ndim == 4 else 1))
    steps = [np.abs(np.diff(x, axis=axis)).reshape(len(x), -1) for axis in axes]
    flat = x.reshape(len(x), -1)
    views = [flat, np.sort(flat, 1), *(np.sort(s, 1) for s in steps)]
    if x.ndim == 4 and min(x.shape[1:3]) >= 8:
        lags = [(dy, dx) for dy in range(8) for dx in range(-7, 8) if dy or dx > 0]
        rolled = [np.abs(x - np.roll(x, lag, axis=(1, 2))).mean((1, 2, 3)) for lag in lags]
        views.append(np.stack(rolled, axis=1))
    return [v.astype(np.float64) for v in views]


def _companions(one: NDArray[np.float32], other: NDArray[np.float32]) -> tuple[bool, float]:
    """Whether rows changed with their companions, and the share of a row's energy that did."""
    scale = max(float(one.std()), 1e-12)
    changed = float(np.abs(one - other).max()) / scale > ROUNDING
    energy = np.square(one - one.mean(0)).mean()
    return changed, float(np.square(one - other).mean() / max(float(energy), 1e-30))


def _batch(companions: bool | None, share: float, mixing: bool, repeats: bool) -> Finding:
    rows: list[list[object]] = [["share of an encoding that changes with its companions", round(share, 4)]]
    if companions is None or not repeats:
        return _finding("batch", "Whether an encoding depends on the rest of its call could not be measured.")
    if mixing:
        return _finding("batch", "Encodings change with the rest of their call: they hold several images.", rows)
    if companions:
        reason = "an encoding depends on the other images of its call: encodings of other calls are not like it"
        return _finding("batch", "An encoding depends on the rest of its call.", rows, reason)
    return _finding("batch", "An encoding does not depend on the rest of its call.", rows)


def _unlinked(traits: Traits, declared: KeyScope) -> Finding:
    text = "Rows hold several images, or do not say which, so that what shares a key is taken as declared."
    values: list[list[object]] = [["declared", SCOPES[declared]], ["an encoding is", FORMS[traits.form]]]
    return _finding("key", text, values, "", {"declared": declared.value, "measured": None})


def _randomness(repeats: bool, differs: bool) -> Finding:
    """The same seed repeats the encodings bit by bit; another seed changes them."""
    rows: list[list[object]] = [["same seed, same encodings", repeats], ["other seed, other encodings", differs]]
    if not repeats:
        reason = (
            "the scheme draws randomness that the audit does not control: results can be repeated only in distribution"
        )
        return _finding("randomness", "The same seed gives other encodings.", rows, reason)
    if not differs:
        reason = "the scheme is deterministic: equal images have equal encodings, which anyone can look up"
        return _finding("randomness", "Encodings do not depend on the seed.", rows, reason)
    return _finding("randomness", "Encodings follow the seed, and change with it.", rows)


def _finding(
    name: str,
    sentence: str,
    rows: list[list[object]] | None = None,
    reason: str = "",
    details: dict[str, object] | None = None,
) -> Finding:
    table = {"title": "", "columns": ["quantity", "value"], "rows": rows or []}
    return Finding(
        id=f"checks-{name}",
        kind="check",
        title=f"Check: {name}",
        status="measured",
        sentence=sentence,
        reason=reason,
        reference="design: what a scheme declares is measured",
        details=(details or {}) | ({"table": table} if rows else {}),
    )


def _alike(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """How alike a[i] and b[i] are: 1 where equal, 0 where as far apart as rows of different images."""
    d = np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None] - 2 * a @ b.T
    own = np.square(a - b).sum(1)
    apart = (d.sum(1) - np.diag(d)) / (len(d) - 1)
    return np.where(apart > 1e-12, 1 - own / np.maximum(apart, 1e-30), np.where(own > 1e-12, 0.0, 1.0))


def _nearer(within: NDArray[np.float64], across: NDArray[np.float64]) -> bool:
    """Copies are nearer within a call than across calls: by `MARGIN`, and by four standard errors over images.

    Args:
        within, across: float64 (n, d), differences of the two copies of each image.
    """
    squares = np.square(within).sum(1), np.square(across).sum(1)
    floor = max(1e-9 * float(np.mean(squares[1])), 1e-20)
    d = np.log(squares[1] + floor) - np.log(squares[0] + floor)
    return bool(d.mean() > max(MARGIN, 4 * float(d.std(ddof=1)) / np.sqrt(len(d))))


def _units(x: NDArray[np.float32]) -> NDArray[np.float32]:
    x = x - x.mean(1, keepdims=True)
    result: NDArray[np.float32] = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    return result


def _equal(a: FloatArray, b: FloatArray) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and bool(np.array_equal(a, b))

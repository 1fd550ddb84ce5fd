"""A release that was published (`ihaudit run --release FILE scheme.py`): read, and compared with what the code makes.

An audit of a scheme's own calls says nothing of a file that was made in other ones, or by other code.  Here the file
itself is attacked, and whether the code could have made it of the private images is said: by form, conventions, kind
of rows, by what is the same in all releases of the code, and by statistics of each row, where the code's are the same
under every seed.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.audit.behaviour import FLOOR, MEASURES, measures, scale
from ihaudit.audit.canonical import rounded
from ihaudit.errors import SchemeError, UsageError
from ihaudit.release import Release
from ihaudit.results import Finding
from ihaudit.sandbox import validate

#: Robust deviations from the code's own rows from which the median row of a release is not of their kind.
FAR = 12.0
#: The code's own releases of the same images, where each takes so few seconds; else two.
CALLS, SECONDS = 6, 2.0
#: How many times as far as the code's releases are from each other a release must be from all of them, in the mean over
#: its rows of one statistic, and how far at least, as a share of how values of that statistic are spread and of values.
FARTHER, APART, NOTHING = 3.0, 0.1, 1e-3
#: Releases of the code from which that is said, and parts of a row's histogram.
SEVERAL, PARTS = 4, 8


def digest(path: Path, named: str = "--release ") -> str:
    """SHA-256 of the file; `named` stands before its path in errors.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        with open(path, "rb") as f:
            return hashlib.file_digest(f, "sha256").hexdigest()
    except OSError as e:
        raise UsageError(f"{named}{path} cannot be read ({e.strerror}); name the release.npz of an audit") from None


def read(path: Path, n_images: int, named: str = "--release ") -> Release:
    """The release in a file such as `ihaudit.audit.canonical` writes; `named` stands before its path in errors.

    Raises:
        UsageError: it is none; the sentence says what is wrong with it.
    """
    digest(path, named)
    try:
        with np.load(path, allow_pickle=False) as z:
            arrays = {name: z[name] for name in z.files}
    except Exception as e:  # a damaged archive can raise nearly anything
        said = str(e)[:200] or type(e).__name__
        raise UsageError(
            f"{named}{path} cannot be read as a release.npz ({said}); it is damaged or of another kind, copy the "
            "release.npz of the audit's folder anew"
        ) from None
    span = arrays.pop("image_range", np.array([0.0, 1.0]))
    odd = [n for n in arrays if n not in ("encodings", "labels") and not n.startswith("extra/")]
    if odd:
        raise UsageError(f"{named}{path} holds {odd[0]!r}, expected encodings, labels, image_range, extra/NAME")
    try:
        bounds = np.asarray(span, np.float64).reshape(-1).tolist()
        return validate.release(arrays, bounds, n_images=n_images, n_public=0)
    except (SchemeError, ValueError, TypeError) as e:
        raise UsageError(f"{named}{path}: {e}") from None


def with_truth(published: Release, made: list[Release]) -> Release:
    """The release with the provenance that the code states of its own, where that is the same in every call."""
    sources = [None if r.provenance is None else r.provenance.sources for r in made]
    first = sources[0]
    if first is None or len(first) != len(published.encodings):
        return published
    if not all(s is not None and np.array_equal(s, first) for s in sources):
        return published
    provenance = made[0].provenance
    assert provenance is not None
    return replace(published, provenance=replace(provenance, coefficients=None, masks=None, public_coefficients=None))


def compared(published: Release, made: list[Release], precision: str, path: Path) -> Finding:
    """Whether the code could have made the release; finding `checks-release`.

    Args:
        published: the file's.
        made: releases of the same images by the code, under other seeds.
        precision: that the scheme declares.
        path: of the file.
    """
    said = list(_differences(published, made, precision))
    same = any(_equal(published, r, precision) for r in made)
    sha = digest(path)
    if said:
        sentence = f"The code does not make such a release as {path.name}: {'; '.join(said)}."
    elif same:
        sentence = f"{path.name} is what the code makes of these images, value by value."
    else:
        sentence = (
            f"The code could have made {path.name}, as far as is compared: it has the form, the conventions and the "
            "statistics of rows (moments, histogram, neighbours) of what it makes of these images, and whatever the "
            "code makes alike under every seed. Under which seed it was made is not known, nor, where the code hides "
            "them well, of which images."
        )
    return Finding(
        id="checks-release",
        kind="check",
        title="Check: the published release and the code",
        status="broken" if said else "measured",
        sentence=sentence,
        reference="design: what is published is what is audited",
        details={"table": {"title": "", "columns": ["quantity", "value"], "rows": [["SHA-256 of the file", sha]]}},
    )


def _differences(published: Release, made: list[Release], precision: str) -> list[str]:
    one, said = made[0], []
    sizes = {len(r.encodings) for r in made}
    if len(sizes) == 1 and len(published.encodings) not in sizes:
        said.append(f"it has {len(published.encodings):,} rows, and the code makes {sizes.pop():,}")
    if published.encodings.shape[1:] != one.encodings.shape[1:]:
        return [*said, f"its rows have the shape {published.encodings.shape[1:]}, the code's {one.encodings.shape[1:]}"]
    if (published.labels is None) != (one.labels is None) and published.labels is not None:
        said.append("it has labels, and the code releases none")
    if published.labels is not None and one.labels is not None and published.labels.shape[1] != one.labels.shape[1]:
        said.append(f"its labels have {published.labels.shape[1]} columns, the code's {one.labels.shape[1]}")
    if unknown := sorted(set(published.extra) - set(one.extra)):
        said.append(f"it holds the array {unknown[0]!r}, and the code releases none of that name")
    if not np.allclose(published.image_range, one.image_range, rtol=1e-6):
        said.append(f"its image_range is {published.image_range}, the code's {one.image_range}")
    said += _constant(published, made, precision)
    coarse = [rounded(r.encodings, precision) for r in made]
    if all(c.dtype.kind in "iu" for c in coarse) and not np.array_equal(
        published.encodings, np.rint(published.encodings)
    ):
        said.append("its values are no whole numbers, and the code's are")
    rows = np.concatenate([measures(c) for c in coarse])
    centre = np.median(rows, 0)
    spread = np.maximum(1.4826 * np.median(np.abs(rows - centre), 0), FLOOR * scale(rows))
    calls = np.stack([np.median(measures(c), 0) for c in coarse])
    spread = np.maximum(spread, 2 * calls.std(0))  # keys differ too
    z = np.nan_to_num(np.abs(np.median(measures(published.encodings), 0) - centre) / spread)
    if z.max() > FAR:
        worst = int(np.argmax(z))
        said.append(f"its rows are of another kind ({MEASURES[worst]}, {z[worst]:.0f} deviations from the code's)")
    elif strange := _strange(rounded(published.encodings, precision), coarse):
        said.append(strange)
    return said


def _constant(published: Release, made: list[Release], precision: str) -> list[str]:
    """What the code makes alike under every seed, and the file holds otherwise: labels, arrays by row, encodings."""
    named: list[tuple[str, NDArray[Any] | None, list[NDArray[Any] | None]]] = [
        ("its encodings are", published.encodings, [r.encodings for r in made]),
        ("its labels are", published.labels, [r.labels for r in made]),
    ]
    for name, value in made[0].extra.items():
        if value.ndim and len(value) == len(made[0].encodings):
            own = published.extra.get(name)
            named.append((f"the array {name!r} is", own, [r.extra.get(name) for r in made]))
    said = []
    for words, own, theirs in named:
        if own is None or any(a is None or a.shape != own.shape for a in theirs) or not own.size or len(made) < 2:
            continue
        coarse = [_comparable(a, precision) for a in theirs if a is not None]
        if all(np.array_equal(a, coarse[0]) for a in coarse[1:]):
            near = np.isclose(_comparable(own, precision), coarse[0], rtol=NOTHING, atol=NOTHING * _far(coarse[0]))
            if not near.all():
                said.append(f"{words} not the code's, which are the same under every seed")
    return said


def _far(a: NDArray[np.float64]) -> float:
    return float(np.abs(a).max(initial=0))


def _comparable(a: NDArray[Any], precision: str) -> NDArray[np.float64]:
    return np.asarray(rounded(a, precision) if a.dtype.kind == "f" else a, np.float64)


def _strange(published: NDArray[Any], made: list[NDArray[Any]]) -> str:
    """By which statistic of rows a release is farther from all the code's than these from each other; empty if by none.

    Rows are compared one by one where all releases have as many, and by how a statistic is distributed over them.
    """
    if len(made) < SEVERAL:
        return ""
    values = np.concatenate([m.reshape(-1)[:: max(1, m.size // 50_000)] for m in made]).astype(np.float64)
    edges = np.quantile(values, np.linspace(0, 1, PARTS + 1)[1:-1])
    tables = [_row_statistics(m, edges) for m in [published, *made]]
    names = _NAMES + [f"share of values in part {i + 1} of {PARTS}" for i in range(PARTS)]
    scale = np.maximum(np.concatenate(tables[1:]).std(0), 1e-12)
    least = APART * scale + NOTHING * np.r_[np.full(3, float(values.std())), np.ones(len(names) - 3)]
    ways = ["in its distribution over rows"]
    forms = [[np.quantile(t, np.linspace(0, 1, 41), axis=0) for t in tables]]
    if len({len(t) for t in tables}) == 1:
        ways.append("row by row")
        forms.append(tables)
    for way, (own, *theirs) in zip(ways, forms, strict=True):
        apart = np.stack([[np.abs(a - b).mean(0) for b in theirs if b is not a] for a in theirs]).min(1).max(0)
        away = np.stack([np.abs(own - b).mean(0) for b in theirs]).min(0)
        ratio = away / np.maximum(FARTHER * apart, least)
        worst = int(np.argmax(ratio))
        if ratio[worst] > 1:
            return f"its rows have another {names[worst]} than any that the code makes ({way})"
    return ""


_NAMES = [
    "mean",
    "spread",
    "median",
    "skewness",
    "kurtosis",
    "likeness of neighbours",
    "likeness of neighbours down",
    "likeness of neighbours across",
    "likeness of steps",
]


def _row_statistics(rows: NDArray[Any], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64 (n, len(_NAMES) + PARTS) of rows (n, ...)."""
    x = np.asarray(rows, np.float64)
    flat = x.reshape(len(x), -1)
    mean, spread = flat.mean(1), flat.std(1)
    z = (flat - mean[:, None]) / np.maximum(spread, 1e-12)[:, None]

    def alike(a: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        if a.ndim <= axis or a.shape[axis] < 3:
            return np.zeros(len(a))
        one, other = (np.delete(a, i, axis).reshape(len(a), -1) for i in (-1, 0))
        return np.asarray((one * other).mean(1) / np.maximum((a**2).mean(tuple(range(1, a.ndim))), 1e-12))

    shaped = z.reshape(x.shape)
    steps = np.abs(np.diff(z, axis=1)) if z.shape[1] > 1 else z
    several = x.ndim > 2
    columns = [
        mean,
        spread,
        np.median(flat, 1),
        (z**3).mean(1),
        np.log1p((z**4).mean(1)),
        alike(z, 1),
        alike(shaped, 1) if several else np.zeros(len(x)),
        alike(shaped, 2) if several else np.zeros(len(x)),
        alike(steps - steps.mean(1, keepdims=True), 1),
    ]
    part = np.searchsorted(edges, flat, side="right")
    return np.stack([*columns, *((part == i).mean(1) for i in range(PARTS))], 1)


def _equal(published: Release, made: Release, precision: str) -> bool:
    own, theirs = rounded(made.encodings, precision), rounded(published.encodings, precision)
    return own.shape == theirs.shape and bool(np.array_equal(own.astype(np.float32), theirs.astype(np.float32)))

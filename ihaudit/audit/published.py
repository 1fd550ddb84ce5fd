"""A release that was published (`ihaudit run --release FILE scheme.py`): read, and compared with what the code makes.

An audit of a scheme's own calls says nothing of a file that was made in other ones, or by other code.  Here the file
itself is attacked, and whether the code could have made it of the private images is said: by form, conventions and
kind of rows.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

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
            "kind of rows (mean, spread, smoothness) of what it makes of these images. Whether it was made of them, "
            "and under which seed, is not known."
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
    return said


def _equal(published: Release, made: Release, precision: str) -> bool:
    own, theirs = rounded(made.encodings, precision), rounded(published.encodings, precision)
    return own.shape == theirs.shape and bool(np.array_equal(own.astype(np.float32), theirs.astype(np.float32)))

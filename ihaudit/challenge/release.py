"""Reads a release that comes without a scheme: encryption.npy, label.npy and what the user says about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.label_forms import Labels, Unread, read_forms
from ihaudit.audit import published
from ihaudit.challenge.layout import Layout, Shape, detect, pictures
from ihaudit.challenge.npy import is_archive, load_npy, mapped, sha256
from ihaudit.errors import ImageError, UsageError
from ihaudit.release import Release

#: Values looked at per block while checking.
BLOCK = 2048
#: Mixtures of images in [-1, 1] reach more than this.
LEAST = 0.02
#: What an attacker loses where labels are hard or missing.
NO_LABELS = (
    "No labels were given: classes and mixing coefficients are unknown, so that encodings are grouped over the whole "
    "release and coefficients are guessed. Expect far fewer images, or none."
)
HARD_LABELS = (
    "The labels are hard: they name classes but not the mixing coefficients, which are estimated from the encodings. "
    "Expect less than with the soft labels that the scheme trains on."
)
ABSOLUTE = (
    "No value is negative: taken for absolute values of mixtures of images in [-1, 1]; say --image-range 0 1 "
    "if images were mixed in [0, 1] without a sign mask."
)


@dataclass(frozen=True, eq=False)
class ReadRelease:
    """A release as read.

    Attributes:
        release: encodings float (E, H, W, C), mapped where they are float32; labels float32 (E, classes) or None.
        layout: of the file, for writing decryption.npy in the same.
        dtype: of the file.
        sha256: of the file of encodings.
        notes: what was assumed or is lost, one sentence each.
        doubtful: the form of the labels is a guess.
        unread: why the values do not fit the range that was assumed; empty where they do, or one was given.
        stated: the release states the range of its images.
    """

    release: Release
    layout: Layout
    dtype: np.dtype
    sha256: str
    notes: list[str]
    unread: str = ""
    doubtful: bool = False
    stated: bool = False


def read_release(
    encryption: Path, label: Path | None, shape: Shape | None = None, image_range: tuple[float, float] | None = None
) -> ReadRelease:
    """Read and check the files of a release.

    Args:
        encryption: .npy of floats, one encoding per row, in a layout that `ihaudit.challenge.layout.detect` reads; or
            the release.npz of an audit, which holds labels, the range and further arrays too.
        label: .npy with one row per encoding, see `read_labels`; None where there is none.
        shape: (H, W, C) where the layout is ambiguous.
        image_range: range of the images when they were mixed; [-1, 1] where the values fit it.

    Raises:
        ImageError, UsageError: one sentence on what does not fit.
    """
    path = encryption.expanduser().absolute()
    whole = published.read(path, 0, "") if is_archive(path) else None
    raw = load_npy(path, mmap=True) if whole is None else whole.encodings
    if not np.issubdtype(raw.dtype, np.floating):
        raise ImageError(
            f"{encryption} holds {raw.dtype}; encodings must be float16, float32 or float64: save x.astype('float32')"
        )
    if raw.ndim < 2 or len(raw) < 2:
        raise ImageError(f"{encryption} has shape {raw.shape}; at least two encodings are needed, one per row")
    layout = detect(raw, shape, name=str(encryption))
    if shape is None and len(layout.row) == 1 and not pictures(raw, layout):
        h, w, c = layout.shape
        raise UsageError(
            f"{encryption} has flat rows of {layout.row[0]} values, in which, read as {h} x {w} x {c}, neighbours have "
            "nothing in common: these are no pictures; what is none is audited with its scheme (ihaudit run); "
            "say --shape H W C if it is one"
        )
    low, high = _extent(raw, encryption)
    notes: list[str] = []
    if whole is not None and image_range is None:
        used, unread = whole.image_range, ""
    else:
        used, unread = _range(image_range, low, high, notes)
    labels, doubtful = None, False
    given, name = (None, "") if label is None else (load_npy(label), str(label))
    if whole is not None and whole.labels is not None:
        if label is not None:
            raise UsageError(f"{encryption} holds labels, so that {label} is not needed; leave it out")
        given, name = whole.labels, f"labels of {encryption}"
    if given is None:
        notes.append(NO_LABELS)
    else:
        read = read_labels(given, len(raw), name=name)
        labels, doubtful = read.weights, read.doubtful
        if read.form:
            notes.append(f"The labels were read as {read.form}.")
        if not read.soft:
            notes.append(HARD_LABELS)
    if layout.first and len(layout.row) == 1:
        notes.append("Flat rows were read as channels x height x width, because their values vary smoothly that way.")
    if whole is None:
        release = Release(mapped(str(path), layout), labels, used)
    else:
        x = np.ascontiguousarray(layout.view(raw), np.float32)
        release = replace(whole, encodings=x, labels=labels, image_range=used, raw={})
    stated = whole is not None and image_range is None
    return ReadRelease(release, layout, raw.dtype, sha256(path), notes, unread, doubtful, stated)


def in_range(read: ReadRelease, found: tuple[float, float] | None) -> ReadRelease:
    """The release in the range that it shows (None: the one that it was read with).

    Raises:
        UsageError: it shows none, and does not fit the one that was assumed.
    """
    if found is not None:
        notes = [n for n in read.notes if n != ABSOLUTE]
        return replace(read, release=replace(read.release, image_range=found), notes=notes, unread="")
    if read.unread:
        raise UsageError(read.unread)
    return read


def _extent(raw: NDArray[Any], path: Path) -> tuple[float, float]:
    """Least and largest value; refuses what is not finite."""
    low, high = np.inf, -np.inf
    for i in range(0, len(raw), BLOCK):
        block = raw[i : i + BLOCK]
        small, large = float(block.min()), float(block.max())
        if not np.isfinite(small + large):
            bad = int(np.flatnonzero(~np.isfinite(block.reshape(len(block), -1)).all(1))[0])
            raise ImageError(f"{path} holds NaN or infinite values, first in encoding {i + bad}")
        low, high = min(low, small), max(high, large)
    if low == high:
        raise ImageError(f"{path} holds one value only ({low:g}); these are no encodings of images")
    return low, high


def _range(
    given: tuple[float, float] | None, low: float, high: float, notes: list[str]
) -> tuple[tuple[float, float], str]:
    """The range of the images when they were mixed, as given or by the challenge's convention, and why it is not."""
    if given is not None:
        if not (np.isfinite(given).all() and given[0] < given[1]):
            raise UsageError(f"--image-range {given[0]:g} {given[1]:g} is no range; give the lower end first")
        largest = max(abs(given[0]), abs(given[1]))
        if max(-low, high) > largest * 1.01 + 1e-6:
            raise UsageError(
                f"encodings lie in [{low:g}, {high:g}], which mixtures of images in [{given[0]:g}, {given[1]:g}] do "
                "not reach; correct --image-range"
            )
        return given, ""
    if max(-low, high) > 1.01:
        unread = (
            f"encodings lie in [{low:g}, {high:g}], beyond [-1, 1]; say with --image-range LOW HIGH which range the "
            "images had when they were mixed"
        )
        return (-1.0, 1.0), unread
    if max(-low, high) < LEAST:
        unread = (
            f"encodings lie in [{low:g}, {high:g}], a small part of [-1, 1]; say with --image-range LOW HIGH which "
            "range the images had when they were mixed"
        )
        return (-1.0, 1.0), unread
    if low >= 0:
        notes.append(ABSOLUTE)
    return (-1.0, 1.0), ""


def read_labels(labels: NDArray[Any], encodings: int, *, name: str = "labels") -> Labels:
    """Weights of classes from what a release calls labels, in any form of `ihaudit.attacks.numerics.label_forms`.

    Args:
        labels: (E,) or (E, columns).
        encodings: E.
        name: for errors.

    Raises:
        ImageError: another shape or number of rows, negative or infinite values, or a form that is not read.
    """
    if labels.ndim not in (1, 2) or len(labels) != encodings or not labels.size:
        turned = "; here the encodings are the second axis: give label.T" if labels.shape[1:] == (encodings,) else ""
        raise ImageError(
            f"{name} has shape {labels.shape}; for {encodings} encodings it must be ({encodings}, classes) of soft "
            f"labels, or integers of shape ({encodings},) or ({encodings}, 2){turned}"
        )
    if labels.dtype != bool and (
        not np.issubdtype(labels.dtype, np.number) or np.issubdtype(labels.dtype, np.complexfloating)
    ):
        raise ImageError(f"{name} holds {labels.dtype}; labels must be numbers")
    if not np.isfinite(labels).all():
        bad = int((~np.isfinite(labels)).sum())
        raise ImageError(f"{name} holds {bad:,} NaN or infinite values; labels are weights or class numbers")
    if labels.min() < 0:
        raise ImageError(
            f"{name} holds negative values, down to {float(labels.min()):g}; labels are weights or class numbers: "
            "bring scores to weights first (softmax), and number classes from 0"
        )
    try:
        return read_forms(labels)
    except Unread as e:
        raise ImageError(f"{name} {e}") from None

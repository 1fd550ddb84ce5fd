"""results.json, arrays.npz and the reports of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.audit.options import RunOptions
from ihaudit.images import ImageSet
from ihaudit.release import Release
from ihaudit.report import render
from ihaudit.results import ImageCard, ReleaseCard, Results, read_results, write_results


def image_card(images: ImageSet | None) -> ImageCard | None:
    """Which images were used; None where there are none."""
    if images is None or not len(images):
        return None
    return ImageCard(
        name=images.name,
        count=len(images),
        shape=list(images.images.shape[1:]),
        classes=len(np.unique(images.labels)),
        sha256=images.sha256,
        pseudo=images.pseudo,
    )


def release_card(release: Release, **fields: Any) -> ReleaseCard:
    """The release as audited; `fields` say what its arrays do not."""
    digest = hashlib.sha256()
    if "sha256" not in fields:
        for part in (release.encodings, release.labels):
            if part is not None:
                digest.update(np.ascontiguousarray(part).tobytes())
    return ReleaseCard(
        **{
            "encodings": list(release.encodings.shape),
            "dtype": str(release.encodings.dtype),
            "labels": None if release.labels is None else list(release.labels.shape),
            "image_range": list(release.image_range),
            "extra": {k: list(v.shape) for k, v in release.extra.items()},
            "sha256": digest.hexdigest(),
            **fields,
        }
    )


def write(folder: Path, results: Results, options: RunOptions, pictures: Mapping[str, NDArray[Any]]) -> None:
    """Write everything; results.json last but for the reports, so that whoever sees it finds the rest complete.

    Args:
        folder: written to.
        results: the run, with the arrays of its findings.
        options: formats, and whether images may be shown.
        pictures: arrays for galleries besides those of findings, left out where images may not be shown.
    """
    arrays = {f"{f.id}/{k}": v for f in results.findings for k, v in f.arrays.items()}
    if options.samples:
        arrays |= pictures
    else:
        arrays = {k: v for k, v in arrays.items() if v.ndim < 3}
    write_results(folder, results, arrays)
    # Rendered from the files, as `ihaudit report` does, so that the two cannot differ.
    render(read_results(folder), arrays, folder, formats=options.formats, samples=options.samples)

"""Checks on the sealed side of an audit: does the release repeat private images, are the true masks predictable?"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from ihaudit.errors import SchemeError
from ihaudit.release import Release, Truth
from ihaudit.results import Finding
from ihaudit.sandbox.leaks import leaks


def release_checks(release: Release, truth: Truth, again: Callable[[], Release] | None = None) -> list[Finding]:
    """Findings of kind ``check`` about the release as a whole.

    `again` encodes the same images with other randomness; called where the scheme states its masks, which must differ.
    """
    findings = [plain_copies(release, truth)]
    if truth.provenance is not None and truth.provenance.masks is not None:
        from ihaudit.attacks.prng.whitebox import whitebox

        runs = []
        with contextlib.suppress(SchemeError):  # a scheme that cannot encode twice is found out by the games
            other = again().provenance if again is not None else None
            runs = [other.masks] if other is not None and other.masks is not None else []
        findings.append(whitebox(truth.provenance.masks, release.encodings, runs))
    return findings


def plain_copies(release: Release, truth: Truth) -> Finding:
    """Whether any released field repeats private images themselves (flattened, scaled, in 8 bits, ...)."""
    found = leaks(release, truth.images)
    table = {"columns": ["field", "private images", "how", "largest correlation"]}
    rows = [[leak["field"], leak["images"], leak["form"], round(float(leak["worst"]), 4)] for leak in found]
    names = ", ".join(f"{leak['field']} ({leak['images']} images)" for leak in found)
    return Finding(
        id="plain-copies",
        kind="check",
        title="Private images repeated in a released field",
        status="broken" if found else "no break found",
        sentence=(
            f"The release repeats private images themselves in: {names}."
            if found
            else "No released field repeats a private image (looked for exact, flattened, scaled and 8-bit copies)."
        ),
        reference="design: what a scheme returns is audited as a whole",
        details={"table": table | {"rows": rows}} if rows else {},
    )

"""What came out of an attack on a release without its scheme, and the files beside the report."""

from __future__ import annotations

from typing import Any

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section
from ihaudit.report import summary

FILES = {
    "decryption.npy": "one recovered image per encoding, in the layout, type and range of the encodings",
    "private.npy": "the recovered private images, likewise",
    "pairs.npy": "which rows of private.npy are in each encoding, −1 for none",
    "coefficients.npy": "with which coefficients",
    "confidence.npy": "the confidence in each row of private.npy",
}


@section("challenge_verdict", "What came out", order=10, reports=("challenge",))
def build(source: Source) -> dict[str, Any]:
    options = source.results.options
    return {
        "verdict": summary.verdict(source),
        "notes": [str(n) for n in options.get("notes", [])],
        "files": [(name, FILES[name]) for name in options.get("files", []) if name in FILES],
    }

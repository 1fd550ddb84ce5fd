"""What `ihaudit challenge` is told and what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ihaudit.audit.options import RunOptions
from ihaudit.challenge.answer import Answer
from ihaudit.challenge.layout import Shape
from ihaudit.results import Results

#: What ``options.kind`` of results.json says of such a run; the report goes by it.
KIND = "challenge"
FILES = ("decryption.npy", "private.npy", "pairs.npy", "coefficients.npy", "confidence.npy")


@dataclass(frozen=True, kw_only=True)
class ChallengeOptions(RunOptions):
    """Everything that `ihaudit challenge` can be told; see its ``--help``."""

    encryption: Path
    label: Path | None = None
    private_per_encoding: int | None = None
    public_set: str | None = None
    scheme: str | None = None
    n_public: int | None = None
    scheme_memory_mb: int = 4096
    image_range: tuple[float, float] | None = None
    shape: Shape | None = None


@dataclass(eq=False)
class Outcome:
    """What a challenge run left behind: the folder, the results, and the answer written (None: nothing answered)."""

    folder: Path
    results: Results
    answer: Answer | None
    by: str = ""
    written: list[Path] = field(default_factory=list)

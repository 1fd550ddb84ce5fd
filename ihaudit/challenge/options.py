"""What `ihaudit challenge` is told and what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ihaudit.challenge.answer import Answer
from ihaudit.challenge.layout import Shape
from ihaudit.results import Results

#: What ``options.kind`` of results.json says of such a run; the report goes by it.
KIND = "challenge"
FILES = ("decryption.npy", "private.npy", "pairs.npy", "coefficients.npy", "confidence.npy")
NO_TRUTH = "the release came without its private images, so no reconstruction could be compared with the truth"


@dataclass(frozen=True)
class ChallengeOptions:
    """Everything that `ihaudit challenge` can be told; see its ``--help``."""

    encryption: Path
    label: Path | None = None
    out: Path | None = None
    n_private: int | None = None
    private_per_encoding: int | None = None
    attacks: tuple[str, ...] | None = None
    profile: str = "quick"
    public_set: str | None = None
    similar: str | None = None
    scheme: str | None = None
    sets: tuple[str, ...] = ()
    n_public: int | None = None
    scheme_timeout_s: float = 300.0
    image_range: tuple[float, float] | None = None
    shape: Shape | None = None
    seed: int = 0
    device: str = "auto"
    attack_timeout_s: float = 7200.0
    train: bool = False
    train_steps: int = 800
    formats: tuple[str, ...] = ("html", "pdf")
    samples: bool = True
    overwrite: bool = False
    command: str = ""


@dataclass(eq=False)
class Outcome:
    """What a challenge run left behind: the folder, the results, and the answer written (None: nothing answered)."""

    folder: Path
    results: Results
    answer: Answer | None
    by: str = ""
    written: list[Path] = field(default_factory=list)

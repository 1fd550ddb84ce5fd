"""What `ihaudit run` and `ihaudit challenge` can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ihaudit.errors import UsageError
from ihaudit.verdict.gates import GateOptions

#: Fields that are numbers, and what they may be: seeds have 64 bits, and no run waits for longer than four months.
_RANGES: dict[str, tuple[float, float]] = {
    "seed": (0, 2**64 - 1),
    "n_private": (1, 200_000),
    "n_public": (0, 10_000_000),
    "known_pairs": (0, 200_000),
    "private_per_encoding": (1, 64),
    "size": (8, 512),
    "bits": (1, 16),
    "scheme_timeout_s": (0.001, 10_000_000),
    "scheme_memory_mb": (1, 1 << 24),
    "attack_timeout_s": (0.001, 10_000_000),
    "train_steps": (1, 100_000_000),
    "jobs": (1, 1024),
}


def check_range(name: str, x: float | None) -> None:
    """Refuse a number that the field `name` cannot be; None, and fields that are no numbers, are fine.

    Raises:
        UsageError: names the option and its range.
    """
    low, high = _RANGES.get(name, (0, 0))
    if name in _RANGES and x is not None and not low <= x <= high:
        option = "--" + name.removesuffix("_s").removesuffix("_mb").replace("_", "-")
        raise UsageError(f"{option} {x!r} is out of its range; give a number from {low:,} to {high:,}")


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What the two share; see their ``--help`` for the meaning of each."""

    sets: tuple[str, ...] = ()
    similar: str | None = None
    n_private: int | None = None
    profile: str = "quick"
    attacks: tuple[str, ...] | None = None
    seed: int = 0
    device: str = "auto"
    scheme_timeout_s: float = 300.0
    scheme_memory_mb: int = 8192
    attack_timeout_s: float = 7200.0
    train: bool = False
    train_steps: int = 800
    out: Path | None = None
    formats: tuple[str, ...] = ("html", "pdf")
    samples: bool = True
    resume: bool = False
    overwrite: bool = False
    price_per_hour: tuple[str, ...] = ()
    scheduler: str | None = None
    command: str = ""

    def __post_init__(self) -> None:
        for name in _RANGES:
            check_range(name, getattr(self, name, None))

    @property
    def training_steps(self) -> int | None:
        """Steps of networks that attacks train for themselves, None where they train none."""
        return self.train_steps if self.train else None

    def training(self, *, kept: bool = False) -> dict[str, Any]:
        """What `--train` and `--train-steps` say to attacks, as context options.

        `kept`: networks are used where some are kept, and none are trained.
        """
        if not self.train:
            return {}
        return {"train": "kept" if kept else True, "train_steps": self.train_steps, "audit_seed": self.seed}

    def prices(self) -> dict[str, float | str]:
        """``cpu`` and ``gpu``: the price of an hour, and its ``currency``, of ``("cpu=0.05", "currency=EUR")``.

        Raises:
            UsageError: another name, or a price that is not a number of zero or more.
        """
        found: dict[str, float | str] = {}
        for item in self.price_per_hour:
            name, _, value = item.partition("=")
            if name == "currency" and value:
                found[name] = value
                continue
            try:
                price = float(value)
            except ValueError:
                price = -1.0
            if name not in ("cpu", "gpu") or not 0 <= price < float("inf"):
                raise UsageError(
                    f"--price-per-hour {item!r} is none of cpu=PRICE, gpu=PRICE and currency=NAME, such as cpu=0.05"
                )
            found[name] = price
        return found


@dataclass(frozen=True, kw_only=True)
class AuditOptions(RunOptions):
    """Everything that `ihaudit run` can be told."""

    scheme: str
    private: str = "embedded"
    public: str | None = None
    size: int = 32
    bits: int | None = None
    games: tuple[str, ...] | None = None
    knows: tuple[str, ...] | None = None
    known_pairs: int | None = None
    publish: bool = True
    release: str | None = None
    jobs: int | None = None
    fresh: bool = False
    gates: GateOptions = field(default_factory=GateOptions)

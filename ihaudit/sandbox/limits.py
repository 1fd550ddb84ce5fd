"""Limits on what a scheme's process may use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What a scheme may use; exceeding any of it is a `SchemeError`.

    Attributes:
        time_s: wall-clock seconds for loading the file, and for each single call of encode.
        memory_mb: resident megabytes (2^20 bytes) of the scheme's process and all its descendants.
        output_bytes: bytes of all arrays of one release together.
        log_bytes: how much of stdout and stderr is kept; the rest is counted and dropped.
        file_mb: largest file that the scheme may write in its scratch folder.
        processes: how many processes the scheme may run at once.
    """

    time_s: float = 60.0
    memory_mb: int = 4096
    output_bytes: int = 2 << 30
    log_bytes: int = 64 << 10
    file_mb: int = 1024
    processes: int = 64

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if not getattr(self, name) > 0:
                raise ValueError(f"the scheme's {name} limit must be positive, not {getattr(self, name)!r}")

"""What an attack keeps from run to run."""

from __future__ import annotations

from typing import Protocol


class Store(Protocol):
    """Named bytes that outlive an attack."""

    def read(self, name: str) -> bytes | None:
        """What `write` kept under this name, or None."""

    def write(self, name: str, data: bytes) -> None:
        """Keep it; what cannot be kept (a full disk) is lost without an error, since it only saves time.

        Raises:
            ValueError: a name that is not lower-case letters, digits, ``_`` and ``-``, then .json or .safetensors.
        """

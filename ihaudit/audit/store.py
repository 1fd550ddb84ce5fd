"""What an attack keeps from run to run, without a path into the audit's folder.

The worker that runs attacks must not be able to read the audit's files: the truth lies among them.  An attack that made
something costly (networks trained for a shape) hands it over by name, and may ask for it back in a later run; the
auditor keeps it in one folder of its own and answers for that folder only.
"""

from __future__ import annotations

import re
from pathlib import Path

from ihaudit.results import atomic_write

#: The folder, in that of the audit's results, where networks that an attack trained for itself are kept.
NETWORKS = "networks"
#: What a name may look like: no separators, so that it cannot lead out of the folder.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\.(json|safetensors)")


class FolderStore:
    """Files in one folder, which is made when something is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str) -> bytes | None:
        """See `Store`."""
        try:
            return (self.folder / _checked(name)).read_bytes()
        except OSError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """See `Store`."""
        path = self.folder / _checked(name)
        try:
            atomic_write(path, data)
        except OSError:
            return


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot be kept: a name is lower-case letters, digits, _ and -, then .json or .safetensors"
        )
    return name

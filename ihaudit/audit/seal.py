"""Seals: what this user's audits on this machine kept, told from what somebody edited or brought along.

A seal is made with a secret that lies in the user's state folder and that no scheme may read.  All that is taken from
an earlier run goes by it: findings of an earlier audit, what a stopped one kept, and a complete one that --resume is
asked for.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def secret_file() -> Path:
    """Where this user's secret lies; no scheme may read it."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(state) / "ihaudit" / "earlier.key"


@cache
def user_secret() -> bytes:
    """32 bytes, drawn at the first use; where they cannot be kept, of this process alone, so that nothing is reused."""
    path = secret_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
                f.write(secrets.token_bytes(32))
        except FileExistsError:
            pass
        found = path.read_bytes()
    except OSError:
        found = b""
    return found if len(found) == 32 else secrets.token_bytes(32)


def seal(key: str, *texts: bytes | str, arrays: Mapping[str, NDArray[Any]] | None = None) -> str:
    """Over a key, texts in their order, and arrays by name."""
    told = hmac.new(user_secret(), key.encode(), hashlib.sha256)
    for text in texts:
        told.update(hashlib.sha256(text.encode() if isinstance(text, str) else text).digest())
    for name, array in sorted((arrays or {}).items()):
        told.update(f"{name} {array.dtype} {array.shape}".encode())
        told.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return told.hexdigest()


def same(a: object, b: str) -> bool:
    """Whether a seal that was read is the one that was made."""
    return isinstance(a, str) and hmac.compare_digest(a.encode(), b.encode())

"""ihaudit: checks claims that images were made private by encoding them.

For scheme files: ``from ihaudit import Claim, Knowledge, Provenance, Release, Scheme``.  For notebooks:
``ihaudit.audit(scheme)``, ``ihaudit.attack("unmix", encodings, labels)``, ``ihaudit.game("instance", scheme)``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

# Threads that wait at the end of each small operation spin by default; on a machine that does other work they take a
# core from those that compute.  libgomp (torch) and OpenBLAS (numpy, scipy) read this once, when they are loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ihaudit.audit.api import attack as attack
    from ihaudit.audit.api import audit as audit
    from ihaudit.audit.api import game as game
    from ihaudit.release import FloatArray as FloatArray
    from ihaudit.release import IntArray as IntArray
    from ihaudit.release import Provenance as Provenance
    from ihaudit.release import Release as Release
    from ihaudit.release import Truth as Truth
    from ihaudit.scheme import Augmentation as Augmentation
    from ihaudit.scheme import Claim as Claim
    from ihaudit.scheme import Knowledge as Knowledge
    from ihaudit.scheme import Scheme as Scheme
    from ihaudit.stats import gaussian_sigma as gaussian_sigma

_WHERE = {
    "attack": "ihaudit.audit.api",
    "game": "ihaudit.audit.api",
    "FloatArray": "ihaudit.release",
    "IntArray": "ihaudit.release",
    "Release": "ihaudit.release",
    "Provenance": "ihaudit.release",
    "Truth": "ihaudit.release",
    "Scheme": "ihaudit.scheme",
    "Augmentation": "ihaudit.scheme",
    "Claim": "ihaudit.scheme",
    "Knowledge": "ihaudit.scheme",
    "gaussian_sigma": "ihaudit.stats",
}
__all__ = [
    "Augmentation",
    "Claim",
    "FloatArray",
    "IntArray",
    "Knowledge",
    "Provenance",
    "Release",
    "Scheme",
    "Truth",
    "__version__",
    "attack",
    "audit",
    "game",
    "gaussian_sigma",
]


def __getattr__(name: str) -> Any:
    # Lazy, so that `ihaudit --help` does not pay for numpy.
    if name in _WHERE:
        from importlib import import_module

        return getattr(import_module(_WHERE[name]), name)
    if name == "audit":  # a package, which can be called
        from importlib import import_module

        return import_module("ihaudit.audit")
    raise AttributeError(f"module 'ihaudit' has no attribute {name!r}")

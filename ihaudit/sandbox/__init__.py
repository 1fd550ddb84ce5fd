"""Runs scheme code in its own confined process; the only place where it runs.

`SchemeProcess` is the auditor's side, `worker` the scheme's, `guard` what stands between them, `confine` what the
kernel enforces, `wire` the messages, `validate` the checks of what comes back, `leaks` the search for private images
in it, `twin` (with `replay` and `taps` on the scheme's side) runs its code again under other seeds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ihaudit.sandbox.declaration import Declaration as Declaration
    from ihaudit.sandbox.limits import Limits as Limits
    from ihaudit.sandbox.probe import capabilities as capabilities
    from ihaudit.sandbox.process import SchemeProcess as SchemeProcess
    from ihaudit.sandbox.twin import Replays as Replays

_WHERE = {
    "Declaration": "declaration",
    "Limits": "limits",
    "Replays": "twin",
    "SchemeProcess": "process",
    "capabilities": "probe",
}
__all__ = ["Declaration", "Limits", "Replays", "SchemeProcess", "capabilities"]


def __getattr__(name: str) -> Any:
    # Lazy, so that a file that is not Python is refused before anything is loaded that computes.
    if name in _WHERE:
        from importlib import import_module

        return getattr(import_module(f"ihaudit.sandbox.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'ihaudit.sandbox' has no attribute {name!r}")

"""Runs scheme code in its own confined process; the only place where it runs.

`SchemeProcess` is the auditor's side, `worker` the scheme's, `guard` what stands between them, `confine` what the
kernel enforces, `wire` the messages, `validate` the checks of what comes back, `leaks` the search for private images
in it, `twin` (with `replay` and `taps` on the scheme's side) runs its code again under other seeds.
"""

from __future__ import annotations

from ihaudit.sandbox.declaration import Declaration
from ihaudit.sandbox.leaks import leaks
from ihaudit.sandbox.limits import Limits
from ihaudit.sandbox.probe import capabilities
from ihaudit.sandbox.process import SchemeProcess
from ihaudit.sandbox.twin import Replays

__all__ = ["Declaration", "Limits", "Replays", "SchemeProcess", "capabilities", "leaks"]

"""The pipeline: what is audited, what is run on it, and what is kept on the way.

The package can be called: ``ihaudit.audit(scheme, ...)`` is `ihaudit.audit.api.audit`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """See `ihaudit.audit.api.audit`."""
        from ihaudit.audit.api import audit

        return audit(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable

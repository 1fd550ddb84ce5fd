"""Imports every attack, for the process that workers are forked from (`ihaudit.audit.nursery`); nothing else.

Not by the registry: each worker asks that itself, so that it finds plug-ins of its own time.
"""

import atexit
import gc
import importlib
import pkgutil

from ihaudit.audit import nursery
from ihaudit.environment import uncollected

with uncollected():
    import ihaudit.attacks
    import ihaudit.audit.worker

    for _module in pkgutil.walk_packages(ihaudit.attacks.__path__, "ihaudit.attacks."):
        importlib.import_module(_module.name)
atexit.register(nursery.leave_nothing)
gc.freeze()  # what was imported stays: looks for garbage would touch, and so copy, every page of it in every fork

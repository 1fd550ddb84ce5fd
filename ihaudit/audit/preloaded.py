"""Imports every attack, for the process that workers are forked from (`ihaudit.audit.nursery`); nothing else.

Not by the registry: each worker asks that itself, so that it finds plug-ins of its own time.
"""

import importlib
import pkgutil

import ihaudit.attacks
import ihaudit.audit.worker

for _module in pkgutil.walk_packages(ihaudit.attacks.__path__, "ihaudit.attacks."):
    importlib.import_module(_module.name)

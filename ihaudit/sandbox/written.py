"""A scheme class of a running program or notebook, written out as a scheme file: its process loads files alone.

Only the class is taken, with what it names: imports, and functions, classes and constants of the same program.  The
rest of the file or notebook is not run again.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import linecache
import symtable
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

from ihaudit.errors import UsageError
from ihaudit.sandbox.loader import SchemeSource

#: Values that can be written as they are.
_PLAIN = (bool, int, float, str, bytes, type(None))


def source_of(cls: type) -> SchemeSource:
    """A scheme file that holds `cls`, and nothing that runs besides.

    Raises:
        UsageError: its source cannot be found, or it uses an object that cannot be written down.
    """
    writer = _Writer(cls.__name__)
    writer.add(cls.__name__, cls)
    text = "from __future__ import annotations\n\n" + "\n".join([*writer.imports, "", "", *writer.parts])
    digest = hashlib.sha256(text.encode()).hexdigest()
    path = Path.cwd() / f"{cls.__name__}.py"
    return SchemeSource(path, cls.__name__, cls.__name__, digest, text)


def settings_of(scheme: object) -> dict[str, str]:
    """The parameters of an instance that differ from its class's defaults, as texts for ``--set``.

    Raises:
        UsageError: it is no dataclass, so that its parameters are not known.
    """
    if not dataclasses.is_dataclass(scheme) or isinstance(scheme, type):
        raise UsageError(
            f"the parameters of {type(scheme).__name__} are not known, because it is no dataclass; give the class, and "
            "sets={...}"
        )
    found = {}
    for f in dataclasses.fields(scheme):
        value = getattr(scheme, f.name)
        default = f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default
        if f.init and (default is dataclasses.MISSING or value != default):
            found[f.name] = ",".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
    return found


class _Writer:
    """Collects the source of objects, each after what it needs."""

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        self.imports: list[str] = []
        self.parts: list[str] = []
        self._seen: set[str] = set()

    def add(self, name: str, value: Any) -> None:
        """Write what `name` stands for, once."""
        if name in self._seen:
            return
        self._seen.add(name)
        if isinstance(value, ModuleType):
            self.imports.append(f"import {value.__name__} as {name}")
        elif isinstance(value, type) and not _importable(value):
            self._class(value)
        elif callable(value) and hasattr(value, "__code__") and not _importable(value):
            found = _found(value.__code__.co_filename, value.__name__, value.__code__.co_firstlineno)
            if found is None:
                raise UsageError(f"the source of {name} cannot be found; audit a scheme file")
            self._needs(found, value.__globals__)
            self.parts.append(found + "\n")
        elif _plain(value):
            self.parts.append(f"{name} = {value!r}\n")
        elif _importable(value):
            self.imports.append(f"from {value.__module__} import {value.__qualname__} as {name}")
        elif type(value).__module__ == "typing" and str(value).startswith("typing."):
            word = str(value).removeprefix("typing.")
            self.imports.append(f"from typing import {word} as {name}")
        else:
            raise UsageError(
                f"{self.wanted} uses {name}, which is {type(value).__name__} and cannot be written into a file; make "
                "it a parameter of the class, or audit a scheme file"
            )

    def _class(self, cls: type) -> None:
        own = [v.__code__ for v in vars(cls).values() if getattr(v, "__module__", "") == cls.__module__ and _code(v)]
        file = getattr(sys.modules.get(cls.__module__), "__file__", None)
        # A class of a notebook that has no method of its own stands in some cell.
        cells = [name for name in linecache.cache if "ipykernel" in name or "ipython-input" in name][::-1]
        places = [(c.co_filename, c.co_firstlineno) for c in own] + [(f, None) for f in (file, *cells) if f]
        found = next((f for name, line in places if (f := _found(name, cls.__name__, line))), None)
        if found is None:
            raise UsageError(f"the source of {cls.__name__} cannot be found; audit a scheme file")
        self._needs(found, vars(sys.modules[cls.__module__]))
        self.parts.append(found + "\n")

    def _needs(self, text: str, names: dict[str, Any]) -> None:
        for name in sorted(_globals(symtable.symtable(text, "scheme", "exec"), top=True)):
            if name in names:  # others are built in
                self.add(name, names[name])


def _globals(table: symtable.SymbolTable, *, top: bool) -> set[str]:
    """Names that the code looks up in its module; arguments and variables of functions are none."""
    found = {s.get_name() for s in table.get_symbols() if s.is_referenced() and (top or s.is_global())}
    return found.union(*(_globals(child, top=False) for child in table.get_children()))


def _plain(value: Any) -> bool:
    if isinstance(value, (tuple, list, set, frozenset)):
        return all(_plain(v) for v in value)
    if isinstance(value, dict):
        return all(_plain(k) and _plain(v) for k, v in value.items())
    return type(value) in _PLAIN


def _importable(value: Any) -> bool:
    """Whether a scheme's process can import it: it belongs to an installed package, not to the program that runs."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    if not module or module == "__main__" or not name or "<locals>" in name:
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is None or "site-packages" in file or module.partition(".")[0] in ("ihaudit", *sys.stdlib_module_names)


def _code(value: Any) -> bool:
    return hasattr(value, "__code__")


def _found(filename: str, name: str, line: int | None) -> str | None:
    """The definition called `name` that holds `line` (any, the last one, for None), with its decorators, as text."""
    # A notebook's cell may hold commands of the notebook.
    lines = ["" if s.lstrip().startswith(("%", "!")) else s.rstrip("\n") for s in linecache.getlines(filename)]
    try:
        tree = ast.parse("\n".join(lines))
    except (SyntaxError, ValueError):
        return None
    last = None
    for node in ast.walk(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if line is None or first <= line <= (node.end_lineno or 0):
                last = textwrap.dedent("\n".join(lines[first - 1 : node.end_lineno]))
    return last

"""Finds scheme files, without running them.

Importing a scheme file is running it, so nothing of it is imported here: which class it holds and which parameters
that has is found inside the scheme's own process (`ihaudit.sandbox`), and comes back as plain data.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import inspect
import os
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from ihaudit import registry
from ihaudit.errors import SchemeError, UsageError

#: where the reference schemes lie
SCHEMES = Path(__file__).resolve().parents[1] / "schemes"
_MAX_BYTES = 4 << 20


@dataclass(frozen=True)
class SchemeSource:
    """Where a scheme comes from.

    Attributes:
        path: absolute path of the file.
        class_name: the class that was named with ``path.py:Name``, or None for the only one.
        origin: as the user named it (a reference scheme's name, or the path as given).
        sha256: of the file's bytes, as read; the scheme is run from these very bytes.
        text: the file's text.
        reference: whether it is one of the reference schemes.
    """

    path: Path
    class_name: str | None
    origin: str
    sha256: str
    text: str = field(repr=False)
    reference: bool = False


def reference_names() -> list[str]:
    """Names of the reference schemes, sorted."""
    return sorted(p.stem.replace("_", "-") for p in SCHEMES.glob("*.py") if not p.name.startswith(("_", "starter")))


def locate(spec: str) -> SchemeSource:
    """Find a scheme: a path with one scheme in it, ``path.py:Name``, or the name of a reference scheme or a plug-in's.

    Raises:
        UsageError: there is no such file or reference scheme; the nearest name is suggested.
        SchemeError: the file cannot be read, or is not text.
    """
    spec = os.fspath(spec)
    path_text, class_name = spec, None
    if not Path(spec).is_file():
        head, colon, tail = spec.rpartition(":")
        if colon and (Path(head).is_file() or head.replace("_", "-") in reference_names() or head.endswith(".py")):
            path_text, class_name = head, tail.strip()
            if not class_name.isidentifier():
                raise UsageError(f"{spec!r}: {tail!r} is not the name of a class; write {head}:ClassName")
    path = Path(path_text).expanduser()
    name = path_text.strip().lower().replace("_", "-")
    if path.is_file():
        return _read(path, class_name, spec, reference=False)
    if name in reference_names():
        return _read(SCHEMES / f"{name.replace('-', '_')}.py", class_name, name, reference=True)
    if spec in (registered := registry.load("scheme")):
        cls = registered[spec]
        return _read(Path(inspect.getfile(cls)), cls.__name__, spec, reference=False)
    if path.is_dir():
        raise UsageError(f"{path_text} is a folder; name the scheme file in it{_near_files(path / 'scheme.py')}")
    if path.suffix == ".py" or os.sep in path_text:
        raise UsageError(f"there is no scheme file {path_text}{_near_files(path)}")
    known = [*reference_names(), *registered]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"the reference schemes are {', '.join(known)}"
    raise UsageError(f"there is no scheme file or reference scheme called {spec!r}; {hint}")


def parse_sets(items: list[str] | tuple[str, ...]) -> dict[str, str]:
    """``["k=8", "rng=numpy"]`` -> ``{"k": "8", "rng": "numpy"}``; types are checked by the scheme's process.

    Raises:
        UsageError: an item that is not name=value, or a name given twice with different values.
    """
    found: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not re.fullmatch(r"[^\W\d]\w*", name):
            raise UsageError(f"--set {item!r} is not of the form name=value, such as --set k=8")
        if found.get(name, value) != value:
            raise UsageError(f"--set gives {name} twice, as {found[name]!r} and as {value!r}")
        found[name] = value.strip()
    return found


def _read(path: Path, class_name: str | None, origin: str, *, reference: bool) -> SchemeSource:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise SchemeError(f"{path} has {path.stat().st_size:,} bytes; a scheme file has at most {_MAX_BYTES:,}")
        data = path.read_bytes()
    except OSError as e:
        raise SchemeError(f"the scheme file {path} cannot be read: {e.strerror}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SchemeError(f"{path} is not a Python file (it is not UTF-8 text)") from None
    if "\x00" in text:
        raise SchemeError(f"{path} is not a Python file (it holds null bytes)")
    _check_syntax(path, text)
    return SchemeSource(path.resolve(), class_name, origin, hashlib.sha256(data).hexdigest(), text, reference)


def _check_syntax(path: Path, text: str) -> None:
    """Parse, which runs nothing, so that a typo costs no process and no library.

    Raises:
        SchemeError: with the line; what the parser cannot hold is left to the scheme's own process.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as e:
        raise SchemeError(f"{path.name} is not valid Python: line {e.lineno}: {e.msg}") from None
    except (ValueError, RecursionError, MemoryError):
        return


def _near_files(path: Path) -> str:
    folder = path.parent if path.parent.is_dir() else Path()
    try:
        names = [p.name for p in folder.glob("*.py")]
    except OSError:
        names = []
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {(folder / near[0]).as_posix()}?"
    # Only what differs by a letter or two: "nofile.py" is no misspelt "noise".
    close = difflib.get_close_matches(path.stem.replace("_", "-"), reference_names(), n=1, cutoff=0.85)
    if close:
        return f"; the reference scheme is called {close[0]!r}"
    there = f"; there are: {', '.join(sorted(names)[:8])}" if names else ""
    return f"{there}; `ihaudit init {path.name}` writes one to start from"

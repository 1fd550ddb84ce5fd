"""Where a scheme's words stand: its file as a repository names it, and the lines of its claims and parameters.

Found by parsing, which runs nothing; for code scanning, whose alerts point at a line of a file of the repository.
"""

from __future__ import annotations

import ast
import contextlib
import os
from pathlib import Path

from ihaudit.sandbox.loader import SchemeSource

#: Lines that results.json keeps at most.
_MOST = 500


def repository_path(source: SchemeSource) -> str:
    """The file relative to the root of its repository, with forward slashes; empty for a reference scheme.

    The root is the build's checkout (``GITHUB_WORKSPACE``) where the file lies in it, else the nearest folder above
    that holds ``.git``, else the working folder; outside of all of them, the file's own name.
    """
    if source.reference or not source.path.is_file():  # a class of a notebook has no file
        return ""
    workspace = os.environ.get("GITHUB_WORKSPACE")
    roots = [Path(workspace).resolve()] if workspace else []
    roots += [folder for folder in source.path.parents if (folder / ".git").exists()][:1]
    with contextlib.suppress(OSError):  # the working folder may be gone
        roots.append(Path.cwd().resolve())
    for root in roots:
        if source.path.is_relative_to(root):
            return source.path.relative_to(root).as_posix()
    return source.path.name


def lines_of(source: SchemeSource, class_line: int) -> dict[str, int]:
    """Lines of a scheme's class: ``k``, ``key``, ``claims``, ``encode`` by name, and ``claims[0]``, ... one by one.

    Args:
        source: the file.
        class_line: where the class begins; decorators may stand before it.
    """
    try:
        tree = ast.parse(source.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    classes = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]
    found = next((c for c in classes if class_line in (c.lineno, *(d.lineno for d in c.decorator_list))), None)
    if found is None:
        return {}
    lines: dict[str, int] = {}
    for node in found.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines[node.name] = node.lineno
            continue
        if isinstance(node, ast.AnnAssign):
            targets: list[ast.expr] = [node.target]
        elif isinstance(node, ast.Assign):
            targets = node.targets
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name):
                lines[target.id] = node.lineno
                if target.id == "claims" and isinstance(node.value, (ast.Tuple, ast.List)):
                    lines |= {f"claims[{i}]": e.lineno for i, e in enumerate(node.value.elts)}
    return dict(list(lines.items())[:_MOST])

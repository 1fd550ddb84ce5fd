"""Scheme files to start from: the commented example, or any reference scheme as a stand-alone file of one's own."""

from __future__ import annotations

import ast
import difflib
import re
import sys
import textwrap

from ihaudit.errors import UsageError
from ihaudit.sandbox.loader import SCHEMES, reference_names

#: comments for an author, before the first line of the class that matches
COMMENTS = (
    (
        r"    \w+: ",
        "Parameters are the fields of the dataclass. Set them with --set NAME=VALUE, sweep them with --grid NAME=V,V.",
    ),
    (
        r"    claims = ",
        "What you promise, in a form that can be refuted: quantity (ssim, reid, advantage, epsilon), bound, adversary "
        "(knows=...). Without a claim the default gates apply.",
    ),
    (r"    secrets = ", "What an adversary must not learn, in words."),
    (
        r"    security_parameter = ",
        "Which parameter is said to make attacks harder; ihaudit sweep shows whether it does.",
    ),
    (
        r"    key = |        self\.key = ",
        "The scope of the key: image (drawn afresh for each), release (one a call), or fixed. It is checked.",
    ),
    (
        r"    def encode\(",
        "images: float32 (N, H, W, C) in [0, 1]; labels: int64 (N,); public: float32 (M, H, W, C); draw from rng, and "
        "the audit can be repeated. Released are encodings of any shape, and labels or none; provenance (which image "
        "is in which row) is for the scorer alone, and no attack sees it.",
    ),
)
#: attributes that say something of the reference scheme, and nothing of a scheme made from it
ITS_OWN = ("kind", "published_break")
WIDTH = 110


def starter_text() -> str:
    """The commented scheme file that ``ihaudit init`` writes; it runs as it is."""
    return (SCHEMES / "starter.py.txt").read_text(encoding="utf-8")


def like_text(name: str, file: str = "scheme.py") -> str:
    """A stand-alone scheme file with the code and the claims of a reference scheme, and comments for its author.

    Args:
        name: of a reference scheme.
        file: what the file will be called, for its first line.

    Raises:
        UsageError: there is no reference scheme of that name; the nearest is suggested.
    """
    known, name = reference_names(), name.strip().lower().replace("_", "-")
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
        raise UsageError(f"there is no reference scheme called {name!r} to start from; {hint}")
    imports, body = _parts(name)
    classes = [m.start() for m in re.finditer(r"^@dataclass|^class ", body, flags=re.M)]
    last = max(p for p in classes if body.startswith("@dataclass", p))
    head = (
        f'"""My encoding, begun as ihaudit\'s reference scheme {name}.  Audit it with:  ihaudit run {file}\n\n'
        'The text under the class is printed in the report: say what is hidden, and how.\n"""\n\n'
        "from __future__ import annotations\n\n"
    )
    return head + _joined(imports) + "\n\n" + _plain(body[:last]) + _commented(_plain(body[last:])).rstrip() + "\n"


def _parts(name: str) -> tuple[list[str], str]:
    """Import statements and the rest of a reference scheme's file, after those of the schemes that it is made from."""
    text = (SCHEMES / f"{name.replace('-', '_')}.py").read_text(encoding="utf-8")
    nodes = ast.parse(text).body
    imports: list[str] = []
    before = ""
    last = 0
    for node in nodes:
        if not isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        last = node.end_lineno or last
        module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        if module.startswith("ihaudit.schemes."):
            theirs, code = _parts(module.rpartition(".")[2].replace("_", "-"))
            imports += theirs
            before += code.rstrip() + "\n\n\n"
        elif module != "__future__":
            imports.append(ast.unparse(node))
    rest = "\n".join(text.splitlines()[last:]).strip("\n") + "\n"
    return list(dict.fromkeys(imports)), before + rest


def _joined(statements: list[str]) -> str:
    """Import statements, the names of one module on one line, in three groups: standard library, others, ihaudit."""
    names: dict[str, set[str]] = {}
    lines = set()
    for node in ast.parse("\n".join(statements)).body:
        if isinstance(node, ast.ImportFrom):
            names.setdefault(node.module or "", set()).update(ast.unparse(a) for a in node.names)
        else:
            lines.add(ast.unparse(node))
    lines |= {f"from {module} import {', '.join(sorted(found))}" for module, found in names.items()}
    groups: list[list[str]] = [[], [], []]
    for line in sorted(lines, key=lambda x: (x.startswith("from "), x)):
        module = line.split()[1].partition(".")[0]
        groups[2 if module == "ihaudit" else 0 if module in sys.stdlib_module_names else 1].append(line)
    return "\n\n".join("\n".join(g) for g in groups if g) + "\n"


def _plain(code: str) -> str:
    """The code without what is the reference scheme's own."""
    out, skipping = [], False
    for line in code.splitlines(keepends=True):
        # A value in brackets goes on in lines that are indented further, or ends with one at its own depth.
        if skipping and (line.startswith("     ") or line.strip() == ")"):
            continue
        skipping = any(line.startswith(f"    {name} = ") for name in ITS_OWN)
        out += [] if skipping else [line]
    return "".join(out)


def _commented(code: str) -> str:
    """The class with a comment before the first line of each kind."""
    pending, out = list(COMMENTS), []
    for line in code.splitlines():
        for rule in [r for r in pending if re.match(r[0], line)]:
            pending.remove(rule)
            indent = line[: len(line) - len(line.lstrip())]
            out += [f"{indent}# {part}" for part in textwrap.wrap(rule[1], WIDTH - len(indent))]
        out.append(line)
    return "\n".join(out)

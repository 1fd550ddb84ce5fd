"""What a scheme's code looks at around its call, read from its text: who runs it, where, for how long.

Clocks, files and variables are answered otherwise in other calls (`ihaudit.audit.behaviour`).  What nobody can answer
otherwise for it is named, and where a decision follows from it a verdict on one side of that decision is none.
"""

from __future__ import annotations

import ast

#: Names in a scheme's code that look at who runs it.
LOOKS = {
    "sys": {"modules", "_getframe", "_current_frames", "argv", "orig_argv", "gettrace", "settrace", "setprofile"},
    "os": {"getppid", "environb", "uname", "getlogin"},
    "gc": {"get_objects", "get_referrers"},
    "inspect": {"stack", "currentframe"},
    "traceback": {"extract_stack", "format_stack", "walk_stack"},
    "logging": {"currentframe"},
}
#: Of these, what no encoder has a reason for.
STRICT = {
    "sys.modules",
    "sys._getframe",
    "sys._current_frames",
    "sys.gettrace",
    "gc.get_objects",
    "gc.get_referrers",
    "inspect.stack",
    "inspect.currentframe",
    "traceback.extract_stack",
    "traceback.format_stack",
    "traceback.walk_stack",
}
MODULES = {"ctypes", "inspect", "gc", "psutil", "cffi", "mmap"}
INSIDE = ("ihaudit.sandbox", "ihaudit.audit", "ihaudit.games")
#: What differs between places and moments, by which no encoder decides.
PLACES = {
    "os": {
        "cpu_count",
        "getcwd",
        "getloadavg",
        "getpid",
        "getppid",
        "getlogin",
        "getuid",
        "geteuid",
        "getgid",
        "sched_getaffinity",
        "times",
        "uname",
        "sysconf",
    },
    "time": {
        "monotonic",
        "monotonic_ns",
        "perf_counter",
        "perf_counter_ns",
        "process_time",
        "process_time_ns",
        "thread_time",
        "timezone",
        "tzname",
        "daylight",
    },
    "sys": {"argv", "orig_argv", "modules"},
    "socket": {"gethostname", "getfqdn", "gethostbyname"},
    "threading": {"active_count", "current_thread", "main_thread", "enumerate", "get_ident", "get_native_id"},
    "multiprocessing": {"cpu_count", "current_process", "parent_process", "active_children"},
    "resource": {"getrusage", "getrlimit"},
    "tracemalloc": {"get_traced_memory", "is_tracing"},
    "platform": {"node", "uname"},
    "getpass": {"getuser"},
    "locale": {"getlocale", "getdefaultlocale", "localeconv"},
}
#: Modules of which everything does, and functions that make a decision of what they are given first.
WHOLE, CHOOSING = ("psutil",), ("where", "select")
#: Texts in comparisons that a variable may be, at most, and their length.
MOST_WORDS, LONGEST = 4, 40


def looks_around(text: str) -> list[str]:
    """Names in a scheme's code that tell it who runs it."""
    found = set()
    for node in ast.walk(_tree(text)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in LOOKS.get(node.value.id, ()):
                found.add(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.Import):
            found |= {a.name for a in node.names if a.name.split(".")[0] in MODULES}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {a.name for a in node.names} & LOOKS.get(node.module, set())
            found |= {f"{node.module}.{n}" for n in names}
            if node.module.split(".")[0] in MODULES or node.module.startswith(INSIDE):
                found.add(node.module)
    return sorted(found)


def decides_by(text: str) -> list[str]:
    """Names of `PLACES` that a comparison, a condition or a choice in a scheme's code follows from."""
    tree = _Called().visit(_tree(text))
    called = _imported(tree)
    follows: dict[str, set[str]] = {}  # variables that hold what such a name says

    def told(node: ast.AST) -> set[str]:
        out: set[str] = set()
        for part in ast.walk(node):
            if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
                out |= _place(called.get(part.value.id, part.value.id), part.attr)
            elif isinstance(part, ast.Name):
                module, _, name = called.get(part.id, "").rpartition(".")
                out |= _place(module, name) | follows.get(part.id, set())
        return out

    for _ in range(3):  # through variables that are made of variables
        for node in ast.walk(tree):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            value = getattr(node, "value", None)
            if not isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr)) or value is None:
                continue
            if names := told(value):
                for target in targets:
                    if isinstance(target, ast.Name):
                        follows.setdefault(target.id, set()).update(names)
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            found |= told(node)
        elif isinstance(node, (ast.If, ast.IfExp, ast.While)):
            found |= told(node.test)
        elif isinstance(node, ast.Call) and node.args and getattr(node.func, "attr", "") in CHOOSING:
            found |= told(node.args[0])
    return sorted(found)


def words_in(text: str) -> list[str]:
    """Texts that a scheme's code compares with, the first few; those of comparisons with variables before others."""
    found: dict[str, bool] = {}
    for node in ast.walk(_tree(text)):
        if isinstance(node, ast.Compare):
            asked = any(name in ast.dump(node) for name in ("environ", "getenv"))
            parts = [v.value for v in ast.walk(node) if isinstance(v, ast.Constant) and isinstance(v.value, str)]
            for word in parts:
                if word.isprintable() and 0 < len(word) <= LONGEST:
                    found[word] = asked or found.get(word, False)
    return sorted(found, key=lambda word: not found[word])[:MOST_WORDS]


class _Called(ast.NodeTransformer):
    """Leaves out what runs only where the file itself is run as a program."""

    def visit_If(self, node: ast.If) -> ast.AST:
        said = ast.dump(node.test)
        return ast.Pass() if "__name__" in said and "__main__" in said else self.generic_visit(node)


def _tree(text: str) -> ast.AST:
    """What a text says; nothing where it cannot be read."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module([], [])


def _imported(tree: ast.AST) -> dict[str, str]:
    """What names of a file stand for: modules, or `module.name`."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {a.asname or a.name: a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return found


def _place(module: str, name: str) -> set[str]:
    return {f"{module}.{name}"} if name and (name in PLACES.get(module, ()) or module in WHOLE) else set()

"""The order of imports: what `lint-imports` (pyproject.toml) does not look at."""

from __future__ import annotations

from graphlib import TopologicalSorter

import grimp


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Also not a package its own module, nor where only types need it; the contracts compare neighbours in a folder."""
    graph = grimp.build_graph("ihaudit", cache_dir=None)
    # The facade names the API for type checkers, and looks it up only when it is asked for.
    graph.remove_import(importer="ihaudit", imported="ihaudit.audit.api")
    TopologicalSorter({m: graph.find_modules_directly_imported_by(m) for m in graph.modules}).prepare()

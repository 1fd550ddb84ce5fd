"""The notebook of the documentation runs from top to bottom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs" / "notebook.ipynb"


def test_the_notebook_runs(tmp_path: Path) -> None:
    reason = "needs the extra notebook: pip install -e '.[notebook]'"
    nbclient: Any = pytest.importorskip("nbclient", reason=reason)
    nbformat: Any = pytest.importorskip("nbformat", reason=reason)
    for name in ("ipykernel", "pandas"):
        pytest.importorskip(name, reason=reason)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
    data = [o.data for o in outputs if o.output_type == "execute_result"]
    assert any("exit code" in d.get("text/html", "") for d in data)
    assert (tmp_path / "audit-of-noisy" / "report.html").exists()


def test_the_notebook_keeps_no_outputs() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert text.count('"outputs": []') == text.count('"cell_type": "code"') > 5

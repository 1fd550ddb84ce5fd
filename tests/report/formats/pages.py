"""What a reader of a PDF sees: the text of its pages.

By pdfium, not pypdf: WeasyPrint gives a font of few glyphs one-byte codes and one of many two-byte codes, and pypdf 7.1
takes each of the latter for two characters.
"""

from __future__ import annotations

from typing import Any

import pytest

pdfium: Any = pytest.importorskip("pypdfium2", reason="needs pypdfium2 (a development dependency)")


def texts(data: bytes) -> list[str]:
    """The text of each page of a PDF."""
    with pdfium.PdfDocument(data) as document:
        return [str(page.get_textpage().get_text_bounded()) for page in document]

"""What a reader of a PDF sees: the text of its pages.

By pdfium, not pypdf: WeasyPrint embeds a map of two-byte codes for some fonts, and pypdf 7.1 takes each of these codes
for two characters.
"""

from __future__ import annotations

from typing import Any

import pytest

pdfium: Any = pytest.importorskip("pypdfium2", reason="needs pypdfium2 (a development dependency)")


def texts(data: bytes) -> list[str]:
    """The text of each page of a PDF."""
    with pdfium.PdfDocument(data) as document:
        return [str(page.get_textpage().get_text_bounded()) for page in document]

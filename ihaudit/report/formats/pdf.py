"""report.pdf: the HTML page set on A4 by WeasyPrint."""

from __future__ import annotations

import contextlib
import io
import logging
import re
from functools import lru_cache
from typing import Any

from ihaudit.contracts.format import Source, report_format
from ihaudit.environment import uncollected
from ihaudit.errors import UsageError
from ihaudit.report.formats import html

#: What WeasyPrint loads at run time, by the names of Debian and Ubuntu.
DEBIAN = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core"


@lru_cache(maxsize=1)
def check() -> str | None:
    """Why a PDF cannot be written here, in one sentence with the remedy; None where it can.

    Cheap enough to be asked before an audit starts.
    """
    try:
        # WeasyPrint prints advice to stdout when a library is missing; ours is shorter.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            import weasyprint  # noqa: F401
    except ImportError as e:
        return f"PDF reports need the package weasyprint, which does not import ({e}); pip install weasyprint"
    except OSError as e:
        library = re.search(r"'([^']+)'", str(e))
        name = f" ({library[1]})" if library else ""
        return (
            f"PDF reports need the Pango libraries{name}; on Debian or Ubuntu: apt-get install {DEBIAN}; on macOS: "
            "brew install pango"
        )
    if _no_fonts():
        return (
            "PDF reports need at least one font, and this system has none; on Debian or Ubuntu: apt-get install "
            "fonts-dejavu-core"
        )
    return None


def _no_fonts() -> bool:
    """Whether fontconfig knows of no font at all; Pango then crashes the whole process instead of raising."""
    try:
        from weasyprint.text.ffi import ffi, fontconfig

        config = fontconfig.FcInitLoadConfigAndFonts()
        fonts = fontconfig.FcConfigGetFonts(config, fontconfig.FcSetSystem)
        return bool(fonts == ffi.NULL or fonts.nfont == 0)
    except (ImportError, AttributeError):  # another WeasyPrint keeps these elsewhere; it will tell by itself
        return False


def fetcher() -> Any:
    """Only data: URIs can be fetched, whatever a scheme's text smuggles in."""
    from weasyprint import urls

    if hasattr(urls, "URLFetcher"):  # WeasyPrint 68 and later
        return urls.URLFetcher(allowed_protocols=("data",), allow_redirects=False)

    def fetch(url: str, *args: Any, **kwargs: Any) -> Any:
        if not url.startswith("data:"):
            raise ValueError("a report loads nothing from outside itself")
        return urls.default_url_fetcher(url, *args, **kwargs)

    return fetch


def _scopes(document: Any, pdf: Any) -> None:
    """Say of every header cell whether it heads a column or a row.

    WeasyPrint names the headers of each cell (``/Headers``); readers and checkers that look at ``/Scope`` find none.
    Its ids end in the row and the column of the cell: what stands in the first row heads a column here.
    """
    for item in pdf.objects:
        if isinstance(item, dict) and item.get("S") == "/TH" and "ID" in item and "A" in item:
            where = re.search(rb"-(\d+)-\d+\)?$", item["ID"].data)
            item["A"]["Scope"] = "/Column" if where is not None and int(where[1]) == 0 else "/Row"


@report_format("pdf", "report.pdf")
def render(source: Source) -> bytes:
    """The report as PDF.

    Raises:
        UsageError: the PDF libraries are missing.
    """
    return printed(html.render(source))


def printed(page: str) -> bytes:
    """An HTML page of ours set on A4.

    Raises:
        UsageError: the PDF libraries are missing.
    """
    if problem := check():
        raise UsageError(problem)
    from weasyprint import HTML

    for name in ("weasyprint", "fontTools"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with uncollected():  # boxes and styles by the hundred thousand
        made = HTML(string=page, url_fetcher=fetcher(), media_type="print")
        return made.write_pdf(finisher=_scopes, pdf_variant="pdf/ua-1", pdf_tags=True) or b""

"""report.html: one static file, no scripts, nothing loaded from elsewhere."""

from __future__ import annotations

import re
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import ihaudit
from ihaudit.contracts.format import Source, report_format
from ihaudit.errors import UsageError
from ihaudit.report import words
from ihaudit.report.contents import contents, place
from ihaudit.report.details import cell
from ihaudit.report.plain import printable

if TYPE_CHECKING:
    from jinja2 import Environment

#: Code in the manner of reStructuredText or Markdown; two backticks first, so that none is left over.
_CODE = re.compile(r"``([^`\n]+)``|`([^`\n]+)`")
#: Pages by source: HTML and PDF are made of the same one.
_PAGES: WeakKeyDictionary[Source, str] = WeakKeyDictionary()


def templates_folder() -> Path:
    """Where the templates lie: in the package when installed from a wheel, at the top level in a checkout.

    Raises:
        UsageError: in neither place (a broken installation).
    """
    package = Path(ihaudit.__file__).resolve().parent
    for folder in (package / "_templates", package.parent / "templates"):
        if (folder / "report.html.j2").exists():
            return folder
    raise UsageError(f"the report templates are missing from {package / '_templates'}; install ihaudit again")


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The template environment.  Everything is escaped: docstrings, logs and names are other people's text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    env = Environment(
        loader=FileSystemLoader(templates_folder()),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {
        "number": words.number,
        "estimate": words.estimate,
        "duration": words.duration,
        "sentence": words.sentence,
        "cell": cell,
        "anchor": _anchor,
        "prose": _prose,
    }
    env.globals |= {"words": words, "css": _css}
    return env


def _finalize(value: object) -> object:
    """Other people's text loses its control characters before it is escaped; our own markup stays as it is."""
    from markupsafe import Markup

    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _anchor(id_: str) -> str:
    """A finding's id as the target of a link: no white space."""
    return "-".join(id_.split())


def _prose(text: object) -> object:
    """Other people's sentences: escaped, and what they put in backticks set as code."""
    from markupsafe import Markup, escape

    return Markup(_CODE.sub(lambda m: f"<code>{m[1] or m[2]}</code>", str(escape(printable(str(text))))))


def _css(name: str) -> str:
    """A style sheet of our own, put into the page as it is; it must not be able to end the <style> element."""
    from markupsafe import Markup

    text = (templates_folder() / name).read_text(encoding="utf-8")
    if "</" in text:
        raise ValueError(f"{name} must not contain '</'")
    return Markup(text)


@report_format("html", "report.html")
def render(source: Source) -> str:
    """The report as one HTML page."""
    if source not in _PAGES:
        _PAGES[source] = _page(source)
    return _PAGES[source]


def _page(source: Source) -> str:
    from markupsafe import Markup

    env, entries = environment(), contents(source.results)
    shared = {
        "results": source.results,
        "samples": source.samples,
        "m": env.get_template("macros.html.j2").module,
        "place": partial(place, source.results),
    }
    built = {e.id: e.section.build(source) for e in entries}
    bodies = {}
    for e in entries:
        own = e.section.template
        template = env.get_template(f"sections/{own}") if own.endswith(".j2") else env.from_string(own)
        bodies[e.id] = Markup(template.render(**shared, section=e, **built[e.id]))
    verdict = next(variables["verdict"] for variables in built.values() if "verdict" in variables)
    return env.get_template("report.html.j2").render(**shared, sections=entries, bodies=bodies, verdict=verdict)

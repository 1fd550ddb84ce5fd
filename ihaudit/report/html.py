"""report.html: one static file, no scripts, nothing loaded from elsewhere."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from ihaudit.report import words
from ihaudit.report.base import Source, report_format, templates_folder
from ihaudit.report.plain import printable

if TYPE_CHECKING:
    from jinja2 import Environment


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
        "cell": _cell,
        "anchor": _anchor,
    }
    env.globals |= {"words": words, "css": _css}
    return env


def _finalize(value: object) -> object:
    """Other people's text loses its control characters before it is escaped; our own markup stays as it is."""
    from markupsafe import Markup

    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _cell(value: object) -> str:
    from ihaudit.report.details import cell

    return cell(value)


def _anchor(id_: str) -> str:
    """A finding's id as the target of a link: no white space."""
    return "-".join(id_.split())


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
    return environment().get_template("report.html.j2").render(**source.view)

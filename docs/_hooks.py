"""Pages that are generated from what the package registers: attacks, games, the command line, the glossary.

Called by mkdocs (``hooks`` in mkdocs.yml) before the site is built, so that these pages cannot fall behind the code.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages."""
    from mkdocs.structure.files import File

    for name, text in pages().items():
        files.append(File.generated(config, name, content=text))
    return files


def pages() -> dict[str, str]:
    """Path in the documentation -> Markdown."""
    return {
        "attacks.md": _registered("attack", "Attacks", "What each attack does, needs and rests on."),
        "games.md": _registered("game", "Games", "What each game plays, by which theorem or definition."),
        "commands.md": _commands(),
        "glossary.md": _glossary(),
    }


def _registered(kind: Any, title: str, intro: str) -> str:
    from ihaudit import registry

    parts = [f"# {title}", "", intro, ""]
    for id_, cls in registry.load(kind).items():
        module = sys.modules[cls.__module__].__doc__ or ""
        needs = ", ".join(f"`{k.value}`" for k in sorted(cls.needs))
        parts += [
            f"## {id_}",
            "",
            f"**{cls.title[:1].upper()}{cls.title[1:].rstrip('.')}.** *{cls.reference.rstrip('.')}.*",
            f"Needs {needs}; runs in {', '.join(cls.profiles)}.",
            "",
            *_text(inspect.cleandoc(cls.__doc__ or "").partition("\n\n")[0], module),
            "",
        ]
    return "\n".join(parts)


def _text(first: str, module: str) -> list[str]:
    """The docstrings of a class and of its module as Markdown."""
    lines = [_plain(" ".join(first.split())), ""]
    for paragraph in inspect.cleandoc(module).split("\n\n"):
        if paragraph.lstrip() != paragraph:  # a drawing
            lines += ["```text", inspect.cleandoc(paragraph), "```", ""]
            continue
        lines += [_plain(paragraph), ""]
    return lines


def _plain(text: str) -> str:
    """reStructuredText's double backticks as Markdown's single ones; angle brackets are no tags."""
    text = re.sub(r"``(.+?)``", r"`\1`", text, flags=re.DOTALL)
    text = re.sub(r"^\* ", "\n* ", text, count=1, flags=re.MULTILINE)
    return re.sub(r"(?<!`)<", "&lt;", text)


def _commands() -> str:
    import typer

    from ihaudit.cli import app

    root: Any = typer.main.get_command(app)
    parts = ["# Command line", "", "Every option can also stand in a file or a variable: [Gates in CI](ci.md).", ""]
    for name, command in root.commands.items():
        for sub, c in (getattr(command, "commands", None) or {"": command}).items():
            parts += [f"## ihaudit {name} {sub}".rstrip(), ""]
            for paragraph in c.help.replace("\\[", "[").split("\n\n"):
                code = paragraph.startswith("  ")
                parts += [f"    {paragraph.strip()}" if code else _safe(paragraph), ""]
            rows = [p for p in c.params if p.help and p.name != "help"]
            if rows:
                parts += ["| option | |", "|---|---|"]
            for p in rows:
                flag = max(p.opts, key=len)
                parts.append(f"| `{flag}` | {_safe(p.help.replace(chr(92) + '[', '['))} |")
            parts.append("")
    return "\n".join(parts)


def _safe(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _glossary() -> str:
    """The report's own glossary."""
    text = (ROOT / "templates" / "sections" / "glossary.html.j2").read_text(encoding="utf-8")
    terms = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text, flags=re.DOTALL)
    lines = ["# Glossary", ""]
    for term, meaning in terms:
        meaning = re.sub(r"\{\{.*?\}\}", "the report", meaning)
        lines += [f"**{term}**: {meaning}", ""]
    return "\n".join(lines)

"""`ihaudit list`: what there is."""

from __future__ import annotations

from typing import Annotated, Any, cast

import typer

#: What is listed, and the columns of each table: (heading, key of a row).
KINDS: dict[str, dict[str, str]] = {
    "schemes": {"name": "name", "what it does": "title", "parameters": "parameters"},
    "attacks": {"id": "id", "what it does": "title", "needs": "needs", "source": "reference"},
    "stages": {"stage": "stage", "variant": "variant", "what it does": "title"},
    "games": {"id": "id", "what it does": "title", "needs": "needs", "source": "reference"},
    "trainers": {"name": "name", "what it does": "title", "options": "options"},
    "metrics": {"id": "id", "what it measures": "title"},
    "baselines": {"id": "id", "what it guesses": "title"},
    "controls": {"id": "id", "how it must come out": "title"},
    "sections": {"id": "id", "what it is called": "title"},
    "formats": {"id": "id", "file": "title"},
}


def command(
    what: Annotated[str, typer.Argument(help=f"{', '.join(KINDS)}, or all.", metavar="[WHAT]")] = "all",
    json_: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List what there is, of each kind that a file or a plug-in can add to: one line each."""
    from ihaudit.errors import UsageError
    from ihaudit.registry import suggest

    if what != "all" and what not in KINDS:
        raise UsageError(f"there is no list of {what!r}{suggest(what, KINDS)}")
    listing = {kind: _rows(kind) for kind in KINDS if what in ("all", kind)}
    if json_:
        import json

        typer.echo(json.dumps(listing, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    for kind, rows in listing.items():
        table = Table(title=kind, title_justify="left", title_style="bold", box=None, pad_edge=False, expand=False)
        for i, heading in enumerate(KINDS[kind]):
            table.add_column(heading, no_wrap=i == 0, overflow="fold")
        for row in rows:
            table.add_row(*(row[key] for key in KINDS[kind].values()))
        console.print(table)
        console.print()


def _rows(kind: str) -> list[dict[str, Any]]:
    from ihaudit import registry

    items = registry.load(cast(registry.Kind, kind.removesuffix("s")))
    if kind == "schemes":
        return [_scheme_row(name, cls) for name, cls in (_reference_schemes() | items).items()]
    return [_row(kind, id_, obj) for id_, obj in items.items()]


def _row(kind: str, id_: str, obj: Any) -> dict[str, Any]:
    if kind == "stages":
        stage, _, variant = id_.partition("=")
        return {"stage": stage, "variant": variant, "title": ((obj.__doc__ or "").strip().splitlines() or [""])[0]}
    if kind == "trainers":
        return {"name": id_, "title": obj.title, "options": ", ".join(f"--{o}" for o in obj.options)}
    if kind == "metrics":
        return {"id": id_, "title": obj.label}
    if kind == "baselines":
        return {"id": id_, "title": obj.sentence}
    if kind == "controls":
        return {"id": id_, "title": f"{obj.scheme} must {'' if obj.must_break else 'not '}come out broken"}
    if kind == "formats":
        return {"id": id_, "title": obj.filename}
    if kind == "sections":
        return {"id": id_, "title": obj.title}
    return {
        "id": id_,
        "title": obj.title,
        "needs": ", ".join(sorted(str(k.value) for k in obj.needs)),
        "reference": obj.reference,
        "profiles": list(obj.profiles),
    }


def _reference_schemes() -> dict[str, Any]:
    """Reference schemes are the package's own code, so they may be imported here; a user's file never is."""
    import importlib

    from ihaudit.sandbox.loader import reference_names
    from ihaudit.scheme import Scheme

    found = {}
    for name in reference_names():
        module = importlib.import_module("ihaudit.schemes." + name.replace("-", "_"))
        classes = [c for c in vars(module).values() if isinstance(c, type) and issubclass(c, Scheme)]
        found[name] = next(c for c in classes if c.__module__ == module.__name__)
    return found


def _scheme_row(name: str, cls: Any) -> dict[str, Any]:
    import dataclasses

    fields: Any = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    doc = " ".join((cls.__doc__ or "").split())
    return {
        "name": name,
        "title": doc.split(". ")[0].rstrip(".") + ".",
        "parameters": ", ".join(f"{f.name}={f.default}" for f in fields),
    }

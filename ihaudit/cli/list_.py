"""`ihaudit list`: what there is."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def command(
    what: Annotated[
        str, typer.Argument(help="schemes, attacks, stages, games, trainers, or all.", metavar="[WHAT]")
    ] = "all",
    json_: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List schemes, attacks, attack stages, games and networks to train: one line each, what it needs, its source."""
    from ihaudit.errors import UsageError
    from ihaudit.registry import suggest

    kinds = ("schemes", "attacks", "stages", "games", "trainers")
    if what != "all" and what not in kinds:
        raise UsageError(f"there is no list of {what!r}{suggest(what, kinds)}")
    listing = {kind: _rows(kind) for kind in kinds if what in ("all", kind)}
    if json_:
        import json

        typer.echo(json.dumps(listing, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    for kind, rows in listing.items():
        columns = {
            "schemes": ["name", "what it does", "parameters"],
            "stages": ["stage", "variant", "what it does"],
            "trainers": ["name", "what it does", "options"],
        }
        names = columns.get(kind, ["id", "what it does", "needs", "source"])
        table = Table(title=kind, title_justify="left", title_style="bold", box=None, pad_edge=False, expand=False)
        for i, name in enumerate(names):
            table.add_column(name, no_wrap=i == 0, overflow="fold")
        for row in rows:
            table.add_row(*(row[n.replace("what it does", "title").replace("source", "reference")] for n in names))
        console.print(table)
        console.print()


def _rows(kind: str) -> list[dict[str, Any]]:
    from ihaudit import registry
    from ihaudit.sandbox.loader import reference_names

    if kind == "schemes":
        return [_scheme_row(name) for name in reference_names()]
    if kind == "stages":
        rows = []
        for key, obj in registry.load("stage").items():
            stage, _, variant = key.partition("=")
            doc = (obj.__doc__ or "").strip().splitlines() or [""]
            rows.append({"stage": stage, "variant": variant, "title": doc[0]})
        return rows
    if kind == "trainers":
        return [
            {"name": id_, "title": t.title, "options": ", ".join(f"--{o}" for o in t.options)}
            for id_, t in registry.load("trainer").items()
        ]
    return [
        {
            "id": id_,
            "title": obj.title,
            "needs": ", ".join(sorted(str(k.value) for k in obj.needs)),
            "reference": obj.reference,
            "profiles": list(obj.profiles),
        }
        for id_, obj in registry.load("attack" if kind == "attacks" else "game").items()
    ]


def _scheme_row(name: str) -> dict[str, Any]:
    """A reference scheme is the package's own code, so it may be imported here; a user's file never is."""
    import dataclasses
    import importlib

    from ihaudit.scheme import Scheme

    module = importlib.import_module("ihaudit.schemes." + name.replace("-", "_"))
    cls = next(
        c
        for c in vars(module).values()
        if isinstance(c, type) and issubclass(c, Scheme) and c.__module__ == module.__name__
    )
    fields: Any = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    doc = " ".join((cls.__doc__ or "").split())
    return {
        "name": name,
        "title": doc.split(". ")[0].rstrip(".") + ".",
        "parameters": ", ".join(f"{f.name}={f.default}" for f in fields),
    }

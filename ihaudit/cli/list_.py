"""`ihaudit list`: what there is."""

from __future__ import annotations

import sys
from typing import Annotated, Any, cast

import typer

from ihaudit.cli._common import say

#: What is listed, and the columns of each table: (heading, key of a row).
KINDS: dict[str, dict[str, str]] = {
    "schemes": {"name": "name", "kind": "kind", "key": "key", "what it does": "title"},
    "attacks": {"id": "id", "what it does": "title", "needs": "needs", "source": "reference"},
    "stages": {"stage": "stage", "variant": "variant", "what it does": "title"},
    "games": {"id": "id", "what it does": "title", "needs": "needs", "source": "reference"},
    "trainers": {"name": "name", "what it does": "title", "options": "options"},
    "metrics": {"id": "id", "what it measures": "title"},
    "baselines": {"id": "id", "what it guesses": "title"},
    "controls": {"id": "id", "how it must come out": "title"},
    "sections": {"id": "id", "what it is called": "title"},
    "formats": {"id": "id", "file": "title"},
    "engines": {"id": "id", "where points of a sweep run": "title"},
    "generators": {"generator of masks": "generator", "drawn by": "title", "seeds tried": "seeds"},
}

STARTS = (
    "A scheme of your own from any of them: ihaudit init scheme.py --like NAME. Audit one: ihaudit run NAME. Published "
    "breaks, our figures, parameters: ihaudit list schemes --details"
)


def command(
    what: Annotated[str, typer.Argument(help=f"{', '.join(KINDS)}, or all.", metavar="[WHAT]")] = "all",
    details: Annotated[
        bool,
        typer.Option("--details", help="Nothing cut; of schemes also published breaks, our figure and parameters."),
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List what there is, of each kind that a file or a plug-in can add to: one line each, cut to the terminal."""
    from ihaudit.errors import UsageError
    from ihaudit.registry import suggest

    if what != "all" and what not in KINDS:
        raise UsageError(f"there is no list of {what!r}{suggest(what, KINDS)}")
    listing = {kind: _rows(kind) for kind in KINDS if what in ("all", kind)}
    if json_:
        import json

        say(json.dumps(listing, indent=1))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # In a file or a pipe there is no edge to cut at.
    console = Console(highlight=False) if details or sys.stdout.isatty() else Console(highlight=False, width=400)
    for kind, rows in listing.items():
        if kind == "schemes" and details:
            _schemes(console, rows)
            continue
        table = Table(title=kind, title_justify="left", title_style="bold", box=None, pad_edge=False, expand=False)
        for i, heading in enumerate(KINDS[kind]):
            table.add_column(heading, no_wrap=i == 0 or not details, overflow="fold" if details else "ellipsis")
        for row in rows:
            table.add_row(*(Text(row[key]) for key in KINDS[kind].values()))
        console.print(table)
        if kind == "schemes":
            console.print(STARTS)
        console.print()


def _rows(kind: str) -> list[dict[str, Any]]:
    from ihaudit import registry

    if kind == "generators":
        return _generators()
    items = registry.load(cast(registry.Kind, kind.removesuffix("s")))
    if kind == "schemes":
        figures = _figures()
        return [_scheme_row(name, cls, figures) for name, cls in (_reference_schemes() | items).items()]
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
        where = f", in audits of its relatives ({obj.words})" if obj.sibling else ""
        return {"id": id_, "title": f"{obj.scheme} must {'' if obj.must_break else 'not '}come out broken{where}"}
    if kind == "formats":
        return {"id": id_, "title": obj.filename}
    if kind in ("sections", "engines"):
        return {"id": id_, "title": obj.title}
    return {
        "id": id_,
        "title": obj.title,
        "needs": ", ".join(sorted(str(k.value) for k in obj.needs)),
        "reference": obj.reference,
        "profiles": list(obj.profiles),
    }


def _generators() -> list[dict[str, Any]]:
    """Every way to draw a mask that the attack `prng` knows."""
    from ihaudit.attacks.prng.generators.conventions import INTERLEAVED, LIKELY, PLAIN
    from ihaudit.attacks.prng.generators.kinds import KINDS as SCANNED
    from ihaudit.attacks.prng.generators.libraries import DRAWS

    solved = "none: the state is solved for"
    rows = [("MT19937, whatever its seed", c.text, solved) for c in PLAIN + INTERLEAVED[:LIKELY]]
    rows += [("MT19937, whatever its seed", c.text, f"{solved}, from standard on") for c in INTERLEAVED[LIKELY:]]
    rows += [(k.generator, k.call, "0..999,999 in quick, all 2^32 in full") for k in SCANNED.values()]
    rows += [(d.generator, d.call, "small ones and favourites") for d in DRAWS]
    return [{"generator": g, "title": t, "seeds": s} for g, t, s in rows]


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


def _scheme_row(name: str, cls: Any, figures: dict[str, Any]) -> dict[str, Any]:
    import dataclasses

    fields: Any = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    doc = " ".join((cls.__doc__ or "").split())
    figure = figures.get(name, {})
    return {
        "name": name,
        "title": doc.split(". ")[0].rstrip(".") + ".",
        "parameters": ", ".join(f"{f.name}={f.default}" for f in fields),
        "kind": getattr(cls, "kind", ""),
        "key": _scope(cls),
        "published_break": getattr(cls, "published_break", ""),
        "measured": f"{figure['figure']} ({figure['where']})" if figure else "",
    }


def _scope(cls: Any) -> str:
    """The scope of a scheme's key as its default parameters have it."""
    try:
        return str(cls().key)
    except Exception:  # a plug-in's scheme may need parameters
        return str(getattr(cls, "key", ""))


def _figures() -> dict[str, Any]:
    """Our figure for each reference scheme that was measured: {name: {"figure": text, "where": report}}."""
    import json

    from ihaudit.sandbox.loader import SCHEMES

    found: dict[str, Any] = json.loads((SCHEMES / "figures.json").read_text(encoding="utf-8"))["figures"]
    return found


def _schemes(console: Any, rows: list[dict[str, Any]]) -> None:
    """A paragraph for each scheme: kind and key in its first line, then what it does, its break, our figure."""
    from rich.padding import Padding
    from rich.text import Text

    console.print(Text("schemes", "bold"))
    for row in rows:
        console.print(
            Text(row["name"], "bold"), Text(f" · {row['kind'] or 'kind not stated'} · key: {row['key']}"), sep=""
        )
        facts = [row["title"]]
        if not row["kind"].startswith(("null", "none")):  # there is nothing to break in them
            facts += [f"Published break: {row['published_break'] or 'none found in print'}."]
        facts += [f"Our figure: {row['measured']}."] if row["measured"] else []
        facts += [f"Parameters: {row['parameters']}."] if row["parameters"] else []
        for fact in facts:
            console.print(Padding(Text(fact), (0, 0, 0, 4)))
    console.print(f"\n{STARTS}")

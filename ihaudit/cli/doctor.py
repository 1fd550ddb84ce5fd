"""`ihaudit doctor`: what is there, and what to do about what is not."""

from __future__ import annotations

import typer


def command() -> None:
    """Check what audits need: torch, device, pango for PDF, memory, isolation. Exit code 2 when one is missing."""
    from ihaudit.cli.diagnosis import diagnose

    ok = True
    for item in diagnose():
        mark = {"ok": "ok     ", "note": "note   ", "missing": "MISSING"}[item.state]
        typer.echo(f"{mark} {item.name:18s} {item.found}")
        if item.remedy:
            typer.echo(f"        -> {item.remedy}")
        ok &= item.state != "missing"
    raise typer.Exit(0 if ok else 2)

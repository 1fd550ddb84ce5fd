"""`ihaudit doctor`: what an audit needs on this machine, looked at one by one, and what to do about what is missing."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

import typer

from ihaudit.cli._common import say


@dataclass(frozen=True)
class Item:
    """One thing looked at: whether it is there, what was found, and the remedy where it is not."""

    name: str
    state: Literal["ok", "note", "missing"]
    found: str
    remedy: str = ""


def command(json_: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """Check what audits need: torch, device, pango for PDF, memory, isolation. Exit code 2 when one is missing."""
    items = diagnose()
    ok = all(item.state != "missing" for item in items)
    if json_:
        say(json.dumps({"ok": ok, "items": [asdict(item) for item in items]}, indent=1))
        raise typer.Exit(0 if ok else 2)
    for item in items:
        mark = {"ok": "ok     ", "note": "note   ", "missing": "MISSING"}[item.state]
        say(f"{mark} {item.name:18s} {item.found}")
        if item.remedy:
            say(f"        -> {item.remedy}")
    raise typer.Exit(0 if ok else 2)


def diagnose() -> list[Item]:
    """Look at Python, packages, device, PDF libraries, memory, disk and isolation."""
    return [_python(), *_packages(), _device(), _pango(), _fonts(), _memory(), _disk(), *_isolation()]


def _python() -> Item:
    found = sys.version.split()[0]
    ok = sys.version_info >= (3, 11)
    return Item("python", "ok" if ok else "missing", found, "" if ok else "install Python 3.11 or newer")


def _packages() -> list[Item]:
    from ihaudit import environment

    items = []
    for name, found in environment.package_versions().items():
        missing = found == "missing"
        remedy = f"pip install -c constraints.txt {name}" if missing else ""
        items.append(Item(name, "missing" if missing else "ok", found, remedy))
    return items


def _device() -> Item:
    from ihaudit import environment

    try:
        import torch
    except ImportError as e:
        return Item("device", "missing", f"torch does not import: {e}", "pip install -c constraints.txt torch")
    name = environment.device_name("cpu")
    if torch.cuda.is_available():
        return Item("device", "ok", f"{torch.cuda.get_device_name()}, and {environment.cores()} cores of {name}")
    return Item(
        "device",
        "note",
        f"no CUDA device; {environment.cores()} cores of {name}",
        "everything runs on CPU; the profile 'full' is meant for a GPU or patience",
    )


def _pango() -> Item:
    from ihaudit.report.formats import pdf

    problem = pdf.check()
    return Item("pango (PDF)", "missing" if problem else "ok", problem or "loads", problem or "")


def _fonts() -> Item:
    """Whether the PDF can print names in Chinese, Japanese and Korean; without a font they come out as boxes."""
    import subprocess

    name = "fonts (PDF)"
    remedy = "on Debian and Ubuntu: apt-get install fonts-noto-cjk; HTML reports need nothing"
    try:
        command = ["fc-list", ":lang=zh", "family"]
        found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return Item(name, "note", "fc-list (fontconfig) is not there to ask for fonts", remedy)
    families = sorted({line.split(",")[0].strip() for line in found.splitlines() if line.strip()})
    if not families:
        return Item(name, "note", "no font for Chinese, Japanese and Korean: such names come out as boxes", remedy)
    return Item(name, "ok", f"{len(families)} for Chinese, Japanese and Korean, such as {families[0]}")


def _memory() -> Item:
    import psutil

    free = psutil.virtual_memory().available / 2**30
    return Item(
        "memory",
        "ok" if free >= 4 else "note",
        f"{free:.1f} GB available",
        "" if free >= 4 else "audits of 5,000 encodings are measured to need up to 4 GB; use a smaller --n-private",
    )


def _disk() -> Item:
    free = shutil.disk_usage(".").free / 2**30
    return Item(
        "disk",
        "ok" if free >= 1 else "note",
        f"{free:.1f} GB free here",
        "" if free >= 1 else "an audit keeps its release while it runs (60 MB for 5,000 encodings of 32 x 32)",
    )


def _isolation() -> list[Item]:
    from ihaudit.sandbox import capabilities

    return [
        Item(
            f"isolation: {name}",
            "ok" if there else "note",
            "there" if there else "not available on this system",
            "" if there else "schemes you do not trust are better audited in a container or virtual machine",
        )
        for name, there in capabilities().items()
    ]

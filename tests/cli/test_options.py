"""What every command's help and options have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import pytest
import typer
from rich.text import Text

from ihaudit import registry
from ihaudit.audit.options import AuditOptions
from ihaudit.challenge.options import ChallengeOptions
from ihaudit.cli import app
from ihaudit.cli._options import chosen
from ihaudit.scheme import Knowledge
from ihaudit.verdict.gates import GateOptions


def commands() -> Iterator[tuple[str, Any]]:
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        for below, c in getattr(command, "commands", {"": command}).items():
            yield f"{name} {below}".strip(), c


def own(found: dict[str, Any]) -> list[str]:
    """The package's own of what is registered, whatever plug-ins other tests of this process have brought."""
    return [name for name, it in found.items() if it.__module__.startswith("ihaudit.")]


ALL = dict(commands())


@pytest.mark.parametrize("name", ALL)
def test_help_is_printed_as_it_is_written(name: str) -> None:
    """rich takes [words] in brackets for markup and leaves them out."""
    command = ALL[name]
    for text in [command.help, *(p.help for p in command.params)]:
        assert text, f"{name} lacks a help text"
        assert Text.from_markup(text).plain == text.replace("\\[", "[")


def test_an_option_that_several_commands_share_says_the_same_in_each() -> None:
    """Same flag and same variable: then the same sentence and the same default."""
    seen: dict[tuple[str, str], tuple[Any, Any]] = {}
    for name in ("run", "sweep", "challenge"):
        for p in ALL[name].params:
            key = max(p.opts, key=len), str(p.envvar)
            if key[0] in ("--similar", "--scheme") or p.envvar is None:
                continue
            assert seen.setdefault(key, (p.help, p.default)) == (p.help, p.default), (name, key)
    assert len(seen) > 20


@pytest.mark.parametrize(("name", "kinds"), [("run", (AuditOptions, GateOptions)), ("challenge", (ChallengeOptions,))])
def test_options_and_their_classes_agree_on_defaults(name: str, kinds: tuple[type, ...]) -> None:
    required = {"scheme": "identity"} if name == "run" else {"encryption": "x.npy"}
    given = {p.name: p.default for p in ALL[name].params if not p.required} | required
    for kind in kinds:
        bare: object = kind(**(required if kind is not GateOptions else {}))
        assert chosen(kind, given) == bare
    known = {f.name for kind in kinds for f in fields(kind)}
    assert {p.name for p in ALL[name].params} - known <= {
        "exit_zero",
        "no_release",
        "no_samples",
        "quiet",
        "strict",
        "watch",
    }


def test_lists_become_tuples_and_what_is_not_given_keeps_its_default() -> None:
    @dataclass(frozen=True)
    class Options:
        sets: tuple[str, ...] = ()
        formats: tuple[str, ...] = ("html",)
        seed: int = 3

    got = chosen(Options, {"sets": ["a=1"], "formats": None, "other": 5}, seed=4)
    assert got == Options(sets=("a=1",), seed=4)


@pytest.mark.parametrize(
    ("flag", "every"), [("--format", lambda: own(registry.load("format"))), ("--knows", lambda: Knowledge)]
)
def test_help_names_every_value_that_an_option_takes(flag: str, every: Callable[[], Iterable[str]]) -> None:
    """Words of plug-ins aside, which `ihaudit list` shows."""
    said = [p.help for command in ALL.values() for p in command.params if flag in p.opts]
    assert len(said) >= 2
    for text in said:
        assert set(every()) <= set(re.findall(r"[\w-]+", text)), text

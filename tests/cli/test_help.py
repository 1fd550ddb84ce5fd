"""Every help reads as it was written: nothing in brackets is swallowed, paragraphs are filled."""

from __future__ import annotations

from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from ihaudit.cli import app
from ihaudit.cli._help import Command, Group, readable

ROOT: Any = typer.main.get_command(app)
COMMANDS: dict[str, Any] = {
    f"{name} {sub}".strip(): command
    for name, group in ROOT.commands.items()
    for sub, command in (getattr(group, "commands", None) or {"": group}).items()
}


def shown(*arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"})
    assert done.exit_code == 0, done.output
    return " ".join(done.output.replace("│", " ").split())


def plain(text: str) -> str:
    return " ".join(text.replace("\\[", "[").split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_word_of_help_is_printed(name: str) -> None:
    command: Any = COMMANDS[name]
    text = shown(*name.split())
    assert type(command).__mro__.count(Command) and type(ROOT) is Group
    for paragraph in command.help.split("\n\n"):
        assert plain(paragraph) in text
    for parameter in command.params:
        if parameter.help and not parameter.hidden and name != "train":
            words = plain(parameter.help).split()
            # Columns beside it may be printed between two lines of a long help.
            assert all(word in text for word in words), parameter.name
    assert plain(command.help.split("\n\n")[0])[:60] in shown() or " " in name


def test_brackets_stay_and_lines_are_filled() -> None:
    other = typer.Typer(rich_markup_mode="rich", cls=Group)

    def one(x: str = typer.Option("a", help="In [0, 1], or [tool.ihaudit], or [/x].")) -> None:
        """Say [this].

        And [that],
        in one line.
        """

    other.command("one", cls=Command)(one)
    other.command("two", cls=Command)(one)
    said = CliRunner().invoke(other, ["one", "--help"], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"}).output
    for text in ("In [0, 1], or [tool.ihaudit], or [/x].", "Say [this].", "And [that], in one line."):
        assert text in said
    assert readable("a [b]\n c") == "a \\[b] c"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("run", "refused (exit code 2) where it is another"),
        ("compare", "a gate that is missed or inconclusive and was not"),
        ("challenge", "found from the release"),
        ("score", "[0, 255]"),
    ],
)
def test_help_says_what_the_command_does(name: str, said: str) -> None:
    command: Any = COMMANDS[name]
    helps = [command.help, *(p.help or "" for p in command.params)]
    assert any(plain(said) in plain(h) for h in helps if h)

"""What every command shares: how errors become one sentence and an exit code, and the progress display."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import typer

from ihaudit.errors import IhauditError

if TYPE_CHECKING:
    from ihaudit.results import Gate


def handled(command: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a command: expected errors are one sentence on stderr, unexpected ones exit code 4 with the traceback."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except IhauditError as e:
            fail(str(e))
            raise typer.Exit(e.exit_code) from None
        except (typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt:
            fail("interrupted")
            raise typer.Exit(130) from None
        except BrokenPipeError:
            # The reader of our output went away (`ihaudit list | head`); that is not an error.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except Exception as e:
            if type(e).__module__.startswith("typer."):
                raise  # usage errors: typer prints them and exits with 2
            traceback.print_exc()
            fail(f"internal error ({type(e).__name__}: {e}); this is a defect of ihaudit, please report it")
            raise typer.Exit(4) from None

    return wrapped


def fail(message: str) -> None:
    """Print one error sentence to stderr."""
    print(f"ihaudit: error: {message}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def reporter(quiet: bool) -> Iterator[Any]:
    """A progress display: rich on a terminal, plain lines elsewhere, nothing with ``--quiet``."""
    from ihaudit.audit import progress

    if quiet:
        yield progress.Reporter()
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and "CI" not in os.environ:
        with progress.Rich() as rich:
            yield rich
    else:
        yield progress.Lines()


def say_verdict(gate: Gate) -> None:
    """Print the verdict; its first line says both where something came out broken that the gate does not rest on."""
    if gate.warning:
        typer.echo(f"verdict: {gate.warning}")
    typer.echo(gate.sentence if gate.warning else f"verdict: {gate.sentence}")

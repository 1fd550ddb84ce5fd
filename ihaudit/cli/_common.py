"""What every command shares: how errors become one sentence and an exit code, and the progress display."""

from __future__ import annotations

import contextlib
import errno
import functools
import inspect
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import typer

from ihaudit.errors import IhauditError, printable

if TYPE_CHECKING:
    from ihaudit.results import Gate


#: Faults of disks and machines, which are no defects of the program.
_SURROUNDINGS = {
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENAMETOOLONG, errno.EMFILE,
    errno.ENFILE, errno.ENOMEM, errno.EFBIG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR,
}  # fmt: skip


class NothingKept(KeyboardInterrupt):
    """An interruption before the audit had anything that --resume could go on with."""


@contextlib.contextmanager
def nothing_kept() -> Iterator[None]:
    """An interruption in here came before the audit had begun: importing alone takes many seconds on a busy machine.

    Raises:
        NothingKept: in place of the interruption.
    """
    try:
        yield
    except KeyboardInterrupt as e:
        raise NothingKept(*e.args) from None


def handled(command: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a command: expected errors are one sentence on stderr, unexpected ones exit code 4 with the traceback."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except IhauditError as e:
            fail(_blamed(str(e)) if e.exit_code == 2 else str(e))
            raise typer.Exit(e.exit_code) from None
        except (typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt as e:
            resumes = "resume" in inspect.signature(command).parameters
            instead = " in place of --overwrite" if kwargs.get("overwrite") else ""
            how = f"; continue with --resume: the same command line, and --resume{instead}" if resumes else ""
            if isinstance(e, NothingKept):
                how = " before anything was kept; start again with the same command line"
            fail(f"interrupted{how}")
            raise typer.Exit(128 + (e.args[0] if e.args else signal.SIGINT)) from None
        except MemoryError:
            fail("this machine has too little memory for it; audit fewer or smaller images (--n-private, --size)")
            raise typer.Exit(2) from None
        except Exception as e:
            if type(e).__module__.startswith("typer."):
                raise  # usage errors: `ihaudit.cli.main` prints them and exits with 2
            if isinstance(e, OSError) and e.errno in _SURROUNDINGS:
                where = f"{e.filename}: " if e.filename else ""
                fail(f"{where}{e.strerror}; see to that, and start again")
                raise typer.Exit(2) from None
            traceback.print_exc()
            fail(f"internal error ({type(e).__name__}: {e}); this is a defect of ihaudit, please report it")
            raise typer.Exit(4) from None

    return wrapped


def _blamed(message: str) -> str:
    """The sentence, with the variable or file that the value in it comes from."""
    from pathlib import Path

    from typer._click.globals import get_current_context

    from ihaudit.audit import config
    from ihaudit.cli._source import blamed

    found = config.find(Path.cwd())
    return blamed(message, get_current_context(silent=True), found and found[0])


def fail(message: str) -> None:
    """Print one error sentence to stderr."""
    print(f"ihaudit: error: {printable(message, lines=False)}", file=sys.stderr, flush=True)


def note(message: str) -> None:
    """Print one remark to stderr."""
    print(f"ihaudit: note: {printable(message, lines=False)}", file=sys.stderr, flush=True)


def say(text: str) -> None:
    """Print to stdout; names of files and other people's words reach the terminal without what it would obey."""
    typer.echo(printable(text))


class _Outlasting(io.FileIO):
    """A stream that prints to nobody once its reader went away (`ihaudit list | head -1`)."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            nobody = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nobody, self.fileno())
            os.close(nobody)
            return memoryview(data).nbytes


def outlast_readers() -> None:
    """Let a reader that goes away change no exit code, whoever prints: tables, help, errors, the flush at the end.

    The libraries that print for us end the program with 1 on a broken pipe, which here means a gate that is missed.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and stream is getattr(sys, f"__{name}__") and not stream.isatty():
            stream.flush()
            raw = _Outlasting(stream.fileno(), "wb", closefd=False)
            buffered = io.BufferedWriter(raw)
            made = io.TextIOWrapper(
                buffered, encoding=stream.encoding, errors=stream.errors, line_buffering=stream.line_buffering
            )
            setattr(sys, name, made)
            setattr(sys, f"__{name}__", made)


def end_on_signals() -> None:
    """Let SIGTERM and SIGHUP end the program as Ctrl-C does: what it started is ended, what it made is removed.

    The same signal again is ignored, so that a supervisor that repeats it does not cut this short; Ctrl-C still does,
    and after SIGKILL the guard removes what is left.
    """

    def end(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt(number)

    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, end)


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
        say(f"verdict: {gate.warning}")
    say(gate.sentence if gate.warning else f"verdict: {gate.sentence}")

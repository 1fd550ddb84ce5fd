"""Progress of a long audit: a rich display with stage, rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Any, TextIO

from ihaudit.errors import printable


class Reporter:
    """What a run tells while it runs; this one reports nothing (``--quiet``, tests)."""

    def stage(self, title: str, index: int, total: int) -> None:
        """A stage begins."""

    def update(self, message: str, fraction: float | None = None) -> None:
        """The current stage went on."""

    def done(self, message: str) -> None:
        """The current stage ended; `message` is its outcome in a few words."""

    def note(self, message: str) -> None:
        """A line that stays visible (warnings, where results are)."""

    def beside(self, title: str, index: int, total: int) -> Reporter:
        """A stage begins beside others; `update` and `done` of what is returned, from any thread, are its own."""
        return self


class Stages:
    """The stages of a run, counted."""

    def __init__(self, reporter: Reporter, total: int) -> None:
        self._reporter, self._total, self._step = reporter, total, 0
        self._turn = threading.Lock()

    def begin(self, title: str) -> None:
        """The next stage begins."""
        self._reporter.stage(title, self._next(), self._total)

    def beside(self, title: str) -> Reporter:
        """The next stage begins, beside others; see `Reporter.beside`."""
        return self._reporter.beside(title, self._next(), self._total)

    def _next(self) -> int:
        with self._turn:
            self._step += 1
            return self._step


def span(seconds: float) -> str:
    """Seconds as people read them: ``48 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


class Lines(Reporter):
    """One line per event, at most one update every ten seconds: for logs and CI."""

    def __init__(self, stream: TextIO | None = None, interval_s: float = 10.0) -> None:
        self._stream = stream or sys.stderr
        self._interval = interval_s
        self._last = self._began = time.monotonic()
        self._title = ""

    def _print(self, text: str) -> None:
        print(printable(text), file=self._stream, flush=True)

    def stage(self, title: str, index: int, total: int) -> None:
        self._title, self._began, self._last = title, time.monotonic(), time.monotonic()
        self._print(f"[{index}/{total}] {title}")

    def update(self, message: str, fraction: float | None = None) -> None:
        now = time.monotonic()
        if now - self._last < self._interval:
            return
        self._last = now
        left = ""
        if fraction and 0.02 < fraction < 1:
            left = f", {fraction:.0%}, about {span((now - self._began) * (1 - fraction) / fraction)} left"
        self._print(f"      {message}{left}")

    def done(self, message: str) -> None:
        self._print(f"      {message} ({span(time.monotonic() - self._began)})")

    def note(self, message: str) -> None:
        self._print(message)

    def beside(self, title: str, index: int, total: int) -> Reporter:
        self._print(f"[{index}/{total}] {title}")
        return _LinesBeside(self._stream, self._interval, f"[{index}/{total}] {title}")


class _LinesBeside(Lines):
    """The lines of one stage among others: each says whose it is."""

    def __init__(self, stream: TextIO, interval_s: float, title: str) -> None:
        super().__init__(stream, interval_s)
        self._title = title

    def _print(self, text: str) -> None:
        super()._print(f"{self._title}: {text.strip()}")


class Rich(Reporter):
    """A live bar per stage on a terminal, with elapsed and remaining time; finished stages stay as lines."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._console = Console(stderr=True, highlight=False)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("[bold]{task.fields[step]}[/bold] {task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._task: Any = None
        self._title = ""
        self._step = ""
        self._began = time.monotonic()

    def __enter__(self) -> Rich:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._progress.stop()

    def stage(self, title: str, index: int, total: int) -> None:
        self._title, self._step, self._began = title, f"{index}/{total}", time.monotonic()
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(self._escape(title), total=None, step=self._step)

    @staticmethod
    def _escape(text: str) -> str:
        from rich.markup import escape

        return escape(printable(text))

    def update(self, message: str, fraction: float | None = None) -> None:
        if self._task is None:
            return
        description = self._escape(f"{self._title}: {message}" if message else self._title)
        if fraction is None:
            self._progress.update(self._task, description=description)
        else:
            self._progress.update(self._task, description=description, total=1.0, completed=min(fraction, 1.0))

    def done(self, message: str) -> None:
        took = span(time.monotonic() - self._began)
        self._console.print(
            f"[dim]{self._step}[/dim] {self._escape(self._title)}: {self._escape(message)} [dim]({took})[/dim]"
        )

    def note(self, message: str) -> None:
        self._console.print(self._escape(message))

    def beside(self, title: str, index: int, total: int) -> Reporter:
        if self._task is not None:  # the stage before
            self._progress.remove_task(self._task)
            self._task = None
        return _RichBeside(self, title, index, total)


class _RichBeside(Rich):
    """The bar of one stage among others."""

    def __init__(self, all_: Rich, title: str, index: int, total: int) -> None:
        self._console, self._progress, self._task = all_._console, all_._progress, None
        self.stage(title, index, total)

    def done(self, message: str) -> None:
        super().done(message)
        self._progress.remove_task(self._task)
        self._task = None

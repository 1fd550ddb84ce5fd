"""What a scheme asks about where and when it runs, noted; and other answers to it than the true ones.

Runs confined, in a process of its own (`ihaudit.sandbox.elsewhere`), before the scheme's file is run.  Only questions
that its own code asks count, not those of libraries.  Code that means to can get round this (through ctypes, say); who
does so shows in its text (`ihaudit.audit.behaviour`).
"""

from __future__ import annotations

import builtins
import io
import os
import platform
import socket
import sys
import sysconfig
import time
from collections.abc import Callable
from typing import Any

from ihaudit.sandbox.taps import Taps

#: Questions that are kept.
KEPT = 200


class Surroundings:
    """The taps of this process.

    Attributes:
        asked: (kind, what) of questions so far: ``clock``, ``file``, ``folder``, ``variable``, ``machine``.
    """

    def __init__(self, path: str, answers: dict[str, Any]) -> None:
        self.asked: dict[tuple[str, str], None] = {}
        self._path, self._folder = path, os.path.dirname(path)
        self._library = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
        self._exists, self._value = answers.get("exists"), answers.get("value")
        self._step = answers.get("step") or 0.0
        self._taps = Taps()
        self._taps.now = answers.get("now")
        self._deep = False

    def install(self) -> None:
        """Put the taps in place."""
        self._clock()
        self._files()
        self._variables()
        self._machine()

    def tick(self) -> None:
        """After a call: the clock that is shown goes on."""
        if self._taps.now is not None:
            self._taps.now += self._step

    def take(self) -> list[list[str]]:
        """What was asked, as plain data."""
        return [[kind, what[:200]] for kind, what in self.asked]

    # --- who asks ---

    def _asks(self, kind: str, what: object) -> bool:
        """Whether the scheme's own code asks, which is noted."""
        if self._deep:
            return False
        self._deep = True
        try:
            frame = sys._getframe(2)
            for _ in range(15):
                name = frame.f_code.co_filename
                if name == self._path or (name.startswith("<") and not name.startswith("<frozen")):
                    break
                own = name == __file__ or name.startswith("<frozen") or name.startswith(self._library)
                if "importlib" in name or "site-packages" in name or not own:
                    if os.path.dirname(name) == self._folder:
                        break
                    return False
                if frame.f_back is None:
                    return False
                frame = frame.f_back
            else:
                return False
            if len(self.asked) < KEPT:
                self.asked[kind, os.fsdecode(what) if isinstance(what, bytes) else str(what)] = None
            return True
        finally:
            self._deep = False

    # --- what is asked ---

    def _clock(self) -> None:
        self._taps.install_clock()
        self._tap(time, ("time", "time_ns", "localtime", "gmtime", "ctime", "strftime"), "clock", "the time")
        import datetime

        for cls, names in ((datetime.datetime, ("now", "utcnow", "today")), (datetime.date, ("today",))):
            for name in names:
                inner = getattr(cls, name)
                setattr(cls, name, staticmethod(self._noting(inner, "clock", "the time")))

    def _noting(self, f: Callable[..., Any], kind: str, what: str) -> Callable[..., Any]:
        def tapped(*args: Any, **kw: Any) -> Any:
            self._asks(kind, what)
            return f(*args, **kw)

        return tapped

    def _tap(self, module: Any, names: tuple[str, ...], kind: str, what: str) -> None:
        for name in names:
            setattr(module, name, self._noting(getattr(module, name), kind, what))

    def _files(self) -> None:
        module: Any = os
        stat, lstat, access = module.stat, module.lstat, module.access
        home = stat(os.sep)

        def looked(f: Callable[..., Any]) -> Callable[..., Any]:
            def tapped(path: Any, *args: Any, **kw: Any) -> Any:
                if isinstance(path, int) or not self._asks("file", path):
                    return f(path, *args, **kw)
                if self._exists is False:
                    raise FileNotFoundError(2, "No such file or directory", os.fspath(path))
                try:
                    return f(path, *args, **kw)
                except OSError:
                    if self._exists:
                        return home
                    raise

            return tapped

        def accessed(path: Any, *args: Any, **kw: Any) -> Any:
            if self._asks("file", path) and self._exists is not None:
                return self._exists
            return access(path, *args, **kw)

        module.stat, module.lstat, module.access = looked(stat), looked(lstat), accessed
        for name in ("listdir", "scandir"):
            setattr(module, name, self._noting(getattr(module, name), "folder", name))
        opened = builtins.open

        def reads(file: Any, mode: str = "r", *args: Any, **kw: Any) -> Any:
            asks = not isinstance(file, int) and self._asks("file", file)
            try:
                return opened(file, mode, *args, **kw)
            except OSError:
                if asks and self._exists and "r" in mode:
                    return io.BytesIO(b"1") if "b" in mode else io.StringIO("1")
                raise

        builtins.open = io.open = reads

    def _variables(self) -> None:
        kind: Any = type(os.environ)
        inner = kind.__getitem__

        def item(mapping: Any, key: Any) -> Any:
            asks = self._asks("variable", key)
            try:
                return inner(mapping, key)
            except KeyError:
                if asks and self._value is not None:
                    return self._value
                raise

        kind.__getitem__ = item

    def _machine(self) -> None:
        for module, name in ((os, "uname"), (platform, "node"), (platform, "uname"), (socket, "gethostname")):
            setattr(module, name, self._noting(getattr(module, name), "machine", "the machine's name"))

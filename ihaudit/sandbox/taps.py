"""Taps on everything that a scheme draws random numbers from, for replaying it under seeds of one's choice.

Runs confined, in a process of its own that only replays (`ihaudit.sandbox.twin`); installed before the scheme's file is
run, so that ``from numpy.random import default_rng`` is tapped as well.  A tapped call is the library's own call; it is
noted, or, where a replay has learned that this is the call that draws the first mask, made for as many numbers as are
needed and then ended by `Enough`, which spares the rest of `encode`.
"""

from __future__ import annotations

import datetime
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Functions by the position of their argument `size`; "*" where the sizes are the arguments themselves.
_LEGACY: dict[str, int | str] = {
    "randint": 2, "rand": "*", "randn": "*", "random": 0, "random_sample": 0, "ranf": 0, "sample": 0,
    "standard_normal": 0, "choice": 1, "binomial": 2, "uniform": 2, "normal": 2, "bytes": 0,
}  # fmt: skip
_GENERATOR: dict[str, int | str] = {
    "integers": 2, "random": 0, "standard_normal": 0, "choice": 1, "binomial": 2, "uniform": 2, "normal": 2, "bytes": 0,
}  # fmt: skip
_TORCH_SIZED = ("rand", "randn", "randint")
_TORCH_LIKE = ("bernoulli", "rand_like", "randn_like", "randint_like")
#: Numbers heard that are kept: the first mask is among the first things drawn.
_KEPT_BYTES = 256 << 20
_TORCH_IN_PLACE = ("bernoulli_", "random_", "uniform_", "normal_")


class Enough(BaseException):
    """Raised out of the call that draws the first mask, with what it drew; no Exception, as schemes may catch those."""

    def __init__(self, drawn: NDArray[Any]) -> None:
        super().__init__()
        self.drawn = drawn


@dataclass(frozen=True)
class Call:
    """Which call: a function, the size it was asked for, and the how-manieth with this size in one run of encode."""

    name: str
    size: tuple[int, ...]
    ordinal: int

    def words(self) -> str:
        """For reports."""
        shape = " x ".join(map(str, self.size))
        return f"{self.name}, {shape} numbers" + (f", call {self.ordinal}" if self.ordinal > 1 else "")


class Taps:
    """The taps of this process.

    Attributes:
        heard: (call, numbers drawn) of calls for at least `least` numbers, while `listening`.
        stop: the call to end a run at, and how many of its numbers to draw (0: all of them).
        now: what the clock shows, seconds since 1970, or None for the system's.
        clock_read: whether the scheme looked at the clock.
    """

    def __init__(self) -> None:
        self.heard: list[tuple[Call, NDArray[Any]]] = []
        self.listening = False
        self.least = 256
        self.stop: tuple[Call, int] | None = None
        self.now: float | None = None
        self.clock_read = False
        self._counts: dict[tuple[str, tuple[int, ...]], int] = {}
        self._kept = 0

    def begin(self, *, listen: bool = False, stop: tuple[Call, int] | None = None) -> None:
        """Before a run of encode."""
        self.heard, self._counts, self.listening, self.stop = [], {}, listen, stop
        self._kept = 0

    def end(self) -> None:
        """After it: taps are silent outside."""
        self.listening, self.stop = False, None

    def through(
        self, name: str, draw: Callable[..., Any], shape: tuple[int, ...], less: Callable[[int], Any] | None
    ) -> Any:
        """Make a call of known size, `draw()`; `less(n)` draws its first n numbers only."""
        if not self.listening and self.stop is None:
            return draw()
        key = (name, shape)
        self._counts[key] = self._counts.get(key, 0) + 1
        call = Call(name, shape, self._counts[key])
        if self.stop is not None and call == self.stop[0]:
            need = self.stop[1]
            raise Enough(_flat(less(need) if need and less is not None else draw()))
        out = draw()
        if self.listening and int(np.prod(shape)) >= self.least and self._kept < _KEPT_BYTES:
            self.heard.append((call, _flat(out).copy()))
            self._kept += self.heard[-1][1].nbytes
        return out

    # --- numpy ---

    def _sized(self, name: str, f: Callable[..., Any], place: int | str) -> Callable[..., Any]:
        def tapped(*args: Any, **kw: Any) -> Any:
            if place == "*":
                shape = _shape(args)
                return self.through(name, lambda: f(*args, **kw), shape, lambda n: f(n)) if shape else f(*args, **kw)
            assert isinstance(place, int)
            key = "length" if name.endswith("bytes") else "size"
            given = kw.get(key, args[place] if len(args) > place else None)
            shape = _shape((given,))
            if not shape:
                return f(*args, **kw)
            if key == "length":
                return self.through(name, lambda: f(*args, **kw), (8 * shape[0],), lambda n: f(-(-n // 8)))

            def less(n: int) -> Any:
                if "size" in kw:
                    return f(*args, **{**kw, "size": n})
                return f(*args[:place], n, *args[place + 1 :], **kw)

            return self.through(name, lambda: f(*args, **kw), shape, less)

        return tapped

    def install_numpy(self) -> None:
        """Tap numpy's global generator, RandomState, Generator and default_rng."""
        module: Any = np.random
        for name, place in _LEGACY.items():
            setattr(module, name, self._sized(f"numpy.random.{name}", getattr(module, name), place))
        module.RandomState = self._subclass(module.RandomState, "RandomState", _LEGACY)
        module.Generator = self._subclass(module.Generator, "Generator", _GENERATOR)
        original, generator = module.default_rng, module.Generator

        def default_rng(seed: Any = None) -> Any:
            made = original(seed)
            return made if isinstance(made, generator) else generator(made.bit_generator)

        module.default_rng = default_rng

    def _subclass(self, base: Any, label: str, methods: dict[str, int | str]) -> Any:
        taps = self

        def method(name: str, place: int | str) -> Callable[..., Any]:
            inner = getattr(base, name)

            def call(self: Any, *args: Any, **kw: Any) -> Any:
                return taps._sized(f"{label}.{name}", lambda *a, **k: inner(self, *a, **k), place)(*args, **kw)

            return call

        found = {n: method(n, p) for n, p in methods.items() if hasattr(base, n)}
        return type(label, (base,), found)

    # --- torch ---

    def install_torch(self) -> None:
        """Tap torch's sampling functions; imports torch."""
        import torch

        for name in _TORCH_SIZED:
            setattr(torch, name, self._torch_sized(f"torch.{name}", getattr(torch, name), integers=name == "randint"))
        for name in _TORCH_LIKE:
            setattr(torch, name, self._torch_like(f"torch.{name}", getattr(torch, name)))
        for name in _TORCH_IN_PLACE:
            setattr(torch.Tensor, name, self._torch_like(f"torch.Tensor.{name}", getattr(torch.Tensor, name)))

    def _torch_sized(self, name: str, f: Callable[..., Any], *, integers: bool) -> Callable[..., Any]:
        def tapped(*args: Any, **kw: Any) -> Any:
            bounds: tuple[Any, ...] = ()
            given: Any = args
            if "size" in kw:
                given = (kw["size"],)
            elif integers:
                bounds, given = args[:-1], args[-1:]
            shape = _shape(given)
            if not shape:
                return f(*args, **kw)

            def less(n: int) -> Any:
                return f(*args, **{**kw, "size": (n,)}) if "size" in kw else f(*bounds, (n,), **kw)

            return self.through(name, lambda: f(*args, **kw), shape, less)

        return tapped

    def _torch_like(self, name: str, f: Callable[..., Any]) -> Callable[..., Any]:
        def tapped(tensor: Any, *args: Any, **kw: Any) -> Any:
            return self.through(name, lambda: f(tensor, *args, **kw), tuple(int(n) for n in tensor.shape), None)

        return tapped

    # --- clock ---

    def install_clock(self) -> None:
        """Let `now` decide what time.time, time.localtime, datetime.now, date.today and their like show."""
        real, real_ns = time.time, time.time_ns

        def shown() -> float:
            self.clock_read = True
            return real() if self.now is None else self.now

        def shown_ns() -> int:
            self.clock_read = True
            return real_ns() if self.now is None else int(self.now * 1e9)

        class Datetime(datetime.datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return cls.fromtimestamp(shown(), tz)

            @classmethod
            def utcnow(cls) -> Any:
                return cls.fromtimestamp(shown(), datetime.UTC).replace(tzinfo=None)

            @classmethod
            def today(cls) -> Any:
                return cls.fromtimestamp(shown())

        class Date(datetime.date):
            @classmethod
            def today(cls) -> Any:
                return cls.fromtimestamp(shown())

        local, utc = time.localtime, time.gmtime
        spelled, asc = time.strftime, time.asctime
        module: Any = time
        module.localtime = lambda secs=None: local(shown() if secs is None else secs)
        module.gmtime = lambda secs=None: utc(shown() if secs is None else secs)
        module.ctime = lambda secs=None: asc(module.localtime(secs))
        module.strftime = lambda form, *given: spelled(form, *(given or (module.localtime(),)))
        time.time, time.time_ns = shown, shown_ns
        datetime.datetime, datetime.date = Datetime, Date  # type: ignore[misc]


def seed_globals(seed: int) -> None:
    """What a script does at its start: the same seed for every library's global generator."""
    np.random.seed(seed & 0xFFFFFFFF)
    random.seed(seed)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)


def _shape(given: Any) -> tuple[int, ...]:
    """The size that a call asks for, () where it asks for a single number or in a way not understood."""
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        given = tuple(given[0])
    try:
        return tuple(int(n) for n in given)
    except (TypeError, ValueError):
        return ()


def _flat(drawn: Any) -> NDArray[Any]:
    if isinstance(drawn, bytes):
        return np.unpackbits(np.frombuffer(drawn, np.uint8))
    if hasattr(drawn, "detach"):
        drawn = drawn.detach().cpu().numpy()
    return np.asarray(drawn).reshape(-1)

"""`Replays`: runs a scheme's code again, in confined processes of their own, under seeds of the adversary's choice.

Nothing of the audit's own randomness goes in: a twin is started without the parameters that were set and are called
like a seed (`ihaudit.contracts.replayer.is_seed`), its public images are white, and it gets no seed but those that are
tried.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.replayer import Entry, Replayed, is_seed
from ihaudit.environment import cores
from ihaudit.errors import IhauditError, NotApplicable, SchemeError
from ihaudit.sandbox import wire
from ihaudit.sandbox.declaration import Declaration
from ihaudit.sandbox.limits import Limits
from ihaudit.sandbox.loader import SchemeSource
from ihaudit.sandbox.process import SchemeProcess

#: Values per message where runs are cut short, and where they are whole.
_FAST, _WHOLE = 250, 4


class Twin(SchemeProcess):
    """A process that only replays.

    `blank` names parameters that are set to 0 where the scheme needs some value, `public_shape` is (M, H, W, C) of its
    white public images, which take no room.
    """

    def __init__(
        self,
        source: SchemeSource,
        parameters: dict[str, str],
        blank: Sequence[str],
        public_shape: tuple[int, ...],
        **options: Any,
    ) -> None:
        super().__init__(source, parameters, **options)
        self._blank, self._white = list(blank), public_shape
        self.clock = False

    def _hello(self) -> dict[str, Any]:
        return super()._hello() | {"replay": {"blank": self._blank, "public": self._white}}

    def ask(
        self,
        entry: Entry,
        values: Sequence[int],
        images: NDArray[np.float32],
        labels: NDArray[np.int64],
        rows: int,
        learn: bool,
    ) -> Replayed:
        """One message; see `ihaudit.contracts.replayer.Replayer.replay`."""
        self.start()
        self._n += 1
        request = {
            "kind": entry.kind, "name": entry.name, "values": list(values), "rows": rows, "learn": learn,
            "fast": rows == 1 and not learn, "number": self._n,
        }  # fmt: skip
        # learning is up to six runs; every value is a run
        deadline = time.monotonic() + self._limits.time_s * (len(values) + 6 * learn)
        try:
            wire.send(self._sock, request, [("images", images), ("labels", labels)], deadline=deadline)
            answer, fields = wire.receive(self._sock, limit=self._limits.output_bytes, deadline=deadline)
        except (wire.WireError, OSError, TimeoutError) as e:
            raise self._failed(e, "a replay") from None
        if answer.get("kind") == "error":
            raise self._error(answer)
        self.clock |= answer.get("clock") is True
        return checked(answer, fields, len(values), images.shape[1:])


def checked(answer: dict[str, Any], fields: dict[str, Any], count: int, shape: tuple[int, ...]) -> Replayed:
    """The answer of an untrusted process, rebuilt; a `SchemeError` where it does not have the right form."""
    packed, failed = fields.get("signs"), answer.get("failed")
    total, said, draw = answer.get("rows"), answer.get("shape"), answer.get("draw")
    bad = SchemeError("the scheme's process answered a replay with something else")
    if not isinstance(packed, np.ndarray) or packed.dtype != np.uint8 or packed.ndim != 2 or len(packed) != count:
        raise bad
    if not isinstance(failed, list) or not isinstance(said, list) or not isinstance(total, int) or total < 0:
        raise bad
    ok = np.ones(count, bool)
    ok[[int(i) for i in failed if type(i) is int and 0 <= i < count]] = False
    if not ok.any():
        return Replayed(np.zeros((count, 1, *shape), np.uint8), ok, total, False, "")
    if not said or not all(type(n) is int and n > 0 for n in said):
        raise bad
    if said[1:] != list(shape):
        raise NotApplicable(f"its encodings have the shape {said[1:]}, not that of the images, {list(shape)}")
    size = math.prod(said)
    if packed.shape[1] != -(-size // 8):
        raise bad
    signs = np.unpackbits(packed, axis=1, count=size).reshape(count, *said)
    return Replayed(signs, ok, total, answer.get("visible") is True, draw[:300] if isinstance(draw, str) else "")


class Replays:
    """Satisfies `ihaudit.contracts.replayer.Replayer`.  Use as a context manager; processes start at the first call.

    Args:
        source, parameters: the scheme, and what was set of it; parameters called like a seed are left out.
        card: of the scheme, for its parameters' names and types.
        n_public: number of public images.
        limits, hidden, scratch: as of `SchemeProcess`.
        global_seeds: whether the release may have been made by a script that seeded the global generators at its
            start; an audit never does that.
        workers: processes to share the work; by default one per core.
    """

    def __init__(
        self,
        source: SchemeSource,
        parameters: dict[str, str],
        card: Declaration,
        *,
        n_public: int,
        limits: Limits | None = None,
        hidden: Sequence[Path] = (),
        scratch: Path | None = None,
        global_seeds: bool = False,
        workers: int | None = None,
    ) -> None:
        self._source, self._card = source, card
        self._parameters = {k: v for k, v in parameters.items() if not is_seed(k)}
        self._n_public, self._global_seeds, self._workers = n_public, global_seeds, workers or cores()
        self._options: dict[str, Any] = {"limits": limits, "hidden": hidden, "scratch": scratch}
        self._twins: list[Twin] = []
        self._clock = False
        self._inputs: tuple[Any, NDArray[np.float32], NDArray[np.int64]] | None = None

    def __enter__(self) -> Replays:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all twins."""
        for twin in self._twins:
            twin.close()
        self._twins = []

    def entries(self) -> list[Entry]:
        """See `Replayer`; the clock only where the scheme was seen to read it (after the first replay)."""
        names = [n for n, t in self._card.types.items() if is_seed(n) and "whole number" in t]
        found = [Entry("as it is"), *(Entry("parameter", n) for n in names)]
        if self._clock or any(t.clock for t in self._twins):
            found.append(Entry("clock"))
        if self._global_seeds:
            found.append(Entry("globals"))
        return found

    def replay(
        self,
        entry: Entry,
        values: Sequence[int],
        *,
        shape: tuple[int, int, int, int],
        n_classes: int,
        rows: int = 1,
        learn: bool = False,
    ) -> Replayed:
        """See `Replayer`."""
        images, labels = self._white(shape, n_classes)
        try:
            if entry.kind == "as it is":  # what a process does first: a later run finds global generators elsewhere
                twin = self._new(images)
                try:
                    return twin.ask(entry, values, images, labels, rows, False)
                finally:
                    self._clock |= twin.clock
                    twin.close()
            if not self._twins:
                self._twins = [self._new(images) for _ in range(self._workers)]
            if learn:
                with ThreadPoolExecutor(len(self._twins)) as pool:
                    asked = [pool.submit(t.ask, entry, values, images, labels, rows, True) for t in self._twins]
                    answers = [a.result() for a in asked]  # every twin learns the same
                return answers[0]
            return self._spread(entry, list(values), images, labels, rows)
        except NotApplicable:
            raise
        except IhauditError as e:
            raise NotApplicable(f"it could not be run again: {e}") from None

    def _spread(
        self, entry: Entry, values: list[int], images: NDArray[np.float32], labels: NDArray[np.int64], rows: int
    ) -> Replayed:
        """Deal the values to the twins, message by message; answers in order."""
        size = _FAST if rows == 1 and len(values) > _WHOLE else _WHOLE
        parts = [values[i : i + size] for i in range(0, len(values), size)]
        shares = [parts[i :: len(self._twins)] for i in range(len(self._twins))]

        def one(twin: Twin, share: list[list[int]]) -> list[Replayed]:
            return [twin.ask(entry, part, images, labels, rows, False) for part in share]

        with ThreadPoolExecutor(len(self._twins)) as pool:
            asked = [pool.submit(one, t, s) for t, s in zip(self._twins, shares) if s]
            answers = [a.result() for a in asked]
        ordered = [answers[i % len(answers)][i // len(answers)] for i in range(len(parts))]
        return replace(
            ordered[0],
            signs=np.concatenate([a.signs for a in ordered]),
            ok=np.concatenate([a.ok for a in ordered]),
            total=max(a.total for a in ordered),
            visible=all(a.visible for a in ordered),
        )

    def _new(self, images: NDArray[np.float32]) -> Twin:
        blank = [n for n in self._card.types if is_seed(n)]
        return Twin(self._source, self._parameters, blank, (self._n_public, *images.shape[1:]), **self._options)

    def _white(self, shape: tuple[int, int, int, int], n_classes: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        if self._inputs is None or self._inputs[0] != (shape, n_classes):
            labels = np.arange(shape[0], dtype=np.int64) % max(1, n_classes)
            self._inputs = ((shape, n_classes), np.ones(shape, np.float32), labels)
        return self._inputs[1], self._inputs[2]

"""What an attack in the worker may ask the auditor for while it runs: the encoder, the replayer and the store.

The sandbox and the folder stay with the auditor; only answers come back.  `answer` is the auditor's end of the pipe,
the classes are the worker's.
"""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from ihaudit.contracts.encoder import Encoder
from ihaudit.contracts.replayer import Entry, Replayed, Replayer
from ihaudit.contracts.store import Store
from ihaudit.errors import IhauditError, NotApplicable
from ihaudit.release import FloatArray, IntArray, Release
from ihaudit.scheme import Knowledge

#: Method that can be asked for -> what an attack is told that has nobody to ask.
METHODS = {
    "encode_many": "the adversary has no oracle",
    "seconds": "the adversary has no oracle",
    "entries": "the adversary does not have the code",
    "replay": "the adversary does not have the code",
    "read": "there is no store",
    "write": "there is no store",
}


def answer(method: str, arguments: Any, owner: Encoder | Replayer | Store | None) -> tuple[str, Any]:
    """Call one of `METHODS` with the arguments that the worker sent.

    Returns:
        ("ok", answer), or ("error", reason) where there is no owner, the owner refuses, or the arguments make no sense.
    """
    if owner is None:
        return "error", METHODS[method]
    try:
        args, named = arguments
        return "ok", getattr(owner, method)(*args, **named)
    except (IhauditError, TypeError, ValueError) as e:
        return "error", str(e)


class _Remote:
    """The worker's end; `seen` notes the knowledge that answers are."""

    def __init__(self, conn: Connection, seen: set[Knowledge] | None = None) -> None:
        self._conn, self._seen = conn, set() if seen is None else seen

    def _ask(self, method: str, *args: Any, **named: Any) -> Any:
        self._conn.send((method, (args, named)))
        kind, payload = self._conn.recv()
        if kind == "error":
            raise NotApplicable(payload)
        return payload


class RemoteEncoder(_Remote):
    """See `Encoder`."""

    def encode(self, images: FloatArray, labels: IntArray, *, seed: int) -> Release:
        return self.encode_many([(images, labels, seed)])[0]

    def encode_many(self, calls: list[tuple[FloatArray, IntArray, int]]) -> list[Release]:
        self._seen.add(Knowledge.ORACLE)
        try:
            found: list[Release] = self._ask("encode_many", calls)
        except NotApplicable as e:
            raise NotApplicable(f"the scheme could not encode chosen images: {e}") from None
        return found

    def seconds(self, images: int) -> float:
        found: float = self._ask("seconds", images)
        return found


class RemoteReplayer(_Remote):
    """See `Replayer`."""

    def entries(self) -> list[Entry]:
        found: list[Entry] = self._ask("entries")
        return found

    def replay(self, entry: Entry, values: Sequence[int], **named: Any) -> Replayed:
        self._seen.add(Knowledge.CODE)
        found: Replayed = self._ask("replay", entry, list(values), **named)
        return found


class RemoteStore(_Remote):
    """See `Store`; without one, nothing is kept."""

    def read(self, name: str) -> bytes | None:
        try:
            found: bytes | None = self._ask("read", name)
        except NotApplicable:
            return None
        return found

    def write(self, name: str, data: bytes) -> None:
        try:
            self._ask("write", name, data)
        except NotApplicable:
            return

"""Messages between the auditor and a scheme's process: a JSON header and raw arrays over one socket.

Both sides use this module, but only the auditor has to distrust what it reads: header length, number of arrays,
dtypes and total size are checked before a byte is allocated for them, and nothing is ever unpickled.

A message is ``b"IHA1"``, the header's length (uint32, little endian), the header (UTF-8 JSON object) and the arrays'
bytes in the order of ``header["arrays"] = [[name, dtype, shape], ...]`` (C order, little endian).
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.errors import printable

MAGIC = b"IHA1"
_PREFIX = struct.Struct("<4sI")
#: Header sizes are bounded by what a message can need: names, shapes, a traceback.
MAX_HEADER = 8 << 20
MAX_ARRAYS = 4096
MAX_AXES = 16
#: Axes together, whatever the size of the others: numpy refuses arrays whose strides would not fit 63 bits.
_MAX_EXTENT = 1 << 60
DTYPES = frozenset(
    f"{order}{kind}"
    for order, kinds in (("|", ("b1", "i1", "u1")), ("<", ("i2", "i4", "i8", "u2", "u4", "u8", "f2", "f4", "f8")))
    for kind in kinds
)


class WireError(Exception):
    """The other side does not follow the message format."""


class Disconnected(WireError):
    """The other side closed the channel."""


def describe(array: NDArray[Any]) -> str:
    """The dtype name used on the wire, or "" when the dtype cannot travel."""
    name = array.dtype.str
    return name if name in DTYPES else ""


def send(
    sock: socket.socket,
    header: dict[str, Any],
    arrays: Sequence[tuple[str, NDArray[Any]]] = (),
    *,
    deadline: float | None = None,
) -> None:
    """Send one message; `arrays` are (name, array) pairs of dtypes in `DTYPES`.

    Raises:
        TimeoutError: `deadline` (of `time.monotonic`) passed.
        Disconnected: the other side is gone.
    """
    ready = [(name, np.ascontiguousarray(a)) for name, a in arrays]
    head = json.dumps({**header, "arrays": [[n, a.dtype.str, list(a.shape)] for n, a in ready]}).encode()
    buffers = [memoryview(_PREFIX.pack(MAGIC, len(head)) + head)]
    buffers += [_bytes(a) for _, a in ready if a.size]
    try:
        while buffers:
            _arm(sock, deadline)
            sent = sock.sendmsg(buffers[:64])
            while sent:
                if sent < len(buffers[0]):
                    buffers[0] = buffers[0][sent:]
                    break
                sent -= len(buffers.pop(0))
    except (BrokenPipeError, ConnectionError) as e:
        raise Disconnected(str(e)) from None


def receive(
    sock: socket.socket, *, limit: int, deadline: float | None = None
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Receive one message: its header and its arrays by name.

    Args:
        sock: a connected stream socket.
        limit: the most bytes that all arrays together may have.
        deadline: of `time.monotonic`, or None to wait for ever.

    Raises:
        TimeoutError: `deadline` passed.
        Disconnected: the other side closed the channel.
        WireError: anything that is not a message, or one that is too large.
    """
    prefix = bytearray(_PREFIX.size)
    _fill(sock, memoryview(prefix), deadline)
    magic, length = _PREFIX.unpack(prefix)
    if magic != MAGIC or length > MAX_HEADER:
        raise WireError("sent something that is not a message")
    raw = bytearray(length)
    _fill(sock, memoryview(raw), deadline)
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError):
        raise WireError("sent a message header that is not JSON") from None
    if not isinstance(header, dict):
        raise WireError("sent a message header that is not an object")
    arrays: dict[str, NDArray[Any]] = {}
    for name, dtype, shape in _plan(header.get("arrays"), limit):
        try:
            a = np.empty(shape, np.dtype(dtype))
        except MemoryError:
            said = f"field {name}, {dtype[1:]}, shape {shape}"
            raise WireError(f"returned more than this machine has memory for ({said}); release less at once") from None
        if a.size:
            _fill(sock, _bytes(a), deadline)
        arrays[name] = a
    return header, arrays


def _plan(entries: Any, limit: int) -> list[tuple[str, str, tuple[int, ...]]]:
    """Check the announced arrays before anything is allocated for them."""
    if not isinstance(entries, list) or len(entries) > MAX_ARRAYS:
        raise WireError("announced arrays that are not a list")
    plan, total, names = [], 0, set()
    for entry in entries:
        if not (isinstance(entry, list) and len(entry) == 3):
            raise WireError("announced an array without name, dtype and shape")
        name, dtype, shape = entry
        if not isinstance(name, str) or not 0 < len(name) <= 200 or printable(name, lines=False) != name:
            raise WireError(
                f"named an array {str(name)[:60]!r}; names are printable text of at most 180 characters, for instance "
                "extra={'keys': ...}"
            )
        if name in names:
            raise WireError(f"returned two arrays called {name!r}; name each of them differently")
        names.add(name)
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise WireError("announced an array of a dtype that is not a plain number")
        if (
            not isinstance(shape, list)
            or len(shape) > MAX_AXES
            or any(type(d) is not int or not 0 <= d < 1 << 40 for d in shape)
        ):
            raise WireError("announced an array of an impossible shape")
        size = extent = np.dtype(dtype).itemsize
        for d in shape:
            size *= d
            extent *= max(1, d)
        total += size
        if total > limit:
            raise WireError(f"returned more than {limit / 1e6:,.0f} MB (field {name}, shape {tuple(shape)})")
        # Zero-sized arrays may still announce absurd other axes, which numpy refuses to build.
        if extent > _MAX_EXTENT:
            raise WireError("announced an array of an impossible shape")
        plan.append((name, dtype, tuple(shape)))
    return plan


def _bytes(a: NDArray[Any]) -> memoryview:
    return memoryview(a.reshape(-1).view(np.uint8))  # type: ignore[arg-type]


def _arm(sock: socket.socket, deadline: float | None) -> None:
    if deadline is None:
        return
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    sock.settimeout(left)


def _fill(sock: socket.socket, view: memoryview, deadline: float | None) -> None:
    done = 0
    while done < len(view):
        _arm(sock, deadline)
        try:
            n = sock.recv_into(view[done:])
        except ConnectionError as e:
            raise Disconnected(str(e)) from None
        if n == 0:
            raise Disconnected("the channel was closed")
        done += n

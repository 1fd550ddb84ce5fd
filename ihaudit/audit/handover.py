"""Messages between processes whose large arrays lie in a file that the other one maps, instead of in its memory.

A release of 100,000 encodings takes 1.2 GB.  Sent through a pipe it would be there four times: as it is, as bytes on
either side, and as what the receiver makes of them.  The file has no name, so that nothing stays however both end, and
what the receiver has read of it can be handed back to the system.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from typing import Any, BinaryIO

import numpy as np

#: Bytes from which an array is mapped; the receiver cannot write to it then.
LARGE = 1 << 26


def send(conn: Connection, message: object) -> None:
    """Send what `receive` answers at the other end of a pipe, which is a Unix socket.

    Where the file cannot be written (the disk is full) arrays go through the pipe all the same.
    """
    arrays: list[memoryview] = []

    def inside(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes >= LARGE:
            arrays.append(raw)
        return raw.nbytes < LARGE

    pickled = pickle.dumps(message, protocol=5, buffer_callback=inside)
    with tempfile.TemporaryFile() as file:
        try:
            places = _write(file, arrays)
        except OSError:
            pickled, places = pickle.dumps(message), []
        conn.send((pickled, places))
        if places:
            send_handle(conn, file.fileno(), None)


def _write(file: BinaryIO | Any, arrays: Sequence[memoryview]) -> list[tuple[int, int]]:
    """Where each array begins, and its size in bytes."""
    places = []
    for array in arrays:
        begin = -(-file.tell() // 4096) * 4096
        file.seek(begin)
        file.write(array)
        places.append((begin, array.nbytes))
    file.flush()
    return places


def receive(conn: Connection) -> Any:
    """What was sent with `send`; large arrays are mapped, and read-only.

    Raises:
        EOFError, OSError: nobody is at the other end.
    """
    pickled, places = conn.recv()
    if not places:
        return pickle.loads(pickled)
    with os.fdopen(recv_handle(conn), "rb") as file:
        mapped = [np.memmap(file, np.uint8, "r", begin, (size,)) for begin, size in places]
    return pickle.loads(pickled, buffers=mapped)

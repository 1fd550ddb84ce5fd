"""One thread per scheme process: keeps its log within a bound and watches the memory of its process tree."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Callable

import psutil

from ihaudit.sandbox.limits import Limits

_PERIOD = 0.1


class Log:
    """The first bytes of stdout and stderr together; what is beyond the bound is counted and dropped."""

    def __init__(self, limit: int) -> None:
        self._limit, self._kept, self._dropped = limit, bytearray(), 0
        self._lock = threading.Lock()

    def add(self, data: bytes) -> None:
        """Append, within the bound."""
        with self._lock:
            room = max(0, self._limit - len(self._kept))
            self._kept += data[:room]
            self._dropped += max(0, len(data) - room)

    @property
    def text(self) -> str:
        """What was kept, control characters made visible, with a note on what was dropped."""
        with self._lock:
            text, dropped = self._kept.decode("utf-8", "replace"), self._dropped
        text = "".join(c if c in "\n\t" or c.isprintable() else "\ufffd" for c in text.replace("\r\n", "\n"))
        if dropped:
            text += f"\n[... {dropped:,} further bytes of output were dropped]\n"
        return text


class Monitor(threading.Thread):
    """Drains the log pipe and samples the tree's memory until stopped.

    Attributes:
        peak_mb: largest resident memory seen of all processes below the guard together.
        breach: why the tree was killed, or "".
    """

    def __init__(self, guard: int, fd: int, log: Log, limits: Limits, kill: Callable[[], None]) -> None:
        super().__init__(name="ihaudit-sandbox", daemon=True)
        self._guard, self._fd, self._log, self._limits, self._kill = guard, fd, log, limits, kill
        self._stop_r, self._stop_w = os.pipe()
        self.peak_mb = 0.0
        self.breach = ""

    def run(self) -> None:
        """Until the log pipe ends or `stop` is called."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN | select.POLLHUP)
        poll.register(self._stop_r, select.POLLIN)
        chunk, clock = 1 << 16, 0.0
        import time

        try:
            while True:
                events = dict(poll.poll(_PERIOD * 1000))
                if self._fd in events:
                    data = os.read(self._fd, chunk)
                    if not data:
                        break
                    self._log.add(data)
                elif self._stop_r in events:
                    break
                now = time.monotonic()
                if now >= clock:
                    clock = now + _PERIOD
                    self.sample()
        finally:
            os.close(self._fd)

    def sample(self) -> None:
        """Measure the tree once, and kill it when it is over a limit."""
        total, count = 0, 0
        for pid in descendants(self._guard):
            with contextlib.suppress(OSError, ValueError, IndexError):
                with open(f"/proc/{pid}/statm", "rb") as f:
                    resident, shared = (int(v) for v in f.read().split()[1:3])
                # Pages shared with files or other processes count once, with the first process ...
                total += resident if count == 0 else resident - shared
                # ... but for shared memory, which need not be the first one's: each has its part of it.
                if count and shared:
                    total += shared_memory(pid) // _PAGE
                count += 1
        mb = total * _PAGE / (1 << 20)
        self.peak_mb = max(self.peak_mb, mb)
        if not self.breach:
            if mb > self._limits.memory_mb:
                limit = f"its limit is {self._limits.memory_mb:,} MB (--scheme-memory)"
                self.breach = f"used {mb:,.0f} MB of memory, {limit}"
            elif count > self._limits.processes + 2:
                self.breach = f"started {count:,} processes, its limit is {self._limits.processes:,}"
            if self.breach:
                self._kill()

    def stop(self) -> None:
        """Ask the thread to end; what the pipe still holds is read first."""
        with contextlib.suppress(OSError):
            os.write(self._stop_w, b"x")
        self.join(timeout=5)
        os.close(self._stop_w)
        os.close(self._stop_r)


def shared_memory(pid: int) -> int:
    """Bytes of shared memory that a process maps, what others map too in equal parts; 0 where the kernel cannot say."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        with open(f"/proc/{pid}/status", "rb") as f:
            shmem = next((int(line.split()[1]) for line in f if line.startswith(b"RssShmem:")), 0)
        if shmem < 1024:  # kB; the exact part takes the kernel far longer to tell
            return shmem << 10
        with open(f"/proc/{pid}/smaps_rollup", "rb") as f:
            return next((int(line.split()[1]) << 10 for line in f if line.startswith(b"Pss_Shmem:")), shmem << 10)
    return 0


_PAGE = os.sysconf("SC_PAGE_SIZE")


def descendants(pid: int) -> list[int]:
    """Process numbers below `pid` (without it); by /proc's children lists, or psutil where the kernel lacks them."""
    found: list[int] = []
    frontier = [pid]
    while frontier:
        current = frontier.pop()
        try:
            for task in os.listdir(f"/proc/{current}/task"):
                with open(f"/proc/{current}/task/{task}/children") as f:
                    children = [int(c) for c in f.read().split()]
                found += children
                frontier += children
        except FileNotFoundError:
            if not os.path.exists(f"/proc/{pid}/task/{pid}/children") and psutil.pid_exists(pid):
                with contextlib.suppress(psutil.Error):
                    return [p.pid for p in psutil.Process(pid).children(recursive=True)]
        except OSError:
            continue
    return found

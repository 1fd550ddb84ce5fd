"""What is needed to repeat an audit, and what `ihaudit doctor` looks at."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import platform
import signal
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from ihaudit import __version__
from ihaudit.errors import UsageError
from ihaudit.results import Environment

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "scikit-image",
    "networkx",
    "numba",
    "weasyprint",
    "matplotlib",
    "jinja2",
    "typer",
)


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that results depend on; ``missing`` where one is not installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def check_device(device: str) -> None:
    """Raise `UsageError` where `device` is no word for one."""
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device must be auto, cpu or cuda, not {device!r}")


def resolve_device(device: str) -> str:
    """``auto`` -> ``cuda`` if there is one, else ``cpu``; an unavailable ``cuda`` is a `UsageError`."""
    check_device(device)
    if device == "cpu":
        return "cpu"
    import torch

    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise UsageError("--device cuda: torch sees no CUDA device; use --device cpu, or see `ihaudit doctor`")
    return "cuda" if available else "cpu"


def device_name(device: str) -> str:
    """A readable name of the device."""
    if device == "cuda":
        import torch

        return str(torch.cuda.get_device_name())
    try:
        with open("/proc/cpuinfo") as f:
            for line in f:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def allowed_cores() -> int:
    """Cores that this process should keep busy: fewer than `cores` where ``OMP_NUM_THREADS`` asks for fewer threads."""
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return min(cores(), int(asked)) if asked.isdigit() and int(asked) else cores()


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back in this thread: a process that is started meanwhile does not die of it while it still imports.

    Such a process calls `ignore_interrupts` when it can.
    """
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def ignore_interrupts() -> None:
    """Leave Ctrl-C, also one that was held back, to whoever started this process, and then ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Without looks for garbage meanwhile: where a great many objects are made that stay, those cost a fifth to a
    third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def return_memory() -> None:
    """Give memory that was freed back to the system, where the C library keeps it (glibc): others run beside this."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def describe(device: str, command: str, started: str) -> Environment:
    """The environment record of results.json; ``finished``, ``weights`` and ``ssim`` are the audit's to fill."""
    return Environment(
        ihaudit=__version__,
        python=sys.version.split()[0],
        platform=platform.platform(),
        packages=package_versions(),
        device=device,
        device_name=device_name(device),
        cores=cores(),
        command=command,
        started=started,
    )

"""Which isolation this machine grants, by trying it in a process that ends at once."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path

_SCRIPT = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
import confine
def tried(f):
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if f() else 1)
        except BaseException:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0
abi = confine.landlock_abi()
files = tried(lambda: confine.landlock([], []))
filtered = tried(confine.seccomp)
spaces = tried(lambda: confine.namespaces())
print(json.dumps({
    "separate_process": True,
    "kill_all_descendants": spaces or confine.prctl(confine.PR_SET_CHILD_SUBREAPER, 1),
    "pid_namespace": spaces,
    "write_protection": files,
    "read_protection": files,
    "memory_protection": files or filtered,
    "signal_protection": spaces or (files and abi >= 6),
    "network_blocked": filtered or spaces,
    "landlock": files,
    "seccomp": filtered,
    "drop_capabilities": tried(confine.drop_capabilities),
}))
"""

#: What each capability protects against, and what to do where it is missing; for `ihaudit doctor`.
REMEDIES: dict[str, str] = {
    "write_protection": "without it a scheme can overwrite files of this user; needs Linux 5.13 or later with Landlock",
    "read_protection": "without it a scheme can read the audit's files; needs Linux 5.13 or later with Landlock",
    "memory_protection": "without it a scheme can read the auditor's memory; needs Landlock or seccomp",
    "signal_protection": "without it a scheme can stop the auditor's processes; needs user namespaces or Linux 6.12",
    "network_blocked": "without it a scheme can reach the network; needs seccomp or user namespaces",
    "kill_all_descendants": "without it a detached process of a scheme may outlive the audit; needs Linux",
}


@functools.cache
def capabilities() -> dict[str, bool]:
    """What the sandbox can enforce here, by name; see `REMEDIES` for what a missing one means.

    Keys: separate_process, kill_all_descendants, pid_namespace, write_protection, read_protection, memory_protection,
    signal_protection, network_blocked, landlock, seccomp, drop_capabilities.
    """
    names: tuple[str, ...] = (
        "kill_all_descendants",
        "pid_namespace",
        "write_protection",
        "read_protection",
        "memory_protection",
    )
    names += ("signal_protection", "network_blocked", "landlock", "seccomp", "drop_capabilities")
    try:
        done = subprocess.run(
            [sys.executable, "-s", "-S", "-P", "-B", "-c", _SCRIPT, str(Path(__file__).parent)],
            capture_output=True, timeout=20, check=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return {str(k): bool(v) for k, v in json.loads(done.stdout).items()}
    except (OSError, subprocess.SubprocessError, ValueError):
        return {"separate_process": True} | dict.fromkeys(names, False)

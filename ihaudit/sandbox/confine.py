"""Kernel confinement of the process that runs a scheme: Landlock, seccomp, capabilities, limits, namespaces.

Standard library only, and no import of ihaudit: it runs in the bare interpreter of `guard` before anything else.
Every function returns whether it took effect; nothing here is required, and `ihaudit.sandbox.capabilities` reports what
the machine grants.  Linux only; elsewhere all of it returns False.
"""

import ctypes
import os
import platform
import resource
import struct
from collections.abc import Sequence

_LIBC = ctypes.CDLL(None, use_errno=True)
_X86 = platform.machine() == "x86_64"
_ARM = platform.machine() in ("aarch64", "arm64")
LINUX = os.uname().sysname == "Linux" and (_X86 or _ARM)

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP = 1, 4, 22, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC = 0x10000000, 0x20000000, 0x40000000, 0x08000000


def prctl(option: int, *args: int) -> bool:
    """prctl(2); True on success."""
    padded = [ctypes.c_ulong(a) for a in (*args, 0, 0, 0, 0)[:4]]
    return LINUX and _LIBC.prctl(option, *padded) == 0


def _syscall(number: int, *args: object) -> int:
    return int(_LIBC.syscall(ctypes.c_long(number), *args))


# --- Landlock (kernel documentation: userspace-api/landlock.rst) ----------------------------------------------------

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same numbers on x86-64 and aarch64
_EXECUTE, _WRITE, _READ, _READ_DIR = 1, 2, 4, 8
_TRUNCATE = 1 << 14
_FILE_RIGHTS = _EXECUTE | _WRITE | _READ | _TRUNCATE | 1 << 15
_READING = _EXECUTE | _READ | _READ_DIR


def landlock_abi() -> int:
    """The Landlock ABI version of this kernel, 0 where it is missing or switched off."""
    if not LINUX:
        return 0
    return max(0, _syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1)))


def landlock(writable: list[str], hidden: list[str], listed: Sequence[str] = ()) -> bool:
    """Allow writing only beneath `writable`, and reading everywhere but beneath `hidden` and in other processes' /proc.

    The names in the folders `listed` may be read even where something beneath them is hidden: import needs them.
    Also (ABI 4) no TCP, and (ABI 6) no signals and no abstract sockets to processes outside.  A process under
    Landlock cannot trace, or read the memory of, one that is not.
    """
    abi = landlock_abi()
    if abi < 1:
        return False
    fs = (1 << 13) - 1
    if abi >= 2:
        fs |= 1 << 13
    if abi >= 3:
        fs |= _TRUNCATE
    if abi >= 5:
        fs |= 1 << 15  # ioctl on devices
    fields = [fs] + ([3] if abi >= 4 else []) + ([3] if abi >= 6 else [])
    attr = struct.pack(f"<{len(fields)}Q", *fields)
    ruleset = _syscall(_CREATE, attr, ctypes.c_size_t(len(attr)), ctypes.c_uint32(0))
    if ruleset < 0:
        return False

    def allow(path: str, rights: int) -> None:
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return
        try:
            if not os.path.isdir(path):
                rights &= _FILE_RIGHTS
            rule = struct.pack("<Qi", rights & fs, fd)
            _syscall(_ADD, ctypes.c_int(ruleset), ctypes.c_int(1), rule, ctypes.c_uint32(0))
        finally:
            os.close(fd)

    secret = {os.path.realpath(p) for p in hidden} | {"/proc", "/run"}
    for path in readable("/", secret):
        allow(path, _READING)
    for path in ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys", "/proc/filesystems", "/proc/self"):
        allow(path, _READING)
    for path in listed:
        allow(path, _READ_DIR)
    for path in writable:
        allow(path, fs)
    for path in ("/dev/null", "/dev/zero", "/dev/full"):
        allow(path, _READ | _WRITE)
    ok = prctl(PR_SET_NO_NEW_PRIVS, 1) and _syscall(_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0)) == 0
    os.close(ruleset)
    return ok


def readable(root: str, secret: set[str]) -> list[str]:
    """The fewest paths beneath `root` that together hold all of it but the paths in `secret`.

    Landlock only knows what is allowed, so a hidden folder is left out by allowing its ancestors' other entries.
    """
    if root in secret:
        return []
    prefix = root.rstrip("/") + "/"
    if not any(s.startswith(prefix) for s in secret):
        return [root]
    try:
        names = sorted(os.listdir(root))
    except OSError:
        return []
    found = []
    for name in names:
        path = prefix + name
        if not os.path.islink(path):  # the rule belongs to what a link points at
            found += readable(path, secret)
    return found


# --- seccomp: a short list of system calls that no encoder needs -----------------------------------------------------

# name: (x86-64, aarch64)
_DENIED = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "pidfd_getfd": (438, 438),
    "connect": (42, 203), "bind": (49, 200), "io_uring_setup": (425, 425), "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218), "mount": (165,
    40), "umount2": (166, 39), "unshare": (272, 97), "setns": (308, 268), "kexec_load": (246, 104),
    "open_by_handle_at": (304, 265), "personality": (135, 92),
    # memory that belongs to no process, and so to no limit
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194),
}  # fmt: skip
_SOCKET = (41, 198)
_AF_UNIX = 1


def seccomp() -> bool:
    """Refuse (EPERM) sockets other than local ones, `connect`, tracing, mounting, new namespaces and memory files."""
    if not LINUX or not prctl(PR_SET_NO_NEW_PRIVS, 1):
        return False
    arch, column = (0xC000003E, 0) if _X86 else (0xC00000B7, 1)
    load, jeq, jge, ret = 0x20, 0x15, 0x35, 0x06
    allow, deny = 0x7FFF0000, 0x00050001
    numbers = [pair[column] for pair in _DENIED.values()]
    code = [(load, 0, 0, 4), (jeq, 1, 0, arch), (ret, 0, 0, deny), (load, 0, 0, 0)]
    if _X86:
        code += [(jge, 0, 1, 0x40000000), (ret, 0, 0, deny)]  # the x32 table would be a way around
    for n in numbers:
        code += [(jeq, 0, 1, n), (ret, 0, 0, deny)]
    code += [
        (jeq, 0, 3, _SOCKET[column]),
        (load, 0, 0, 16),
        (jeq, 1, 0, _AF_UNIX),
        (ret, 0, 0, deny),
        (ret, 0, 0, allow),
    ]
    raw = b"".join(struct.pack("<HBBI", *ins) for ins in code)
    buffer = ctypes.create_string_buffer(raw, len(raw))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    program = Program(len(code), ctypes.addressof(buffer))
    none = ctypes.c_ulong(0)
    return bool(_LIBC.prctl(PR_SET_SECCOMP, ctypes.c_ulong(2), ctypes.byref(program), none, none) == 0)


# --- capabilities, limits, namespaces --------------------------------------------------------------------------------


def drop_capabilities() -> bool:
    """Give up every capability, for this process and whatever it executes."""
    if not LINUX:
        return False
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    for cap in range(64):
        prctl(PR_CAPBSET_DROP, cap)
    header = struct.pack("<Ii", 0x20080522, 0)
    data = struct.pack("<6I", *([0] * 6))
    return bool(_LIBC.capset(header, data) == 0)


def limit_resources(memory_mb: int, file_mb: int, processes: int) -> None:
    """Bound private memory, file size and number of processes; no core files.

    RLIMIT_DATA, not RLIMIT_AS: it leaves out mapped libraries, of which torch brings gigabytes.  It is a coarse stop
    for one process; the auditor watches what the whole tree really holds.
    """

    def put(which: int, value: int) -> None:
        hard = resource.getrlimit(which)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (value, value))

    put(resource.RLIMIT_CORE, 0)
    put(resource.RLIMIT_FSIZE, file_mb << 20)
    put(resource.RLIMIT_DATA, memory_mb << 20)
    if hasattr(resource, "RLIMIT_NPROC"):
        put(resource.RLIMIT_NPROC, processes)


def namespaces(network: bool = True) -> bool:
    """Enter new user, PID, IPC and network namespaces (the next fork is PID 1); the user keeps its numbers."""
    if not LINUX:
        return False
    uid, gid = os.getuid(), os.getgid()
    flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWIPC | (CLONE_NEWNET if network else 0)
    if _LIBC.unshare(ctypes.c_int(flags)) != 0:
        return False
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        try:
            with open(f"/proc/self/{name}", "w") as f:
                f.write(text)
        except OSError:
            pass
    return True

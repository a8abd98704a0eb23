"""What a process gives up, for good, before it runs a program it does not trust. Linux only.

Source: prctl(2), landlock(7), capset(2), seccomp(2).
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import resource
import signal
import struct
from collections.abc import Iterable

from . import seccomp

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2
_SET_MODE_FILTER, _NEW_LISTENER = 1, 1 << 3
_NOTICE_SIZE, _RECEIVE_NOTICE = 80, 0xC0502100
_ANSWER, _SEND_ANSWER, _CONTINUE = struct.Struct("=QqiI"), 0xC0182101, 1
_CAPABILITY_VERSION_3 = 0x20080522
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""System calls of Landlock: the same numbers on every machine."""
_GET_VERSION, _RULE_PATH_BENEATH = 1, 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""How many kinds of access each version of Landlock knows, as bits from 0."""

STACK = 64 << 20
"""Bytes of stack."""
OPEN_FILES = 64
_ABOVE_THE_PROGRAMS = 16
"""A descriptor that no program's own will replace."""

_libc = ctypes.CDLL(None, use_errno=True)


def limit(cpu_seconds: int, memory: int) -> None:
    """Set the limits of this process: whole seconds of CPU time, bytes of address space.

    No process count: it is one count for all of a user's processes, so that a verdict would depend on what else the
    user runs, and it does not bind root. The system-call filter lets no process be made, and threads are counted by
    who answers `ask_for_threads`.
    """
    _rlimit(resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 1)
    _rlimit(resource.RLIMIT_AS, memory, memory)
    _rlimit(resource.RLIMIT_STACK, STACK, resource.RLIM_INFINITY)  # the memory bounds it, and some programs raise it
    _rlimit(resource.RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES)
    for none_of in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_MSGQUEUE, resource.RLIMIT_MEMLOCK):
        _rlimit(none_of, 0, 0)


def _rlimit(what: int, soft: int, hard: int) -> None:
    ceiling = resource.getrlimit(what)[1]
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), ceiling if hard == resource.RLIM_INFINITY else min(hard, ceiling)
    resource.setrlimit(what, (soft, hard))


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that made it dies."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def drop_privileges() -> None:
    """Give up all capabilities, and any way to gain some."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    header, nothing = struct.pack("=II", _CAPABILITY_VERSION_3, 0), bytes(24)
    _checked(_libc.capset(header, nothing), "capset")


def landlock_version() -> int:
    """The kernel's version of Landlock; 0 if it has none or keeps it off."""
    return max(0, _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _GET_VERSION))


def landlock_rules(readable: Iterable[str]) -> int:
    """A file descriptor of rules by which only these folders and files may be read, and nothing be written.

    Raises:
        OSError: If the kernel has no Landlock.
    """
    version = landlock_version()
    if not version:
        raise OSError("this kernel has no Landlock, or keeps it off")
    rights = (1 << _RIGHTS[max(known for known in _RIGHTS if known <= version)]) - 1
    attributes = struct.pack("=Q", rights)
    rules = _checked(_libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0), "landlock")
    for path in readable:
        with contextlib.suppress(FileNotFoundError):
            _add_rule(rules, path)
    return fcntl.fcntl(rules, fcntl.F_DUPFD_CLOEXEC, _ABOVE_THE_PROGRAMS)


def _add_rule(rules: int, path: str) -> None:
    beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rights = _READ_FILE | _READ_DIR if os.path.isdir(path) else _READ_FILE
        rule = struct.pack("=Qi", rights, beneath)
        _checked(_libc.syscall(_ADD_RULE, rules, _RULE_PATH_BENEATH, rule, 0), f"landlock {path}")
    finally:
        os.close(beneath)


def landlock(rules: int) -> None:
    """Keep this process to the rules."""
    _checked(_libc.syscall(_RESTRICT_SELF, rules, 0), "landlock")


def filter_calls(machine: str) -> None:
    """Keep this process to the system calls of `seccomp.ALLOWED`. Needs `drop_privileges` first.

    Raises:
        OSError: If the kernel takes no filter, or there is none for this machine.
    """
    code = seccomp.program(machine)
    buffer = ctypes.create_string_buffer(code, len(code))
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, _fprog(code, buffer))


def ask_for_threads(machine: str) -> int:
    """Have the kernel ask before it makes a thread of this process. Needs `drop_privileges` first.

    Returns:
        The descriptor that it asks on, for another process to `answer`.

    Raises:
        OSError: If the kernel cannot.
    """
    code = seccomp.asking(machine)
    buffer = ctypes.create_string_buffer(code, len(code))
    number = seccomp.SECCOMP[seccomp.column_of(machine)]
    return _checked(_libc.syscall(number, _SET_MODE_FILTER, _NEW_LISTENER, _fprog(code, buffer)), "seccomp listener")


def answer(listener: int, *, may_start: bool) -> None:
    """Let the process have the thread that it wants to make, or not."""
    notice = bytearray(_NOTICE_SIZE)
    with contextlib.suppress(OSError):  # it has been killed meanwhile
        fcntl.ioctl(listener, _RECEIVE_NOTICE, notice)
        (identity,) = struct.unpack_from("=Q", notice)
        said = (0, _CONTINUE) if may_start else (-errno.EAGAIN, 0)
        fcntl.ioctl(listener, _SEND_ANSWER, _ANSWER.pack(identity, 0, *said))


def _fprog(code: bytes, buffer: ctypes.Array[ctypes.c_char]) -> bytes:
    return struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))


def _prctl(option: int, *arguments: int | bytes) -> None:
    padded = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in (*arguments, *[0] * (4 - len(arguments)))]
    _checked(_libc.prctl(option, *padded), f"prctl {option}")


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result

"""Which system calls a program may make: what a computation needs; the rest gives EPERM.

A list of what is allowed, since a list of what is denied is out of date with the next kernel. No call on it makes a
process, a socket or an object that outlives the process, sends a signal, or reaches into another process. Threads are
allowed: programs start one to get a large stack.

Source of the numbers: Linux, arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
"""

import struct
import sys

ALLOWED = {
    # name: (x86_64, aarch64), where -1 is a call that the machine does not have
    "read": (0, 63),
    "write": (1, 64),
    "open": (2, -1),
    "close": (3, 57),
    "stat": (4, -1),
    "fstat": (5, 80),
    "lstat": (6, -1),
    "poll": (7, -1),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "readv": (19, 65),
    "writev": (20, 66),
    "access": (21, -1),
    "pipe": (22, -1),
    "select": (23, -1),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "mincore": (27, 232),
    "madvise": (28, 233),
    "dup": (32, 23),
    "dup2": (33, -1),
    "pause": (34, -1),
    "nanosleep": (35, 101),
    "getitimer": (36, 102),
    "alarm": (37, -1),
    "setitimer": (38, 103),
    "getpid": (39, 172),
    "exit": (60, 93),
    "uname": (63, 160),
    "getcwd": (79, 17),
    "readlink": (89, -1),
    "gettimeofday": (96, 169),
    "getrlimit": (97, 163),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),
    "times": (100, 153),
    "getuid": (102, 174),
    "getgid": (104, 176),
    "geteuid": (107, 175),
    "getegid": (108, 177),
    "getppid": (110, 173),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "time": (201, -1),
    "futex": (202, 98),
    "sched_getaffinity": (204, 123),
    "getdents64": (217, 61),
    "set_tid_address": (218, 96),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "openat": (257, 56),
    "newfstatat": (262, 79),
    "readlinkat": (267, 78),
    "faccessat": (269, 48),
    "pselect6": (270, 72),
    "ppoll": (271, 73),
    "set_robust_list": (273, 99),
    "dup3": (292, 24),
    "pipe2": (293, 59),
    "getcpu": (309, 168),
    "getrandom": (318, 278),
    "membarrier": (324, 283),
    "statx": (332, 291),
    "rseq": (334, 293),
    "faccessat2": (439, 439),
}
CLONE, CLONE3, PRLIMIT, IOCTL, FCNTL = (56, 220), (435, 435), (302, 261), (16, 29), (72, 25)

AUDIT_ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
CLONE_THREAD = 0x10000
TERMINAL_QUERIES = (0x5401, 0x5421, 0x5450, 0x5451)
"""TCGETS, FIONBIO, FIONCLEX, FIOCLEX: what opening a file asks. TIOCSTI would type into a terminal."""
FILE_COMMANDS = (0, 1, 2, 3, 4, 1030)
"""F_DUPFD to F_SETFL and F_DUPFD_CLOEXEC. F_SETOWN with F_SETSIG would send any signal to any process."""

SECCOMP = (317, 277)

_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _ASK, _ERROR, _KILL = 0x7FFF0000, 0x7FC00000, 0x00050000, 0x80000000
_EPERM, _ENOSYS = 1, 38
_NUMBER, _ARCH, _FIRST, _SECOND = 0, 4, 16, 24
"""Offsets in struct seccomp_data: the call's number, the machine, the low words of two arguments."""


def program(machine: str) -> bytes:
    """The filter, as an array of struct sock_filter.

    Raises:
        OSError: If the machine is neither x86_64 nor aarch64.
    """
    column = column_of(machine)
    code = [_word(_LOAD, _ARCH), _word(_EQUAL, AUDIT_ARCHES[machine], 1, 0), _word(_RETURN, _KILL)]
    code.append(_word(_LOAD, _NUMBER))
    for numbers in ALLOWED.values():
        if numbers[column] >= 0:
            code += [_word(_EQUAL, numbers[column], 0, 1), _word(_RETURN, _ALLOW)]
    # glibc tries clone3 first, whose flags a filter cannot see, and falls back to clone when there is none
    code += [_word(_EQUAL, CLONE3[column], 0, 1), _word(_RETURN, _ERROR | _ENOSYS)]
    code += _when(CLONE[column], _FIRST, [_word(_ANY_BIT, CLONE_THREAD, 0, 1)])
    code += _when(PRLIMIT[column], _FIRST, [_word(_EQUAL, 0, 0, 1)])  # its own limits, nobody else's
    for call, values in ((IOCTL, TERMINAL_QUERIES), (FCNTL, FILE_COMMANDS)):
        code += _when(call[column], _SECOND, [_word(_EQUAL, value, 0, 1) for value in values])
    return b"".join([*code, _word(_RETURN, _ERROR | _EPERM)])


def asking(machine: str) -> bytes:
    """A filter besides, by which the kernel asks a listener before it makes a thread."""
    clone = _word(_EQUAL, CLONE[column_of(machine)], 0, 1)
    return b"".join([_word(_LOAD, _NUMBER), clone, _word(_RETURN, _ASK), _word(_RETURN, _ALLOW)])


def column_of(machine: str) -> int:
    """Where the numbers of a machine stand.

    Raises:
        OSError: If the machine is neither x86_64 nor aarch64.
    """
    if machine not in AUDIT_ARCHES or sys.byteorder != "little":
        raise OSError(f"no list of system calls for {machine}")
    return list(AUDIT_ARCHES).index(machine)


def _when(number: int, argument: int, tests: list[bytes]) -> list[bytes]:
    """Allow a call if one of the tests holds for its argument, else refuse it."""
    body = [_word(_LOAD, argument)]
    for test in tests:
        body += [test, _word(_RETURN, _ALLOW)]
    body.append(_word(_RETURN, _ERROR | _EPERM))
    return [_word(_EQUAL, number, 0, len(body)), *body]


def _word(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)

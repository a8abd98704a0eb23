"""Makes a fresh process for each program, by forking a Python that has done its imports, and reports how each ended.

The far side (`distill.verifiers.code.sandbox`) sends a request with four file descriptors: the job, standard input,
standard output, and a channel. The new process alone reads and writes them, so that what one program gets never passes
through the memory of the next. It confines itself before it reads a line of the program, and is killed when the far
side says so, goes away, or dies.
"""

import array
import contextlib
import gc
import json
import os
import platform
import select
import signal
import socket
import sys
from typing import Any, NoReturn

from . import channel, confine, modes, prelude

NUM_FDS = 4
MAX_FDS = 1024
MAX_THREADS = 1000
"""Threads that a program may make, in all. Each takes one of the machine's process numbers, and kernel memory that no
limit of a process counts: without this, a program could leave none of them to anybody."""
_MACHINE = platform.machine()


def main(settings: str) -> None:
    """Serve the control socket for as long as its far end is open."""
    options: dict[str, Any] = json.loads(settings)
    sys.argv[:] = sys.orig_argv[:] = [prelude.FILE]  # many a program opens the file that an argument names
    confine.die_with_parent()
    options["rules"] = confine.landlock_rules(options["readable"]) if options["level"] == "landlock" else None
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver, which then ends us
    with socket.socket(fileno=os.dup(options["control"])) as control:
        os.close(options["control"])  # its number is the driver's choice, and may be beyond what a program closes
        os.dup2(1, 2)  # what went wrong so far was said there; what a program says there is for nobody
        gc.freeze()  # a collection in a fork would otherwise copy every page it marks
        control.send(channel.REQUEST)  # ready for one
        while True:
            message, fds = _receive(control)
            if not message:
                return
            if message == channel.REQUEST:
                control.send(channel.ENDING.pack(*_run(control, fds, options)))


def _receive(control: socket.socket) -> tuple[bytes, list[int]]:
    fds = array.array("i")
    message, ancillary, _, _ = control.recvmsg(16, socket.CMSG_SPACE(NUM_FDS * fds.itemsize))
    for _, _, data in ancillary:
        fds.frombytes(data)
    return message, list(fds)


def _run(control: socket.socket, fds: list[int], options: dict[str, Any]) -> tuple[int, float]:
    parent = os.getpid()
    ours, theirs = socket.socketpair()
    try:
        pid = os.fork()
    except OSError:
        pid = -1
    if pid == 0:
        _become(fds, options, parent, theirs)
    theirs.close()
    for fd in fds:
        os.close(fd)
    with ours:
        if pid < 0:
            return -1, 0.0
        _wait(pid, control, socket.recv_fds(ours, 1, 1)[1])
    with contextlib.suppress(ProcessLookupError):  # it died before it had a session of its own
        os.killpg(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    return status, usage.ru_utime + usage.ru_stime


def _wait(pid: int, control: socket.socket, listeners: list[int]) -> None:
    """Wait until the process ends, and kill it if the far side says so or has gone. Meanwhile, count its threads."""
    end = os.pidfd_open(pid)
    poll = select.poll()
    for fd in (end, control, *listeners):
        poll.register(fd, select.POLLIN)
    num_threads = 0
    try:
        while True:
            ready = dict(poll.poll())
            if control.fileno() in ready:
                control.recv(16)
                os.kill(pid, signal.SIGKILL)
            if control.fileno() in ready or end in ready:
                return
            for listener in ready:
                if ready[listener] & select.POLLIN:
                    num_threads += 1
                    confine.answer(listener, may_start=num_threads <= MAX_THREADS)
                else:  # nobody is left to ask
                    poll.unregister(listener)
    finally:
        for fd in (end, *listeners):
            os.close(fd)


def _become(fds: list[int], options: dict[str, Any], parent: int, report: socket.socket) -> NoReturn:
    """Be the process of a program: confine it, run its job, and end."""
    try:
        confine.die_with_parent()
        if os.getppid() != parent:
            os._exit(1)  # it died before the kernel was told
        os.setsid()
        with open(fds[0], encoding="utf-8") as file:
            job = json.load(file)
        _connect(*fds[1:])
        confine.drop_privileges()
        if options["rules"] is not None:
            confine.landlock(options["rules"])
        with contextlib.suppress(OSError):  # a machine that is itself watched in this way refuses a second watcher
            socket.send_fds(report, [b"t"], [confine.ask_for_threads(_MACHINE)])
        os.closerange(channel.FD + 1, MAX_FDS)
        confine.limit(options["cpu_seconds"], options["memory"])
        _filter(options["level"])
        channel.send(channel.READY)
    except BaseException as error:
        channel.send(channel.FAILED + json.dumps(repr(error)).encode())
        os._exit(1)
    modes.run(job)
    os._exit(0)


def _connect(stdin: int, stdout: int, link: int) -> None:
    os.dup2(stdin, 0)
    os.dup2(stdout, 1)
    os.dup2(link, channel.FD)
    sys.stdin = sys.__stdin__ = os.fdopen(0, encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)


def _filter(level: str) -> None:
    try:
        confine.filter_calls(_MACHINE)
    except OSError:
        if level != "unsafe":
            raise

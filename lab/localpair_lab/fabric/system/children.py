"""Processes forked from the fabric: they share its code, end with it, and never run its own loop on."""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Final

from localpair_lab.fabric.system import namespaces

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_OTHER: Final = 3  # after the three streams


def fork(work: Callable[[], None], *, what: str) -> int:
    """Run ``work`` in a child that dies with this process. Returns its process id."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        namespaces.die_with_parent(parent)
        _forget_signals()
        work()
        status = 0
    except BaseException as error:  # noqa: BLE001 - whatever it is, it ends here
        sys.stderr.write(f"fabric, {what}: {type(error).__name__}: {error}\n")
    finally:
        os._exit(status)


def fork_with_control(work: Callable[[socket.socket], None], *, what: str) -> tuple[int, socket.socket]:
    """Run ``work`` in such a child, with one end of a channel. Returns its process id and the other end."""
    ours, theirs = socket.socketpair()

    def begin() -> None:
        ours.close()
        work(theirs)

    pid = fork(begin, what=what)
    theirs.close()
    return pid, ours


def fork_first_of_own(work: Callable[[], None]) -> int:
    """Run ``work`` as process 1 of a new process namespace. Returns its process id as seen from here."""
    home = os.open("/proc/self/ns/pid_for_children", os.O_RDONLY | os.O_CLOEXEC)
    namespaces.unshare(namespaces.NEW_PID)
    try:
        pid = os.fork()
        if pid == 0:
            try:
                _forget_signals()
                work()
            finally:
                os._exit(1)
        return pid
    finally:
        namespaces.enter(home, namespaces.NEW_PID)
        os.close(home)


def keep_open(*descriptors: int) -> None:
    """Close everything that the calling process has open, but the three streams and those."""
    first = _FIRST_OTHER
    for descriptor in sorted(descriptors):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))


def end(pid: int) -> None:
    """Kill a child and wait for it; one that is gone is no error."""
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def _forget_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)

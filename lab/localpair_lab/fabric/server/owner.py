"""The fabric's entry points: ``own`` for the namespace engine, and those of ``__main__``."""

from __future__ import annotations

import os
import signal
import sys

from localpair_lab.fabric.server import server
from localpair_lab.fabric.system import namespaces


def own(descriptor: int, parent: int) -> int:
    """Serve the engine at ``descriptor``, in namespaces that end with this process. ``parent`` is the
    engine.
    """
    namespaces.die_with_parent(parent)
    if os.getuid() != 0:
        namespaces.become_root_of_own()
    number = os.getpid()  # as the machine counts; below it numbers begin anew
    kinds = namespaces.NEW_NET | namespaces.NEW_MOUNT | namespaces.NEW_UTS | namespaces.NEW_IPC
    namespaces.unshare(kinds | namespaces.NEW_PID)
    pid = os.fork()
    if pid:
        os.close(descriptor)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the engine decides when to end
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status)
    namespaces.die_with_parent(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    namespaces.mount("none", "/", flags=namespaces.MS_REC | namespaces.MS_PRIVATE)
    harmless = namespaces.MS_NOSUID | namespaces.MS_NODEV | namespaces.MS_NOEXEC
    namespaces.mount("proc", "/proc", "proc", harmless)
    server.serve_owner(descriptor, number)
    sys.stderr.flush()
    return 0

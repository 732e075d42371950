"""The fabric's entry points: ``own`` for the namespace engine, and those of ``__main__``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from lab.fabric import namespaces, server


def main(arguments: list[str]) -> int:
    """Run the program that the first word names."""
    from lab.fabric import contained

    word, *rest = arguments
    return contained.main(word, rest)


def own(descriptor: int, parent: int) -> int:
    """Serve the engine at ``descriptor``, in namespaces that end with this process. ``parent`` is the
    engine.
    """
    namespaces.die_with_parent(parent)
    if os.getuid() != 0:
        namespaces.become_root_of_own()
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
    server.serve_owner(descriptor)
    sys.stderr.flush()
    return 0


def writable_kernel_settings() -> None:
    """In a container whose /proc/sys is read-only: a /proc of our own."""
    if os.access("/proc/sys/net/ipv4/ip_forward", os.W_OK) and not _read_only(Path("/proc/sys")):
        return
    namespaces.unshare(namespaces.NEW_MOUNT)
    namespaces.mount("none", "/", flags=namespaces.MS_REC | namespaces.MS_PRIVATE)
    namespaces.mount(
        "proc", "/proc", "proc", namespaces.MS_NOSUID | namespaces.MS_NODEV | namespaces.MS_NOEXEC
    )


def _read_only(folder: Path) -> bool:
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)

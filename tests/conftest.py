"""What holds for every test: a network namespace of its own, where nothing leads outside, and a state of its own.

Several tests announce, broadcast and bind fixed ports. On Linux each test process (each worker, under xdist)
therefore moves into a fresh namespace that has a loopback interface and nothing else. Where that is not allowed,
tests marked ``isolated`` are skipped. Keys and trust of whoever runs the tests are out of reach: what a test, or
a program that it starts, stores without saying where goes into a temporary folder of the test process.
"""

from __future__ import annotations

import ctypes
import getpass
import os
import shutil
import signal
import socket
import struct
import sys
import tempfile

import pytest
from hypothesis import HealthCheck, settings

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def _isolate() -> bool:
    """Move this process into a fresh network namespace with its loopback up; False where that is refused."""
    if not sys.platform.startswith("linux"):
        return False
    uid, gid = os.getuid(), os.getgid()
    # It goes on as root; pytest's folders are to stay this user's.
    os.environ.setdefault("USER", getpass.getuser())
    flags = _CLONE_NEWNET if uid == 0 else _CLONE_NEWUSER | _CLONE_NEWNET
    if ctypes.CDLL(None, use_errno=True).unshare(flags) != 0:
        return False
    if uid != 0:
        _map_ids(uid, gid)
    import fcntl  # there is none on Windows

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack_from("16xH", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[0]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))
    return True


def _map_ids(uid: int, gid: int) -> None:
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 - one write call, as proc wants
            file.write(text)


# Whoever started this in the background may have had signals ignored, and what is started here would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# How long an example takes is the machine's affair: a core that is busy elsewhere for two seconds is no finding.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

ISOLATED = _isolate()
STATE = tempfile.mkdtemp(prefix="localpair-tests-")
os.environ["LOCALPAIR_HOME"] = STATE


def pytest_unconfigure() -> None:
    """Remove what was stored."""
    shutil.rmtree(STATE, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what would reach a real network."""
    if ISOLATED:
        return
    reason = pytest.mark.skip(reason="this process cannot have a network namespace of its own")
    for item in items:
        if "netns" in item.keywords or "isolated" in item.keywords:
            item.add_marker(reason)

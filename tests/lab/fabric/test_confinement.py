"""The filters of system calls refuse what they list, and nothing else."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys

import pytest
from localpair_lab.fabric.system.isolation import filters

MACHINE = os.uname().machine
known = pytest.mark.skipif(filters.program([], MACHINE) is None, reason=f"no filter is known for {MACHINE}")

TRY = """
import ctypes, json, os, sys
from localpair_lab.fabric.system import sandbox
from localpair_lab.fabric.system.isolation import filters
{arm}
libc = ctypes.CDLL(None, use_errno=True)
found = []
for call in json.loads(sys.argv[1]):
    ctypes.set_errno(0)
    libc.syscall(*map(ctypes.c_long, call))
    found.append(ctypes.get_errno())
print(json.dumps(found))
"""


def errors(refusals: str, *calls: tuple[int, ...]) -> list[int]:
    """How each call ends in a process under that filter."""
    arm = f"sandbox.refuse(filters.program({refusals}, os.uname().machine))"
    command = [sys.executable, "-c", TRY.format(arm=arm), json.dumps(calls)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: list[int] = json.loads(done.stdout)
    return found


def number(numbers: tuple[int, int]) -> int:
    return numbers[0 if MACHINE == "x86_64" else 1]


NEW_USER, NEW_NET, NEW_MOUNT = 0x10000000, 0x40000000, 0x00020000
UNSHARE, SETNS, SOCKET, IOCTL, CLONE3 = (272, 97), (308, 268), (41, 198), (16, 29), (435, 435)
GETPID = (39, 172)


@known
def test_a_devices_filter() -> None:
    names = [number(one) for one in (*filters.MOUNTING.values(), UNSHARE, SETNS)]
    told = errors("filters.device_refusals()", *((name, 0, 0, 0, 0, 0) for name in names))
    assert told == [errno.EPERM] * len(names)
    told = errors(
        "filters.device_refusals()",
        (number(CLONE3), 0, 0), (number(filters.CLONE), NEW_USER, 0), (number(filters.CLONE), NEW_MOUNT | 17, 0),
        (number(SOCKET), 40, 1, 0), (number(SOCKET), 38, 5, 0), (number(IOCTL), 0, 0x5412, 0),
        (number(IOCTL), 0, 0x541C, 0), (number(SOCKET), 2, 1, 0), (number(GETPID),),
    )  # fmt: skip
    assert told[:3] == [errno.ENOSYS, errno.EPERM, errno.EPERM]
    assert told[3:7] == [errno.EAFNOSUPPORT, errno.EAFNOSUPPORT, errno.EPERM, errno.EPERM]
    assert told[7:] == [0, 0]
    core, nowhere, somewhere = 4, 0, 1 << 32
    told = errors(
        "filters.device_refusals()",
        (number((160, 164)), core, somewhere), (number((302, 261)), 0, core, somewhere, 0),
        (number((302, 261)), 0, core, nowhere, nowhere), (number((302, 261)), 0, core + 1, nowhere, nowhere),
    )  # fmt: skip
    assert told == [errno.EPERM, errno.EPERM, 0, 0]


@known
def test_the_fabrics_filter_lets_it_make_and_enter_networks_only() -> None:
    told = errors(
        "filters.fabric_refusals()",
        (number(UNSHARE), NEW_USER), (number(UNSHARE), NEW_NET | NEW_MOUNT), (number(UNSHARE), 0),
        (number(SETNS), -1, 0), (number(SETNS), -1, NEW_USER), (number(SETNS), -1, NEW_NET),
    )  # fmt: skip
    assert told == [errno.EPERM] * 5 + [errno.EBADF], "the last one reached the kernel"


WORK = """
import os, subprocess, threading
from localpair_lab.fabric.system import sandbox
from localpair_lab.fabric.system.isolation import filters
sandbox.refuse(filters.program({}, os.uname().machine))
threading.Thread(target=print, args=("x",)).start()
subprocess.run(["true"], check=True)
"""


@known
@pytest.mark.parametrize("refusals", ["filters.device_refusals()", "filters.fabric_refusals()"])
def test_python_starts_programs_and_threads_under_the_filters(refusals: str) -> None:
    command = [sys.executable, "-c", WORK.format(refusals)]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"x\n"


def test_on_an_unknown_machine_there_is_no_filter() -> None:
    assert filters.program(filters.device_refusals(), "vax") is None
    assert filters.program([], "aarch64") != filters.program([], "x86_64")

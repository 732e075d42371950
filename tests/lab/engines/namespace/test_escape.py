"""What a device in namespaces cannot do, though a stranger has its localpair: each way to the machine and to the lab is
tried from inside.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from localpair_lab.engines.namespace.engine import NamespaceEngine

import lab_plans as plans
import places

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from localpair_lab import plan as p
    from localpair_lab.engines.namespace.running import NamespaceRunning

pytestmark = pytest.mark.netns


# What every attack begins with; each line "DONE ..." is a way out. Nothing is changed by a way that is open.
TRY: Final = """
import ctypes, json, os, signal, socket, sys
libc = ctypes.CDLL(None, use_errno=True)

def tried(name, way):
    try:
        found = way()
    except (OSError, ValueError):
        return
    if found is not False:
        print("DONE", name, "" if found is None else found, flush=True)

def opened(path, flags):
    return lambda: os.close(os.open(path, flags))

def made_in(folder):
    def make():
        name = os.path.join(folder, f"of-a-stranger-{os.getpid()}")
        os.close(os.open(name, os.O_CREAT | os.O_EXCL))
        os.unlink(name)
    return make

def raw(*call):
    def do():
        if libc.syscall(*call) < 0:
            raise OSError(ctypes.get_errno(), "")
    return do
"""


@asynccontextmanager
async def running(attack: str, folder: Path, plan: p.Plan | None = None) -> AsyncIterator[NamespaceRunning]:
    """A network whose localpair is that attack."""
    product = [sys.executable, "-I", "-S", "-c", TRY + attack]
    up = await NamespaceEngine(product=product, prober=lambda _: []).up(plan or plans.plan(), folder)
    try:
        yield up
    finally:
        await up.down()


async def said(up: NamespaceRunning, *words: str) -> list[str]:
    process = await up.start("alice", ["@localpair", *words], {})
    return [line.text async for line in process.lines()]


def attacked(attack: str, folder: Path, *words: str) -> list[str]:
    """What the attack says. ``words`` are its arguments."""

    async def run() -> list[str]:
        async with running(attack, folder) as up:
            return await said(up, *words)

    return asyncio.run(run())


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Path]:
    """A service of the machine's that listens in its file system, as agents and daemons do."""
    path = tmp_path / "agent.sock"
    with socket.socket(socket.AF_UNIX) as service:
        service.bind(str(path))
        service.listen()
        yield path


FILES = """
places = json.loads(sys.argv[1])
for path in [*places, "/etc/shadow", "/etc/machine-id", "/etc/ssh/sshd_config", "/root/.bashrc", "/var/log/dpkg.log"]:
    tried("read " + path, opened(path, os.O_RDONLY))
    tried("write " + path, opened(path, os.O_WRONLY))
for folder in ["/etc", "/usr", "/usr/bin", "/usr/local/bin", "/root", "/dev", "/", sys.prefix, *sys.path]:
    tried("make in " + folder, made_in(folder))
tried("own interpreter", opened(os.path.realpath(sys.executable), os.O_RDWR))
tried("disks", lambda: [name for name in os.listdir("/dev") if name[:2] in ("sd", "vd", "nv", "dm", "km")] or False)
for path in ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hostname",
             "/proc/sys/net/ipv4/ip_forward", "/sys/kernel/uevent_helper"]:
    tried("write " + path, opened(path, os.O_WRONLY))
tried("cgroups", lambda: os.listdir("/sys/fs/cgroup") or False)
tried("others", lambda: [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) > 50] or False)
for way in ("/proc/self/root/../..", "/proc/1/root", "/proc/1/cwd/../../.."):
    tried(way, lambda: os.stat(way + places[0]) and None)
print("TRIED", flush=True)
"""


def test_a_device_sees_no_file_of_the_machines_but_programs(listener: Path, tmp_path: Path) -> None:
    files = (
        listener,
        tmp_path / "secret",
        places.ROOT / "pyproject.toml",
        places.ROOT / "lab" / "pyproject.toml",
    )
    mine = [str(path) for path in files]
    (tmp_path / "secret").write_text("x")
    assert attacked(FILES, tmp_path / "run", json.dumps(mine)) == ["TRIED"]


CALL = """
one = socket.socket(socket.AF_UNIX)
tried("call", lambda: one.connect(sys.argv[1]))
print("TRIED", flush=True)
"""


def test_a_device_calls_no_service_that_listens_in_the_machines_files(listener: Path, tmp_path: Path) -> None:
    assert attacked(CALL, tmp_path / "run", str(listener)) == ["TRIED"]


SHARE = """
paths = sys.argv[1:]
print(*[path for path in paths if os.path.exists(path)], flush=True)
for path in paths:
    try:
        open(path, "x").close()
    except OSError:
        pass
"""


def test_devices_share_no_files(tmp_path: Path) -> None:
    folders = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/run/home", "/run/state", "", "/etc")  # noqa: S108

    async def run() -> None:
        async with running(SHARE, tmp_path) as up:
            for node in ("alice", "bob"):
                process = await up.start(
                    node, ["@localpair", *(f"{folder}/of-a-stranger" for folder in folders)], {}
                )
                assert [line.text async for line in process.lines()] == [""]

    asyncio.run(run())


def test_a_nodes_first_process_keeps_nothing_of_the_fabrics_open(tmp_path: Path) -> None:
    async def run() -> None:
        async with running("", tmp_path) as up:
            process = await up.start("bob", ["sh", "-c", "ls -l /proc/1/fd"], {})
            links = [line.text.rpartition(" -> ")[2] async for line in process.lines()]
            assert len([link for link in links if link.startswith("socket:")]) == 1, "the lab's channel"
            assert [
                link for link in links if link.startswith(("net:", "mnt:", "pid:", str(places.ROOT)))
            ] == []

    asyncio.run(run())


def test_making_a_private_root_leaves_no_trace(tmp_path: Path) -> None:
    def mounts() -> str:
        return Path("/proc/self/mountinfo").read_text()

    async def run() -> str:
        async with running("", tmp_path):
            return mounts()

    before = mounts()
    assert (asyncio.run(run()), mounts()) == (before, before)

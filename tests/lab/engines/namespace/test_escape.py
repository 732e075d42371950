"""What a device in namespaces cannot do, though a stranger has its localpair: each way to the machine and to the lab is
tried from inside.
"""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from localpair_lab.engines.namespace.engine import NamespaceEngine
from localpair_lab.fabric.system.isolation.account import accounts

import lab_plans as plans
import places

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from localpair_lab import plan as p
    from localpair_lab.engines.namespace.running import NamespaceRunning

pytestmark = pytest.mark.netns


IS_MAPPED: Final = next(accounts(1)).is_mapped

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
    def mounts() -> list[str]:
        """Without those of Docker and of others' named namespaces, which come and go beside the test."""
        found = Path("/proc/self/mountinfo").read_text().splitlines()
        return [one for one in found if "docker" not in one and " - nsfs " not in one]

    async def run() -> list[str]:
        async with running("", tmp_path):
            return mounts()

    before = mounts()
    assert (asyncio.run(run()), mounts()) == (before, before)


RIGHTS: Final = """
import resource
lines = [line.split(":", 1) for line in open("/proc/self/status")]
status = {name: value.strip() for name, value in lines}
capabilities = {name: int(value, 16) for name, value in status.items() if name.startswith("Cap")}
facts = {"ids": os.getresuid() + os.getresgid(), "groups": os.getgroups(), "capabilities": sum(capabilities.values()),
         "filtered": status["Seccomp"] == "2", "gains": status["NoNewPrivs"] == "0",
         "core": resource.getrlimit(resource.RLIMIT_CORE), "open": sorted(map(int, os.listdir("/proc/self/fd"))),
         "variables": sorted(os.environ)}
print(json.dumps(facts), flush=True)

class Flags(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char * 16), ("flags", ctypes.c_short), ("rest", ctypes.c_char * 22)]

def switch_off():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        if libc.ioctl(one.fileno(), 0x8914, ctypes.byref(Flags(b"eth0", 0))) < 0:
            raise OSError(ctypes.get_errno(), "")

for name, flags in {"user": 0x10000000, "mount": 0x20000, "network": 0x40000000, "pid": 0x20000000}.items():
    tried("new " + name, lambda: libc.unshare(flags) == 0)
for name in ("net", "mnt", "pid", "user", "uts", "ipc"):
    tried("enter " + name, opened("/proc/1/ns/" + name, os.O_RDONLY))
for name in ("mem", "environ", "maps", "cwd/x", "fd/0"):
    tried("read 1/" + name, opened("/proc/1/" + name, os.O_RDONLY))
tried("look at 1/fd", lambda: os.readlink("/proc/1/fd/0"))
tried("trace", lambda: libc.ptrace(16, 1, 0, 0) == 0)
tried("become root", lambda: os.setuid(0))
tried("groups", lambda: os.setgroups([0]))
tried("chroot", lambda: os.chroot("/run"))
tried("device", lambda: os.mknod("/run/state/disk", 0o60600, os.makedev(8, 0)))
tried("mount", lambda: libc.mount(b"tmpfs", b"/run/state", b"tmpfs", 0, None) == 0)
tried("unmount", lambda: libc.umount2(b"/proc", 2) == 0)
for name in ("net/ipv4/ip_forward", "kernel/core_pattern", "kernel/hostname"):
    tried("set " + name, opened("/proc/sys/" + name, os.O_WRONLY))
tried("host name", lambda: socket.sethostname("x"))
tried("interface", switch_off)
tried("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close())
tried("packets", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3).close())
tried("machine's sockets", lambda: socket.socket(40, socket.SOCK_STREAM).close())
tried("priority", lambda: os.nice(-5))
tried("core", lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
if sys.argv[1] == "own":
    tried("signal to the first", lambda: os.kill(1, 0))
print("TRIED", flush=True)
"""


def test_a_device_has_no_right_over_its_own_machine_or_any_other(tmp_path: Path) -> None:
    kind = "mapped" if IS_MAPPED else "own"
    facts, *ways = attacked(RIGHTS, tmp_path, kind)
    assert ways == ["TRIED"]
    told = json.loads(facts)
    assert len(set(told["ids"])) == 1
    assert told["ids"][0] >= 1000
    assert (told["capabilities"], told["gains"], told["filtered"]) == (0, False, True)
    assert told["groups"] == [] or kind == "mapped"
    assert told["core"] == [1, 1], "no program of the machine's is started by a crash"
    assert len(told["open"]) == 4, "three streams, and the folder that is being listed"
    assert set(told["variables"]) == {"HOME", "LANG", "PATH", "PYTHONDONTWRITEBYTECODE", "TMPDIR"}


@pytest.mark.parametrize("name", ["net/ipv4/ip_forward", "kernel/core_pattern"])
def test_no_program_of_a_node_changes_the_kernels_settings(name: str, tmp_path: Path) -> None:
    # What the lab starts there besides localpair is the node's root. Opening to append changes nothing.
    attack = f"exec 2>/dev/null; if : >>/proc/sys/{name}; then echo open; else echo closed; fi"

    async def run() -> list[str]:
        async with running("", tmp_path) as up:
            process = await up.start("alice", ["bash", "-c", attack], {})
            return [line.text async for line in process.lines()]

    assert asyncio.run(run()) == ["closed"]


@pytest.mark.skipif(IS_MAPPED, reason="only root has ids to give away")
def test_each_device_has_an_id_that_nobody_else_has(tmp_path: Path) -> None:
    async def ids(folder: Path) -> list[str]:
        async with running("print(os.getuid(), os.getgid(), flush=True)", folder) as up:
            found = []
            for node in ("alice", "bob"):
                process = await up.start(node, ["@localpair"], {})
                found += [line.text async for line in process.lines()]
            return found

    async def run() -> list[str]:
        first, second = await asyncio.gather(ids(tmp_path / "first"), ids(tmp_path / "second"))
        return [*first, *second]

    found = asyncio.run(run())
    assert len(set(found)) == 4
    known = {entry.pw_uid for entry in pwd.getpwall()}
    for pair in found:
        user, group = pair.split()
        assert user == group
        assert int(user) not in known


PLANT: Final = """
os.symlink("/etc", "folder")
os.symlink("/run/etc/hosts", "file")
os.symlink("/proc/1/environ", "environment")
os.mkfifo("pipe")
os.mkdir("real")
os.symlink("../../etc", "real/folder")
one = socket.socket(socket.AF_UNIX)
one.bind("socket")
print("planted", flush=True)
"""


def test_the_lab_follows_no_link_of_a_devices_and_waits_for_no_pipe(tmp_path: Path) -> None:
    names = ("folder/hosts", "file", "pipe", "real/folder/hosts", "socket", "environment", "real", "missing")

    async def run() -> None:
        async with running(
            PLANT, tmp_path, plans.plan(plans.alice(hosts_file="1.2.3.4 x\n"), plans.bob())
        ) as up:
            assert await said(up) == ["planted"]
            for name in names:
                with pytest.raises(OSError, match="alice: "):
                    await up.get("alice", name)
            for name in names[:-1]:
                with pytest.raises(OSError, match="alice: "):
                    await up.put("alice", name, b"x")
            process = await up.start("alice", ["cat", "/etc/hosts"], {})
            assert [line.text async for line in process.lines()] == ["1.2.3.4 x"]

    asyncio.run(run())


def test_what_the_lab_puts_there_is_the_devices_own(tmp_path: Path) -> None:
    attack = "print(open('a/b/c').read(), os.stat('a/b/c').st_mode, flush=True); os.remove('a/b/c'); os.rmdir('a/b')"

    async def run() -> list[str]:
        async with running(attack, tmp_path) as up:
            await up.put("alice", "a/b/c", b"text")
            return await said(up)

    assert asyncio.run(run()) == [f"text {0o100600}"]


# In a shell of a person's: whatever the device has put there would run with it.
SHELL: Final = """
import ctypes, fcntl, json, os, sys, termios
found = {"user": os.getuid(), "ids": len(set(os.getresuid())), "reads others": True}
found["capabilities"] = [line for line in open("/proc/self/status") if line.startswith("CapEff")][0].split()[1]
try:
    fcntl.ioctl(0, termios.TIOCSTI, b"x")
    found["typed"] = True
except OSError:
    found["typed"] = False
try:
    os.close(os.open("/dev/tty", os.O_RDWR))
    found["terminal"] = True
except OSError:
    found["terminal"] = False
try:
    open("/proc/1/environ").close()
except OSError:
    found["reads others"] = False
print(json.dumps(found), flush=True)
"""


@pytest.mark.parametrize("terminal", [True, False])
def test_a_persons_shell_gives_a_device_neither_rights_nor_their_terminal(
    terminal: bool, tmp_path: Path
) -> None:
    async def run() -> str:
        async with running("", tmp_path) as up:
            words = [*up.enter("alice", terminal=terminal), sys.executable, "-I", "-S", "-c", SHELL]
            return await asyncio.to_thread(shown, words)

    found = json.loads(asyncio.run(run()))
    assert found.pop("user") >= 1000
    expected = {
        "ids": 1,
        "reads others": False,
        "capabilities": "0" * 16,
        "typed": False,
        "terminal": terminal,
    }
    assert found == expected


def shown(words: list[str]) -> str:
    """What a command shows on a terminal, which is its controlling one."""
    ours, theirs = os.openpty()
    try:
        done = subprocess.Popen(
            ["setsid", "--ctty", *words], stdin=theirs, stdout=theirs, stderr=theirs, pass_fds=(theirs,)
        )
        os.close(theirs)
        said = b""
        while not said.endswith(b"\n"):
            said += os.read(ours, 4096)
        assert done.wait(30) == 0, said
        return said.decode()
    finally:
        os.close(ours)
